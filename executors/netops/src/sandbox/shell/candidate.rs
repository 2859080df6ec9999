//! Editing a candidate and putting it into force.

use super::{Done, Question, Shell};
use crate::sandbox::candidate::{Commit, Database, Lock};
use crate::sandbox::command::{Candidate, Mode};
use crate::sandbox::grammar::Fault;
use crate::sandbox::model::Config;
use crate::sandbox::statements::{self, Misfit};
use crate::sandbox::words;
use crate::sandbox::world::{World, wall_ms};

impl Shell {
    /// Does something to or with the candidate.
    pub(super) fn candidate(&mut self, world: &mut World, what: &Candidate, line: &str) -> Done {
        match what {
            Candidate::Edit { exclusive } => self.enter_candidate(world, *exclusive),
            Candidate::Set(text) => self.set(world, text, line),
            Candidate::Commit { minutes, comment } => self.commit(world, *minutes, comment.clone()),
            other => self.with(world, |database, running| match other {
                Candidate::Delete(text) => {
                    let gone = statements::delete(database.candidate_mut(running), &statements::words(text));
                    Done::saying(if gone { "" } else { "warning: statement not found\n" })
                }
                Candidate::Compare => Done::saying(statements::compare(
                    &statements::of(running),
                    &database.candidate(running),
                )),
                Candidate::Show => {
                    let all = database.candidate(running);
                    let lines = all.iter().map(|one| format!("set {}\n", statements::line(one)));
                    Done::saying(lines.collect::<String>())
                }
                Candidate::Check => match checked(database, running) {
                    Ok(_) => Done::saying("configuration check succeeds\n"),
                    Err(refusal) => refusal,
                },
                Candidate::Rollback(number) if database.roll_back(*number) => Done::saying("load complete\n"),
                _ => Done::refusing("error: rollback file does not exist\n"),
            }),
        }
    }

    fn with(&self, world: &mut World, act: impl FnOnce(&mut Database, &Config) -> Done) -> Done {
        let running = world.configs.get(&self.device).cloned();
        let database = world
            .devices
            .get_mut(&self.device)
            .and_then(|device| device.database.as_mut());
        match (database, running) {
            (Some(database), Some(running)) => act(database, &running),
            _ => Done::refusing("error: no candidate here\n"),
        }
    }

    fn enter_candidate(&mut self, world: &mut World, exclusive: bool) -> Done {
        let lock = Lock {
            session: self.session,
            user: self.user.clone(),
            peer: self.peer.clone(),
            since: wall_ms(),
        };
        let done = self.with(world, |database, running| match &database.lock {
            Some(held) => Done::refusing(locked(held)),
            None if exclusive && database.is_dirty(running) => {
                Done::refusing("error: configuration database modified\n")
            }
            None if exclusive => {
                database.lock = Some(lock);
                Done::saying("warning: uncommitted changes will be discarded on exit\nEntering configuration mode\n")
            }
            None if database.is_dirty(running) => {
                Done::saying("Entering configuration mode\nThe configuration has been changed but not committed\n")
            }
            None => Done::saying("Entering configuration mode\n"),
        });
        if !done.refused {
            self.mode = Mode::Config;
        }
        done
    }

    /// Leaves configuration mode. Edits made alone are asked about, then lost; shared ones stay for the next.
    pub(super) fn leave_candidate(&mut self, world: &mut World, discard: bool) -> Done {
        let session = self.session;
        let mut ask = false;
        let done = self.with(world, |database, running| {
            let alone = database.lock.as_ref().is_some_and(|lock| lock.session == session);
            ask = alone && !discard && database.is_dirty(running);
            if ask {
                return Done::saying(
                    "The configuration has been modified but not committed\nDiscard uncommitted changes? [yes,no] (yes) ",
                );
            }
            database.release(session);
            Done::saying("Exiting configuration mode\n")
        });
        if ask {
            self.question = Some(Question::Discard);
        } else {
            self.mode = Mode::Exec;
        }
        done
    }

    fn set(&self, world: &mut World, text: &str, line: &str) -> Done {
        let prompt = self.prompt(world);
        let words = statements::words(text);
        self.with(world, |database, running| {
            match statements::set(database.candidate_mut(running), &words) {
                Ok(()) => Done::quietly(),
                Err(misfit) => Done::refusing(words::refusal(self.dialect, &prompt, line, &fault(line, misfit))),
            }
        })
    }

    fn commit(&self, world: &mut World, minutes: Option<u32>, comment: Option<String>) -> Done {
        let minute_ms = u64::try_from(world.minute.as_millis()).unwrap_or(u64::MAX);
        let deadline_ms = minutes.map(|minutes| world.now_ms() + u64::from(minutes) * minute_ms);
        let mut committed = None;
        let done = self.with(world, |database, running| {
            let config = match checked(database, running) {
                Ok(config) => config,
                Err(refusal) => return refusal,
            };
            let commit = Commit {
                at: wall_ms(),
                user: self.user.clone(),
                via: "cli",
                comment,
                minutes,
                config: config.clone(),
            };
            database.commit(commit, running, deadline_ms);
            committed = Some(config);
            match minutes {
                Some(minutes) => Done::saying(format!(
                    "commit confirmed will be automatically rolled back in {minutes} minutes unless confirmed\ncommit complete\n\n# commit confirmed will be rolled back in {minutes} minutes\n"
                )),
                None => Done::saying("commit complete\n"),
            }
        });
        if let Some(config) = committed {
            if let Some(device) = world.devices.get_mut(&self.device) {
                device.startup = config.clone();
            }
            world.configs.insert(self.device.clone(), config);
        }
        done
    }
}

fn checked(database: &Database, running: &Config) -> Result<Config, Done> {
    statements::config(&database.candidate(running), &statements::ports(running))
        .map_err(|sentence| Done::refusing(format!("{sentence}error: configuration check-out failed\n")))
}

fn locked(held: &Lock) -> String {
    format!(
        "error: configuration database locked by:\n  {} terminal p{} (pid {}) on since {}, idle 00:00:01, from {}\n      exclusive [edit]\n",
        held.user,
        held.session,
        40_000 + held.session,
        words::clock(held.since, "%Y-%m-%d %H:%M:%S UTC"),
        held.peer
    )
}

/// Where in the line the word stands that does not fit; the first is `set`.
fn fault(line: &str, misfit: Misfit) -> Fault {
    if misfit.short {
        return Fault::Incomplete {
            offset: line.trim_end().len(),
        };
    }
    let base = line.as_ptr() as usize;
    let word = line.split_whitespace().nth(misfit.word + 1);
    Fault::WrongParameter {
        offset: word.map_or(0, |word| word.as_ptr() as usize - base),
    }
}

//! Saving and restarting, and the questions that devices ask before they do.

use super::{Done, Outcome, Question, Shell};
use crate::sandbox::command::Mode;
use crate::sandbox::model::Dialect;
use crate::sandbox::words;
use crate::sandbox::world::World;

impl Shell {
    pub(super) fn save(&mut self, world: &mut World, ask: bool) -> Done {
        match (ask, self.dialect) {
            (true, Dialect::Vrp) => {
                self.question = Some(Question::Save);
                Done::saying("The current configuration will be written to the device.\nAre you sure to continue?[Y/N]")
            }
            (true, Dialect::Ios) => {
                self.question = Some(Question::FileName);
                Done::saying("Destination filename [startup-config]? ")
            }
            _ => self.write(world),
        }
    }

    fn write(&self, world: &mut World) -> Done {
        let running = world.configs.get(&self.device).cloned();
        let Some((device, running)) = world.devices.get_mut(&self.device).zip(running) else {
            return Done::quietly();
        };
        if !self.console && device.faults.fails_save() {
            return Done::refusing(words::saved(self.dialect, false));
        }
        device.startup = running;
        Done::saying(words::saved(self.dialect, true))
    }

    pub(super) fn reload(&mut self) -> Done {
        if self.dialect == Dialect::Vrp {
            self.question = Some(Question::Reboot);
            return Done::saying("System will reboot! Continue?[Y/N]");
        }
        if self.dialect == Dialect::Junos {
            self.question = Some(Question::Reboot);
            return Done::saying("Reboot the system ? [yes,no] (no) ");
        }
        self.question = Some(Question::Confirm);
        Done::saying("Proceed with reload? [confirm]")
    }

    /// Takes the answer to the open question.
    pub(crate) fn answer(&mut self, world: &mut World, answer: &str) -> Outcome {
        let Some(question) = self.question.take() else {
            return Outcome::default();
        };
        let answer = answer.trim();
        let yes = matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
        let done = match question {
            Question::Save | Question::Reboot if answer.is_empty() || !yes && !is_no(answer) => {
                self.question = Some(question);
                Done::saying("Error: Please choose 'YES' or 'NO' first before pressing 'Enter'. [Y/N]:")
            }
            Question::Save if yes => self.write(world),
            Question::FileName if answer.is_empty() || answer == "startup-config" => self.write(world),
            Question::FileName => Done::refusing("%Error opening nvram (Permission denied)\n"),
            Question::Secret if self.enable_secret.as_deref() == Some(answer) => {
                self.mode = Mode::Exec;
                Done::quietly()
            }
            Question::Secret => Done::refusing("% Access denied\n"),
            Question::Reboot if yes => self.restart(world),
            Question::Confirm if yes || answer.is_empty() => self.restart(world),
            Question::Discard if answer.is_empty() || yes => self.leave_candidate(world, true),
            Question::Save | Question::Reboot | Question::Confirm | Question::Discard => Done::quietly(),
        };
        Outcome {
            text: done.text,
            close: done.close,
            refused: done.refused,
            ..Outcome::default()
        }
    }

    fn restart(&self, world: &mut World) -> Done {
        world.reload(&self.device);
        Done {
            close: true,
            ..Done::quietly()
        }
    }
}

fn is_no(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "n" | "no")
}

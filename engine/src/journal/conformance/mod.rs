//! The conformance kit: what every journal must do, as functions over a fresh one. A store's tests are
//!
//! ```ignore
//! flyball_engine::journal_conformance!(fresh_journal());
//! ```
//!
//! which makes one test of each. A case that fails panics with the sentence that does not hold.

pub mod beside;
pub mod creation;
pub mod reading;
pub mod writing;

use super::{
    Commit, Created, Entry, Epoch, Error, Head, IntentRow, Journal, LockChange, NewIntent, SCHEMA, StoredEntry,
};
use crate::actor::Actor;
use crate::ids::IntentId;
use crate::intent::command::{Command, What};
use crate::intent::event::{End, Event};
use crate::target::Target;
use std::sync::Arc;

/// Makes one Tokio test of each case. The expression is evaluated in each and gives a value that derefs to an
/// `Arc<dyn Journal>`; what else it holds (a directory) lives as long as the case.
#[macro_export]
macro_rules! journal_conformance {
    ($make:expr) => {
        $crate::journal_conformance! { @each $make;
            writing::a_commit_that_expects_another_head_is_stale_and_writes_nothing,
            writing::a_former_owner_is_fenced_before_anything_else,
            writing::a_broken_chain_is_refused_and_writes_nothing,
            writing::one_of_two_commits_at_the_same_head_wins,
            writing::locks_are_taken_all_or_none,
            writing::locks_conflict_along_the_hierarchy_and_not_along_names,
            writing::an_intent_may_lock_again_what_it_holds,
            writing::locks_of_another_are_not_released,
            writing::ten_thousand_targets_are_locked_and_listed,
            writing::a_commit_on_an_unknown_intent_says_so,
            creation::an_intent_is_created_once,
            creation::a_repeated_key_gives_the_same_intent_and_another_body_is_refused,
            creation::an_equal_open_request_is_joined_until_the_end,
            creation::what_goes_back_is_not_joined,
            creation::a_request_that_joined_is_repeated_with_the_joined_intent,
            creation::a_creation_that_finds_its_targets_locked_leaves_nothing,
            creation::epochs_grow_with_each_claim,
            beside::blobs_come_back_whole_sealed_or_not,
            beside::shredding_takes_the_sealed_blobs_alone,
            beside::commands_keep_their_order_and_come_once,
            beside::whoever_has_commands_is_found,
            beside::a_consumed_command_does_not_come_back,
            beside::a_stale_commit_consumes_nothing,
            beside::facts_are_kept_found_and_removed,
            beside::watchers_wake_when_something_came,
            reading::entries_are_read_in_pages,
            reading::long_entries_come_back_byte_for_byte,
            reading::a_checkpoint_is_kept_until_the_next,
            reading::rows_are_listed_newest_first_and_filtered,
            reading::rows_are_listed_in_pages,
            reading::a_commit_without_a_row_keeps_the_last,
            reading::any_list_of_events_reads_back_as_it_was_written,
        }
    };
    (@each $make:expr; $($group:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                let kept = $make;
                let journal: &std::sync::Arc<dyn $crate::journal::Journal> = &kept;
                $crate::journal::conformance::$group::$case(journal.clone()).await;
            }
        )*
    };
}

/// The journal that a case is given: a fresh one.
pub type Fresh = Arc<dyn Journal>;

/// Entries that continue a head.
pub fn entries(head: &Head, epoch: Epoch, events: impl IntoIterator<Item = Event>) -> Vec<StoredEntry> {
    let mut head = head.clone();
    let mut chained = Vec::new();
    for event in events {
        let stored = StoredEntry::seal(Entry {
            seq: head.seq + 1,
            at: 1_000 + head.seq as i64,
            schema: SCHEMA,
            actor: Actor::engine(),
            epoch,
            trace: String::new(),
            prev_hash: head.hash.clone(),
            event,
        });
        head = Head {
            seq: stored.entry.seq,
            hash: stored.hash.clone(),
        };
        chained.push(stored);
    }
    chained
}

/// A small event that says which one it is.
pub fn event(n: u32) -> Event {
    Event::PlanningStarted { revision: n }
}

/// A commit of these events at the stream's head.
pub async fn next(journal: &Fresh, intent: IntentId, epoch: Epoch, events: impl IntoIterator<Item = Event>) -> Commit {
    let head = journal.head(intent).await.expect("the intent is there");
    Commit {
        entries: entries(&head, epoch, events),
        ..Commit::default()
    }
}

/// A row in this state; one with an end has ended.
pub fn row(intent: IntentId, state: &str, end: Option<End>) -> IntentRow {
    IntentRow {
        intent,
        state: state.to_owned(),
        end,
        going_back: false,
        contradicted: false,
        origin: "operator".to_owned(),
        by: Actor::human("ana"),
        title: "OSPF on all cores".to_owned(),
        received_ms: 1,
        updated_ms: 2,
        targets: Vec::new(),
    }
}

/// A new intent with one entry and a row.
pub fn new_intent(intent: IntentId) -> NewIntent {
    NewIntent {
        intent,
        commit: Commit {
            entries: entries(&Head::empty(), 0, [event(0)]),
            row: Some(row(intent, "planning", None)),
            ..Commit::default()
        },
        idempotency: None,
        join_key: None,
    }
}

/// An intent, created and claimed.
pub async fn claimed(journal: &Fresh) -> (IntentId, Epoch) {
    let intent = IntentId::fresh();
    let created = journal.create(new_intent(intent)).await;
    assert!(
        matches!(created, Ok(Created::New)),
        "a new intent is created: {created:?}"
    );
    let epoch = journal.claim(intent).await.expect("a created intent is claimed");
    (intent, epoch)
}

/// Commits at the head as the owner.
pub async fn append(journal: &Fresh, intent: IntentId, epoch: Epoch, commit: Commit) -> Result<(), Error> {
    let head = journal.head(intent).await.expect("the intent is there");
    let commit = Commit {
        entries: match commit.entries.is_empty() {
            true => entries(&head, epoch, [event(1)]),
            false => commit.entries,
        },
        ..commit
    };
    journal.commit(intent, epoch, head.seq, commit).await
}

/// Targets by name.
pub fn targets(names: &[&str]) -> Vec<Target> {
    let parse = |name: &&str| Target::parse(name).expect("the kit's targets are targets");
    names.iter().map(parse).collect()
}

/// Tries to lock these.
pub async fn acquire(journal: &Fresh, owner: (IntentId, Epoch), names: &[&str]) -> Result<(), Error> {
    let commit = Commit {
        locks: vec![LockChange::Acquire(targets(names))],
        ..Commit::default()
    };
    append(journal, owner.0, owner.1, commit).await
}

/// A command with this id.
pub fn command(id: &str) -> Command {
    Command {
        id: id.to_owned(),
        by: Actor::human("ana"),
        at_ms: 5,
        what: What::Pause { reason: None },
    }
}

/// Checks that a stream chains from its start to its head, and returns it.
pub async fn whole(journal: &Fresh, intent: IntentId) -> Vec<StoredEntry> {
    let entries = journal
        .read(intent, 0, usize::MAX)
        .await
        .expect("the stream is readable");
    let end = super::verify_chain(intent, &Head::empty(), &entries).expect("the stream chains");
    let head = journal.head(intent).await.expect("the intent is there");
    assert_eq!(end, head, "the stream ends at its head");
    entries
}

//! Where everything stands in the one tree: a letter, then big-endian parts, so that a stream is one range in order.

use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::Seq;
use sha2::{Digest as _, Sha256};

pub(crate) const INTENTS: u8 = b'i';
pub(crate) const OPEN: u8 = b'o';
pub(crate) const LOCKS: u8 = b'l';
const ENTRIES: u8 = b'e';
const FRAGMENTS: u8 = b'f';
const TARGETS: u8 = b't';
const CHECKPOINTS: u8 = b'c';
const BLOBS: u8 = b'b';
const SEALING: u8 = b's';
pub(crate) const INBOX: u8 = b'q';
const KNOWN: u8 = b'd';
const IDEMPOTENCY: u8 = b'n';
const JOINS: u8 = b'j';
const FACTS: u8 = b'k';

/// The layout's version, refused if it is another.
pub(crate) const FORMAT: &[u8] = b"mformat";
/// What tells whether the master key is the one that this store was sealed with.
pub(crate) const MASTER_CHECK: &[u8] = b"mmaster";
/// How many writes the store has seen: each raises it, so that a lost one is missed whatever it held.
pub(crate) const WRITES: &[u8] = b"mwrites";

fn of(kind: u8, intent: IntentId, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(17 + rest.len());
    key.push(kind);
    key.extend(intent.0.as_bytes());
    key.extend(rest);
    key
}

fn hashed(kind: u8, text: &str) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(Sha256::digest(text));
    key
}

/// The intent's record: owner, head, row.
pub(crate) fn intent(intent: IntentId) -> Vec<u8> {
    of(INTENTS, intent, &[])
}

/// Stands as long as the intent has no end.
pub(crate) fn open(intent: IntentId) -> Vec<u8> {
    of(OPEN, intent, &[])
}

/// The intent whose record or mark this key is.
pub(crate) fn intent_of(key: &[u8]) -> Option<IntentId> {
    let bytes: [u8; 16] = key.get(1..17)?.try_into().ok()?;
    Some(IntentId(uuid::Uuid::from_bytes(bytes)))
}

/// The targets of the intent's row, apart from it because they are many and rarely change.
pub(crate) fn targets(intent: IntentId) -> Vec<u8> {
    of(TARGETS, intent, &[])
}

pub(crate) fn entry(intent: IntentId, seq: Seq) -> Vec<u8> {
    of(ENTRIES, intent, &seq.to_be_bytes())
}

/// The number in an entry's key.
pub(crate) fn seq_of(key: &[u8]) -> Seq {
    key.get(17..25)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}

pub(crate) fn checkpoint(intent: IntentId) -> Vec<u8> {
    of(CHECKPOINTS, intent, &[])
}

pub(crate) fn blob(intent: IntentId, digest: &Digest) -> Vec<u8> {
    of(BLOBS, intent, &Sha256::digest(digest.as_str()))
}

/// The wrapped key that the intent's sealed blobs are encrypted with.
pub(crate) fn sealing(intent: IntentId) -> Vec<u8> {
    of(SEALING, intent, &[])
}

pub(crate) fn inbox(intent: IntentId) -> Vec<u8> {
    of(INBOX, intent, &[])
}

pub(crate) fn command(intent: IntentId, number: u64) -> Vec<u8> {
    of(INBOX, intent, &number.to_be_bytes())
}

/// Whether a command ever arrived, and where in the inbox it waits.
pub(crate) fn known(intent: IntentId, command: &str) -> Vec<u8> {
    of(KNOWN, intent, &Sha256::digest(command))
}

pub(crate) fn lock(target: &str) -> Vec<u8> {
    [&[LOCKS], target.as_bytes()].concat()
}

pub(crate) fn idempotency(scope: &str) -> Vec<u8> {
    hashed(IDEMPOTENCY, scope)
}

pub(crate) fn join(key: &Digest) -> Vec<u8> {
    hashed(JOINS, key.as_str())
}

pub(crate) fn fact(key: &str) -> Vec<u8> {
    [&[FACTS], key.as_bytes()].concat()
}

/// The `n`th part of a value that is too long to stand in one piece.
pub(crate) fn fragment(key: &[u8], n: u32) -> Vec<u8> {
    [&[FRAGMENTS], key, &n.to_be_bytes()[..]].concat()
}

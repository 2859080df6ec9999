//! Which cases run: all of them, or a seeded sample.

pub(crate) use flyball_tests::sample::full;
use flyball_tests::sample::{say, seed};
use tokio::sync::{Mutex, MutexGuard};

/// The seed of this run's samples, if nobody chose another.
const SEED: u64 = 8420;

/// SplitMix64: the same numbers from the same seed, on every machine.
pub(crate) struct Dice {
    state: u64,
    test: String,
}

impl Dice {
    /// Dice for one test; `salt` makes them differ from those of others.
    pub(crate) fn new(salt: &str) -> Self {
        let mixed = salt.bytes().fold(seed().unwrap_or(SEED), |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        let test = salt.to_owned();
        Self { state: mixed, test }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// One of them.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// `count` of them in their order; all of them in a full run. Says how many of how many.
    pub(crate) fn some<T>(&mut self, all: Vec<T>, count: usize) -> Vec<T> {
        let count = if full() { all.len() } else { count.min(all.len()) };
        say(&self.test, count as u64, &format!("of {} cases", all.len()));
        let mut kept: Vec<(usize, T)> = all.into_iter().enumerate().collect();
        while kept.len() > count {
            let out = self.below(kept.len());
            kept.remove(out);
        }
        kept.into_iter().map(|(_, case)| case).collect()
    }
}

/// One at a time: each of these tests runs several processes, and their clocks are real.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// Says that a test cannot run here; fails where nothing may be skipped.
pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("FLYBALL_REQUIRE_ALL").is_none_or(|v| v == "0"),
        "{why}"
    );
    eprintln!("SKIPPED: {why}");
}

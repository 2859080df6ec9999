//! What can be made to go wrong on a device.

use regex::Regex;

/// One kind of trouble.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Wait before executing a matching line. The line is executed even if the session is gone by then.
    Slow {
        ms: u64,
        lines: Option<Regex>,
    },
    /// Drop the connection with the last of so many more executed configuration lines, unanswered.
    Cut {
        after_lines: u32,
    },
    /// Refuse a matching line.
    Refuse {
        lines: Regex,
    },
    FailSave,
    /// Accept configuration for an interface that does not exist.
    PhantomInterface,
    /// Drop packets, see [`super::dataplane::Hole`].
    BlackHole {
        toward: Option<String>,
    },
    /// Execute a matching line and keep its reply back.
    Hold {
        lines: Regex,
    },
}

/// A fault with the number of times that it will still act; none is "until cleared".
#[derive(Debug, Clone)]
struct Fault {
    kind: Kind,
    left: Option<u32>,
}

/// The faults of one device.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// `times` 0 is "until cleared"; without it slow and black_hole stay and everything else acts once.
    pub(crate) fn add(&mut self, kind: Kind, times: Option<u32>) {
        let stays = matches!(kind, Kind::Slow { .. } | Kind::BlackHole { .. });
        let left = match times {
            Some(0) => None,
            Some(times) => Some(times),
            None if stays => None,
            None => Some(1),
        };
        self.0.push(Fault { kind, left });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Milliseconds to wait before this line.
    pub(crate) fn delay(&mut self, line: &str) -> Option<u64> {
        self.take(|kind| match kind {
            Kind::Slow { ms, lines } if lines.as_ref().is_none_or(|lines| lines.is_match(line)) => Some(*ms),
            _ => None,
        })
    }

    pub(crate) fn refuses(&mut self, line: &str) -> bool {
        self.take(|kind| matches!(kind, Kind::Refuse { lines } if lines.is_match(line)).then_some(()))
            .is_some()
    }

    pub(crate) fn holds(&mut self, line: &str) -> bool {
        self.take(|kind| matches!(kind, Kind::Hold { lines } if lines.is_match(line)).then_some(()))
            .is_some()
    }

    pub(crate) fn fails_save(&mut self) -> bool {
        self.take(|kind| matches!(kind, Kind::FailSave).then_some(())).is_some()
    }

    pub(crate) fn accepts_phantom(&mut self) -> bool {
        self.take(|kind| matches!(kind, Kind::PhantomInterface).then_some(()))
            .is_some()
    }

    /// Counts an executed configuration line; true if the connection goes down with it.
    pub(crate) fn cuts(&mut self) -> bool {
        let cut = self.0.iter_mut().find_map(|fault| match &mut fault.kind {
            Kind::Cut { after_lines } => {
                *after_lines = after_lines.saturating_sub(1);
                Some(*after_lines == 0)
            }
            _ => None,
        });
        let now = cut == Some(true);
        if now {
            self.take(|kind| matches!(kind, Kind::Cut { .. }).then_some(()));
        }
        now
    }

    /// Towards which neighbours (or all transit) packets are dropped.
    pub(crate) fn holes(&self) -> impl Iterator<Item = Option<&str>> {
        self.0.iter().filter_map(|fault| match &fault.kind {
            Kind::BlackHole { toward } => Some(toward.as_deref()),
            _ => None,
        })
    }

    /// Lets the first fault that answers act, and forgets it if that was its last time.
    fn take<T>(&mut self, act: impl Fn(&Kind) -> Option<T>) -> Option<T> {
        let (index, answer) = self
            .0
            .iter()
            .enumerate()
            .find_map(|(index, fault)| Some((index, act(&fault.kind)?)))?;
        if let Some(left) = self.0.get_mut(index).and_then(|fault| fault.left.as_mut()) {
            *left -= 1;
            if *left == 0 {
                self.0.remove(index);
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_acts_once_unless_told_otherwise() {
        let mut faults = Faults::default();
        faults.add(
            Kind::Refuse {
                lines: Regex::new("cost").unwrap(),
            },
            None,
        );
        faults.add(Kind::FailSave, Some(2));
        faults.add(Kind::Slow { ms: 5, lines: None }, None);
        assert!(!faults.refuses("mtu 1400"));
        assert!(faults.refuses("ip ospf cost 3"));
        assert!(!faults.refuses("ip ospf cost 3"));
        assert_eq!([(); 3].map(|()| faults.fails_save()), [true, true, false]);
        assert_eq!([(); 3].map(|()| faults.delay("x")), [Some(5); 3]);
    }

    #[test]
    fn a_cut_counts_configuration_lines() {
        let mut faults = Faults::default();
        faults.add(Kind::Cut { after_lines: 3 }, None);
        assert_eq!([(); 4].map(|()| faults.cuts()), [false, false, true, false]);
    }
}

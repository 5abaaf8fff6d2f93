//! How far a farm's stream time has come, though a turbine's clock may be wrong.

use domain::Timestamp;

/// The event times of one window that may move stream time.
///
/// A reading whose event time is not ahead of its append time is supported by the broker's clock, and by nothing else
/// than that are all readings of a replay. One that is ahead shows a clock that is, and it is not known yet whose: if
/// the farm's other turbines say the same, the broker's. So it moves stream time only as far as another turbine does,
/// or the broker's clock has come since.
///
/// That is derived from the readings of open windows alone: a restart, which has those, finds the same.
#[derive(Debug, Default)]
pub(crate) struct EventTimes {
    /// The highest one that was not ahead.
    supported: Option<Timestamp>,
    ahead: Option<Ahead>,
}

/// Event times that were ahead.
#[derive(Debug)]
struct Ahead {
    highest: Timestamp,
    /// Whose that is.
    turbine: String,
    /// The highest one of any other turbine.
    of_others: Option<Timestamp>,
}

impl EventTimes {
    /// Takes a reading of `turbine`, repeated or not.
    pub(crate) fn take(&mut self, turbine: &str, event_time: Timestamp, appended_at: Timestamp) {
        if event_time <= appended_at {
            self.supported = self.supported.max(Some(event_time));
            return;
        }
        match &mut self.ahead {
            Some(ahead) => ahead.take(turbine, event_time),
            none => {
                *none = Some(Ahead {
                    highest: event_time,
                    turbine: turbine.to_owned(),
                    of_others: None,
                });
            }
        }
    }
}

impl EventTimes {
    /// The highest one, if none was ahead.
    pub(crate) const fn undoubted(&self) -> Option<Timestamp> {
        match self.ahead {
            None => self.supported,
            Some(_) => None,
        }
    }

    /// The highest one, whoever supports it.
    pub(crate) fn highest(&self) -> Option<Timestamp> {
        self.supported.max(self.ahead.as_ref().map(|ahead| ahead.highest))
    }
}

impl Ahead {
    fn take(&mut self, turbine: &str, event_time: Timestamp) {
        if self.turbine == turbine {
            self.highest = self.highest.max(event_time);
        } else if event_time > self.highest {
            self.of_others = Some(self.highest);
            self.highest = event_time;
            self.turbine.clear(); // its memory is kept
            self.turbine.push_str(turbine);
        } else {
            self.of_others = self.of_others.max(Some(event_time));
        }
    }
}

/// How far readings have moved stream time, of a farm with these windows, the newest first, whose last reading was
/// appended at `last_append`: to the highest event time that was not ahead, or to one that was, but not beyond what the
/// broker's clock or a second turbine says.
pub(crate) fn highest_supported<'w>(
    newest_first: impl Iterator<Item = &'w EventTimes>,
    last_append: Timestamp,
) -> Option<Timestamp> {
    let mut ahead: Option<(Timestamp, &str)> = None;
    let mut of_others = None;
    let mut supported = None;
    for times in newest_first {
        if let Some(own) = &times.ahead {
            let (highest, turbine) = *ahead.get_or_insert((own.highest, own.turbine.as_str()));
            debug_assert!(highest >= own.highest, "newer windows hold newer event times");
            let of_another = if own.turbine == turbine {
                own.of_others
            } else {
                Some(own.highest)
            };
            of_others = of_others.max(of_another);
        }
        supported = times.supported;
        if supported.is_some() {
            break; // whatever older windows hold is less
        }
    }
    let limit = of_others.max(Some(last_append));
    supported.max(ahead.and_then(|(highest, _)| limit.map(|limit| highest.min(limit))))
}

#[cfg(test)]
mod tests {
    use domain::TimeDelta;

    use super::*;

    /// Seconds of (turbine, event, append), in windows of ten seconds.
    fn highest(readings: &[(&str, i64, i64)]) -> i64 {
        let at = |second| Timestamp::default() + TimeDelta::from_secs(second);
        let mut windows: [EventTimes; 10] = Default::default();
        for &(turbine, event, append) in readings {
            windows[event as usize / 10].take(turbine, at(event), at(append));
        }
        let last_append = readings.last().map(|(.., append)| at(*append)).unwrap();
        let highest = highest_supported(windows.iter().rev(), last_append).unwrap();
        highest.as_millis() / 1_000
    }

    #[test]
    fn who_is_not_ahead_of_the_broker_is_believed() {
        assert_eq!(highest(&[("T1", 5, 60), ("T1", 31, 61), ("T2", 7, 62)]), 31);
        assert_eq!(highest(&[("T1", 5, 5)]), 5);
    }

    #[test]
    fn who_is_ahead_alone_is_believed_as_far_as_the_broker_goes() {
        assert_eq!(highest(&[("T1", 5, 5), ("T2", 26, 6)]), 6);
        assert_eq!(highest(&[("T1", 5, 5), ("T2", 26, 6), ("T1", 8, 8)]), 8);
        assert_eq!(highest(&[("T2", 26, 6), ("T2", 28, 40)]), 28);
        assert_eq!(
            highest(&[("T2", 9, 6), ("T2", 26, 6)]),
            6,
            "alone, whatever it says"
        );
    }

    #[test]
    fn two_who_are_ahead_support_each_other() {
        assert_eq!(highest(&[("T1", 21, 5), ("T2", 26, 6)]), 21);
        assert_eq!(highest(&[("T2", 26, 6), ("T1", 21, 6)]), 21);
        assert_eq!(highest(&[("T2", 26, 6), ("T1", 21, 6), ("T1", 29, 6)]), 26);
        assert_eq!(highest(&[("T2", 9, 6), ("T2", 26, 6), ("T1", 8, 6)]), 8);
    }
}

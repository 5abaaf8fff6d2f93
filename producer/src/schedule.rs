//! What is sent at each beat: the readings of now, and those that had been withheld until now.

use std::collections::VecDeque;

use domain::{TimeDelta, Timestamp};

use crate::faults::{Fault, WITHHELD};
use crate::fleet::Fleet;

/// One record that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// Whose reading it is, as an index into the [`Fleet`].
    pub member: usize,
    /// Which of its readings.
    pub sequence: i64,
    /// Whether its bytes are spoilt.
    pub garbled: bool,
}

/// The beats of a run, one after the other.
#[derive(Debug)]
pub struct Schedule {
    next: i64,
    end: Option<i64>,
    /// How many beats a late reading is withheld.
    delay: i64,
    /// Late readings with the beat at which they are sent, in that order.
    withheld: VecDeque<(i64, Dispatch)>,
    struck: [u64; Fault::ALL.len()],
}

impl Schedule {
    /// The beats in [start, start + duration) of the fleet's interval; without a duration it never ends.
    pub fn new(fleet: &Fleet, start: Timestamp, duration: Option<TimeDelta>) -> Self {
        Self {
            next: fleet.sequence_from(start),
            end: duration.map(|duration| fleet.sequence_from(start + duration)),
            delay: fleet.beats_in(WITHHELD),
            withheld: VecDeque::new(),
            struck: [0; Fault::ALL.len()],
        }
    }

    /// Puts into `out` what is to be sent at the next beat and returns the time of that; none at the end.
    pub fn next_beat(&mut self, fleet: &Fleet, out: &mut Vec<Dispatch>) -> Option<Timestamp> {
        if self.end.is_some_and(|end| self.next >= end) {
            return None;
        }
        let sequence = self.next;
        self.next += 1;
        out.clear();
        while self.withheld.front().is_some_and(|(due, _)| *due <= sequence) {
            out.extend(self.withheld.pop_front().map(|(_, dispatch)| dispatch));
        }
        for member in 0..fleet.len() {
            self.dispatch(fleet, member, sequence, out);
        }
        Some(fleet.time_of(sequence))
    }

    /// What is still withheld when the run ends: it is sent at last, nothing is lost.
    pub fn drain(&mut self) -> impl Iterator<Item = Dispatch> + '_ {
        self.withheld.drain(..).map(|(_, dispatch)| dispatch)
    }

    /// How often each fault has struck a reading so far.
    pub fn struck(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL
            .into_iter()
            .zip(self.struck)
            .filter(|(_, count)| *count > 0)
    }

    fn dispatch(&mut self, fleet: &Fleet, member: usize, sequence: i64, out: &mut Vec<Dispatch>) {
        let mut strikes = |fault| {
            let strikes = fleet.strikes(fault, member, sequence);
            self.struck[fault as usize] += u64::from(strikes);
            strikes
        };
        if strikes(Fault::Missing) {
            return;
        }
        let dispatch = Dispatch {
            member,
            sequence,
            garbled: strikes(Fault::Undecodable),
        };
        let copies = if strikes(Fault::Duplicate) { 2 } else { 1 };
        strikes(Fault::Stuck);
        strikes(Fault::ClockAhead);
        if strikes(Fault::Late) {
            self.withheld
                .extend([(sequence + self.delay, dispatch); 2].into_iter().take(copies));
        } else {
            out.extend([dispatch; 2].into_iter().take(copies));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultPlan;
    use domain::{FarmId, TurbineId};

    fn fleet(rates: &[&str]) -> Fleet {
        let rates: Vec<_> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
        let turbines = ["T01", "T02", "T03"].map(|id| TurbineId::parse(id).unwrap());
        let farms = ["a", "b"].map(|id| FarmId::parse(id).unwrap());
        let plan = FaultPlan::new("0".parse().unwrap(), &rates);
        Fleet::new(42, &farms, &turbines, TimeDelta::from_secs(1), plan)
    }

    fn beats(fleet: &Fleet, start: &str, seconds: i64) -> (Vec<(Timestamp, Vec<Dispatch>)>, Vec<Dispatch>) {
        let mut schedule = Schedule::new(fleet, start.parse().unwrap(), Some(TimeDelta::from_secs(seconds)));
        let (mut out, mut beats) = (Vec::new(), Vec::new());
        while let Some(time) = schedule.next_beat(fleet, &mut out) {
            beats.push((time, out.clone()));
        }
        (beats, schedule.drain().collect())
    }

    #[test]
    fn every_turbine_reports_at_every_beat_of_the_grid() {
        let fleet = fleet(&[]);
        let (beats, rest) = beats(&fleet, "2026-01-01T00:00:00.4Z", 10);
        assert_eq!(beats.len(), 10);
        assert_eq!(beats[0].0.to_string(), "2026-01-01T00:00:01Z");
        assert!(beats.iter().all(|(_, out)| out.len() == 6) && rest.is_empty());
        let sequences: Vec<i64> = beats.iter().map(|(_, out)| out[0].sequence).collect();
        assert!(sequences.is_sorted_by(|a, b| a + 1 == *b));
    }

    #[test]
    fn a_duplicate_follows_its_original() {
        let (beats, _) = beats(&fleet(&["duplicate=1"]), "2026-01-01T00:00:00Z", 5);
        for (_, out) in beats {
            assert_eq!(out.len(), 12);
            assert!(out.chunks(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn a_late_reading_is_withheld_for_long_enough_and_never_lost() {
        let fleet = fleet(&["late=0.3"]);
        let (beats, rest) = beats(&fleet, "2026-01-01T00:00:00Z", 200);
        let sent: usize = beats.iter().map(|(_, out)| out.len()).sum();
        assert_eq!(sent + rest.len(), 200 * 6);
        let late = beats.iter().flat_map(|(time, out)| {
            let fleet = &fleet;
            out.iter()
                .map(move |dispatch| time.since(fleet.time_of(dispatch.sequence)))
        });
        let delays: std::collections::BTreeSet<_> = late.collect();
        assert_eq!(
            delays.into_iter().collect::<Vec<_>>(),
            [TimeDelta::ZERO, WITHHELD]
        );
        assert!(!rest.is_empty());
    }

    #[test]
    fn a_missing_turbine_says_nothing_and_others_do_not_mind() {
        let (beats, rest) = beats(&fleet(&["missing=0.5"]), "2026-01-01T00:00:00Z", 1_800);
        let sent: usize = beats.iter().map(|(_, out)| out.len()).sum();
        assert!((2_000..9_000).contains(&sent) && rest.is_empty(), "{sent}");
    }

    #[test]
    fn a_reading_tells_the_truth_about_who_and_when() {
        let fleet = fleet(&["clock-ahead=1"]);
        let sequence = fleet.sequence_from("2026-01-01T00:00:00Z".parse().unwrap());
        let reading = fleet.reading(4, sequence);
        assert_eq!((&*reading.farm_id, &*reading.turbine_id), ("b", "T02"));
        assert_eq!(reading.sequence, Some(sequence));
        assert_eq!(reading.event_time.to_string(), "2045-08-17T00:00:00Z");
    }
}

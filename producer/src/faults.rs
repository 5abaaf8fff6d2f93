//! What goes wrong between a turbine and us, on order: each kind with its probability, each draw a function of seed,
//! farm, turbine and sequence, so that a run with faults can be repeated too.

use std::str::FromStr;

use domain::{Metric, Metrics, TimeDelta};

use crate::noise::Seed;
use crate::probability::Probability;

/// By how much a late reading is withheld, in event time: more than a window and its grace, so that its window has
/// closed.
pub const WITHHELD: TimeDelta = TimeDelta::from_secs(90);

/// How far a clock that is ahead goes wrong: 1024 weeks, the overflow of a GPS week number. It is in the future
/// whenever the run takes place, and so refused by whoever replays the log.
pub const CLOCK_AHEAD: TimeDelta = TimeDelta::from_secs(1_024 * 7 * 86_400);

/// For how many readings a sensor stays stuck, and a turbine silent.
const STUCK_READINGS: i64 = 60;
const SILENT_READINGS: i64 = 180;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Fault {
    /// The reading is sent twice.
    Duplicate,
    /// It is sent [`WITHHELD`] later, when its window has closed.
    Late,
    /// Its event time is [`CLOCK_AHEAD`] ahead.
    ClockAhead,
    /// A metric does not change for a while.
    Stuck,
    /// The turbine is silent for a while.
    Missing,
    /// The bytes are no reading.
    Undecodable,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Duplicate,
        Self::Late,
        Self::ClockAhead,
        Self::Stuck,
        Self::Missing,
        Self::Undecodable,
    ];

    /// Its name on the command line and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::ClockAhead => "clock-ahead",
            Self::Stuck => "stuck",
            Self::Missing => "missing",
            Self::Undecodable => "undecodable",
        }
    }
}

/// A fault and how often, `late=0.01`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRate {
    fault: Fault,
    probability: Probability,
}

/// Text that is no fault with its probability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no fault, wanted is KIND=PROBABILITY, KIND out of duplicate, late, clock-ahead, stuck, missing, undecodable"
)]
pub struct FaultRateError(String);

impl FromStr for FaultRate {
    type Err = FaultRateError;

    fn from_str(text: &str) -> Result<Self, FaultRateError> {
        let parse = || {
            let (name, probability) = text.split_once('=')?;
            Some(Self {
                fault: Fault::ALL.into_iter().find(|fault| fault.name() == name.trim())?,
                probability: probability.parse().ok()?,
            })
        };
        parse().ok_or_else(|| FaultRateError(text.to_owned()))
    }
}

/// How often each fault happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultPlan {
    /// For each metric of a reading, to lie outside its bounds.
    spoilt_metric: Probability,
    of: [Probability; Fault::ALL.len()],
}

impl FaultPlan {
    /// `spoilt_metric` for each metric of each reading; the rest for each reading (of [`Fault::Stuck`] and
    /// [`Fault::Missing`]: for each stretch of readings). The last rate of a kind counts.
    pub fn new(spoilt_metric: Probability, rates: &[FaultRate]) -> Self {
        let mut plan = Self {
            spoilt_metric,
            ..Self::default()
        };
        for rate in rates {
            plan.of[rate.fault as usize] = rate.probability;
        }
        plan
    }

    fn happens(&self, fault: Fault, dice: Seed) -> bool {
        let probability = self.of[fault as usize].get();
        probability > 0.0 && dice.of(fault.name()).chance(probability)
    }

    /// Whether the reading of this sequence has that fault; `dice` are the turbine's.
    pub fn strikes(&self, fault: Fault, dice: Seed, sequence: i64) -> bool {
        let draw = match fault {
            Fault::Stuck => sequence.div_euclid(STUCK_READINGS),
            Fault::Missing => sequence.div_euclid(SILENT_READINGS),
            Fault::Duplicate | Fault::Late | Fault::ClockAhead | Fault::Undecodable => sequence,
        };
        self.happens(fault, dice.at(draw))
    }

    /// Which metric is stuck at this sequence, and the sequence of the reading that it still shows.
    pub fn stuck(&self, dice: Seed, sequence: i64) -> Option<(Metric, i64)> {
        self.strikes(Fault::Stuck, dice, sequence).then(|| {
            let stretch = sequence.div_euclid(STUCK_READINGS);
            let metric = Metric::ALL[dice.at(stretch).of("which").choice(Metric::COUNT)];
            (metric, stretch * STUCK_READINGS)
        })
    }

    /// Moves each metric out of its bounds with the probability set for it.
    pub fn spoil(&self, metrics: &mut Metrics, dice: Seed, sequence: i64) {
        if self.spoilt_metric.get() == 0.0 {
            return;
        }
        let dice = dice.at(sequence).of("spoilt");
        for metric in Metric::ALL {
            let dice = dice.at(metric as i64);
            if metrics.get(metric).is_some() && dice.chance(self.spoilt_metric.get()) {
                metrics.set(metric, Some(out_of_bounds(metric, dice.of("value"))));
            }
        }
    }
}

/// A value below or above what is accepted, by up to half the width of that.
fn out_of_bounds(metric: Metric, dice: Seed) -> f64 {
    let (low, high) = metric.bounds();
    let beyond = (1.0 + (high - low) / 2.0 * dice.unit()).round();
    if dice.at(1).chance(0.5) {
        high + beyond
    } else {
        low - beyond
    }
}

/// Makes a payload something that nobody can decode: text, another framing, or a cut record.
pub fn garble(payload: &mut Vec<u8>, dice: Seed) {
    match dice.of("garble").choice(3) {
        0 => {
            payload.clear();
            payload.extend_from_slice(br#"{"wind_speed": "n/a"}"#);
        }
        1 => payload[0] = 0xff,
        _ => payload.truncate(payload.len() / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(spoilt: &str, rates: &[&str]) -> FaultPlan {
        let rates: Vec<FaultRate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
        FaultPlan::new(spoilt.parse().unwrap(), &rates)
    }

    #[test]
    fn faults_are_read_from_the_command_line() {
        assert!("late=0.01".parse::<FaultRate>().is_ok());
        for bad in ["late", "late=2", "late=-0.1", "late=NaN", "sleepy=0.1", ""] {
            assert!(bad.parse::<FaultRate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_happen_as_often_as_ordered() {
        let plan = plan("0", &["duplicate=0.2", "stuck=0.1", "missing=0.3"]);
        let dice = Seed::new(5);
        let share = |fault| {
            (0..200_000)
                .filter(|&sequence| plan.strikes(fault, dice, sequence))
                .count() as f64
                / 200_000.0
        };
        assert!((share(Fault::Duplicate) - 0.2).abs() < 0.01);
        assert!((share(Fault::Stuck) - 0.1).abs() < 0.02);
        assert!((share(Fault::Missing) - 0.3).abs() < 0.05);
        assert_eq!(share(Fault::Late), 0.0);
    }

    #[test]
    fn a_stuck_sensor_shows_the_first_reading_of_its_stretch() {
        let plan = plan("0", &["stuck=1"]);
        let (metric, shown) = plan.stuck(Seed::new(1), 119).unwrap();
        assert_eq!(shown, 60);
        assert_eq!(plan.stuck(Seed::new(1), 60), Some((metric, 60)));
    }

    proptest! {
        #[test]
        fn a_spoilt_metric_breaks_its_own_rule(seed: u64, sequence: i64) {
            let mut metrics: Metrics = Metric::ALL.into_iter().map(|metric| (metric, 10.0)).collect();
            plan("1", &[]).spoil(&mut metrics, Seed::new(seed), sequence);
            for (metric, value) in metrics.iter() {
                let (low, high) = metric.bounds();
                prop_assert!(value < low || value > high, "{metric:?} {value}");
            }
        }

        #[test]
        fn metrics_are_spoilt_independently_and_repeatably(seed: u64) {
            let spoilt = |sequence| {
                let mut metrics: Metrics = Metric::ALL.into_iter().map(|metric| (metric, 10.0)).collect();
                plan("0.2", &[]).spoil(&mut metrics, Seed::new(seed), sequence);
                metrics.iter().filter(|(_, value)| *value != 10.0).count()
            };
            let counts: Vec<usize> = (0..2_000).map(spoilt).collect();
            let mean = counts.iter().sum::<usize>() as f64 / 2_000.0;
            prop_assert!((mean - 1.6).abs() < 0.2, "mean {mean} of 8");
            prop_assert_eq!(&counts, &(0..2_000).map(spoilt).collect::<Vec<_>>());
        }
    }
}

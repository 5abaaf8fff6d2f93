//! All simulated turbines, and what each of them has to say at each beat of the clock.

use std::sync::Arc;

use domain::{FarmId, RawReading, TimeDelta, Timestamp, TurbineId};

use crate::faults::{CLOCK_AHEAD, Fault, FaultPlan};
use crate::noise::Seed;
use crate::turbine::Turbine;
use crate::weather::Weather;

/// Farms of turbines that all report at the same times: every multiple of `interval` since the Unix epoch. The
/// multiple is the reading's sequence, so that it goes on where it was when a producer is started again.
#[derive(Debug)]
pub struct Fleet {
    interval: TimeDelta,
    plan: FaultPlan,
    members: Vec<Member>,
}

/// One turbine, its farm's weather and the dice for its faults.
#[derive(Debug)]
struct Member {
    farm_id: FarmId,
    turbine_id: TurbineId,
    weather: Arc<Weather>,
    turbine: Turbine,
    dice: Seed,
}

impl Fleet {
    /// The same turbines in each farm.
    pub fn new(
        seed: u64,
        farms: &[FarmId],
        turbines: &[TurbineId],
        interval: TimeDelta,
        plan: FaultPlan,
    ) -> Self {
        let seed = Seed::new(seed);
        let member = |farm: &FarmId, weather: &Arc<Weather>, id: &TurbineId| Member {
            farm_id: farm.clone(),
            turbine_id: id.clone(),
            weather: Arc::clone(weather),
            turbine: Turbine::new(seed, farm, id),
            dice: seed.of("faults").of(farm.as_str()).of(id.as_str()),
        };
        let members = farms.iter().flat_map(|farm| {
            let weather = Arc::new(Weather::new(seed, farm));
            turbines.iter().map(move |id| member(farm, &weather, id))
        });
        Self {
            interval,
            plan,
            members: members.collect(),
        }
    }

    /// How many turbines there are, in all farms.
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no turbine at all.
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The sequence of the first readings at or after `time`.
    pub const fn sequence_from(&self, time: Timestamp) -> i64 {
        -((-time.as_micros()).div_euclid(self.interval.as_micros()))
    }

    /// When the readings of this sequence are taken.
    pub const fn time_of(&self, sequence: i64) -> Timestamp {
        Timestamp::from_micros(sequence.saturating_mul(self.interval.as_micros()))
    }

    /// How many beats make up `span`, rounded up.
    pub const fn beats_in(&self, span: TimeDelta) -> i64 {
        -((-span.as_micros()).div_euclid(self.interval.as_micros()))
    }

    /// Whether a fault befalls this turbine's reading of that sequence.
    pub fn strikes(&self, fault: Fault, member: usize, sequence: i64) -> bool {
        self.plan.strikes(fault, self.members[member].dice, sequence)
    }

    /// The dice for the bytes of this turbine's reading of that sequence.
    pub fn dice(&self, member: usize, sequence: i64) -> Seed {
        self.members[member].dice.at(sequence)
    }

    /// The reading of one turbine, with the faults that lie in its values.
    pub fn reading(&self, member: usize, sequence: i64) -> RawReading<'_> {
        let Member {
            farm_id,
            turbine_id,
            weather,
            turbine,
            dice,
        } = &self.members[member];
        let mut report = turbine.report(weather, self.time_of(sequence));
        if let Some((metric, shown)) = self.plan.stuck(*dice, sequence) {
            let old = turbine.report(weather, self.time_of(shown));
            report.metrics.set(metric, old.metrics.get(metric));
        }
        self.plan.spoil(&mut report.metrics, *dice, sequence);
        let mut event_time = self.time_of(sequence);
        if self.plan.strikes(Fault::ClockAhead, *dice, sequence) {
            event_time = event_time + CLOCK_AHEAD;
        }
        RawReading {
            farm_id: farm_id.as_str().into(),
            turbine_id: turbine_id.as_str().into(),
            event_time,
            sequence: Some(sequence),
            metrics: report.metrics,
            operating_status: Some(report.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(turbines: &[&str]) -> Fleet {
        let turbines: Vec<_> = turbines.iter().map(|id| TurbineId::parse(id).unwrap()).collect();
        let plan = FaultPlan::new("0.1".parse().unwrap(), &["stuck=0.3".parse().unwrap()]);
        Fleet::new(
            7,
            &[FarmId::parse("north").unwrap()],
            &turbines,
            TimeDelta::from_secs(1),
            plan,
        )
    }

    #[test]
    fn a_process_of_one_turbine_stands_in_the_same_wind_as_a_whole_farm() {
        let (farm, alone) = (fleet(&["a", "b", "c"]), fleet(&["b"]));
        for sequence in 1_764_000_000..1_764_000_500 {
            assert_eq!(farm.reading(1, sequence), alone.reading(0, sequence));
        }
        assert_ne!(
            farm.reading(0, 1_764_000_000).metrics,
            farm.reading(1, 1_764_000_000).metrics
        );
    }

    #[test]
    fn beats_lie_on_the_grid() {
        let fleet = fleet(&["a"]);
        let at = |micros| fleet.sequence_from(Timestamp::from_micros(micros));
        assert_eq!(
            (at(0), at(1), at(1_000_000), at(-1), at(-1_000_000)),
            (0, 1, 1, 0, -1)
        );
        assert_eq!(fleet.time_of(3), Timestamp::from_micros(3_000_000));
        assert_eq!(fleet.beats_in(TimeDelta::from_millis(1_500)), 2);
    }
}

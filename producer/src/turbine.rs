//! One simulated turbine: what it measures and does at a given time, as a pure function of seed, farm, id and time.

use domain::{FarmId, Metric, Metrics, OperatingStatus, Timestamp, TurbineId};

use crate::noise::{Seed, Waves};
use crate::orders::{Order, Orders};
use crate::place::Place;
use crate::power_curve::PowerCurve;
use crate::weather::Weather;

/// How long a turbine stays stopped after a storm, s, and how long it runs up, s.
const STORM_REST_S: f64 = 600.0;
const RUN_UP_S: f64 = 90.0;

/// A nacelle is turned every so often, s, at this speed, °/s, to where the wind came from this long before, s.
const YAW_EVERY_S: f64 = 300.0;
const YAW_DEG_PER_S: f64 = 0.5;
const YAW_DELAY_S: f64 = 60.0;

/// The rotor's slowest and fastest speed while producing, rpm, and the wind that gives the fastest, m/s.
const ROTOR_SLOW_RPM: f64 = 6.2;
const ROTOR_FAST_RPM: f64 = 12.8;
const ROTOR_FAST_AT_MPS: f64 = 10.5;

/// From this wind on blades are pitched to shed power, m/s.
const PITCHING_FROM_MPS: f64 = 11.5;

/// A turbine in its farm's weather.
#[derive(Debug, Clone)]
pub struct Turbine {
    place: Place,
    orders: Orders,
    /// When within [`YAW_EVERY_S`] its nacelle turns, s, and how far its vane is out of line, degrees.
    yaw_phase_s: f64,
    misaligned_deg: f64,
    /// Gusts that only it feels, as a share of the wind; the last ones are too short to reach the power.
    own_gusts: Waves<2>,
    anemometer: Waves<1>,
    vane: Waves<2>,
    /// What heating, pumps and controls take, as a wave round their mean.
    consumption: Waves<1>,
    /// How far its thermometer is off, °C.
    thermometer_celsius: f64,
}

/// What a turbine has to report at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Every metric, within the bounds of its rule.
    pub metrics: Metrics,
    /// What the turbine is doing; agrees with power and wind.
    pub status: OperatingStatus,
}

/// The wind at one turbine, m/s.
struct Wind {
    /// What drives the rotor.
    driving_mps: f64,
    /// What the anemometer shows.
    measured_mps: f64,
}

impl Turbine {
    /// The turbine of that name in the world of `seed`.
    pub fn new(seed: Seed, farm: &FarmId, id: &TurbineId) -> Self {
        let seed = seed.of(farm.as_str()).of(id.as_str());
        Self {
            place: Place::new(seed.of("place")),
            orders: Orders::new(seed.of("orders")),
            yaw_phase_s: seed.of("yaw phase").between(0.0, YAW_EVERY_S),
            misaligned_deg: seed.of("misaligned").between(-4.0, 4.0),
            own_gusts: Waves::new(seed.of("own gusts"), [(45.0, 0.05), (12.0, 0.04)]),
            anemometer: Waves::new(seed.of("anemometer"), [(3.0, 0.04)]),
            vane: Waves::new(seed.of("vane"), [(60.0, 4.0), (7.0, 3.0)]),
            consumption: Waves::new(seed.of("consumption"), [(1_800.0, 6.0)]),
            thermometer_celsius: seed.of("thermometer").between(-0.8, 0.8),
        }
    }

    /// What it reports at `at`.
    pub fn report(&self, weather: &Weather, at: Timestamp) -> Report {
        let at_s = at.as_micros() as f64 / 1e6;
        let curve = PowerCurve::v112();
        let wind = self.wind(weather, at_s);
        let status = self.status(weather, at_s);
        let vane_deg = weather.steady_direction_deg(self.arrival_s(weather, at_s))
            + weather.flutter_deg(at_s)
            + self.vane.at(at_s);
        let celsius = weather.temperature_celsius(at_s) + self.thermometer_celsius;
        let metrics = [
            (Metric::WindSpeed, rounded(wind.measured_mps)),
            (Metric::WindDirection, compass(vane_deg)),
            (Metric::ActivePower, rounded(self.power_kw(status, &wind, at_s))),
            // at the wind that is told, as a controller knows no other
            (
                Metric::TheoreticalPower,
                rounded(curve.power_kw(wind.measured_mps)),
            ),
            (Metric::RotorSpeed, rounded(rotor_rpm(status, &wind))),
            (Metric::BladePitch, rounded(pitch_deg(status, &wind))),
            (Metric::NacelleDirection, compass(self.nacelle_deg(weather, at_s))),
            (Metric::AmbientTemperature, rounded(celsius)),
        ];
        Report {
            metrics: metrics.into_iter().collect(),
            status,
        }
    }

    /// When the wind that is here now passed the middle of the farm.
    fn arrival_s(&self, weather: &Weather, at_s: f64) -> f64 {
        at_s - self.place.lag_s(weather.steady_direction_deg(at_s))
    }

    /// The wind in the wake of others without gusts, m/s.
    fn steady_mps(&self, weather: &Weather, at_s: f64) -> f64 {
        let wind_from_deg = weather.steady_direction_deg(at_s);
        let undisturbed_mps = weather.steady_speed_mps(at_s - self.place.lag_s(wind_from_deg));
        undisturbed_mps * self.place.wake_factor(wind_from_deg, undisturbed_mps)
    }

    fn wind(&self, weather: &Weather, at_s: f64) -> Wind {
        let gust = 1.0 + weather.gust(self.arrival_s(weather, at_s));
        let driving_mps = self.steady_mps(weather, at_s) * (gust + self.own_gusts.at(at_s));
        Wind {
            driving_mps,
            measured_mps: driving_mps * (1.0 + self.anemometer.at(at_s)),
        }
    }

    fn status(&self, weather: &Weather, at_s: f64) -> OperatingStatus {
        if let Some(reason) = self.halted(weather, at_s) {
            return reason;
        }
        if self.halted(weather, at_s - RUN_UP_S).is_some() {
            return OperatingStatus::Starting;
        }
        match self.orders.at(at_s) {
            Some(Order::Derate { .. }) => OperatingStatus::Derated,
            _ => OperatingStatus::Generating,
        }
    }

    /// Why it stands still, if it does.
    fn halted(&self, weather: &Weather, at_s: f64) -> Option<OperatingStatus> {
        match self.orders.at(at_s) {
            Some(Order::Maintain) => return Some(OperatingStatus::Maintenance),
            Some(Order::Fault) => return Some(OperatingStatus::Fault),
            Some(Order::Derate { .. }) | None => {}
        }
        let curve = PowerCurve::v112();
        let steady_mps = |at_s| self.steady_mps(weather, at_s);
        let now_mps = steady_mps(at_s);
        if now_mps < curve.cut_in_mps() {
            return Some(OperatingStatus::Idle);
        }
        let storm = [
            now_mps,
            steady_mps(at_s - STORM_REST_S / 2.0),
            steady_mps(at_s - STORM_REST_S),
        ];
        (storm.into_iter().fold(0.0, f64::max) > curve.cut_out_mps()).then_some(OperatingStatus::Stopped)
    }

    fn power_kw(&self, status: OperatingStatus, wind: &Wind, at_s: f64) -> f64 {
        let curve = PowerCurve::v112();
        // A running rotor rides through short lulls and gusts: what stops it is the steady wind.
        let produced = curve.power_kw(wind.driving_mps.clamp(curve.cut_in_mps(), curve.cut_out_mps()));
        match (status, self.orders.at(at_s)) {
            (OperatingStatus::Generating, _) => produced,
            (OperatingStatus::Derated, Some(Order::Derate { share })) => {
                produced.min(share * curve.rated_kw())
            }
            _ => -14.0 - self.consumption.at(at_s),
        }
    }

    /// Where the nacelle points: every [`YAW_EVERY_S`] it turns to the direction of a little earlier, then holds.
    fn nacelle_deg(&self, weather: &Weather, at_s: f64) -> f64 {
        let turn = ((at_s - self.yaw_phase_s) / YAW_EVERY_S).floor();
        let started_s = turn * YAW_EVERY_S + self.yaw_phase_s;
        let target_deg =
            |start_s: f64| weather.steady_direction_deg(start_s - YAW_DELAY_S) + self.misaligned_deg;
        let (from_deg, to_deg) = (target_deg(started_s - YAW_EVERY_S), target_deg(started_s));
        let reach_deg = (at_s - started_s) * YAW_DEG_PER_S;
        from_deg + shortest_turn_deg(from_deg, to_deg).clamp(-reach_deg, reach_deg)
    }
}

fn rotor_rpm(status: OperatingStatus, wind: &Wind) -> f64 {
    use OperatingStatus::{Derated, Fault, Generating, Idle, Maintenance, Starting, Stopped, Unknown};
    match status {
        Generating | Derated => {
            let cut_in_mps = PowerCurve::v112().cut_in_mps();
            let share = (wind.driving_mps - cut_in_mps) / (ROTOR_FAST_AT_MPS - cut_in_mps);
            ROTOR_SLOW_RPM + (ROTOR_FAST_RPM - ROTOR_SLOW_RPM) * share.clamp(0.0, 1.0)
        }
        Starting => ROTOR_SLOW_RPM * 0.6,
        Idle => 0.4 * wind.driving_mps,
        Unknown | Stopped | Maintenance | Fault => 0.0,
    }
}

fn pitch_deg(status: OperatingStatus, wind: &Wind) -> f64 {
    use OperatingStatus::{Derated, Fault, Generating, Idle, Maintenance, Starting, Stopped, Unknown};
    let shedding_deg = 2.2 * (wind.driving_mps - PITCHING_FROM_MPS).max(0.0);
    match status {
        Generating => shedding_deg - 0.8,
        Derated => shedding_deg + 3.5,
        Starting => 24.0,
        Idle => 45.0,
        Unknown | Stopped | Maintenance | Fault => 88.0,
    }
}

/// The way from one direction to another over the nearer side, degrees in [−180, 180).
fn shortest_turn_deg(from_deg: f64, to_deg: f64) -> f64 {
    (to_deg - from_deg + 180.0).rem_euclid(360.0) - 180.0
}

/// Loggers give two decimals.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A direction in [0, 360) with two decimals.
fn compass(degrees: f64) -> f64 {
    rounded(degrees.rem_euclid(360.0)).rem_euclid(360.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Limits, RawReading, TimeDelta, WindowSummary, validate};
    use proptest::prelude::*;

    fn farm(seed: u64) -> (Weather, Vec<Turbine>) {
        let (seed, farm) = (Seed::new(seed), FarmId::parse("farm-1").unwrap());
        let turbines =
            (1..=10).map(|n| Turbine::new(seed, &farm, &TurbineId::parse(&format!("T{n:02}")).unwrap()));
        (Weather::new(seed, &farm), turbines.collect())
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (mean_a, mean_b) = (mean(a), mean(b));
        let sum = |f: &dyn Fn(f64, f64) -> f64| {
            a.iter()
                .zip(b)
                .map(|(x, y)| f(x - mean_a, y - mean_b))
                .sum::<f64>()
        };
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
    }

    #[test]
    fn turbines_of_a_farm_stand_in_one_wind_but_not_in_the_same_gusts() {
        let (weather, turbines) = farm(42);
        let series = |turbine: &Turbine| -> Vec<f64> {
            let at = |i: i64| Timestamp::from_micros(1_750_000_000_000_000) + TimeDelta::from_secs(i * 30);
            let speed = |i: i64| {
                turbine
                    .report(&weather, at(i))
                    .metrics
                    .get(Metric::WindSpeed)
                    .unwrap()
            };
            (0..5_760).map(speed).collect()
        };
        let all: Vec<_> = turbines.iter().map(series).collect();
        for other in &all[1..] {
            let together = correlation(&all[0], other);
            assert!((0.6..0.999).contains(&together), "correlation {together}");
        }
    }

    #[test]
    fn in_a_year_a_turbine_does_everything_that_turbines_do() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..4 {
            let (weather, turbines) = farm(seed);
            for minute in 0..366 * 1_440 / 5 {
                let at = Timestamp::from_micros(1_735_689_600_000_000) + TimeDelta::from_secs(minute * 300);
                seen.insert(turbines[0].status(&weather, at.as_micros() as f64 / 1e6).as_str());
            }
        }
        let expected = [
            "DERATED",
            "FAULT",
            "GENERATING",
            "IDLE",
            "MAINTENANCE",
            "STARTING",
            "STOPPED",
        ];
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_nacelle_takes_the_short_way_and_points_into_the_wind() {
        assert_eq!(shortest_turn_deg(350.0, 10.0), 20.0);
        assert_eq!(shortest_turn_deg(10.0, 350.0), -20.0);
        let (weather, turbines) = farm(3);
        for minute in 0..2_000 {
            let at_s = 1.75e9 + f64::from(minute) * 60.0;
            let off = shortest_turn_deg(
                turbines[1].nacelle_deg(&weather, at_s),
                weather.steady_direction_deg(at_s),
            );
            assert!(off.abs() < 25.0, "{off}° off the wind");
        }
    }

    #[test]
    fn turbines_that_generate_are_on_their_curve() {
        for seed in 0..5 {
            let (weather, turbines) = farm(seed);
            let mut summary = WindowSummary::default();
            let (mut generating, start) = (0, Timestamp::from_millis(1_764_000_000_000));
            for (turbine, n) in turbines.iter().zip(1..) {
                for at in (0..86_400)
                    .step_by(60)
                    .map(|second| start + TimeDelta::from_secs(second))
                {
                    let report = turbine.report(&weather, at);
                    if report.status == OperatingStatus::Generating {
                        generating += 1;
                        summary.add(&format!("T{n:02}"), at, &report.metrics);
                    }
                }
            }
            let farm = FarmId::parse("farm-1").unwrap();
            let (window, _) = summary.finish(&farm, start, start + TimeDelta::from_secs(86_400));
            let share = window.quality.off_curve as f64 / f64::from(generating);
            assert!(
                share < 0.05,
                "{share} of the readings of seed {seed} are off the curve"
            );
        }
    }

    proptest! {
        #[test]
        fn a_report_is_repeatable_valid_and_agrees_with_itself(seed: u64, n in 0_usize..10, at in 6.4e14..3e15_f64) {
            let at = Timestamp::from_micros(at as i64);
            let (weather, turbines) = farm(seed);
            let report = turbines[n].report(&weather, at);
            prop_assert_eq!(report, farm(seed).1[n].report(&weather, at));
            let of = |metric| report.metrics.get(metric).unwrap();
            let (power, rotor) = (of(Metric::ActivePower), of(Metric::RotorSpeed));
            prop_assert!(power <= PowerCurve::v112().rated_kw() * 1.1);
            match report.status {
                OperatingStatus::Generating | OperatingStatus::Derated => {
                    prop_assert!(power > 0.0 && rotor >= ROTOR_SLOW_RPM);
                }
                OperatingStatus::Idle => prop_assert!(power < 0.0 && of(Metric::WindSpeed) < 4.5),
                OperatingStatus::Starting => prop_assert!(power < 0.0 && rotor > 0.0),
                OperatingStatus::Stopped | OperatingStatus::Maintenance | OperatingStatus::Fault => {
                    prop_assert!(power < 0.0 && rotor == 0.0);
                }
                OperatingStatus::Unknown => prop_assert!(false, "a simulated turbine knows what it does"),
            }
            let raw = RawReading {
                farm_id: "farm-1".into(),
                turbine_id: "T01".into(),
                event_time: at,
                metrics: report.metrics,
                ..RawReading::default()
            };
            let kept = validate(raw, at, &Limits::default());
            prop_assert!(kept.is_ok_and(|kept| kept.metrics == report.metrics));
        }
    }
}

//! The weather of a farm: a pure function of seed, farm and time. Ten processes with one turbine each stand in the
//! same wind, and last year's wind can be asked for as well as today's.

use std::f64::consts::TAU;

use domain::FarmId;

use crate::noise::{Seed, Waves};

const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 24.0 * HOUR_S;
const YEAR_S: f64 = 365.2425 * DAY_S;

/// Wind and temperature where a farm stands. Times are seconds since the Unix epoch.
#[derive(Debug, Clone)]
pub struct Weather {
    /// The wind speed round which everything varies, m/s.
    usual_speed_mps: f64,
    /// The direction that the wind mostly comes from, degrees.
    prevailing_deg: f64,
    /// What passes in days, hours and minutes, as the logarithm of a factor: wind speeds are skewed.
    spells: Waves<5>,
    /// Turbulence, as a share of the wind speed.
    gusts: Waves<2>,
    /// How the direction wanders, degrees.
    veering: Waves<3>,
    /// How it flutters within minutes, degrees.
    flutter: Waves<2>,
    /// Warm and cold spells, °C.
    warmth: Waves<2>,
}

impl Weather {
    /// The weather of `farm` in the world of `seed`.
    pub fn new(seed: Seed, farm: &FarmId) -> Self {
        let seed = seed.of(farm.as_str()).of("weather");
        Self {
            usual_speed_mps: seed.of("usual speed").between(7.0, 9.0),
            prevailing_deg: seed.of("prevailing").between(200.0, 290.0),
            spells: Waves::new(
                seed.of("spells"),
                [
                    (5.0 * DAY_S, 0.70),
                    (1.3 * DAY_S, 0.40),
                    (7.0 * HOUR_S, 0.20),
                    (1.5 * HOUR_S, 0.10),
                    (12.0 * 60.0, 0.06),
                ],
            ),
            gusts: Waves::new(seed.of("gusts"), [(90.0, 0.08), (25.0, 0.06)]),
            veering: Waves::new(
                seed.of("veering"),
                [(3.0 * DAY_S, 90.0), (9.0 * HOUR_S, 35.0), (0.7 * HOUR_S, 9.0)],
            ),
            flutter: Waves::new(seed.of("flutter"), [(120.0, 3.0), (20.0, 3.0)]),
            warmth: Waves::new(seed.of("warmth"), [(4.0 * DAY_S, 5.0), (2.0 * HOUR_S, 0.7)]),
        }
    }

    /// The wind speed without gusts, m/s: what decides whether a turbine runs.
    pub fn steady_speed_mps(&self, at_s: f64) -> f64 {
        let daily = 1.0 + 0.06 * (TAU * (at_s / DAY_S - 15.0 / 24.0)).cos();
        self.usual_speed_mps * self.spells.at(at_s).exp() * daily
    }

    /// The gusts that the whole farm feels, as a share of the wind speed.
    pub fn gust(&self, at_s: f64) -> f64 {
        self.gusts.at(at_s)
    }

    /// The direction that the wind comes from without flutter, degrees in [0, 360): what a nacelle can follow.
    pub fn steady_direction_deg(&self, at_s: f64) -> f64 {
        (self.prevailing_deg + self.veering.at(at_s)).rem_euclid(360.0)
    }

    /// How far a wind vane is off the steady direction, degrees.
    pub fn flutter_deg(&self, at_s: f64) -> f64 {
        self.flutter.at(at_s)
    }

    /// Air temperature, °C: the season, the hour and the spell.
    pub fn temperature_celsius(&self, at_s: f64) -> f64 {
        let season = 9.0 * (TAU * (at_s / YEAR_S - 200.0 / 365.25)).cos();
        let hour = 4.0 * (TAU * (at_s / DAY_S - 15.0 / 24.0)).cos();
        11.0 + season + hour + self.warmth.at(at_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weather(seed: u64, farm: &str) -> Weather {
        Weather::new(Seed::new(seed), &FarmId::parse(farm).unwrap())
    }

    #[test]
    fn a_year_has_calms_storms_and_seasons() {
        let weather = weather(42, "farm-1");
        let hours: Vec<f64> = (0..8_766).map(|hour| 1.7e9 + f64::from(hour) * HOUR_S).collect();
        let speeds: Vec<f64> = hours.iter().map(|&at| weather.steady_speed_mps(at)).collect();
        let mean = speeds.iter().sum::<f64>() / speeds.len() as f64;
        assert!((6.0..11.0).contains(&mean), "mean wind {mean} m/s");
        let share = |range: std::ops::Range<f64>| {
            speeds.iter().filter(|speed| range.contains(speed)).count() as f64 / speeds.len() as f64
        };
        assert!(
            (0.005..0.15).contains(&share(0.0..3.0)),
            "calms {}",
            share(0.0..3.0)
        );
        assert!(share(12.0..40.0) > 0.03, "strong winds {}", share(12.0..40.0));
        let july = weather.temperature_celsius(1_720_000_000.0 + 14.0 * HOUR_S);
        let january = weather.temperature_celsius(1_736_000_000.0 + 14.0 * HOUR_S);
        assert!(july > january + 5.0, "July {july} °C, January {january} °C");
    }

    #[test]
    fn farms_and_seeds_have_weather_of_their_own() {
        let at = |weather: &Weather| weather.steady_speed_mps(1.75e9);
        assert_eq!(at(&weather(1, "a")), at(&weather(1, "a")));
        assert_ne!(at(&weather(1, "a")), at(&weather(1, "b")));
        assert_ne!(at(&weather(1, "a")), at(&weather(2, "a")));
    }

    proptest! {
        #[test]
        fn weather_stays_on_earth(seed: u64, at in 6.4e8..4e9_f64) {
            let weather = weather(seed, "f");
            prop_assert!((0.5..50.0).contains(&weather.steady_speed_mps(at)));
            prop_assert!(weather.gust(at).abs() < 0.2);
            prop_assert!((0.0..360.0).contains(&weather.steady_direction_deg(at)));
            prop_assert!((-20.0..40.0).contains(&weather.temperature_celsius(at)));
        }
    }
}

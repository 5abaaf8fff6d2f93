//! Where a turbine stands in its farm, and what that does to its wind.

use crate::noise::Seed;

/// Distance between neighbouring places of the farm's grid, m: five rotors.
const SPACING_M: f64 = 560.0;

/// Places along one side of the grid.
const SIDE: usize = 6;

/// How far a farm reaches from its middle, m.
const REACH_M: f64 = SPACING_M * SIDE as f64 / 2.0;

/// How fast gusts and lulls travel over the farm, m/s.
const ADVECTION_MPS: f64 = 8.0;

/// What the last row loses of the wind to those before it.
const DEEPEST_WAKE: f64 = 0.16;

/// A spot in the farm, in metres from its middle. It follows from the turbine's id alone, so that a process which
/// knows of no other turbine still stands in the same farm as they do.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    east_m: f64,
    north_m: f64,
}

impl Place {
    /// The place that `seed` gives to one turbine.
    pub fn new(seed: Seed) -> Self {
        let along = |axis: &str| {
            let seed = seed.of(axis);
            let column = seed.choice(SIDE) as f64 + 0.5;
            column * SPACING_M - REACH_M + seed.at(1).between(-0.3, 0.3) * SPACING_M
        };
        Self {
            east_m: along("east"),
            north_m: along("north"),
        }
    }

    /// How far downwind of the farm's middle it lies, m, when the wind comes from this direction.
    fn downwind_m(self, wind_from_deg: f64) -> f64 {
        let (sin, cos) = wind_from_deg.to_radians().sin_cos();
        -(self.east_m * sin + self.north_m * cos)
    }

    /// How much later than in the farm's middle the wind arrives, s; negative upwind of it.
    pub fn lag_s(self, wind_from_deg: f64) -> f64 {
        self.downwind_m(wind_from_deg) / ADVECTION_MPS
    }

    /// What is left of the wind behind the turbines upwind: 1 in the first row. In strong wind rotors take a smaller
    /// share, so that wakes fade.
    pub fn wake_factor(self, wind_from_deg: f64, wind_speed_mps: f64) -> f64 {
        let depth = (0.5 + 0.5 * self.downwind_m(wind_from_deg) / REACH_M).clamp(0.0, 1.0);
        let thrust = ((20.0 - wind_speed_mps) / 9.0).clamp(0.1, 1.0);
        1.0 - DEEPEST_WAKE * depth * thrust
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wind_from_the_west_reaches_the_east_last_and_weakest() {
        let west = Place {
            east_m: -1_000.0,
            north_m: 0.0,
        };
        let east = Place {
            east_m: 1_000.0,
            north_m: 0.0,
        };
        assert!((west.lag_s(270.0) + 125.0).abs() < 1e-9);
        assert!((east.lag_s(270.0) - 125.0).abs() < 1e-9);
        assert!((east.lag_s(0.0)).abs() < 1e-9);
        assert!(east.wake_factor(270.0, 8.0) < west.wake_factor(270.0, 8.0));
        assert!(east.wake_factor(270.0, 8.0) < east.wake_factor(270.0, 22.0));
    }
}

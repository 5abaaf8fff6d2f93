//! What a turbine makes of the wind: the Vestas V112-3.0 MW, from the Open Energy Database's turbine library
//! (`data/README.md` has source and licence).

use std::sync::LazyLock;

/// The file, as it is published with its source.
const V112: &str = include_str!("../data/power_curve_V112-3000.csv");

/// Electrical power by wind speed at hub height, at standard air density.
#[derive(Debug)]
pub struct PowerCurve {
    /// (wind speed in m/s, power in kW), by wind speed.
    points: Vec<(f64, f64)>,
}

impl PowerCurve {
    /// The Vestas V112-3.0 MW.
    pub fn v112() -> &'static Self {
        static CURVE: LazyLock<PowerCurve> =
            LazyLock::new(|| PowerCurve::parse(V112).expect("the power curve in the program is well-formed"));
        &CURVE
    }

    fn parse(text: &str) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let points = reader.deserialize().map(|row| {
            row.map(|(wind_speed_mps, power_kw, _cp): (f64, f64, f64)| (wind_speed_mps, power_kw))
        });
        Ok(Self {
            points: points.collect::<Result<_, _>>()?,
        })
    }

    /// The wind speed from which the turbine produces, m/s.
    pub fn cut_in_mps(&self) -> f64 {
        self.points[0].0
    }

    /// The wind speed above which it stops, m/s.
    pub fn cut_out_mps(&self) -> f64 {
        self.points[self.points.len() - 1].0
    }

    /// The most that it produces, kW.
    pub fn rated_kw(&self) -> f64 {
        self.points.iter().map(|point| point.1).fold(0.0, f64::max)
    }

    /// Power in kW at this wind speed in m/s: linear between the points, 0 below cut-in and above cut-out.
    pub fn power_kw(&self, wind_speed_mps: f64) -> f64 {
        let above = self.points.partition_point(|point| point.0 < wind_speed_mps);
        match (
            above.checked_sub(1).map(|below| self.points[below]),
            self.points.get(above),
        ) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (wind_speed_mps - x0) / (x1 - x0),
            (None, Some(&(first, power))) if wind_speed_mps == first => power,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_the_published_one() {
        let curve = PowerCurve::v112();
        assert_eq!(
            (curve.cut_in_mps(), curve.cut_out_mps(), curve.rated_kw()),
            (3.0, 25.0, 3075.0)
        );
        for (wind, power) in [
            (0.0, 0.0),
            (2.999, 0.0),
            (3.0, 23.0),
            (3.25, 45.5),
            (8.0, 1377.0),
            (8.1, 1432.4),
            (25.0, 3075.0),
            (25.001, 0.0),
            (f64::NAN, 0.0),
        ] {
            assert!(
                (curve.power_kw(wind) - power).abs() < 1e-9,
                "{wind} m/s: {}",
                curve.power_kw(wind)
            );
        }
    }
}

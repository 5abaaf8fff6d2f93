//! How large an installation is.

use domain::{FarmId, TimeDelta, Timestamp, TurbineId};

use crate::args::Args;

/// Farms, turbines, and for how long they have reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    pub(crate) farms: i64,
    pub(crate) turbines_per_farm: i64,
    /// Between two readings of a turbine.
    pub(crate) interval_s: i64,
    /// For how long.
    pub(crate) span_s: i64,
}

impl Scale {
    /// The day that all readings are of.
    pub(crate) const DAY: &'static str = "2025-11-20";

    /// Ten turbines of one farm, every second, for a day.
    pub(crate) const fn small(args: &Args) -> Self {
        Self {
            name: "10 turbines",
            farms: 1,
            turbines_per_farm: 10,
            interval_s: 1,
            span_s: if args.quick { 3_600 } else { 86_400 },
        }
    }

    /// Five thousand turbines of fifty farms, every minute, for a day.
    pub(crate) fn large(args: &Args) -> Self {
        let hours = if args.quick {
            0.5
        } else {
            args.hours.clamp(0.1, 24.0)
        };
        Self {
            name: "5,000 turbines",
            farms: 50,
            turbines_per_farm: 100,
            interval_s: 60,
            span_s: (hours * 60.0) as i64 * 60,
        }
    }

    pub(crate) const fn turbines(&self) -> i64 {
        self.farms * self.turbines_per_farm
    }

    pub(crate) const fn readings(&self) -> i64 {
        self.turbines() * (self.span_s / self.interval_s)
    }

    pub(crate) const fn minutes(&self) -> i64 {
        self.span_s / 60
    }

    pub(crate) fn first_time(&self) -> Timestamp {
        format!("{}T00:00:00Z", Self::DAY)
            .parse()
            .expect("the day is one of the calendar")
    }

    /// The first instant after all readings.
    pub(crate) fn end(&self) -> Timestamp {
        self.first_time() + TimeDelta::from_secs(self.span_s)
    }

    /// The turbine of this number, counted round.
    pub(crate) fn turbine(&self, number: i64) -> (FarmId, TurbineId) {
        let number = number.rem_euclid(self.turbines());
        let farm = FarmId::parse(&format!("farm-{}", number % self.farms)).expect("farm-<number> is an id");
        let turbine = TurbineId::parse(&format!("T{:03}", number / self.farms)).expect("T<number> is an id");
        (farm, turbine)
    }

    /// The farm and turbine ids of `turbine`, an SQL expression for a turbine's number.
    pub(crate) fn ids_sql(&self, turbine: &str) -> (String, String) {
        (
            format!("('farm-' || {turbine} % {})", self.farms),
            format!("('T' || lpad(({turbine} / {})::text, 3, '0'))", self.farms),
        )
    }
}

//! What a turbine measures.

/// How the values of a metric are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A plain number: arithmetic mean and variance.
    Scalar,
    /// An angle on the compass, in degrees: vector mean and resultant length.
    Direction,
}

/// One measured quantity; its name carries its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Metric {
    /// Wind speed at the nacelle, m/s.
    WindSpeed,
    /// Direction that the wind comes from, degrees from north.
    WindDirection,
    /// Active power, kW; negative is own consumption.
    ActivePower,
    /// Power that the reference curve gives at this wind, kW.
    TheoreticalPower,
    /// Speed of the rotor (of some loggers: of the generator), rpm.
    RotorSpeed,
    /// Pitch of the blades, degrees.
    BladePitch,
    /// Direction that the nacelle points to, degrees from north.
    NacelleDirection,
    /// Outside temperature, °C.
    AmbientTemperature,
}

impl Metric {
    /// How many metrics there are.
    pub const COUNT: usize = 8;

    /// All metrics in the order of the `Reading` schema.
    pub const ALL: [Self; Self::COUNT] = [
        Self::WindSpeed,
        Self::WindDirection,
        Self::ActivePower,
        Self::TheoreticalPower,
        Self::RotorSpeed,
        Self::BladePitch,
        Self::NacelleDirection,
        Self::AmbientTemperature,
    ];

    /// Its name in schemas, columns, JSON and rules, with its unit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindSpeed => "wind_speed_mps",
            Self::WindDirection => "wind_direction_deg",
            Self::ActivePower => "active_power_kw",
            Self::TheoreticalPower => "theoretical_power_kw",
            Self::RotorSpeed => "rotor_speed_rpm",
            Self::BladePitch => "blade_pitch_deg",
            Self::NacelleDirection => "nacelle_direction_deg",
            Self::AmbientTemperature => "ambient_temperature_celsius",
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether it is averaged as a number or as a direction.
    pub const fn kind(self) -> MetricKind {
        match self {
            Self::WindDirection | Self::NacelleDirection => MetricKind::Direction,
            Self::WindSpeed
            | Self::ActivePower
            | Self::TheoreticalPower
            | Self::RotorSpeed
            | Self::BladePitch
            | Self::AmbientTemperature => MetricKind::Scalar,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The same value as everybody writes it: north is 0°, and −0 is 0, so that equal values print and compare alike
    /// everywhere.
    pub(crate) fn canonical(self, value: f64) -> f64 {
        if matches!(self.kind(), MetricKind::Direction) && value == 360.0 {
            0.0
        } else {
            value + 0.0
        }
    }

    /// The least and the greatest value that is accepted, both included, in the unit of [`Self::name`].
    pub const fn bounds(self) -> (f64, f64) {
        match self {
            Self::WindSpeed => (0.0, 75.0),
            Self::WindDirection | Self::NacelleDirection => (0.0, 360.0),
            Self::ActivePower => (-1_000.0, 30_000.0),
            Self::TheoreticalPower => (0.0, 30_000.0),
            Self::RotorSpeed => (0.0, 4_000.0),
            Self::BladePitch => (-180.0, 360.0),
            Self::AmbientTemperature => (-60.0, 60.0),
        }
    }
}

/// The values of one reading, each there or not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metrics {
    /// 0 where there is none.
    values: [f64; Metric::COUNT],
    /// A bit for each metric that has a value, the first one's the lowest.
    present: u8,
}

impl Metrics {
    /// The value of `metric`, in the unit of its name.
    #[inline]
    pub const fn get(&self, metric: Metric) -> Option<f64> {
        if self.present & metric.bit() == 0 {
            None
        } else {
            Some(self.values[metric as usize])
        }
    }

    /// Sets or removes the value of `metric`, in the unit of its name.
    #[inline]
    pub const fn set(&mut self, metric: Metric, value: Option<f64>) {
        (self.values[metric as usize], self.present) = match value {
            Some(value) => (value, self.present | metric.bit()),
            None => (0.0, self.present & !metric.bit()),
        };
    }

    /// What is there, in the order of [`Metric::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, self.get(metric)?)))
    }

    /// Whether there is no value at all.
    pub const fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// The same with one zero and one north, if every value lies within its bounds. That is asked of all metrics at once,
    /// without a branch: what is not there is 0, which lies within all of them.
    #[inline]
    pub(crate) fn canonical(mut self) -> Option<Self> {
        let mut are_within = true;
        for (metric, value) in Metric::ALL.into_iter().zip(&mut self.values) {
            let (low, high) = metric.bounds();
            are_within &= *value >= low && *value <= high; // which is false of what is no number
            *value = metric.canonical(*value);
        }
        are_within.then_some(self)
    }
}

impl FromIterator<(Metric, f64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (Metric, f64)>>(values: I) -> Self {
        let mut metrics = Self::default();
        for (metric, value) in values {
            metrics.set(metric, Some(value));
        }
        metrics
    }
}

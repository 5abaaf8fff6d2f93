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
pub struct Metrics([Option<f64>; Metric::COUNT]);

impl Metrics {
    /// The value of `metric`, in the unit of its name.
    pub const fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric as usize]
    }

    /// Sets or removes the value of `metric`, in the unit of its name.
    pub const fn set(&mut self, metric: Metric, value: Option<f64>) {
        self.0[metric as usize] = value;
    }

    /// What is there, in the order of [`Metric::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        Metric::ALL
            .into_iter()
            .zip(self.0)
            .filter_map(|(metric, value)| Some((metric, value?)))
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
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

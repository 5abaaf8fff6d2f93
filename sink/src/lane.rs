//! Which partition of which of our topics.

use std::fmt;

use platform::Topics;

/// A topic that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What turbines report.
    Readings,
    /// Closed windows of farms.
    FarmWindows,
    /// Closed windows of turbines.
    TurbineWindows,
    /// Readings whose window had closed.
    LateReadings,
    /// What was refused.
    DeadLetters,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Readings,
        Self::FarmWindows,
        Self::TurbineWindows,
        Self::LateReadings,
        Self::DeadLetters,
    ];

    /// What has been made of the readings.
    pub const RESULTS: [Self; 4] = [
        Self::FarmWindows,
        Self::TurbineWindows,
        Self::LateReadings,
        Self::DeadLetters,
    ];

    /// Its name on Kafka and in `kafka_offsets`.
    pub fn name(self, topics: &Topics) -> &str {
        match self {
            Self::Readings => &topics.readings,
            Self::FarmWindows => &topics.farm_windows,
            Self::TurbineWindows => &topics.turbine_windows,
            Self::LateReadings => &topics.late_readings,
            Self::DeadLetters => &topics.dead_letters,
        }
    }

    /// The topic of that name.
    pub fn from_name(name: &str, topics: &Topics) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name(topics) == name)
    }
}

/// One partition of one topic: what is read in order, and has one next offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}[{}]", self.topic, self.partition)
    }
}

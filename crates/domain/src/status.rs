//! What a turbine is doing.

use std::fmt;
use std::str::FromStr;

/// Operating status of a turbine, after the states of IEC 61400-26-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum OperatingStatus {
    /// Not told, or told in a word that we do not know.
    #[default]
    Unknown,
    /// Producing what the wind allows.
    Generating,
    /// Producing less than the wind allows, on order.
    Derated,
    /// Ready, but without enough wind.
    Idle,
    /// Running up.
    Starting,
    /// Stopped, by hand or by storm.
    Stopped,
    /// In maintenance.
    Maintenance,
    /// Stopped by a fault.
    Fault,
}

/// A word that names no operating status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an operating status")]
pub struct UnknownStatus(String);

impl OperatingStatus {
    /// All of them in the order of the schema's symbols.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Generating,
        Self::Derated,
        Self::Idle,
        Self::Starting,
        Self::Stopped,
        Self::Maintenance,
        Self::Fault,
    ];

    /// Its symbol in the schema and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Generating => "GENERATING",
            Self::Derated => "DERATED",
            Self::Idle => "IDLE",
            Self::Starting => "STARTING",
            Self::Stopped => "STOPPED",
            Self::Maintenance => "MAINTENANCE",
            Self::Fault => "FAULT",
        }
    }
}

impl fmt::Display for OperatingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OperatingStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.chars().take(64).collect()))
    }
}

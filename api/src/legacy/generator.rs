//! `GET /generadores`: turbines in the words of the first system.

use domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// All generators.
#[derive(Debug, Serialize, ToSchema)]
pub struct Generators {
    /// Their ids.
    pub generators: Vec<String>,
}

/// One reading of a generator.
#[derive(Debug, Serialize, ToSchema)]
pub struct GeneratorReading {
    /// A number that stays the reading's own.
    pub id: i64,
    /// m/s.
    pub wind_speed: Option<f64>,
    /// Degrees.
    pub wind_direction: Option<f64>,
    /// rpm.
    pub rotor_speed: Option<f64>,
    /// °C.
    pub temperature: Option<f64>,
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
}

impl GeneratorReading {
    /// From the reading's place in the log. A topic has at most 10 000 partitions, and 9·10¹¹ records in each make a
    /// number that JavaScript still holds.
    pub const fn id_of(partition: i32, offset: i64) -> i64 {
        offset.saturating_mul(10_000).saturating_add(partition as i64)
    }
}

//! Farms and turbines.

use domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Reading;

/// A farm that readings have come from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "farm_id": "farm-1", "turbine_count": 10, "first_event_time": "2026-01-01T00:00:00Z",
    "last_event_time": "2026-11-23T10:00:00Z"
}))]
pub struct Farm {
    /// Its id.
    pub farm_id: String,
    /// How many turbines of it have reported.
    pub turbine_count: u64,
    /// Time of its oldest reading.
    #[schema(value_type = String, format = DateTime)]
    pub first_event_time: Timestamp,
    /// Time of its newest reading.
    #[schema(value_type = String, format = DateTime)]
    pub last_event_time: Timestamp,
}

/// A turbine that readings have come from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Turbine {
    /// Its id within the farm.
    pub turbine_id: String,
    /// Time of its oldest reading.
    #[schema(value_type = String, format = DateTime)]
    pub first_event_time: Timestamp,
    /// Time of its newest reading.
    #[schema(value_type = String, format = DateTime)]
    pub last_event_time: Timestamp,
    /// Its newest reading; null if that is past its retention.
    pub latest: Option<Reading>,
}

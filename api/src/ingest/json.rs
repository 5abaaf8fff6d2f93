//! What a reading looks like that is sent, for the specification.

use serde::Serialize;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// One reading, or an array of them. Only documents what is taken.
pub enum NewReadings {}

impl PartialSchema for NewReadings {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(NewReading::name());
        let refused = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("All else is refused one by one, and told in `rejected`"));
        AnyOfBuilder::new()
            .item(one.clone())
            .item(ArrayBuilder::new().items(one))
            .item(refused)
            .into()
    }
}

impl ToSchema for NewReadings {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewReading::name().into_owned(), NewReading::schema()));
        NewReading::schemas(schemas);
    }
}

/// A reading that is sent: the names of `Reading`, units in the names; at least one metric. Only documents what
/// [`platform::json::reading_of`] reads.
#[derive(Serialize, ToSchema)]
pub struct NewReading {
    /// The farm: 1–64 characters out of A–Z a–z 0–9 . _ : -
    #[schema(example = "north")]
    farm_id: String,
    /// The turbine within the farm, named alike.
    #[schema(example = "T01")]
    turbine_id: String,
    /// When it was measured.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00Z")]
    event_time: String,
    /// The sender's own count per turbine.
    sequence: Option<i64>,
    /// m/s, 0 to 75.
    #[schema(example = 8.4)]
    wind_speed_mps: Option<f64>,
    /// 0 to 360.
    wind_direction_deg: Option<f64>,
    /// −1 000 to 30 000.
    active_power_kw: Option<f64>,
    /// 0 to 30 000.
    theoretical_power_kw: Option<f64>,
    /// 0 to 4 000.
    rotor_speed_rpm: Option<f64>,
    /// −180 to 360.
    blade_pitch_deg: Option<f64>,
    /// 0 to 360.
    nacelle_direction_deg: Option<f64>,
    /// −60 to 60.
    ambient_temperature_celsius: Option<f64>,
    /// UNKNOWN, GENERATING, DERATED, IDLE, STARTING, STOPPED, MAINTENANCE or FAULT.
    operating_status: Option<String>,
}

//! A reading as the API shows it.

use domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A reading; null is what the turbine did not tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reading {
    /// The farm.
    pub farm_id: String,
    /// The turbine.
    pub turbine_id: String,
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: Timestamp,
    /// The sender's own count per turbine.
    pub sequence: Option<i64>,
    /// Wind speed at the nacelle, m/s.
    pub wind_speed_mps: Option<f64>,
    /// Direction that the wind comes from, degrees from north.
    pub wind_direction_deg: Option<f64>,
    /// Active power, kW; negative is own consumption.
    pub active_power_kw: Option<f64>,
    /// Power that the reference curve gives at this wind, kW.
    pub theoretical_power_kw: Option<f64>,
    /// Speed of the rotor, rpm.
    pub rotor_speed_rpm: Option<f64>,
    /// Pitch of the blades, degrees.
    pub blade_pitch_deg: Option<f64>,
    /// Direction that the nacelle points to, degrees from north.
    pub nacelle_direction_deg: Option<f64>,
    /// Outside temperature, °C.
    pub ambient_temperature_celsius: Option<f64>,
    /// What the turbine was doing: UNKNOWN, GENERATING, DERATED, IDLE, STARTING, STOPPED, MAINTENANCE or FAULT.
    pub operating_status: Option<String>,
}

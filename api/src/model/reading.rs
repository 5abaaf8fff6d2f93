//! A reading as the API shows it.

use domain::{Metric, OperatingStatus, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A reading; null is what the turbine did not tell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "farm_id": "farm-1", "turbine_id": "T01", "event_time": "2026-11-23T10:00:00Z", "sequence": 4711,
    "wind_speed_mps": 8.4, "wind_direction_deg": 268.0, "active_power_kw": 1275.0, "theoretical_power_kw": 1310.0,
    "rotor_speed_rpm": 13.2, "blade_pitch_deg": 1.5, "nacelle_direction_deg": 266.0,
    "ambient_temperature_celsius": 7.25, "operating_status": "GENERATING"
}))]
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

impl From<&domain::Reading<'_>> for Reading {
    fn from(reading: &domain::Reading<'_>) -> Self {
        let metric = |metric| reading.metrics.get(metric);
        Self {
            farm_id: reading.farm_id.clone().into_owned(),
            turbine_id: reading.turbine_id.clone().into_owned(),
            event_time: reading.event_time,
            sequence: reading.sequence,
            wind_speed_mps: metric(Metric::WindSpeed),
            wind_direction_deg: metric(Metric::WindDirection),
            active_power_kw: metric(Metric::ActivePower),
            theoretical_power_kw: metric(Metric::TheoreticalPower),
            rotor_speed_rpm: metric(Metric::RotorSpeed),
            blade_pitch_deg: metric(Metric::BladePitch),
            nacelle_direction_deg: metric(Metric::NacelleDirection),
            ambient_temperature_celsius: metric(Metric::AmbientTemperature),
            operating_status: reading
                .operating_status
                .map(OperatingStatus::as_str)
                .map(str::to_owned),
        }
    }
}

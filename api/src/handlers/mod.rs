//! Typed parameters → one query → one answer; nothing is decided here that could be decided elsewhere.
#![expect(
    unreachable_pub,
    reason = "the route macros put a function of the same visibility into a private place"
)]

mod body;
mod legacy_access;
mod stream;

pub mod audit;
pub mod dead_letters;
pub mod events;
pub mod extremes;
pub mod farms;
pub mod generators;
pub mod ingestion;
pub mod keys;
pub mod line_protocol;
pub mod measurements;
pub mod minutes;
pub mod readings;
pub mod turbines;
pub mod windows;

pub use body::BodyLimits;

use domain::TurbineId;

use crate::error::ApiError;

/// Why an id from the database is one.
const STORED: &str = "only valid ids are stored";

/// The turbine of that name.
fn turbine_id(turbine: &str) -> Result<TurbineId, ApiError> {
    TurbineId::parse(turbine).map_err(|_| no_turbine(turbine))
}

fn no_farm(farm: &str) -> ApiError {
    ApiError::not_found("farm", farm)
}

fn no_turbine(turbine: &str) -> ApiError {
    ApiError::not_found("turbine", turbine)
}

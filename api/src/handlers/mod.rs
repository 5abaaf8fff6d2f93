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
pub mod farms;
pub mod generators;
pub mod ingestion;
pub mod measurements;
pub mod minutes;
pub mod readings;
pub mod turbines;
pub mod windows;

pub use body::BodyLimits;

use domain::{Timestamp, TurbineId};

use crate::error::ApiError;

/// Our clock, in the place of the broker's: it decides only what need not be sent at all.
fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

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

//! The words of the field, as types: what a turbine reports ([`RawReading`]), what we accept of it
//! ([`Reading`], made by [`rules::validate`] alone), and what a window of readings says ([`FarmWindow`],
//! [`TurbineWindow`], built by [`WindowSummary`] from statistics that merge exactly).
//!
//! **Invariant.** This crate does no I/O and reads no clock: the same input gives the same answer, for ever.
#![warn(missing_docs)]

mod clock;
mod id;
mod metric;
mod quality;
mod reading;
mod roll_up;
pub mod rules;
mod running;
mod stats;
mod status;
mod time;
mod window;

pub use id::{FarmId, IdError, TurbineId};
pub use metric::{Metric, MetricKind, Metrics};
pub use quality::Quality;
pub use reading::{RawReading, Reading};
pub use roll_up::RollUp;
pub use rules::{Limits, Refusal, Rule, validate};
pub use stats::{DirectionStats, Extreme, MetricStats, ScalarStats, WindowMetrics};
pub use status::{OperatingStatus, UnknownStatus};
pub use time::{TimeDelta, Timestamp, TimestampError};
pub use window::{Added, Arrival, CloseReason, Closed, FarmWindow, TurbineWindow, WindowSummary};

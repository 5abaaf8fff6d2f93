//! What goes in and what comes out.

use domain::{CloseReason, FarmId, FarmWindow, Reading, TimeDelta, Timestamp, TurbineId, TurbineWindow};

use crate::Offset;

/// A valid reading and its place in the log.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Where in the log it lies.
    pub offset: Offset,
    /// When the broker appended it.
    pub appended_at: Timestamp,
    /// What it says.
    pub reading: &'a Reading<'a>,
}

/// A reading that broke a rule, but not one about its farm, turbine or event time.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    /// Where in the log it lies.
    pub offset: Offset,
    /// When the broker appended it.
    pub appended_at: Timestamp,
    /// Which farm it is from.
    pub farm_id: &'a FarmId,
    /// Which turbine of that farm.
    pub turbine_id: &'a TurbineId,
    /// When it was measured.
    pub event_time: Timestamp,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is among its window's figures.
    Accepted,
    /// A reading of that turbine and event time was among them already; the first one stays.
    Duplicate,
    /// Its window has closed, and stays as it is.
    Late {
        /// How far stream time had passed the time at which that window closed.
        by: TimeDelta,
        /// Start of that window.
        window_start: Timestamp,
    },
}

/// A window that has closed: it will never be told of again.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedWindow {
    /// Why it closed.
    pub close_reason: CloseReason,
    /// The figures of the farm.
    pub farm: FarmWindow,
    /// The figures of each turbine with a reading, in the order of turbine ids.
    pub turbines: Vec<TurbineWindow>,
}

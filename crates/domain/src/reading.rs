//! One report of one turbine.

use std::borrow::Cow;
use std::ops::Deref;

use crate::{FarmId, Metrics, OperatingStatus, Timestamp, TurbineId};

/// A reading as the wire has it: nothing in it has been checked. Borrows from the payload where it can.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawReading<'a> {
    /// Which farm it claims to be from.
    pub farm_id: Cow<'a, str>,
    /// Which turbine of that farm.
    pub turbine_id: Cow<'a, str>,
    /// When it was measured, by the turbine's clock.
    pub event_time: Timestamp,
    /// The sender's own count per turbine, for finding gaps on the way.
    pub sequence: Option<i64>,
    /// What was measured.
    pub metrics: Metrics,
    /// What the turbine was doing.
    pub operating_status: Option<OperatingStatus>,
}

/// A reading that has passed every rule; only [`crate::rules::validate`] makes one. A direction of 360° is 0°.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a>(RawReading<'a>);

impl<'a> Reading<'a> {
    /// For `rules` only: `raw` has been checked and made canonical.
    pub(crate) const fn trusted(raw: RawReading<'a>) -> Self {
        Self(raw)
    }

    /// The farm's id, owned.
    pub fn to_farm_id(&self) -> FarmId {
        FarmId::parse(&self.0.farm_id).expect("a validated reading has a valid farm id")
    }

    /// The turbine's id, owned.
    pub fn to_turbine_id(&self) -> TurbineId {
        TurbineId::parse(&self.0.turbine_id).expect("a validated reading has a valid turbine id")
    }

    /// The reading's parts, to be written again.
    pub fn into_raw(self) -> RawReading<'a> {
        self.0
    }
}

impl<'a> Deref for Reading<'a> {
    type Target = RawReading<'a>;

    fn deref(&self) -> &RawReading<'a> {
        &self.0
    }
}

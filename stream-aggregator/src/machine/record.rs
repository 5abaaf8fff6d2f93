//! What comes in.

use domain::{Reading, Timestamp};
use platform::intake::NotAdmitted;

use super::effect::Original;

/// A record of the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When the broker appended it.
    pub appended_at: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub payload: Option<&'a [u8]>,
}

impl Record<'_> {
    /// A copy that outlives the fetch.
    pub(super) fn to_original(self) -> Original {
        Original {
            offset: self.offset,
            appended_at: self.appended_at,
            key: self.key.map(Into::into),
            payload: self.payload.map(Into::into),
        }
    }
}

/// Makes readings of records. It must say the same of the same record whenever it is asked, but for a schema that was
/// unknown and is not any more.
pub trait Intake {
    /// The reading that `record` is, or why it is none.
    ///
    /// # Errors
    /// [`NotAdmitted`], as [`platform::intake::admit`].
    fn admit<'a>(&mut self, record: &Record<'a>) -> Result<Reading<'a>, NotAdmitted<'a>>;
}

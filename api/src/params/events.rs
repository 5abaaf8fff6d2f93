//! The parameters of the live stream.

use domain::FarmId;

use super::{FromQuery, QueryReader};
use crate::live::EventKind;

/// Which events.
#[derive(Debug, PartialEq, Eq)]
pub struct EventsQuery {
    /// Only of this farm.
    pub farm: Option<FarmId>,
    /// Only of these kinds.
    pub kinds: Vec<EventKind>,
}

impl FromQuery for EventsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            farm: query.take("farm", "1 to 64 characters out of A-Z a-z 0-9 . _ : -", |text| {
                text.parse().ok()
            }),
            kinds: query
                .take(
                    "types",
                    "one or more of reading, window, dead_letter, with commas between",
                    |text| text.split(',').map(EventKind::from_name).collect(),
                )
                .unwrap_or_else(|| EventKind::ALL.to_vec()),
        }
    }
}

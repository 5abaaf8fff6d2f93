//! One event, as text that is made once for all who listen.

use domain::FarmId;
use serde::Serialize;

use super::Source;

/// An event and the record behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) source: Source,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Whose it is; none for what no farm's key came with.
    pub(super) farm: Option<FarmId>,
    /// Its fields `event` and `data`; the id before them differs from listener to listener.
    pub(super) text: String,
}

impl Event {
    pub(super) fn new(place: Place, farm: Option<FarmId>, data: &impl Serialize) -> Self {
        let Place {
            source,
            partition,
            offset,
        } = place;
        Self {
            source,
            partition,
            offset,
            farm,
            text: text(source.kind().name(), data),
        }
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }
}

/// Where the record of an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// An event without an id. JSON has no line break outside of its strings, where it is escaped.
pub(super) fn text(name: &str, data: &impl Serialize) -> String {
    let json = serde_json::to_string(data).expect("what we tell is text and finite numbers");
    format!("event: {name}\ndata: {json}\n\n")
}

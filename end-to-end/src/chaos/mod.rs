//! A life made hard: while data flows, members of a crew of processes are killed, frozen, sent away and joined by new
//! ones, and servers are restarted, in an order that a seed reproduces; in the end `verify` judges, and of the aggregator's
//! topics a naive group-by besides.
//!
//! [`plan`] decides, and is pure; [`Crew`], [`crate::Servers`] and the database carry it out; [`Journal`] tells each
//! event with its time. What is particular to one program is its scenario: which actions, how many members, which data.

mod aggregator;
mod crew;
mod detour;
mod events;
mod in_sync;
mod journal;
mod judge;
pub mod plan;
mod settled;
mod sink;
mod watch;

pub use aggregator::{AggregatorScenario, aggregator, cluster};
pub use crew::Crew;
pub use detour::Detour;
pub use events::Chaos;
pub use journal::Journal;
pub use sink::{SinkScenario, sink};

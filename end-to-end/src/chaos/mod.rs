//! A life made hard: while data flows, members of a crew of processes are killed, frozen, sent away and joined by new
//! ones, and servers are restarted, in an order that a seed reproduces; in the end `verify` judges.
//!
//! [`plan`] decides, and is pure; [`Crew`], [`crate::Servers`] and the database carry it out; [`Journal`] tells each
//! event with its time. What is particular to one program is its scenario: which actions, how many members, which data.

mod crew;
mod events;
mod journal;
pub mod plan;
mod sink;

pub use crew::Crew;
pub use events::Chaos;
pub use journal::Journal;
pub use sink::{SinkScenario, sink};

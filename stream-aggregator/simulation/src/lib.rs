//! The stream-aggregator's state machine against a simulated Kafka: transactions that commit, abort or hang, owners
//! that crash, sleep and wake as zombies, partitions that move, records that come twice, late, or not at all. A seed
//! determines everything; each run is compared with a naive group-by of its log.
//!
//! The machine and the windows are the real ones. What is simulated is what the Kafka shell would do at the machine's
//! word, and what a broker would answer: see [`broker`] for that, [`process`] for how one is driven, [`mistake`] for
//! what could be done wrong, and [`judge`] for who would notice.
#![warn(missing_docs)]

pub mod broker;
pub mod consumer;
pub mod dice;
pub mod judge;
pub mod mistake;
#[path = "../../../crates/windowing/tests/windows/naive.rs"]
#[expect(clippy::unwrap_used, reason = "a model stops where it contradicts itself")]
mod naive;
pub mod process;
pub mod producer;
pub mod run;
pub mod scenario;
pub mod text;
pub mod time;
pub mod workload;

pub use mistake::Mistake;
pub use run::{Report, run, trace};

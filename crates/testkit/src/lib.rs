//! For tests on real servers: each test gets a topic prefix and a database of its own on the stack that
//! `cargo xtask test` started, reads topics whole, runs the real programs, and waits for conditions, never for time.
#![warn(missing_docs)]

mod database;
mod process;
mod stack;
mod topic;

pub use database::Database;
pub use process::{Program, binary};
pub use stack::Stack;
pub use topic::{Record, committed_records, produce, records};

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks again and again until `condition` gives a value.
///
/// # Panics
/// When it has given none within `limit`; the message names `what`.
pub async fn eventually<T, F, R>(what: &str, limit: Duration, mut condition: F) -> T
where
    F: FnMut() -> R,
    R: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

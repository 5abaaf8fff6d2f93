//! Minutes put together to ten minutes and hours, some time after the last change to an hour, beside the work of the
//! threads and on a connection of its own: nothing that is stored waits for it.
//!
//! **Invariant.** An hour that is not marked in `roll_up_marks` is stored as its minutes are: who stores or revises a
//! minute marks its hour in the same transaction, and the mark goes in the transaction that puts the hour together.

mod gathering;

use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

pub use gathering::Gathering;

use crate::store::Store;
use crate::telemetry;
use crate::worker::waits;

/// How long an hour is left alone after its last change. More than a minute, so that the hour that is going on is put
/// together once, when it is over, and not with each of its minutes.
const SETTLED_AFTER: Duration = Duration::from_secs(90);

/// Between two looks when there was nothing to do.
const PAUSE: Duration = Duration::from_secs(5);

/// Puts together what is due until `stop`; a database that is away is waited for.
///
/// # Errors
/// What waiting cannot mend.
pub(crate) async fn run(mut store: Store, stop: CancellationToken) -> anyhow::Result<()> {
    let mut retries = waits();
    while !stop.is_cancelled() {
        let pause = match store.roll_up(SETTLED_AFTER).await {
            Ok(0) => {
                retries = waits();
                PAUSE
            }
            Ok(hours) => {
                telemetry::rolled_up(hours);
                continue;
            }
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "hours are not put together for now");
                retries.next().unwrap_or(PAUSE)
            }
            Err(error) => return Err(error).context("putting hours together"),
        };
        // either end of the wait is looked at next
        tokio::time::timeout(pause, stop.cancelled()).await.ok();
    }
    Ok(())
}

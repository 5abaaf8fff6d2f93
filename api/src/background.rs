//! What goes on beside the requests: an eye on the database, and the first administrator's key.

use std::time::Duration;

use platform::HealthHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::auth::KeyHash;
use crate::queries::keys;

/// How often the database is asked whether it is there.
const INTERVAL: Duration = Duration::from_secs(2);

/// Makes the first administrator's key as soon as the database lets us, then tells whether the database is there,
/// until `stop` is cancelled.
pub async fn watch_database(
    database: PgPool,
    mut bootstrap: Option<KeyHash>,
    health: HealthHandle,
    stop: CancellationToken,
) {
    loop {
        match look(&database, bootstrap.as_ref()).await {
            Ok(()) => {
                bootstrap = None;
                health.ready();
            }
            Err(error) => health.not_ready(error.to_string()),
        }
        if tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Each listener of the live stream is an open file, and the usual limit is 1024; what the system allows at most is
/// taken.
pub fn open_all_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, limit = limit.current, "the number of open files stays limited");
    }
}

/// Reads a table of ours, so that a database that was not migrated is not taken for one that is ready.
async fn look(database: &PgPool, bootstrap: Option<&KeyHash>) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM api_keys LIMIT 1")
        .execute(database)
        .await?;
    if let Some(hash) = bootstrap
        && keys::bootstrap(database, hash).await?
    {
        tracing::info!("the first administrator's key is in place");
    }
    Ok(())
}

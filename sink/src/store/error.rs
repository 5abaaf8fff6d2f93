//! What can go wrong with the database, and whether waiting helps.

use std::time::Duration;

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL cannot be reached, or refuses.
    #[error("{what}: {source}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What PostgreSQL or the connection said.
        source: sqlx::Error,
    },
    /// No answer came; whether it was done will be seen from the offsets.
    #[error("{what}: no answer from the database within {} s", .limit.as_secs())]
    Timeout {
        /// What was being done.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// Somebody else has moved a lane since we read its offset. Nothing of the batch was stored.
    #[error(
        "{moved} of {wanted} partitions are where this batch begins: somebody else has stored the others"
    )]
    Fenced {
        /// How many lanes are still where we think.
        moved: u64,
        /// How many lanes the batch moves.
        wanted: u64,
    },
}

/// What the SQLSTATEs begin with that may pass by themselves: connection, resources, an operator at work, a system
/// error, serialisation and deadlock, a server that is read-only because another one has taken over.
const TRANSIENT: [&str; 8] = ["08", "53", "57", "58", "40", "25006", "55P03", "XX000"];

const UNIQUE_VIOLATION: &str = "23505";
const CHECK_VIOLATION: &str = "23514";

impl StoreError {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Fenced { .. } => false,
            Self::Database { source, .. } => is_transient(source),
        }
    }

    /// Whether a row was there already.
    pub fn is_duplicate(&self) -> bool {
        self.code().as_deref() == Some(UNIQUE_VIOLATION)
    }

    /// Whether a row found no partition of its day; PostgreSQL calls that a violated check.
    pub fn is_missing_partition(&self) -> bool {
        self.code().as_deref() == Some(CHECK_VIOLATION)
    }

    fn code(&self) -> Option<String> {
        match self {
            Self::Database { source, .. } => code(source),
            Self::Timeout { .. } | Self::Fenced { .. } => None,
        }
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => TRANSIENT.iter().any(|class| code.starts_with(class)),
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
        ),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Names what was being done.
pub(super) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { what, source }
}

//! What can go wrong with the database, and what helps: waiting, another way for the rows, or nothing.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use super::sql::Target;

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL cannot be reached, or refuses.
    #[error("{what}: {cause}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What PostgreSQL or the connection said.
        cause: sqlx::Error,
    },
    /// The same while rows were stored.
    #[error("storing rows of {}: {cause}", .target.name())]
    Rows {
        /// Of which table.
        target: Target,
        /// What PostgreSQL or the connection said.
        cause: sqlx::Error,
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

/// What the database has against a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// It is there already.
    Duplicate,
    /// There is no partition of its day.
    MissingPartition,
    /// It cannot or may not be stored.
    Refused,
}

/// What the SQLSTATEs begin with that may pass by themselves: connection, resources, an operator at work, a system
/// error, serialisation and deadlock, a transaction that was idle for too long, a server that is read-only because
/// another one has taken over, something that is in use or closed for a while.
const TRANSIENT: [&str; 9] = ["08", "53", "57", "58", "40", "25P03", "25006", "55", "XX000"];

/// What those begin with that are about the values of a row: data, integrity, a limit of PostgreSQL's own, and what a
/// trigger raises.
const ABOUT_A_ROW: [&str; 4] = ["22", "23", "54", "P0001"];

/// But these mean that the table has other columns than we think, which no row can help.
const ABOUT_THE_FORMAT: [&str; 2] = ["22P03", "22P04"];

const UNIQUE_VIOLATION: &str = "23505";
const CHECK_VIOLATION: &str = "23514";
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl StoreError {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Fenced { .. } => false,
            Self::Database { cause, .. } | Self::Rows { cause, .. } => is_transient(cause),
        }
    }

    /// Whether a row found no partition of its day.
    pub(super) fn is_missing_partition(&self) -> bool {
        self.said()
            .is_some_and(|said| said.code() == CHECK_VIOLATION && said.constraint().is_none())
    }

    /// Whether somebody else stood in the way for too long.
    pub(super) fn is_lock_timeout(&self) -> bool {
        self.said().is_some_and(|said| said.code() == LOCK_NOT_AVAILABLE)
    }

    /// Which table's rows are at fault, and how.
    pub(super) fn complaint(&self) -> Option<(Target, Complaint)> {
        match self {
            Self::Rows { target, cause } => Some((*target, complaint(cause)?)),
            Self::Database { .. } | Self::Timeout { .. } | Self::Fenced { .. } => None,
        }
    }

    /// What PostgreSQL said, in its own terms.
    pub(super) fn said(&self) -> Option<&PgDatabaseError> {
        match self {
            Self::Database { cause, .. } | Self::Rows { cause, .. } => {
                cause.as_database_error()?.try_downcast_ref()
            }
            Self::Timeout { .. } | Self::Fenced { .. } => None,
        }
    }
}

fn complaint(error: &sqlx::Error) -> Option<Complaint> {
    let said: &PgDatabaseError = error.as_database_error()?.try_downcast_ref()?;
    let code = said.code();
    if code == UNIQUE_VIOLATION {
        Some(Complaint::Duplicate)
    } else if code == CHECK_VIOLATION && said.constraint().is_none() {
        // PostgreSQL calls that a violated check, but can name none
        Some(Complaint::MissingPartition)
    } else if ABOUT_A_ROW.iter().any(|class| code.starts_with(class)) && !ABOUT_THE_FORMAT.contains(&code) {
        Some(Complaint::Refused)
    } else {
        None
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error.as_database_error().and_then(|error| error.code()) {
        Some(code) => TRANSIENT.iter().any(|class| code.starts_with(class)),
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
        ),
    }
}

/// Names what was being done.
pub(super) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |cause| StoreError::Database { what, cause }
}

/// Names the table whose rows were being stored.
pub(super) fn failed_for(target: Target) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |cause| StoreError::Rows { target, cause }
}

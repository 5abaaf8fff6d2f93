//! The three roles. They belong to the whole server, not to one database, so several databases share them.

use sqlx::{Connection, PgConnection};

use crate::{LOCK, MigrateError, execute, failed, is_already_there, statement};

/// The passwords that the roles are to have; a role whose password is not given keeps the one that it has.
#[derive(Clone, Default)]
pub struct Passwords {
    /// Of `windfarm_owner`, who owns the tables.
    pub owner: Option<String>,
    /// Of `windfarm_sink`, who writes them.
    pub sink: Option<String>,
    /// Of `windfarm_api`, who reads them.
    pub api: Option<String>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords { .. }")
    }
}

/// Makes the roles that are missing and sets the passwords that are given.
pub(crate) async fn ensure(connection: &mut PgConnection, passwords: &Passwords) -> Result<(), MigrateError> {
    let roles = [
        ("windfarm_owner", &passwords.owner),
        ("windfarm_sink", &passwords.sink),
        ("windfarm_api", &passwords.api),
    ];
    let mut transaction = connection.begin().await.map_err(failed("making the roles"))?;
    execute(&mut transaction, "waiting for another migration", LOCK).await?;
    for (role, password) in roles {
        create(&mut transaction, role)
            .await
            .map_err(failed("making the roles"))?;
        if let Some(password) = password {
            let alter = "SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)";
            statement(&mut transaction, alter, &[role, password])
                .await
                .map_err(failed("setting a role's password"))?;
        }
    }
    transaction.commit().await.map_err(failed("making the roles"))
}

async fn create(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let can_log_in: Option<bool> = sqlx::query_scalar("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1")
        .bind(role)
        .fetch_optional(&mut *connection)
        .await?;
    match can_log_in {
        Some(true) => Ok(()),
        Some(false) => statement(connection, "SELECT format('ALTER ROLE %I LOGIN', $1)", &[role]).await,
        None => {
            let mut savepoint = connection.begin().await?;
            match statement(
                &mut savepoint,
                "SELECT format('CREATE ROLE %I LOGIN', $1)",
                &[role],
            )
            .await
            {
                Err(error) if is_already_there(&error) => savepoint.rollback().await,
                other => other.and(savepoint.commit().await),
            }
        }
    }
}

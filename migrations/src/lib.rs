//! The schema of the database and how it is applied: [`migrate`] makes the database, the three roles and the schema
//! where they are missing, and brings the tables up to date as their owner.
//!
//! The SQL lies beside this crate's manifest, one file a step. A step that has been released is never edited.
#![warn(missing_docs)]

mod roles;

use std::str::FromStr;

use sqlx::migrate::{MigrateError as StepError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

pub use roles::Passwords;

/// All steps, compiled in.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Everything of ours lies in this schema.
pub const SCHEMA: &str = "windfarm";

/// PostgreSQL's own database, which is always there: where another one can be made from.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Why the database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The address is none, or names no database.
    #[error("the administrator's database address is unusable: {0}")]
    Address(String),
    /// PostgreSQL could not be reached, or refused.
    #[error("{what} failed: {source}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// A step failed, or one that was applied has since been changed.
    #[error("the schema could not be brought up to date: {0}")]
    Step(#[from] StepError),
}

/// Makes what is missing of database, roles and schema, then applies the steps that have not been applied yet.
///
/// `admin_url` is a superuser's address that names the wanted database. Running it again, or twice at once, is
/// harmless.
///
/// # Errors
/// [`MigrateError`] when the address is unusable, PostgreSQL cannot be reached or refuses, or a step fails.
pub async fn migrate(admin_url: &str, passwords: &Passwords) -> Result<(), MigrateError> {
    let (options, database) = target(admin_url)?;
    let mut maintenance = connect(&options.clone().database(MAINTENANCE_DATABASE)).await?;
    create_database(&mut maintenance, &database).await?;
    roles::ensure(&mut maintenance, passwords).await?;
    close(maintenance).await?;

    let mut connection = connect(&options).await?;
    create_schema(&mut connection, &database).await?;
    // the steps run as the owner, so that all they make is the owner's
    execute(
        &mut connection,
        "taking the owner's role",
        "SET ROLE windfarm_owner",
    )
    .await?;
    execute(
        &mut connection,
        "choosing the schema",
        "SET search_path = windfarm",
    )
    .await?;
    MIGRATOR.run(&mut connection).await?;
    close(connection).await?;
    tracing::info!(database, steps = MIGRATOR.iter().count(), "schema is up to date");
    Ok(())
}

fn target(admin_url: &str) -> Result<(PgConnectOptions, String), MigrateError> {
    let options = PgConnectOptions::from_str(admin_url)
        .map_err(|error| MigrateError::Address(error.to_string()))?
        .log_statements(tracing::log::LevelFilter::Trace);
    let database = options
        .get_database()
        .ok_or_else(|| MigrateError::Address("it names no database".to_owned()))?
        .to_owned();
    Ok((options, database))
}

async fn create_database(connection: &mut PgConnection, name: &str) -> Result<(), MigrateError> {
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("looking for the database"))?;
    if there {
        return Ok(());
    }
    match statement(connection, "SELECT format('CREATE DATABASE %I', $1)", &[name]).await {
        Err(error) if is_already_there(&error) => Ok(()),
        other => other.map_err(failed("making the database")),
    }
}

/// The schema, and the search path of everybody who connects: of the three roles and of a person with `psql`.
async fn create_schema(connection: &mut PgConnection, database: &str) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await.map_err(failed("making the schema"))?;
    // two at once would trip over each other's catalogue rows
    execute(&mut transaction, "waiting for another migration", LOCK).await?;
    execute(
        &mut transaction,
        "making the schema",
        "CREATE SCHEMA IF NOT EXISTS windfarm AUTHORIZATION windfarm_owner",
    )
    .await?;
    let set = "SELECT format('ALTER DATABASE %I SET search_path = windfarm', $1)";
    statement(&mut transaction, set, &[database])
        .await
        .map_err(failed("setting the search path"))?;
    transaction.commit().await.map_err(failed("making the schema"))
}

/// Held by whoever changes what belongs to the whole cluster or database, until its transaction ends.
pub(crate) const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('windfarm.migrate', 0))";

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, MigrateError> {
    options
        .connect()
        .await
        .map_err(failed("connecting as the administrator"))
}

async fn close(connection: PgConnection) -> Result<(), MigrateError> {
    connection.close().await.map_err(failed("disconnecting"))
}

pub(crate) async fn execute(
    connection: &mut PgConnection,
    what: &'static str,
    sql: &'static str,
) -> Result<(), MigrateError> {
    sqlx::raw_sql(sql)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed(what))
}

/// Runs the statement that `format_sql` makes: names and passwords in DDL cannot be parameters, so PostgreSQL's own
/// `format()` quotes them.
pub(crate) async fn statement(
    connection: &mut PgConnection,
    format_sql: &'static str,
    values: &[&str],
) -> Result<(), sqlx::Error> {
    let mut query = sqlx::query_scalar::<_, String>(format_sql);
    for value in values {
        query = query.bind(value);
    }
    let sql = query.fetch_one(&mut *connection).await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
}

/// Whether somebody else made the same thing a moment before.
pub(crate) fn is_already_there(error: &sqlx::Error) -> bool {
    const DUPLICATE_DATABASE: &str = "42P04";
    const DUPLICATE_OBJECT: &str = "42710";
    const UNIQUE_VIOLATION: &str = "23505";
    error
        .as_database_error()
        .and_then(|error| error.code().map(|code| code.into_owned()))
        .is_some_and(|code| [DUPLICATE_DATABASE, DUPLICATE_OBJECT, UNIQUE_VIOLATION].contains(&code.as_str()))
}

pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> MigrateError {
    move |source| MigrateError::Database { what, source }
}

//! The database server: its databases, and what it costs.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use testkit::Database;

use crate::processes::cpu_with_children;

/// The server, as a superuser.
#[derive(Debug, Clone)]
pub struct Server {
    url: String,
    pid: u32,
    /// Its version, as `18.1`.
    pub version: String,
}

impl Server {
    /// The server at this address, which must be on this machine for its processor time to be known.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn at(url: &str) -> Result<Self> {
        let mut connection = connect(url).await?;
        let file: String = sqlx::query_scalar("SELECT pg_read_file('postmaster.pid')")
            .fetch_one(&mut connection)
            .await
            .context("asking for the server's pid")?;
        let version: String = sqlx::query_scalar("SELECT current_setting('server_version')")
            .fetch_one(&mut connection)
            .await
            .context("asking for the server's version")?;
        connection.close().await?;
        let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
        Ok(Self {
            url: url.to_owned(),
            pid: pid.context("the server's pid file holds no pid")?,
            version,
        })
    }

    /// Processor time of all its processes since it started.
    pub fn cpu(&self) -> Duration {
        cpu_with_children(self.pid)
    }

    /// Writes out what earlier measurements have left in memory, so that a later one does not pay for it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn settle(&self) -> Result<()> {
        let mut connection = connect(&self.url).await?;
        connection
            .execute("CHECKPOINT")
            .await
            .context("writing a checkpoint")?;
        Ok(connection.close().await?)
    }

    /// Removes a database with all that is in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop(&self, database: &Database) -> Result<()> {
        let (_, name) = database
            .admin_url
            .rsplit_once('/')
            .context("the URL names a database")?;
        let mut connection = connect(&self.url).await?;
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        connection
            .execute(AssertSqlSafe(sql))
            .await
            .context("removing a database")?;
        Ok(connection.close().await?)
    }
}

async fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url)
        .await
        .context("connecting to PostgreSQL")
}

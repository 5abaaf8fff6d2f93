//! The same rows from files, by `\copy`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bench::{CopyIn, Server, Shape, save};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use testkit::Database;

use crate::measurement::{Clocks, Measurement};

/// The rows of a corpus as PostgreSQL's binary files: all of them, and in two halves.
pub(crate) struct Yardstick {
    copy: CopyIn,
    rows: u64,
    whole: PathBuf,
    halves: [PathBuf; 2],
    _folder: TempDir,
}

impl Yardstick {
    /// Writes what the sink has stored into files: in the order of time, as an export would have them; the halves by
    /// partition, as two members of a group share them.
    pub(crate) async fn of(database: &Database, copy: CopyIn) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the rows")?;
        let mut connection = PgConnection::connect(&database.admin_url).await?;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM readings")
            .fetch_one(&mut connection)
            .await?;
        let order = "ORDER BY event_time, farm_id, turbine_id";
        let query = format!("SELECT * FROM readings {order}");
        let whole = save(&mut connection, &query, folder.path().join("all")).await?;
        let mut half = async |remainder: u8| {
            let query = format!("SELECT * FROM readings WHERE kafka_partition % 2 = {remainder} {order}");
            save(&mut connection, &query, folder.path().join(remainder.to_string())).await
        };
        let halves = [half(0).await?, half(1).await?];
        connection.close().await?;
        Ok(Self {
            copy,
            rows: u64::try_from(rows)?,
            whole,
            halves,
            _folder: folder,
        })
    }

    /// One COPY into this database.
    pub(crate) async fn one(&self, server: &Server, database: &Database) -> Result<Measurement> {
        self.measure(server, database, async |url| {
            self.copy.load(url, "readings", &self.whole).await
        })
        .await
    }

    /// Two at once.
    pub(crate) async fn two(&self, server: &Server, database: &Database) -> Result<Measurement> {
        let [first, second] = &self.halves;
        self.measure(server, database, async |url| {
            tokio::try_join!(
                self.copy.load(url, "readings", first),
                self.copy.load(url, "readings", second)
            )
            .map(drop)
        })
        .await
    }

    async fn measure(
        &self,
        server: &Server,
        database: &Database,
        load: impl AsyncFnOnce(&str) -> Result<()>,
    ) -> Result<Measurement> {
        let mut connection = PgConnection::connect(&database.admin_url).await?;
        sqlx::query("SELECT ensure_days('readings', ARRAY[$1::date])")
            .bind(Shape::DAY)
            .execute(&mut connection)
            .await
            .context("making the day's partition")?;
        let start = Clocks::now(server, None);
        load(&database.sink_url).await?;
        let end = Clocks::now(server, None);
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM readings")
            .fetch_one(&mut connection)
            .await?;
        ensure!(
            u64::try_from(rows)? == self.rows,
            "{rows} of {} rows were copied",
            self.rows
        );
        connection.close().await?;
        Ok(Measurement::between(start, end, self.rows))
    }
}

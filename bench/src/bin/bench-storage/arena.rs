//! One candidate's table in a database of its own, with what the API needs besides.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::Series;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use testkit::{Database, Stack};

use crate::candidate::Candidate;
use crate::scale::Scale;

/// A candidate's table.
pub(crate) struct Arena {
    pub(crate) candidate: Candidate,
    pub(crate) table: &'static str,
    pub(crate) database: Database,
    pub(crate) pool: PgPool,
    connection: PgConnection,
    /// Seconds of each transaction.
    pub(crate) batches: Series,
    /// Of all of them.
    pub(crate) took: Duration,
}

/// How large a table is, bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) heap: i64,
    pub(crate) indexes: i64,
}

impl Arena {
    pub(crate) async fn make(candidate: Candidate, table: &'static str, scale: &Scale) -> Result<Self> {
        let database = Stack::for_test().database().await;
        let mut connection = PgConnection::connect(&database.admin_url).await?;
        candidate.apply(&mut connection, table).await?;
        // the day before and the day after, as a table has that has been in use
        let days = format!(
            "SELECT ensure_days('{table}', ARRAY[date '{day}' - 1, date '{day}', date '{day}' + 1])",
            day = Scale::DAY
        );
        connection
            .execute(AssertSqlSafe(days))
            .await
            .context("making partitions of days")?;
        enter_turbines(&mut connection, candidate, scale).await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect(&database.admin_url)
            .await?;
        Ok(Self {
            candidate,
            table,
            database,
            pool,
            connection,
            batches: Series::default(),
            took: Duration::ZERO,
        })
    }

    /// Stores a batch as the sink does, in one transaction.
    pub(crate) async fn store(&mut self, columns: &[&str], bytes: &[u8]) -> Result<()> {
        let statement = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            self.table,
            columns.join(", ")
        );
        let begun = Instant::now();
        let mut transaction = self.connection.begin().await?;
        let mut copy = transaction.copy_in_raw(&statement).await?;
        for piece in bytes.chunks(64 * 1_024) {
            copy.send(piece).await?;
        }
        copy.finish().await?;
        transaction.commit().await?;
        let took = begun.elapsed();
        self.batches.push(took.as_secs_f64());
        self.took += took;
        Ok(())
    }

    /// As autovacuum leaves a table that has been written to for a while.
    pub(crate) async fn vacuum(&mut self) -> Result<()> {
        let sql = format!("VACUUM (ANALYZE) {}, turbines, farms", self.table);
        self.connection
            .execute(AssertSqlSafe(sql))
            .await
            .context("vacuuming")
            .map(drop)
    }

    /// Makes the index that a day gets when it is over, and tells how long that took; none if it gets none.
    pub(crate) async fn close_day(&mut self) -> Result<Option<Duration>> {
        let Some(index) = self.candidate.index_of_closed_days else {
            return Ok(None);
        };
        let begun = Instant::now();
        let sql = format!(
            "CREATE INDEX ON {}_{} {index}",
            self.table,
            Scale::DAY.replace('-', "")
        );
        self.connection
            .execute(AssertSqlSafe(sql))
            .await
            .context("making the index of a closed day")?;
        Ok(Some(begun.elapsed()))
    }

    pub(crate) async fn size(&mut self) -> Result<Size> {
        let sql = format!(
            "SELECT pg_table_size('{table}_{day}'), pg_indexes_size('{table}_{day}')",
            table = self.table,
            day = Scale::DAY.replace('-', "")
        );
        let (heap, indexes) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await
            .context("asking for sizes")?;
        Ok(Size { heap, indexes })
    }
}

async fn enter_turbines(connection: &mut PgConnection, candidate: Candidate, scale: &Scale) -> Result<()> {
    let (farm, turbine) = scale.ids_sql("number");
    let (first, last) = (
        format!("timestamptz '{} 00:00:00+00'", Scale::DAY),
        format!(
            "timestamptz '{} 00:00:00+00' + interval '{} seconds'",
            Scale::DAY,
            scale.span_s - scale.interval_s
        ),
    );
    let (column, value) = if candidate.has_number {
        (", turbine_number", ", number")
    } else {
        ("", "")
    };
    let turbines = format!(
        "INSERT INTO turbines (farm_id, turbine_id, first_event_time, last_event_time{column}) \
         SELECT {farm}, {turbine}, {first}, {last}{value} FROM generate_series(0, {} - 1) AS number",
        scale.turbines()
    );
    let farms = "INSERT INTO farms (farm_id, first_event_time, last_event_time) \
         SELECT farm_id, min(first_event_time), max(last_event_time) FROM turbines GROUP BY farm_id";
    connection.execute(AssertSqlSafe(turbines)).await?;
    connection.execute(farms).await?;
    Ok(())
}

//! The rows that all candidates get, in the order in which they would arrive, made by PostgreSQL itself from the columns
//! of the real table: whatever the schema becomes, this follows.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use testkit::Database;

use crate::scale::Scale;

/// The rows of one table.
pub(crate) struct Source {
    connection: PgConnection,
    /// How many there are.
    pub(crate) rows: i64,
    columns: Vec<String>,
}

/// Which column is the time, and how the rows lie in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) time_column: &'static str,
    pub(crate) interval_s: i64,
    pub(crate) count: i64,
    /// Rows of each step: of turbines or of farms.
    pub(crate) members: i64,
}

impl Source {
    /// The rows that `table` of this database would have.
    pub(crate) async fn make(database: &Database, table: &str, scale: &Scale, steps: Steps) -> Result<Self> {
        let mut connection = PgConnection::connect(&database.admin_url).await?;
        let columns = sqlx::query(
            "SELECT column_name, coalesce(domain_name, udt_name) AS type FROM information_schema.columns \
             WHERE table_schema = 'windfarm' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(&mut connection)
        .await
        .context("asking for the columns")?;
        let columns: Vec<(String, String)> = columns
            .iter()
            .map(|row| (row.get("column_name"), row.get("type")))
            .collect();
        let expressions: Vec<_> = columns
            .iter()
            .map(|(name, kind)| format!("{} AS {name}", expression(name, kind, scale, steps)))
            .collect();
        let Steps { count, members, .. } = steps;
        let sql = format!(
            "CREATE UNLOGGED TABLE source AS
             SELECT step * {members} + member AS source_number, member AS source_member, {}
             FROM generate_series(0::bigint, {count} - 1) AS step,
                  generate_series(0::bigint, {members} - 1) AS member
             ORDER BY 1",
            expressions.join(", ")
        );
        connection
            .execute(AssertSqlSafe(sql))
            .await
            .with_context(|| format!("making rows of {table}"))?;
        connection
            .execute("CREATE INDEX ON source (source_number)")
            .await
            .context("ordering the rows")?;
        connection.execute("VACUUM ANALYZE source").await?;
        Ok(Self {
            connection,
            rows: count * members,
            columns: columns.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// The columns that are copied, with those of the ids replaced by a number if that is wanted.
    pub(crate) fn columns(&self, has_number: bool) -> Vec<&str> {
        let own = self.columns.iter().map(String::as_str);
        if has_number {
            let rest = own.filter(|name| !["farm_id", "turbine_id"].contains(name));
            ["turbine_number"].into_iter().chain(rest).collect()
        } else {
            own.collect()
        }
    }

    /// The rows from this number on, in PostgreSQL's binary format.
    pub(crate) async fn batch(&mut self, from: i64, count: i64, has_number: bool) -> Result<Vec<u8>> {
        let columns = self
            .columns(has_number)
            .join(", ")
            .replace("turbine_number", "source_member::integer AS turbine_number");
        let statement = format!(
            "COPY (SELECT {columns} FROM source WHERE source_number >= {from} AND source_number < {} \
             ORDER BY source_number) TO STDOUT (FORMAT binary)",
            from + count
        );
        let mut bytes = Vec::new();
        let mut rows = self.connection.copy_out_raw(&statement).await?;
        while let Some(more) = rows.try_next().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }
}

/// A value for a column: as real ones are in size and in how they vary.
fn expression(name: &str, kind: &str, scale: &Scale, steps: Steps) -> String {
    let time = |step: &str| {
        format!(
            "(timestamptz '{} 00:00:00+00' + {step} * interval '{} seconds')",
            Scale::DAY,
            steps.interval_s
        )
    };
    let (farm, turbine) = if steps.members == scale.farms {
        ("('farm-' || member)".to_owned(), "'T001'".to_owned())
    } else {
        scale.ids_sql("member")
    };
    match (name, kind) {
        ("farm_id", _) => farm,
        (_, "text") => turbine,
        (name, _) if name == steps.time_column => time("step"),
        ("window_end", _) => time("(step + 1)"),
        (_, "timestamptz") => format!("{} + 30 * random() * interval '1 second'", time("step")),
        ("kafka_partition", _) => "(member % 6)::integer".to_owned(),
        ("kafka_offset" | "sequence", _) => format!("step * {} + member", steps.members),
        ("revision", _) => "0".to_owned(),
        (_, "float8") => "round((random() * 300)::numeric, 2)::float8".to_owned(),
        (_, "int8") => "60::bigint".to_owned(),
        (_, "int4") => "1".to_owned(),
        (_, "operating_status") => "'GENERATING'::operating_status".to_owned(),
        (_, "close_reason") => "'STREAM_TIME'::close_reason".to_owned(),
        (_, kind) => format!("NULL::{kind}"),
    }
}

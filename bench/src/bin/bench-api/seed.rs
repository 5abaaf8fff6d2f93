//! A farm with a past, made by PostgreSQL itself from the columns of the real tables: whatever the schema becomes, this
//! follows.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use testkit::Database;

use crate::args::Args;
use crate::server::FARM;

/// The last day, of which there are minutes too.
pub(crate) const LAST_DAY: &str = "2026-11-23";

/// Fills the database.
pub(crate) async fn fill(database: &Database, args: &Args) -> Result<()> {
    let mut connection = PgConnection::connect(&database.admin_url).await?;
    let (days, turbines, rows) = (args.days, args.turbines, args.export_rows);
    let beyond = format!("timestamptz '{LAST_DAY} 00:00Z' + interval '1 day'");
    let first = format!("{beyond} - interval '{days} days'");
    run(
        &mut connection,
        "the farm",
        &format!(
            "INSERT INTO farms VALUES ('{FARM}', {first}, {beyond} - interval '1 second');
             INSERT INTO turbines SELECT '{FARM}', 'T' || lpad(n::text, 3, '0'), {first}, {beyond} - interval '1 second'
                FROM generate_series(1, {turbines}) AS n;
             SELECT ensure_days('readings', array_agg(day::date))
                FROM generate_series({beyond} - {rows} * interval '1 second' - interval '1 day', {beyond}, '1 day') AS day;
             SELECT ensure_days(t, ARRAY[date '{LAST_DAY}']) FROM unnest(ARRAY['farm_windows', 'turbine_windows']) AS t;
             SELECT ensure_months(t, (SELECT array_agg(day::date) FROM generate_series({first}, {beyond}, '1 day') AS day))
                FROM unnest(ARRAY['ten_minute_farm_windows', 'hourly_farm_windows', 'ten_minute_turbine_windows',
                                  'hourly_turbine_windows']) AS t;"
        ),
    )
    .await?;
    // the first turbine has all the rows of the export, the others their last reading
    run(
        &mut connection,
        "readings",
        &format!(
            "INSERT INTO readings SELECT '{FARM}', 'T001', {beyond} - n * interval '1 second', n,
                8 + 4 * sin(n / 3600.0), (n / 60) % 360, 1500 + 700 * sin(n / 3600.0), 1600, 12.5, 3.25, (n / 60) % 360,
                11.25, 'GENERATING', 0, n, {beyond} - n * interval '1 second'
             FROM generate_series(1, {rows}) AS n;
             INSERT INTO readings SELECT farm_id, turbine_id, last_event_time, 1, 8.25, 270, 1500, 1600, 12.5, 3.25, 271,
                11.25, 'GENERATING', 0, -1, last_event_time FROM turbines WHERE turbine_id <> 'T001';"
        ),
    )
    .await?;
    for (table, step, from) in [
        (
            "farm_windows",
            "1 minute",
            format!("timestamptz '{LAST_DAY} 00:00Z'"),
        ),
        (
            "turbine_windows",
            "1 minute",
            format!("timestamptz '{LAST_DAY} 00:00Z'"),
        ),
        ("ten_minute_farm_windows", "10 minutes", first.clone()),
        ("ten_minute_turbine_windows", "10 minutes", first.clone()),
        ("hourly_farm_windows", "1 hour", first.clone()),
        ("hourly_turbine_windows", "1 hour", first.clone()),
    ] {
        let insert = windows(&mut connection, table, step, &from, &beyond, turbines).await?;
        run(&mut connection, table, &insert).await?;
    }
    run(&mut connection, "statistics", "VACUUM ANALYZE").await?;
    Ok(connection.close().await?)
}

async fn windows(
    connection: &mut PgConnection,
    table: &str,
    step: &str,
    from: &str,
    beyond: &str,
    turbines: u32,
) -> Result<String> {
    let columns = sqlx::query(
        "SELECT column_name, udt_name FROM information_schema.columns \
         WHERE table_schema = 'windfarm' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .context("asking for the columns")?;
    let is_farm = table.ends_with("farm_windows");
    let members = if is_farm { 1 } else { turbines };
    let values: Vec<_> = columns
        .iter()
        .map(|row| value(row.get(0), row.get(1), step, if is_farm { turbines } else { 1 }))
        .collect();
    let names: Vec<&str> = columns.iter().map(|row| row.get(0)).collect();
    Ok(format!(
        "INSERT INTO {table} ({}) SELECT {} FROM generate_series({from}, {beyond} - interval '1 second', '{step}') AS at, \
         generate_series(1, {members}) AS member",
        names.join(", "),
        values.join(", ")
    ))
}

/// A value as real ones are in size and in how they vary.
fn value(name: &str, kind: &str, step: &str, turbines: u32) -> String {
    match (name, kind) {
        ("farm_id", _) => format!("'{FARM}'"),
        ("turbine_id", _) => "'T' || lpad(member::text, 3, '0')".to_owned(),
        ("window_end", _) => format!("at + interval '{step}'"),
        ("turbine_seconds", _) => format!("{turbines} * extract(epoch FROM interval '{step}')"),
        ("turbine_count", _) => turbines.to_string(),
        ("revision" | "duplicate_count" | "rejected_count" | "kafka_partition", _) => "0".to_owned(),
        (_, "text") => "'T001'".to_owned(),
        (_, "timestamptz") => "at".to_owned(),
        (_, "float8") => "8 + 4 * sin(extract(epoch FROM at)::float8 / 7e4 + member)".to_owned(),
        (_, "int8") => format!("{turbines} * extract(epoch FROM interval '{step}')::bigint"),
        (_, "close_reason") => "'STREAM_TIME'::close_reason".to_owned(),
        (_, "_text") => "'{}'".to_owned(),
        (_, kind) => format!("NULL::{kind}"),
    }
}

async fn run(connection: &mut PgConnection, what: &str, sql: &str) -> Result<()> {
    connection
        .execute(AssertSqlSafe(sql))
        .await
        .map(drop)
        .with_context(|| format!("making {what}"))
}

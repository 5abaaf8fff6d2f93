//! What the live stream asks of the database: whether windows were made anew, and what the log has forgotten.

use domain::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, QueryBuilder, Row};
use time::OffsetDateTime;

use super::readings::COLUMNS;
use super::{from_db, to_db};
use crate::model::{DeadLetter, Reading};

/// A late reading, as far as the sink marks by it the window that it is to make anew.
pub trait Mark {
    /// Its place in the topic of late readings.
    fn place(&self) -> (i32, i64);
    /// The window.
    fn window(&self) -> (&str, Timestamp);
}

/// How many of these, from the first one on, the sink has taken, and made their windows anew if need be.
pub async fn settled(database: &PgPool, topic: &str, late: &[impl Mark]) -> Result<usize, sqlx::Error> {
    let place = |one: &_| Mark::place(one);
    let partitions: Vec<i32> = late.iter().map(|one| place(one).0).collect();
    let offsets: Vec<i64> = late.iter().map(|one| place(one).1).collect();
    let farms: Vec<String> = late.iter().map(|one| one.window().0.to_owned()).collect();
    let starts: Vec<OffsetDateTime> = late.iter().map(|one| to_db(one.window().1)).collect();
    let pending: Option<i64> = sqlx::query_scalar(
        "SELECT min(place) FROM unnest($2::int[], $3::bigint[], $4::text[], $5::timestamptz[]) \
             WITH ORDINALITY AS late (partition, late_offset, farm, start, place) \
         WHERE NOT EXISTS (SELECT FROM kafka_offsets AS stored WHERE topic = $1 \
                 AND stored.partition = late.partition AND next_offset > late_offset) \
            OR EXISTS (SELECT FROM late_marks WHERE farm_id = late.farm AND window_start = late.start)",
    )
    .bind(topic)
    .bind(partitions)
    .bind(offsets)
    .bind(farms)
    .bind(starts)
    .fetch_one(database)
    .await?;
    let first = pending.and_then(|place| usize::try_from(place - 1).ok());
    Ok(first.unwrap_or(late.len()))
}

/// Rows of one partition, by offset.
#[derive(Debug, Clone, Copy)]
pub struct OffsetRange {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The first offset after it.
    pub until: i64,
}

/// The readings of a stretch of a log.
pub async fn readings(
    database: &PgPool,
    range: OffsetRange,
    farms: Option<Vec<String>>,
) -> Result<Vec<(i64, Reading)>, sqlx::Error> {
    let mut sql = select(
        &format!("farm_id, turbine_id, {COLUMNS}"),
        "readings",
        range,
        farms,
    );
    rows(&mut sql, database, |row| Reading::from_row(row)).await
}

/// The dead letters of a stretch of a log.
pub async fn dead_letters(
    database: &PgPool,
    range: OffsetRange,
    farms: Option<Vec<String>>,
) -> Result<Vec<(i64, DeadLetter)>, sqlx::Error> {
    let mut sql = select("*", "dead_letters", range, farms);
    rows(&mut sql, database, |row| DeadLetter::from_row(row)).await
}

/// Farms and starts of the windows of a stretch of a log.
pub async fn windows(
    database: &PgPool,
    range: OffsetRange,
    farms: Option<Vec<String>>,
) -> Result<Vec<(i64, (String, Timestamp))>, sqlx::Error> {
    let mut sql = select("farm_id, window_start", "farm_windows", range, farms);
    rows(&mut sql, database, |row| {
        Ok((row.try_get("farm_id")?, from_db(row.try_get("window_start")?)))
    })
    .await
}

/// Rows, each with its offset.
async fn rows<T>(
    sql: &mut QueryBuilder<sqlx::Postgres>,
    database: &PgPool,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<(i64, T)>, sqlx::Error> {
    let found = sql.build().fetch_all(database).await?;
    found
        .iter()
        .map(|row| Ok((row.try_get("stored_offset")?, read(row)?)))
        .collect()
}

fn select(
    columns: &str,
    table: &str,
    range: OffsetRange,
    farms: Option<Vec<String>>,
) -> QueryBuilder<sqlx::Postgres> {
    let mut sql = QueryBuilder::new(format!(
        "SELECT {columns}, kafka_offset AS stored_offset FROM {table} WHERE kafka_partition = "
    ));
    sql.push_bind(range.partition);
    sql.push(" AND kafka_offset >= ").push_bind(range.from);
    sql.push(" AND kafka_offset < ").push_bind(range.until);
    if let Some(farms) = farms {
        sql.push(" AND farm_id = ANY (").push_bind(farms).push(")");
    }
    sql.push(" ORDER BY kafka_offset");
    sql
}

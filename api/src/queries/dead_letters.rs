//! Dead letters.

use domain::Timestamp;
use platform::DeadLetterId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, Row};
use time::OffsetDateTime;

use super::{from_db, to_db};
use crate::model::{DeadLetter, DeadLetterDetail, DeadLetterSource};
use crate::params::{KeyPage, Order, TimeRange};

/// The place of a dead letter in the order of time: appended at (µs), partition, offset.
pub type DeadLetterKey = (i64, i32, i64);

/// Which dead letters are wanted.
#[derive(Debug)]
pub struct DeadLetterFilter {
    /// Only of these farms.
    pub farms: Option<Vec<String>>,
    /// Only by this rule.
    pub rule: Option<String>,
    /// Only those appended then.
    pub range: TimeRange,
}

const COLUMNS: &str = "kafka_partition, kafka_offset, appended_at, farm_id, reason, rule, field, value, bound, \
     source_topic, source_partition, source_offset, source_timestamp, component";

impl DeadLetter {
    /// Its place in the order of time.
    pub const fn key(&self) -> DeadLetterKey {
        (self.appended_at.as_micros(), self.id.partition, self.id.offset)
    }
}

impl FromRow<'_, PgRow> for DeadLetter {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: DeadLetterId {
                partition: row.try_get("kafka_partition")?,
                offset: row.try_get("kafka_offset")?,
            },
            appended_at: from_db(row.try_get("appended_at")?),
            farm_id: row.try_get("farm_id")?,
            rule: row.try_get("rule")?,
            reason: row.try_get("reason")?,
            field: row.try_get("field")?,
            value: row.try_get("value")?,
            bound: row.try_get("bound")?,
            component: row.try_get("component")?,
            source: source(row)?,
        })
    }
}

fn source(row: &PgRow) -> Result<Option<DeadLetterSource>, sqlx::Error> {
    let topic: Option<String> = row.try_get("source_topic")?;
    let partition: Option<i32> = row.try_get("source_partition")?;
    let offset: Option<i64> = row.try_get("source_offset")?;
    let timestamp: Option<OffsetDateTime> = row.try_get("source_timestamp")?;
    Ok(match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => Some(DeadLetterSource {
            topic,
            partition,
            offset,
            timestamp: timestamp.map(from_db),
        }),
        _ => None,
    })
}

impl FromRow<'_, PgRow> for DeadLetterDetail {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self::new(
            DeadLetter::from_row(row)?,
            row.try_get("key")?,
            row.try_get("payload")?,
            row.try_get("headers")?,
        ))
    }
}

/// A page of dead letters by time and one more.
pub async fn list(
    database: &PgPool,
    filter: &DeadLetterFilter,
    page: &KeyPage<DeadLetterKey>,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let mut sql = QueryBuilder::default();
    push_page(&mut sql, filter, page);
    sql.build_query_as().fetch_all(database).await
}

/// Adds the query of [`list`]. Of several farms each gives a page of its own, and the first of all of them are taken:
/// so every page comes out of an index as it is.
pub fn push_page(sql: &mut QueryBuilder<Postgres>, filter: &DeadLetterFilter, page: &KeyPage<DeadLetterKey>) {
    sql.push(format_args!("SELECT {COLUMNS} FROM "));
    match filter.farms.as_deref() {
        None => push_rows(sql, filter, page),
        Some([farm]) => {
            push_rows(sql, filter, page);
            sql.push(" AND farm_id = ").push_bind(farm.clone());
        }
        Some(farms) => {
            sql.push("unnest(").push_bind(farms.to_vec());
            sql.push(format_args!(
                ") AS f (farm) CROSS JOIN LATERAL (SELECT {COLUMNS} FROM "
            ));
            push_rows(sql, filter, page);
            sql.push(" AND farm_id = f.farm");
            push_end(sql, page);
            sql.push(") AS of_farm");
        }
    }
    push_end(sql, page);
}

/// Range and cursor are one pair of bounds of the same key.
fn push_rows(sql: &mut QueryBuilder<Postgres>, filter: &DeadLetterFilter, page: &KeyPage<DeadLetterKey>) {
    let (mut above, mut below) = (before(filter.range.from), before(filter.range.to));
    match (page.order, page.after) {
        (Order::Asc, Some(after)) => above = above.max(after),
        (Order::Desc, Some(after)) => below = below.min(after),
        (Order::Asc | Order::Desc, None) => {}
    }
    sql.push("dead_letters WHERE true");
    for (comparison, (micros, partition, offset)) in [(">", above), ("<", below)] {
        sql.push(format_args!(
            " AND (appended_at, kafka_partition, kafka_offset) {comparison} ("
        ));
        sql.push_bind(to_db(Timestamp::from_micros(micros)));
        sql.push(", ").push_bind(partition);
        sql.push(", ").push_bind(offset).push(")");
    }
    if let Some(rule) = &filter.rule {
        sql.push(" AND rule = ").push_bind(rule.clone());
    }
}

fn push_end(sql: &mut QueryBuilder<Postgres>, page: &KeyPage<DeadLetterKey>) {
    let order = page.order.sql();
    sql.push(format_args!(
        " ORDER BY appended_at {order}, kafka_partition {order}, kafka_offset {order} LIMIT "
    ));
    sql.push_bind(i64::from(page.limit) + 1);
}

/// Greater than every key of an earlier time, less than every key of this one.
const fn before(time: Timestamp) -> DeadLetterKey {
    (time.as_micros(), i32::MIN, i64::MIN)
}

/// One dead letter with the record itself.
pub async fn find(database: &PgPool, id: DeadLetterId) -> Result<Option<DeadLetterDetail>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM dead_letters WHERE kafka_partition = $1 AND kafka_offset = $2")
        .bind(id.partition)
        .bind(id.offset)
        .fetch_optional(database)
        .await
}

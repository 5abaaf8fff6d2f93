//! Windows as they are stored, minutes and what they were put together to.

use std::collections::BTreeSet;

use domain::{FarmId, Metric, TimeDelta, Timestamp, TurbineId};
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, PgPool, Postgres, QueryBuilder, Row};
use stored::{Length, Of, StoredWindow, Table};
use time::OffsetDateTime;

use super::{Stamp, days, from_db, push_time_page, to_db};
use crate::calendar::{Chunk, Span};
use crate::model::{Resolution, Window, WindowHead};
use crate::params::{Order, TimePage, TimeRange};

/// No window is longer.
const DAY: TimeDelta = TimeDelta::from_secs(86_400);

/// Whose windows are wanted.
#[derive(Debug, Clone)]
pub enum WindowsOf {
    /// The whole farm's.
    Farm(FarmId),
    /// One turbine's.
    Turbine(FarmId, TurbineId),
}

impl WindowsOf {
    /// The farm.
    pub const fn farm(&self) -> &FarmId {
        match self {
            Self::Farm(farm) | Self::Turbine(farm, _) => farm,
        }
    }

    /// The turbine, if it is one's.
    pub const fn turbine(&self) -> Option<&TurbineId> {
        match self {
            Self::Farm(_) => None,
            Self::Turbine(_, turbine) => Some(turbine),
        }
    }

    fn table(&self, length: Length) -> Table {
        let of = match self {
            Self::Farm(_) => Of::Farm,
            Self::Turbine(..) => Of::Turbine,
        };
        Table::new(of, length)
    }

    /// `SELECT … FROM … WHERE` it is theirs.
    fn select(&self, length: Length) -> QueryBuilder<Postgres> {
        let table = self.table(length);
        self.select_columns(table, table.selection())
    }

    fn select_columns(&self, table: Table, columns: &str) -> QueryBuilder<Postgres> {
        let mut sql = QueryBuilder::new(format!("SELECT {columns} FROM {} WHERE ", table.name()));
        self.push_theirs(&mut sql);
        sql
    }

    /// Adds the condition that a row is theirs.
    pub(super) fn push_theirs(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("farm_id = ").push_bind(self.farm().as_str().to_owned());
        if let Some(turbine) = self.turbine() {
            sql.push(" AND turbine_id = ")
                .push_bind(turbine.as_str().to_owned());
        }
    }

    fn read(&self, rows: &[PgRow]) -> Result<Vec<StoredWindow>, sqlx::Error> {
        rows.iter()
            .map(|row| stored::read(row, 0, self.turbine()))
            .collect()
    }
}

/// A page of minutes by start and one more.
pub async fn minutes(
    database: &PgPool,
    of: &WindowsOf,
    page: &TimePage,
) -> Result<Vec<StoredWindow>, sqlx::Error> {
    minutes_of(database, of, &Metric::ALL, page).await
}

/// The same with no more than these metrics.
pub async fn minutes_of(
    database: &PgPool,
    of: &WindowsOf,
    metrics: &[Metric],
    page: &TimePage,
) -> Result<Vec<StoredWindow>, sqlx::Error> {
    let table = of.table(Length::Minute);
    let columns = table.selection_of(metrics);
    days::list(page, async |page| {
        let mut sql = of.select_columns(table, &columns);
        push_time_page(&mut sql, "window_start", page);
        let rows = sql.build().fetch_all(database).await?;
        rows.iter()
            .map(|row| stored::read_metrics(row, 0, of.turbine(), metrics))
            .collect()
    })
    .await
}

/// What changes with the minutes of a range, and so with all that is made of them.
pub async fn stamp(database: &PgPool, of: &WindowsOf, range: TimeRange) -> Result<Stamp, sqlx::Error> {
    let name = of.table(Length::Minute).name();
    let mut sql = QueryBuilder::new(format!(
        "SELECT count(*) AS rows, coalesce(sum(revision), 0)::bigint AS revisions, min(window_start) AS first \
         FROM {name} WHERE "
    ));
    of.push_theirs(&mut sql);
    push_range(&mut sql, range);
    sql.build_query_as().fetch_one(database).await
}

/// The window of the farm that begins then, without how complete it is.
pub async fn find(database: &PgPool, farm: &FarmId, start: Timestamp) -> Result<Option<Window>, sqlx::Error> {
    let of = WindowsOf::Farm(farm.clone());
    let mut sql = of.select(Length::Minute);
    sql.push(" AND window_start = ").push_bind(to_db(start));
    let found = of.read(&sql.build().fetch_all(database).await?)?;
    let told = |minute: StoredWindow| {
        let head = WindowHead {
            span: Span {
                start: minute.start,
                end: minute.end.unwrap_or(minute.start),
            },
            resolution: Resolution::Minute,
            close_reason: minute.close_reason,
            suspicious_clocks: minute.suspicious_clocks,
            turbine_count: minute.turbine_count,
            completeness: None,
        };
        Window::new(farm.as_str(), None, head, &minute.figures)
    };
    Ok(found.into_iter().next().map(told))
}

/// The end of the newest window of a farm that has closed; `known` is when there are readings. If no minute is kept,
/// that of the newest hour.
pub async fn closed_until(
    database: &mut PgConnection,
    farm: &FarmId,
    known: TimeRange,
) -> Result<Timestamp, sqlx::Error> {
    let newest = TimePage {
        limit: 0, // and one more
        order: Order::Desc,
        range: TimeRange {
            from: known.from.floor_to(DAY),
            to: known.to,
        },
    };
    let minutes: Vec<OffsetDateTime> = days::list(&newest, async |page| {
        let mut sql = QueryBuilder::new("SELECT window_end FROM farm_windows WHERE farm_id = ");
        sql.push_bind(farm.as_str());
        push_time_page(&mut sql, "window_start", page);
        sql.build_query_scalar().fetch_all(&mut *database).await
    })
    .await?;
    if let Some(end) = minutes.first() {
        return Ok(from_db(*end));
    }
    let hour: Option<OffsetDateTime> =
        sqlx::query_scalar("SELECT max(window_start) FROM hourly_farm_windows WHERE farm_id = $1")
            .bind(farm.as_str())
            .fetch_one(database)
            .await?;
    Ok(hour.map_or(known.from, |hour| from_db(hour) + Length::Hour.as_delta()))
}

/// The hours of a farm in `range` that have changed since they were put together.
pub async fn marked_hours(
    database: impl Executor<'_, Database = Postgres>,
    farm: &FarmId,
    range: TimeRange,
) -> Result<BTreeSet<Timestamp>, sqlx::Error> {
    let hours: Vec<_> =
        sqlx::query_scalar("SELECT hour FROM roll_up_marks WHERE farm_id = $1 AND hour >= $2 AND hour < $3")
            .bind(farm.as_str())
            .bind(to_db(Length::Hour.start_of(range.from)))
            .bind(to_db(range.to))
            .fetch_all(database)
            .await?;
    Ok(hours.into_iter().map(from_db).collect())
}

/// What was put together to `length` in the hours of a chunk that are not fine, in any order.
pub async fn put_together(
    database: impl Executor<'_, Database = Postgres>,
    of: &WindowsOf,
    length: Length,
    chunk: &Chunk,
) -> Result<Vec<StoredWindow>, sqlx::Error> {
    let mut sql = of.select(length);
    push_range(&mut sql, chunk.range);
    if !chunk.fine.is_empty() {
        let fine: Vec<_> = chunk.fine.iter().copied().map(to_db).collect();
        sql.push(" AND date_trunc('hour', window_start, 'UTC') <> ALL (")
            .push_bind(fine)
            .push(")");
    }
    of.read(&sql.build().fetch_all(database).await?)
}

/// The minutes of the hours of a chunk that are fine, in any order.
pub async fn fine_minutes(
    database: impl Executor<'_, Database = Postgres>,
    of: &WindowsOf,
    chunk: &Chunk,
) -> Result<Vec<StoredWindow>, sqlx::Error> {
    let mut sql = if chunk.is_all_fine {
        of.select(Length::Minute)
    } else {
        // hour by hour, so that what lies between them is not read
        let table = of.table(Length::Minute);
        let (selection, name) = (table.selection(), table.name());
        let fine: Vec<_> = chunk.fine.iter().copied().map(to_db).collect();
        let mut sql = QueryBuilder::new(format!("SELECT {selection} FROM unnest("));
        sql.push_bind(fine)
            .push(format_args!(
                "::timestamptz[]) AS fine (hour) JOIN {name} ON window_start >= hour "
            ))
            .push("AND window_start < hour + interval '1 hour' WHERE ");
        of.push_theirs(&mut sql);
        sql
    };
    push_range(&mut sql, chunk.range);
    of.read(&sql.build().fetch_all(database).await?)
}

fn push_range(sql: &mut QueryBuilder<Postgres>, range: TimeRange) {
    sql.push(" AND window_start >= ").push_bind(to_db(range.from));
    sql.push(" AND window_start < ").push_bind(to_db(range.to));
}

/// How many different turbines of a farm reported in each of these stretches of time, none of which is in two years
/// at once. Where it `is_fine`, minutes are looked at too, not only what they were put together to.
///
/// One row of a turbine in a stretch is enough, and is looked for by the key: of a list of rows that only exist, the
/// planner makes a join of all turbines' rows with all stretches.
pub async fn turbine_counts(
    database: impl Executor<'_, Database = Postgres>,
    farm: &FarmId,
    spans: &[(Span, bool)],
) -> Result<Vec<u64>, sqlx::Error> {
    let mut counts = vec![0; spans.len()];
    let ends = |spans: &mut dyn Iterator<Item = Span>| {
        spans.fold(None, |ends: Option<TimeRange>, span| {
            let ends = ends.unwrap_or(TimeRange {
                from: span.start,
                to: span.end,
            });
            Some(TimeRange {
                from: ends.from.min(span.start),
                to: ends.to.max(span.end),
            })
        })
    };
    let Some(all) = ends(&mut spans.iter().map(|(span, _)| *span)) else {
        return Ok(counts);
    };
    let fine = ends(
        &mut spans
            .iter()
            .filter(|(_, is_fine)| *is_fine)
            .map(|(span, _)| *span),
    );

    let mut sql = QueryBuilder::new("SELECT number, count(*) FROM unnest(");
    sql.push_bind(
        spans
            .iter()
            .map(|(span, _)| to_db(span.start))
            .collect::<Vec<_>>(),
    );
    sql.push(", ");
    sql.push_bind(spans.iter().map(|(span, _)| to_db(span.end)).collect::<Vec<_>>());
    sql.push(", ");
    sql.push_bind(spans.iter().map(|(_, is_fine)| *is_fine).collect::<Vec<_>>());
    sql.push(
        ") WITH ORDINALITY AS spans (first, beyond, is_fine, number) \
         JOIN turbines AS t ON t.first_event_time < beyond AND t.last_event_time >= first WHERE t.farm_id = ",
    );
    sql.push_bind(farm.as_str());
    let mut push_reported = |table: Table, before: &str, range: TimeRange| {
        sql.push(format_args!(
            "{before} (SELECT true FROM {} AS w \
             WHERE w.farm_id = t.farm_id AND w.turbine_id = t.turbine_id \
             AND window_start >= first AND window_start < beyond",
            table.name()
        ));
        push_range(&mut sql, range);
        sql.push(" LIMIT 1)");
    };
    let of_hours =
        |span: &Span| [span.start, span.end].map(|end| Length::Hour.start_of(end)) == [span.start, span.end];
    let length = if spans.iter().all(|(span, _)| of_hours(span)) {
        Length::Hour
    } else {
        Length::TenMinutes
    };
    push_reported(Table::new(Of::Turbine, length), " AND (", all);
    if let Some(fine) = fine {
        push_reported(Table::new(Of::Turbine, Length::Minute), " OR is_fine AND", fine);
    }
    sql.push(") GROUP BY number");
    for row in sql.build().fetch_all(database).await? {
        let (number, count): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let place = usize::try_from(number - 1).ok();
        if let Some(place) = place.and_then(|place| counts.get_mut(place)) {
            *place = super::count(count);
        }
    }
    Ok(counts)
}

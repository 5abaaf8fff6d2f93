//! The only SQL of the API.

mod days;

pub mod dead_letters;
pub mod extremes;
pub mod farms;
pub mod generators;
pub mod keys;
pub mod live;
pub mod offsets;
pub mod readings;
pub mod turbines;
pub mod windows;

use std::borrow::Borrow;

use domain::{TimeDelta, Timestamp};
use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;

use crate::params::{KeyPage, Order, TimePage, TimeRange};

/// As the database takes it. What no reading can have is moved to the nearest time that one can.
fn to_db(time: Timestamp) -> OffsetDateTime {
    let micros = time.clamp(TimeRange::ALL.from, TimeRange::ALL.to).as_micros();
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .expect("times from 1990 to 9999 are within the calendar")
}

fn from_db(time: OffsetDateTime) -> Timestamp {
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    Timestamp::from_micros(i64::try_from(micros).expect("the calendar's microseconds fit into 64 bits"))
}

/// From the first time to the last one, which is included.
fn range_of((first, last): (OffsetDateTime, OffsetDateTime)) -> TimeRange {
    TimeRange {
        from: from_db(first),
        to: from_db(last) + TimeDelta::from_micros(1),
    }
}

/// What changes whenever stored rows of a range do: they are only ever added, revised, and dropped by whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Stamp {
    rows: i64,
    revisions: i64,
    first: Option<OffsetDateTime>,
}

/// Counts are stored signed and never negative.
fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// Adds the rest of a query whose key is the name in `column`: what comes after the page before, and one item more
/// than the page has.
fn push_page<K: Borrow<str>>(sql: &mut QueryBuilder<Postgres>, column: &str, page: &KeyPage<K>) {
    if let Some(after) = &page.after {
        let beyond = match page.order {
            Order::Asc => '>',
            Order::Desc => '<',
        };
        sql.push(format_args!(" AND {column} {beyond} "))
            .push_bind(after.borrow().to_owned());
    }
    sql.push(format_args!(" ORDER BY {column} {} LIMIT ", page.order.sql()))
        .push_bind(i64::from(page.limit) + 1);
}

/// Adds the rest of a query whose key is the time in `column`: the range, and one item more than the page has.
fn push_time_page(sql: &mut QueryBuilder<Postgres>, column: &str, page: &TimePage) {
    sql.push(format_args!(" AND {column} >= "))
        .push_bind(to_db(page.range.from));
    sql.push(format_args!(" AND {column} < "))
        .push_bind(to_db(page.range.to));
    sql.push(format_args!(" ORDER BY {column} {} LIMIT ", page.order.sql()))
        .push_bind(i64::from(page.limit) + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_cross_the_edge_unchanged() {
        for micros in [
            631_152_000_000_001,
            1_764_000_000_123_456,
            253_402_300_799_999_999,
        ] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(from_db(to_db(time)), time);
        }
        assert_eq!(from_db(to_db(Timestamp::MIN)), TimeRange::ALL.from);
    }
}

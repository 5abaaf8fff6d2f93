//! The greatest and the least value over any stretch of time: from hours where they lie in it as a whole, from minutes
//! and readings at its ends, where hours have changed, and after the last minute that has closed.

use std::collections::BTreeSet;

use domain::{Extreme, FarmId, Metric, Timestamp, TurbineId};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use stored::{Length, Of, Table};
use time::OffsetDateTime;

use super::{from_db, to_db};
use crate::params::TimeRange;

/// More pieces than that are asked for in one.
const MOST_PIECES: usize = 16;

/// What a stretch of time is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Hours.
    hours: TimeRange,
    /// But not those.
    fine: BTreeSet<Timestamp>,
    /// Minutes.
    minutes: Vec<TimeRange>,
    /// Readings.
    readings: Vec<TimeRange>,
}

impl Pieces {
    /// Of a stretch of time. Hours in `marked` are not what their minutes are; from `closed_until` on there are no
    /// minutes yet.
    pub fn of(range: TimeRange, marked: &BTreeSet<Timestamp>, closed_until: Timestamp) -> Self {
        let closed = range.to.min(closed_until);
        let minutes = whole(range.from, closed, Length::Minute);
        let hours = whole(minutes.from, minutes.to, Length::Hour);
        let mut pieces = Self {
            fine: marked.range(hours.from..hours.to).copied().collect(),
            hours,
            minutes: Vec::new(),
            readings: vec![
                TimeRange {
                    from: range.from,
                    to: minutes.from,
                },
                TimeRange {
                    from: minutes.to,
                    to: range.to,
                },
            ],
        };
        pieces.minutes.push(TimeRange {
            from: minutes.from,
            to: hours.from,
        });
        for hour in &pieces.fine {
            let end = *hour + Length::Hour.as_delta();
            match pieces.minutes.last_mut() {
                Some(last) if last.to == *hour => last.to = end,
                _ => pieces.minutes.push(TimeRange { from: *hour, to: end }),
            }
        }
        match pieces.minutes.last_mut() {
            Some(last) if last.to == hours.to => last.to = minutes.to,
            _ => pieces.minutes.push(TimeRange {
                from: hours.to,
                to: minutes.to,
            }),
        }
        pieces.minutes.retain(|piece| piece.from < piece.to);
        pieces.readings.retain(|piece| piece.from < piece.to);
        if let [first, .., last] = pieces.minutes.as_slice()
            && pieces.minutes.len() > MOST_PIECES
        {
            // what lies between is read twice, which changes no extreme
            let (from, to) = (first.from, last.to);
            pieces.minutes = vec![TimeRange { from, to }];
        }
        pieces
    }
}

/// The whole windows of a length within a stretch of time; if there is none, nothing at its end.
fn whole(from: Timestamp, to: Timestamp, length: Length) -> TimeRange {
    let start = length.start_of(from);
    let first = if start == from {
        from
    } else {
        start + length.as_delta()
    };
    let last = length.start_of(to);
    if first <= last {
        TimeRange {
            from: first,
            to: last,
        }
    } else {
        let to = to.max(from);
        TimeRange { from: to, to }
    }
}

/// The least and the greatest value of a metric of a farm; none if there is no value.
pub async fn of(
    database: &mut PgConnection,
    farm: &FarmId,
    metric: Metric,
    pieces: &Pieces,
) -> Result<Option<(Extreme<TurbineId>, Extreme<TurbineId>)>, sqlx::Error> {
    let min = one(database, farm, metric, pieces, "min", "ASC").await?;
    let max = one(database, farm, metric, pieces, "max", "DESC").await?;
    Ok(min.zip(max))
}

async fn one(
    database: &mut PgConnection,
    farm: &FarmId,
    metric: Metric,
    pieces: &Pieces,
    extreme: &str,
    order: &str,
) -> Result<Option<Extreme<TurbineId>>, sqlx::Error> {
    let first = format!("ORDER BY value {order}, event_time, turbine_id LIMIT 1");
    let metric = metric.name();
    let mut sql = QueryBuilder::new("SELECT * FROM (");
    let mut union = "";
    let mut from_windows = |length: Length, range: TimeRange, but: &BTreeSet<Timestamp>| {
        let table = Table::new(Of::Farm, length).name();
        sql.push(format_args!(
            "{union} (SELECT {metric}_{extreme} AS value, {metric}_{extreme}_time AS event_time, \
             {metric}_{extreme}_turbine_id AS turbine_id FROM {table} WHERE {metric}_count > 0 AND farm_id = "
        ));
        sql.push_bind(farm.as_str().to_owned());
        push_range(&mut sql, "window_start", range);
        if !but.is_empty() {
            let but: Vec<_> = but.iter().copied().map(to_db).collect();
            sql.push(" AND window_start <> ALL (").push_bind(but).push(")");
        }
        sql.push(format_args!(" {first})"));
        union = " UNION ALL";
    };
    from_windows(Length::Hour, pieces.hours, &pieces.fine);
    for minutes in &pieces.minutes {
        from_windows(Length::Minute, *minutes, &BTreeSet::new());
    }
    for range in &pieces.readings {
        sql.push(format_args!(
            " UNION ALL (SELECT value, event_time, turbines.turbine_id FROM turbines CROSS JOIN LATERAL ( \
                SELECT {metric} AS value, event_time, turbine_id FROM readings AS r \
                WHERE r.farm_id = turbines.farm_id AND r.turbine_id = turbines.turbine_id AND {metric} IS NOT NULL"
        ));
        push_range(&mut sql, "event_time", *range);
        sql.push(format_args!(" {first}) AS r WHERE turbines.farm_id = "));
        sql.push_bind(farm.as_str().to_owned());
        sql.push(format_args!(" {first})"));
    }
    sql.push(format_args!(") AS extremes {first}"));
    let found: Option<(f64, OffsetDateTime, String)> = sql.build_query_as().fetch_optional(database).await?;
    let extreme = |(value, event_time, turbine_id): (f64, OffsetDateTime, String)| {
        Ok(Extreme {
            value,
            event_time: from_db(event_time),
            turbine_id: TurbineId::parse(&turbine_id).map_err(|error| sqlx::Error::Decode(error.into()))?,
        })
    };
    found.map(extreme).transpose()
}

fn push_range(sql: &mut QueryBuilder<Postgres>, column: &str, range: TimeRange) {
    sql.push(format_args!(" AND {column} >= "))
        .push_bind(to_db(range.from));
    sql.push(format_args!(" AND {column} < "))
        .push_bind(to_db(range.to));
}

#[cfg(test)]
mod tests {
    use domain::TimeDelta;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn told(ranges: &[TimeRange]) -> String {
        let clock = |time: Timestamp| time.to_string()[11..].to_owned();
        let told = ranges
            .iter()
            .map(|range| format!("{}..{}", clock(range.from), clock(range.to)));
        told.collect::<Vec<_>>().join(" ")
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(from: &str, to: &str, marked: &[&str], closed_until: &str, expected: Expect) {
        let at = |clock: &str| format!("2026-11-23T{clock}Z").parse().unwrap();
        let range = TimeRange {
            from: at(from),
            to: at(to),
        };
        let marked = marked.iter().copied().map(at).collect();
        let pieces = Pieces::of(range, &marked, at(closed_until));
        expected.assert_eq(&format!(
            "hours {}; minutes {}; readings {}",
            told(&[pieces.hours]),
            told(&pieces.minutes),
            told(&pieces.readings)
        ));
    }

    #[test]
    fn ends_are_told_by_minutes_and_readings() {
        check(
            "10:58:30",
            "13:02:15",
            &[],
            "20:00:00",
            expect![
                "hours 11:00:00Z..13:00:00Z; minutes 10:59:00Z..11:00:00Z 13:00:00Z..13:02:00Z; readings 10:58:30Z..10:59:00Z 13:02:00Z..13:02:15Z"
            ],
        );
        check(
            "10:00:00",
            "13:00:00",
            &["11:00:00"],
            "20:00:00",
            expect!["hours 10:00:00Z..13:00:00Z; minutes 11:00:00Z..12:00:00Z; readings "],
        );
        check(
            "10:00:00",
            "13:00:00",
            &["12:00:00"],
            "12:41:00",
            expect![
                "hours 10:00:00Z..12:00:00Z; minutes 12:00:00Z..12:41:00Z; readings 12:41:00Z..13:00:00Z"
            ],
        );
        check(
            "10:00:10",
            "10:00:20",
            &[],
            "20:00:00",
            expect!["hours 10:00:20Z..10:00:20Z; minutes ; readings 10:00:10Z..10:00:20Z"],
        );
        check(
            "10:00:10",
            "10:01:20",
            &[],
            "09:00:00",
            expect!["hours 10:00:10Z..10:00:10Z; minutes ; readings 10:00:10Z..10:01:20Z"],
        );
    }

    proptest! {
        /// Second by second: each is in a piece, and what is in two pieces is harmless.
        #[test]
        fn the_pieces_are_the_whole(
            from in 0..20_000_i64, length in 0..20_000_i64, closed in 0..700_i64,
            marked in prop::collection::btree_set(0..12_i64, 0..12),
        ) {
            let at = |second: i64| Timestamp::from_micros(0) + TimeDelta::from_secs(second);
            let range = TimeRange { from: at(from), to: at(from + length) };
            let marked: BTreeSet<_> = marked.into_iter().map(|hour| at(hour * 3_600)).collect();
            let closed_until = at(closed * 60);
            let pieces = Pieces::of(range, &marked, closed_until);
            let is_in = |ranges: &[TimeRange], time| ranges.iter().any(|range| range.from <= time && time < range.to);
            for second in (0..40_000).step_by(7) {
                let (time, hour) = (at(second), Length::Hour.start_of(at(second)));
                let by_hour = is_in(&[pieces.hours], time) && !pieces.fine.contains(&hour);
                prop_assert!(!by_hour || !marked.contains(&hour), "no marked hour is asked");
                let by_minute = is_in(&pieces.minutes, time);
                prop_assert!(!(by_hour || by_minute) || time < closed_until, "no minute that has not closed is asked");
                let is_told = by_hour || by_minute || is_in(&pieces.readings, time);
                prop_assert_eq!(is_told, is_in(&[range], time), "{}", second);
            }
        }
    }
}

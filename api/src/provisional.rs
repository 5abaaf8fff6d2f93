//! Minutes that have not closed yet, made of what is stored of them by the same statistics code that will make them
//! when they close.

use std::collections::BTreeMap;

use domain::{FarmWindow, Timestamp, WindowSummary};
use sqlx::PgPool;
use stored::Length;

use crate::params::TimeRange;
use crate::queries::readings;
use crate::queries::windows::{self, WindowsOf};

/// How many of the newest minutes are made at most. A minute closes some ten seconds after its end, so that two are
/// open at times; more only while windows are not being stored.
const MOST_MINUTES: i64 = 3;

/// The minutes after the newest window of the farm that begin in `range` and of which there are readings, the oldest
/// first; `known` is when there are readings.
pub async fn minutes(
    database: &PgPool,
    of: &WindowsOf,
    known: TimeRange,
    range: TimeRange,
) -> Result<Vec<FarmWindow>, sqlx::Error> {
    let mut connection = database.acquire().await?;
    let closed_until = windows::closed_until(&mut connection, of.farm(), known).await?;
    let open = open(closed_until, known, range);
    let mut minutes: BTreeMap<Timestamp, WindowSummary> = BTreeMap::new();
    readings::each(&mut connection, of, open, |turbine, event_time, metrics| {
        let start = Length::Minute.start_of(event_time);
        minutes
            .entry(start)
            .or_default()
            .add(turbine, event_time, metrics);
    })
    .await?;
    let minutes = minutes.into_iter();
    let finished = minutes.map(|(start, minute)| {
        let end = start + Length::Minute.as_delta();
        minute.finish(of.farm(), start, end).0
    });
    Ok(finished.collect())
}

/// Whole minutes.
fn open(closed_until: Timestamp, known: TimeRange, range: TimeRange) -> TimeRange {
    let minute = Length::Minute.as_delta();
    let not_before = |time: Timestamp| {
        let start = Length::Minute.start_of(time);
        if start < time { start + minute } else { start }
    };
    let newest_end = not_before(known.to);
    let most = domain::TimeDelta::from_micros(minute.as_micros() * MOST_MINUTES);
    TimeRange {
        from: not_before(closed_until.max(range.from)).max(newest_end - most),
        to: newest_end.min(not_before(range.to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_minutes_are_open_and_only_those_that_are_asked_for() {
        let at = |text: &str| -> Timestamp { format!("2026-11-23T10:{text}Z").parse().unwrap() };
        let range = |from: &str, to: &str| TimeRange {
            from: at(from),
            to: at(to),
        };
        let open = |closed_until: &str, asked| open(at(closed_until), range("00:00", "12:30.000001"), asked);
        let all = range("00:00", "59:00");
        assert_eq!(open("11:00", all), range("11:00", "13:00"));
        assert_eq!(open("12:00", all), range("12:00", "13:00"));
        assert_eq!(
            open("02:00", all),
            range("10:00", "13:00"),
            "nobody has stored windows for long"
        );
        assert_eq!(
            open("11:30", all),
            range("12:00", "13:00"),
            "windows are not of a minute"
        );
        let nothing = open("13:00", all);
        assert!(nothing.from >= nothing.to);
        assert_eq!(
            open("11:00", range("11:00", "11:30")),
            range("11:00", "12:00"),
            "it begins before 11:30"
        );
        assert_eq!(open("11:00", range("11:00.5", "59:00")), range("12:00", "13:00"));
    }
}

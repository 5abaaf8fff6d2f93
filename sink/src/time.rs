//! Times and days as sqlx wants them.

use domain::Timestamp;
use time::{Date, OffsetDateTime};

use crate::batch::Day;

/// The Julian day of 1970-01-01.
const UNIX_EPOCH_JULIAN_DAY: i64 = 2_440_588;

/// What time it is, by this machine's clock.
pub fn now() -> Timestamp {
    from_sql(OffsetDateTime::now_utc())
}

/// As `timestamptz`; a time that no calendar of ours holds becomes the nearest that it does.
pub fn to_sql(time: Timestamp) -> OffsetDateTime {
    let nanos = i128::from(time.as_micros()) * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(if nanos < 0 {
        Date::MIN.midnight().assume_utc()
    } else {
        Date::MAX.midnight().assume_utc()
    })
}

/// From `timestamptz`.
pub fn from_sql(time: OffsetDateTime) -> Timestamp {
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    Timestamp::from_micros(i64::try_from(micros).expect("the calendar ends in the year 9999"))
}

/// As `date`.
pub fn date_of(day: Day) -> Date {
    i32::try_from(day + UNIX_EPOCH_JULIAN_DAY)
        .ok()
        .and_then(|julian_day| Date::from_julian_day(julian_day).ok())
        .unwrap_or(if day < 0 { Date::MIN } else { Date::MAX })
}

/// From `date`.
pub fn day_of_date(date: Date) -> Day {
    Day::from(date.to_julian_day()) - UNIX_EPOCH_JULIAN_DAY
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;
    use crate::batch::day_of;

    #[test]
    fn times_and_days_are_those_of_the_calendar() {
        let time: Timestamp = "2026-11-23T23:59:59.999999Z".parse().unwrap();
        assert_eq!(to_sql(time), datetime!(2026-11-23 23:59:59.999999 UTC));
        assert_eq!(from_sql(to_sql(time)), time);
        assert_eq!(date_of(day_of(time)), date!(2026 - 11 - 23));
        assert_eq!(day_of_date(date!(2026 - 11 - 23)), day_of(time));
        assert_eq!(date_of(day_of(Timestamp::from_micros(-1))), date!(1969 - 12 - 31));
        assert_eq!(to_sql(Timestamp::MIN), Date::MIN.midnight().assume_utc());
    }
}

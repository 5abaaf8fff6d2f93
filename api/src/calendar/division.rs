//! The windows of a resolution in a time zone.

use domain::{TimeDelta, Timestamp};
use jiff::tz::TimeZone;
use stored::Length;

use crate::model::Resolution;
use crate::params::TimeRange;

/// A window's stretch of time: its first instant, and the first one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// Divides time into windows without gaps. Minutes and ten minutes are the same everywhere; hours and days are those of
/// the zone's clocks: where clocks are changed a day has 23 or 25 hours, and an hour in which they are changed ends
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// How long the windows are.
    pub resolution: Resolution,
    /// By whose clocks.
    pub zone: TimeZone,
}

impl Division {
    /// The window that `time` lies in.
    pub fn span_of(&self, time: Timestamp) -> Span {
        let zoned = match self.resolution {
            Resolution::Minute | Resolution::TenMinutes => None,
            Resolution::Hour => self.clock_hour(time),
            Resolution::Day => self.day(time),
        };
        zoned.unwrap_or_else(|| {
            let length = self.length();
            let start = time.floor_to(length);
            Span {
                start,
                end: start + length,
            }
        })
    }

    /// The first window's start that is not before `time`.
    pub fn first_start(&self, time: Timestamp) -> Timestamp {
        let span = self.span_of(time);
        if span.start == time { time } else { span.end }
    }

    /// How long a window is, but for those in which clocks are changed.
    pub const fn length(&self) -> TimeDelta {
        TimeDelta::from_secs(match self.resolution {
            Resolution::Minute => 60,
            Resolution::TenMinutes => 600,
            Resolution::Hour => 3_600,
            Resolution::Day => 86_400,
        })
    }

    /// The longest stored windows that every window in `range` is made of; of days but for the hours in which one
    /// begins.
    pub fn made_of(&self, range: TimeRange) -> Length {
        match self.resolution {
            Resolution::Minute => Length::Minute,
            Resolution::TenMinutes => Length::TenMinutes,
            Resolution::Day => Length::Hour,
            Resolution::Hour => [Length::Hour, Length::TenMinutes]
                .into_iter()
                .find(|length| self.clock_hours_are_made_of(*length, range))
                .unwrap_or(Length::Minute),
        }
    }

    fn clock_hours_are_made_of(&self, length: Length, range: TimeRange) -> bool {
        let fits = |micros: i64| micros.rem_euclid(length.as_delta().as_micros()) == 0;
        let Some((from, to)) = to_jiff(range.from).zip(to_jiff(range.to)) else {
            return false;
        };
        let mut changes = self
            .zone
            .following(from)
            .map(|change| change.timestamp())
            .take_while(|time| *time < to);
        let offset_fits =
            |time| fits(i64::from(self.zone.to_offset(time).seconds()).saturating_mul(1_000_000));
        offset_fits(from) && changes.all(|time| fits(time.as_microsecond()) && offset_fits(time))
    }

    /// None where the calendar ends.
    fn clock_hour(&self, time: Timestamp) -> Option<Span> {
        const HOUR: i64 = 3_600_000_000;
        let at = to_jiff(time)?;
        let offset = self.zone.to_offset(at);
        let local = i64::from(offset.seconds()) * 1_000_000 + time.as_micros();
        let start = time.as_micros() - local.rem_euclid(HOUR);
        let (mut start, mut end) = (start, start + HOUR);
        // what does not move the clocks, such as another name of the same time, ends no hour
        let is_move = |change: jiff::Timestamp| {
            let before = change.as_microsecond().checked_sub(1);
            let before = before.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
            before.is_none_or(|before| self.zone.to_offset(before) != self.zone.to_offset(change))
        };
        let after_start = |change: &jiff::Timestamp| change.as_microsecond() > start;
        let next = at.as_microsecond().checked_add(1)?;
        let mut earlier = self.zone.preceding(jiff::Timestamp::from_microsecond(next).ok()?);
        if let Some(change) = earlier
            .next()
            .map(|change| change.timestamp())
            .filter(after_start)
            && is_move(change)
        {
            start = change.as_microsecond();
        }
        let mut later = self.zone.following(at);
        if let Some(change) = later.next().map(|change| change.timestamp())
            && change.as_microsecond() < end
            && is_move(change)
        {
            end = change.as_microsecond();
        }
        Some(Span {
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(end),
        })
    }

    /// None where the calendar ends. A day begins at the first instant of its date; so where clocks are set back over
    /// midnight, what comes of the old date a second time belongs to the new day.
    fn day(&self, time: Timestamp) -> Option<Span> {
        let date = to_jiff(time)?.to_zoned(self.zone.clone()).date();
        let mut next = date.tomorrow().ok()?;
        let mut start = self.first_instant(date)?;
        let mut end = self.first_instant(next)?;
        while end <= time {
            next = next.tomorrow().ok()?;
            (start, end) = (end, self.first_instant(next)?);
        }
        Some(Span { start, end })
    }

    fn first_instant(&self, date: jiff::civil::Date) -> Option<Timestamp> {
        let first = date.to_zoned(self.zone.clone()).ok()?.start_of_day().ok()?;
        Some(Timestamp::from_micros(first.timestamp().as_microsecond()))
    }
}

fn to_jiff(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(time.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn division(resolution: Resolution, zone: &str) -> Division {
        Division {
            resolution,
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(resolution: Resolution, zone: &str, time: &str, start: &str, end: &str) {
        let span = division(resolution, zone).span_of(at(time));
        assert_eq!((span.start, span.end), (at(start), at(end)), "{zone} {time}");
    }

    #[test]
    fn a_day_has_23_or_25_hours_where_clocks_are_changed() {
        use Resolution::Day;
        check(
            Day,
            "UTC",
            "2026-03-29T12:00:00Z",
            "2026-03-29T00:00:00Z",
            "2026-03-30T00:00:00Z",
        );
        check(
            Day,
            "Europe/Madrid",
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        check(
            Day,
            "Europe/Madrid",
            "2026-10-25T12:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        );
        check(
            Day,
            "Asia/Kolkata",
            "2026-10-25T12:00:00Z",
            "2026-10-24T18:30:00Z",
            "2026-10-25T18:30:00Z",
        );
        // clocks are set forward at midnight: the day begins at one
        check(
            Day,
            "America/Asuncion",
            "2023-10-01T12:00:00Z",
            "2023-10-01T04:00:00Z",
            "2023-10-02T03:00:00Z",
        );
        // the 30th of December was left out
        check(
            Day,
            "Pacific/Apia",
            "2011-12-30T12:00:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-31T10:00:00Z",
        );
        // set back over midnight, from 00:01 to 23:01: the second 23:30 belongs to the new day
        check(
            Day,
            "America/St_Johns",
            "2005-10-30T03:00:00Z",
            "2005-10-30T02:30:00Z",
            "2005-10-31T03:30:00Z",
        );
    }

    #[test]
    fn an_hour_is_one_of_the_clocks() {
        use Resolution::Hour;
        check(
            Hour,
            "Europe/Madrid",
            "2026-10-25T00:30:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:00:00Z",
        );
        check(
            Hour,
            "Asia/Kolkata",
            "2026-10-25T12:00:00Z",
            "2026-10-25T11:30:00Z",
            "2026-10-25T12:30:00Z",
        );
        check(
            Hour,
            "Asia/Kathmandu",
            "2026-10-25T12:00:00Z",
            "2026-10-25T11:15:00Z",
            "2026-10-25T12:15:00Z",
        );
        // half an hour is left out, and comes twice
        check(
            Hour,
            "Australia/Lord_Howe",
            "2026-10-03T15:45:00Z",
            "2026-10-03T15:30:00Z",
            "2026-10-03T16:00:00Z",
        );
        check(
            Hour,
            "Australia/Lord_Howe",
            "2026-04-04T15:10:00Z",
            "2026-04-04T15:00:00Z",
            "2026-04-04T15:30:00Z",
        );
    }

    #[test]
    fn hours_are_made_of_what_their_clocks_allow() {
        let made_of = |zone: &str, from: &str, to: &str| {
            let range = TimeRange {
                from: at(from),
                to: at(to),
            };
            division(Resolution::Hour, zone).made_of(range)
        };
        let year = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        for (zone, length) in [
            ("UTC", Length::Hour),
            ("Europe/Madrid", Length::Hour),
            ("Asia/Kolkata", Length::TenMinutes),
            ("Australia/Lord_Howe", Length::TenMinutes),
            ("Asia/Kathmandu", Length::Minute),
        ] {
            assert_eq!(made_of(zone, year.0, year.1), length, "{zone}");
        }
        assert_eq!(
            made_of("Europe/Madrid", "1990-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
            Length::Hour
        );
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for resolution in Resolution::ALL {
            for time in [TimeRange::ALL.from, TimeRange::ALL.to, Timestamp::MIN] {
                let span = division(resolution, "America/New_York").span_of(time);
                assert!(span.start <= time, "{resolution:?} {time}");
            }
        }
    }

    proptest! {
        #[test]
        fn windows_follow_each_other_without_gaps(
            zone in prop::sample::select(vec![
                "UTC", "Europe/Madrid", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Kolkata",
                "Pacific/Apia", "America/Asuncion", "Africa/Casablanca", "America/Havana", "Asia/Pyongyang",
            ]),
            resolution in prop::sample::select(Resolution::ALL.to_vec()),
            micros in 631_152_000_000_000..2_208_988_800_000_000_i64,
        ) {
            let division = division(resolution, zone);
            let time = Timestamp::from_micros(micros);
            let span = division.span_of(time);
            prop_assert!(span.start <= time && time < span.end, "{span:?}");
            prop_assert!(span.end.since(span.start) <= division.length() + TimeDelta::from_secs(86_400));
            prop_assert_eq!(division.span_of(span.start), span);
            prop_assert_eq!(division.span_of(span.end - TimeDelta::from_micros(1)), span);
            prop_assert_eq!(division.span_of(span.end).start, span.end);
            prop_assert_eq!(division.first_start(span.start), span.start);
            if time > span.start {
                prop_assert_eq!(division.first_start(time), span.end);
            }
        }
    }
}

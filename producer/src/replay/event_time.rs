//! The times of a file.

use domain::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// How a format writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStyle {
    /// `31 12 2018 23:50`, local.
    DayFirst,
    /// ISO 8601, `2018-12-31T23:50:00+03:00`; without an offset it is local.
    Iso,
}

/// Reads the times of one file.
#[derive(Debug, Clone)]
pub struct EventTimes {
    style: TimeStyle,
    /// Of times without an offset.
    zone: Option<TimeZone>,
}

/// `Europe/Istanbul`, `+03:00` or `UTC`.
///
/// # Errors
/// When there is no such zone.
pub fn parse_time_zone(text: &str) -> Result<TimeZone, String> {
    DateTimeParser::new()
        .parse_time_zone(text)
        .map_err(|error| error.to_string())
}

impl EventTimes {
    /// Times of that style; those without an offset are in `zone`.
    pub const fn new(style: TimeStyle, zone: Option<TimeZone>) -> Self {
        Self { style, zone }
    }

    /// The point in time that `text` means. Of a local time that the clocks' change makes ambiguous it is the
    /// earlier one; of one that the change leaves out, it is as if the change had not been yet.
    ///
    /// # Errors
    /// Why it means none.
    pub fn parse(&self, text: &str) -> Result<Timestamp, String> {
        let local = match self.style {
            TimeStyle::DayFirst => DateTime::strptime("%d %m %Y %H:%M", text)
                .map_err(|_| format!("'{text}' is no time such as '31 12 2018 23:50'"))?,
            TimeStyle::Iso => match text.parse::<Timestamp>() {
                Ok(time) => return Ok(time),
                Err(_) => text
                    .parse::<DateTime>()
                    .map_err(|_| format!("'{text}' is no time such as 2018-12-31T23:50:00Z"))?,
            },
        };
        let zone = self.zone.as_ref().ok_or_else(|| {
            format!("'{text}' has no offset from UTC; --time-zone gives one to all such times")
        })?;
        zone.to_timestamp(local)
            .map(|time| Timestamp::from_micros(time.as_microsecond()))
            .map_err(|error| format!("'{text}': {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(style: TimeStyle, zone: Option<&str>, text: &str, expected: &str) {
        let zone = zone.map(|zone| parse_time_zone(zone).unwrap());
        let read = EventTimes::new(style, zone).parse(text);
        let shown = read.map_or_else(|reason| format!("error: {reason}"), |time| time.to_string());
        assert_eq!(shown, expected);
    }

    #[test]
    fn times_of_every_style() {
        use TimeStyle::{DayFirst, Iso};
        check(
            DayFirst,
            Some("+03:00"),
            "01 02 2018 00:10",
            "2018-01-31T21:10:00Z",
        );
        check(
            DayFirst,
            Some("Europe/Istanbul"),
            "31 12 2018 23:50",
            "2018-12-31T20:50:00Z",
        );
        check(
            DayFirst,
            Some("+03:00"),
            "2018-01-01 00:00",
            "error: '2018-01-01 00:00' is no time such as '31 12 2018 23:50'",
        );
        check(Iso, None, "2014-03-30T03:00:00+02:00", "2014-03-30T01:00:00Z");
        check(
            Iso,
            Some("Europe/Paris"),
            "2014-03-30T03:00:00Z",
            "2014-03-30T03:00:00Z",
        );
        check(
            Iso,
            Some("Europe/Paris"),
            "2014-07-01 12:00",
            "2014-07-01T10:00:00Z",
        );
        check(
            Iso,
            Some("Europe/Paris"),
            "2014-10-26 02:30",
            "2014-10-26T00:30:00Z",
        );
        check(
            Iso,
            Some("Europe/Paris"),
            "2014-03-30 02:30",
            "2014-03-30T01:30:00Z",
        );
        check(
            Iso,
            None,
            "2014-07-01 12:00",
            "error: '2014-07-01 12:00' has no offset from UTC; --time-zone gives one to all such times",
        );
        check(Iso, None, "", "error: '' is no time such as 2018-12-31T23:50:00Z");
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert!(parse_time_zone("Europe/Atlantis").is_err());
    }
}

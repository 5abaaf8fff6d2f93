//! A time as pydantic takes it: ISO 8601 with or without an offset (without = UTC), or a Unix time.

use std::fmt;

use domain::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Detail;

/// Unix times beyond this are milliseconds, by pydantic's guess.
const MOST_SECONDS: f64 = 2e10;
const DAY_SECONDS: i32 = 86_400;

/// A point in time, and how it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    local: DateTime,
    offset: Option<Offset>,
}

/// Why something is no time: pydantic's type and reason.
type Fault = (&'static str, &'static str);

impl Moment {
    /// The time that `input` at `loc` tells.
    ///
    /// # Errors
    /// What pydantic would say.
    pub fn parse(loc: &[&'static str], input: &Value) -> Result<Self, Detail> {
        let parsed = match input {
            Value::String(text) => Self::of_text(text),
            Value::Number(number) => Self::of_unix(number.as_f64().unwrap_or(f64::NAN)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(Detail::new(
                    "datetime_type",
                    loc,
                    "Input should be a valid datetime",
                    input.clone(),
                ));
            }
        };
        parsed.map_err(|(r#type, reason)| {
            let wanted = if r#type == FROM_DATE {
                "datetime or date"
            } else {
                "datetime"
            };
            Detail::new(
                r#type,
                loc,
                format!("Input should be a valid {wanted}, {reason}"),
                input.clone(),
            )
            .with("error", reason)
        })
    }

    /// The point in time.
    pub fn at(&self) -> Option<Timestamp> {
        let at = self.offset.unwrap_or(Offset::UTC).to_timestamp(self.local).ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    }

    fn of_text(text: &str) -> Result<Self, Fault> {
        if let Ok(seconds) = text.parse::<f64>()
            && seconds.is_finite()
        {
            return Self::of_unix(seconds);
        }
        let date = date_of(text)?;
        if text.len() == 10 {
            return Ok(Self {
                local: date.to_datetime(jiff::civil::Time::midnight()),
                offset: None,
            });
        }
        // pydantic takes an underscore between date and time too
        let text = text.replacen('_', "T", 1);
        let pieces = Pieces::parse(&text)
            .ok()
            .filter(|pieces| pieces.time_zone_annotation().is_none());
        let whole = pieces.and_then(|pieces| {
            let time = pieces.time()?;
            let offset = pieces.offset().map(|offset| offset.to_numeric_offset());
            let is_sane = offset.is_none_or(|offset| offset.seconds().abs() < DAY_SECONDS);
            is_sane.then_some(Self {
                local: to_micros(pieces.date().to_datetime(time)),
                offset,
            })
        });
        whole.ok_or((FROM_DATE, "unexpected extra characters at the end of the input"))
    }

    fn of_unix(number: f64) -> Result<Self, Fault> {
        if number.is_nan() {
            return Err((DATETIME, "NaN values not permitted"));
        }
        let seconds = if number.abs() > MOST_SECONDS {
            number / 1_000.0
        } else {
            number
        };
        let late = (DATETIME, "dates after 9999 are not supported as unix timestamps");
        let early = (DATETIME, "dates before 0000 are not supported as unix timestamps");
        let fault = if number > 0.0 { late } else { early };
        let micros = (seconds * 1e6).round();
        if micros.abs() > 9.2e18 {
            return Err(fault);
        }
        let at = jiff::Timestamp::from_microsecond(micros as i64).map_err(|_| fault)?;
        Ok(Self {
            local: Offset::UTC.to_datetime(at),
            offset: Some(Offset::UTC),
        })
    }
}

const DATETIME: &str = "datetime_parsing";
const FROM_DATE: &str = "datetime_from_date_parsing";

/// The date that a text begins with, or what pydantic says of it.
fn date_of(text: &str) -> Result<Date, Fault> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 {
        return Err((FROM_DATE, "input is too short"));
    }
    let number = |from: usize, to: usize, reason| {
        let digits = &bytes[from..to];
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err((FROM_DATE, reason));
        }
        Ok(digits
            .iter()
            .fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0')))
    };
    let separator = |at: usize| {
        let reason = "invalid date separator, expected `-`";
        if bytes[at] == b'-' {
            Ok(())
        } else {
            Err((FROM_DATE, reason))
        }
    };
    let year = number(0, 4, "invalid character in year")?;
    separator(4)?;
    let month = number(5, 7, "invalid character in month")?;
    separator(7)?;
    let day = number(8, 10, "invalid character in day")?;
    if !(1..=12).contains(&month) {
        return Err((FROM_DATE, "month value is outside expected range of 1-12"));
    }
    Date::new(year, month as i8, day as i8).map_err(|_| (FROM_DATE, "day value is outside expected range"))
}

fn to_micros(time: DateTime) -> DateTime {
    let nanos = time.subsec_nanosecond();
    time.with()
        .subsec_nanosecond(nanos - nanos % 1_000)
        .build()
        .unwrap_or(time)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local.strftime("%Y-%m-%dT%H:%M:%S"))?;
        let micros = self.local.subsec_nanosecond() / 1_000;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        match self.offset {
            None => Ok(()),
            Some(offset) if offset.seconds() == 0 => f.write_str("Z"),
            Some(offset) => {
                let minutes = offset.seconds().abs() / 60;
                let sign = if offset.is_negative() { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(json: &str) -> Result<String, String> {
        let input: Value = serde_json::from_str(json).unwrap();
        let moment = Moment::parse(&["body", "timestamp"], &input).map_err(|detail| {
            let detail = serde_json::to_value(&detail).unwrap();
            format!(
                "{}: {}",
                detail["type"].as_str().unwrap(),
                detail["msg"].as_str().unwrap()
            )
        })?;
        Ok(moment.to_string())
    }

    /// What pydantic 2.14 made of them.
    #[test]
    fn times_are_taken_as_pydantic_takes_them() {
        let cases = [
            (r#""2026-11-23T10:00:00""#, "2026-11-23T10:00:00"),
            (r#""2026-11-23T10:00:00Z""#, "2026-11-23T10:00:00Z"),
            (r#""2026-11-23T10:00:00+00:00""#, "2026-11-23T10:00:00Z"),
            (r#""2026-11-23T10:00:00+01:00""#, "2026-11-23T10:00:00+01:00"),
            (r#""2026-11-23T10:00:00-01:30""#, "2026-11-23T10:00:00-01:30"),
            (r#""2026-11-23T10:00:00.123456""#, "2026-11-23T10:00:00.123456"),
            (r#""2026-11-23T10:00:00.5Z""#, "2026-11-23T10:00:00.500000Z"),
            (r#""2026-11-23T10:00:00,5""#, "2026-11-23T10:00:00.500000"),
            (r#""2026-11-23T10:00:00.1234567Z""#, "2026-11-23T10:00:00.123456Z"),
            (r#""2026-11-23 10:00""#, "2026-11-23T10:00:00"),
            (r#""2026-11-23_10:00:00""#, "2026-11-23T10:00:00"),
            (r#""2026-11-23t10:00:00z""#, "2026-11-23T10:00:00Z"),
            (r#""2026-11-23T10:00+0100""#, "2026-11-23T10:00:00+01:00"),
            (r#""2026-11-23""#, "2026-11-23T00:00:00"),
            ("1763892000", "2025-11-23T10:00:00Z"),
            ("1763892000.25", "2025-11-23T10:00:00.250000Z"),
            ("1763892000000", "2025-11-23T10:00:00Z"),
            (r#""1763892000.5""#, "2025-11-23T10:00:00.500000Z"),
            (r#""+1763892000""#, "2025-11-23T10:00:00Z"),
            ("20000000000", "2603-10-11T11:33:20Z"),
            ("20000000001", "1970-08-20T11:33:20.001000Z"),
            ("-20000000001", "1969-05-14T12:26:39.999000Z"),
            ("0", "1970-01-01T00:00:00Z"),
        ];
        for (input, expected) in cases {
            assert_eq!(parse(input).as_deref(), Ok(expected), "{input}");
        }
    }

    /// What pydantic 2.14 said of them.
    #[test]
    fn what_is_no_time_is_told_as_pydantic_tells_it() {
        let from_date = |reason: &str| {
            format!("datetime_from_date_parsing: Input should be a valid datetime or date, {reason}")
        };
        let extra = from_date("unexpected extra characters at the end of the input");
        let wrong_type = "datetime_type: Input should be a valid datetime".to_owned();
        let after = "datetime_parsing: Input should be a valid datetime, \
                     dates after 9999 are not supported as unix timestamps"
            .to_owned();
        let cases = [
            (r#""nope""#, from_date("input is too short")),
            (r#""""#, from_date("input is too short")),
            (
                r#""2026-13-23""#,
                from_date("month value is outside expected range of 1-12"),
            ),
            (
                r#""2026-02-30T10:00:00""#,
                from_date("day value is outside expected range"),
            ),
            (
                r#""  2026-11-23T10:00:00""#,
                from_date("invalid character in year"),
            ),
            (
                r#""20261123T100000Z""#,
                from_date("invalid date separator, expected `-`"),
            ),
            (
                r#""2026/11/23 10:00""#,
                from_date("invalid date separator, expected `-`"),
            ),
            (r#""2026-11-23T25:00:00""#, extra.clone()),
            (r#""2026-11-23T10:00:00+25:00""#, extra.clone()),
            (r#""2026-11-23T10:00:00X""#, extra.clone()),
            (r#""2026-11-23T10:00:00[Europe/Madrid]""#, extra),
            ("null", wrong_type.clone()),
            ("true", wrong_type.clone()),
            ("{}", wrong_type.clone()),
            ("[]", wrong_type),
            ("1e300", after),
        ];
        for (input, expected) in cases {
            assert_eq!(parse(input), Err(expected), "{input}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let at = |json: &str| {
            Moment::parse(&[], &serde_json::from_str(json).unwrap())
                .unwrap()
                .at()
        };
        assert_eq!(
            at(r#""2026-11-23T10:00:00""#),
            at(r#""2026-11-23T11:00:00+01:00""#)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[0-9TZ:+.-]{8,30}", number in any::<f64>()) {
            let _ = Moment::parse(&[], &Value::String(text));
            let _ = Moment::parse(&[], &Value::from(number));
        }
    }
}

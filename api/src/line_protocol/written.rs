//! Lines → readings: what each line says by its table, lines of one turbine and time as one reading, and of what is
//! refused the line and the reason.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::{Limits, RawReading, Timestamp, validate};
use platform::Rejection;

use super::line::{FieldValue, Line, lines};
use super::map::{LineMap, Meaning, Origin, Table};
use crate::error::ApiError;
use crate::ingest::MAX_READING_BYTES;
use crate::kafka::Refused;

/// The unit of a request's timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// ns
    Nanoseconds,
    /// us
    Microseconds,
    /// ms
    Milliseconds,
    /// s
    Seconds,
}

impl Precision {
    /// The unit of that name; those of version 1 beside those of version 2.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "ns" | "n" => Some(Self::Nanoseconds),
            "us" | "u" | "µ" | "µs" => Some(Self::Microseconds),
            "ms" => Some(Self::Milliseconds),
            "s" => Some(Self::Seconds),
            _ => None,
        }
    }

    fn time(self, timestamp: i64) -> Option<Timestamp> {
        let micros = match self {
            Self::Nanoseconds => timestamp.div_euclid(1_000),
            Self::Microseconds => timestamp,
            Self::Milliseconds => timestamp.checked_mul(1_000)?,
            Self::Seconds => timestamp.checked_mul(1_000_000)?,
        };
        Some(Timestamp::from_micros(micros))
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number in the body, from 1.
    pub line: usize,
    /// Why, in one sentence.
    pub reason: String,
}

/// What a body comes to.
#[derive(Debug, Default)]
pub struct Written {
    /// The readings that are taken, valid and canonical.
    pub readings: Vec<RawReading<'static>>,
    /// What is not, for the dead letters.
    pub refused: Vec<Refused>,
    /// The same by line.
    pub faults: Vec<Fault>,
}

/// Lines of one turbine and time, which are one reading: clients may send a line for each field.
#[derive(Debug)]
struct Group<'b> {
    reading: RawReading<'static>,
    /// Their numbers and bytes.
    lines: Vec<(usize, &'b [u8])>,
    /// Which line each field of ours came with.
    origins: Vec<(&'static str, usize)>,
}

/// Reads a body by `map`, with `now` as the time of lines that tell none and in the place of the broker's clock.
///
/// # Errors
/// [`ApiError::TooMany`] for more than `most` lines, [`ApiError::TooLarge`] for one that cannot be a reading.
pub fn read(
    body: &[u8],
    map: &LineMap,
    precision: Precision,
    now: Timestamp,
    limits: &Limits,
    most: usize,
) -> Result<Written, ApiError> {
    let mut written = Written::default();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<(String, String, Timestamp), usize> = HashMap::new();
    for (count, (number, bytes)) in lines(body).enumerate() {
        if count >= most {
            return Err(ApiError::TooMany { limit: most });
        }
        if bytes.len() > MAX_READING_BYTES {
            return Err(ApiError::TooLarge {
                what: "a line",
                limit_bytes: MAX_READING_BYTES,
            });
        }
        let said = Line::parse(bytes)
            .map_err(|error| (None, error.to_string()))
            .and_then(|line| said(&line, map, precision, now));
        let said = match said {
            Ok(said) => said,
            Err((farm, reason)) => {
                written.refuse(farm, bytes.to_vec(), Rejection::undecodable(reason.clone()));
                written.faults.push(Fault { line: number, reason });
                continue;
            }
        };
        let place = match places.entry((said.farm.clone(), said.turbine.clone(), said.time)) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                groups.push(Group::of(&said));
                *place.insert(groups.len() - 1)
            }
        };
        groups[place].add(number, bytes, &said.values);
    }
    for group in groups {
        written.take(group, now, limits);
    }
    written.faults.sort_by_key(|fault| fault.line);
    Ok(written)
}

impl Written {
    /// Every farm that these readings name, those of refused ones included.
    pub fn farms(&self) -> impl Iterator<Item = &str> {
        let refused = self.refused.iter().filter_map(|refused| refused.key.as_deref());
        self.readings
            .iter()
            .map(|reading| &*reading.farm_id)
            .chain(refused)
    }

    fn take(&mut self, group: Group<'_>, now: Timestamp, limits: &Limits) {
        let Group {
            reading,
            lines,
            origins,
        } = group;
        let farm = reading.farm_id.clone().into_owned();
        match validate(reading, now, limits) {
            Ok(reading) => self.readings.push(reading.into_raw()),
            Err(refusal) => {
                let at_fault = origins
                    .iter()
                    .find(|(field, _)| Some(*field) == refusal.field)
                    .map_or_else(
                        || lines.first().map_or(1, |(number, _)| *number),
                        |(_, number)| *number,
                    );
                self.faults.push(Fault {
                    line: at_fault,
                    reason: refusal.to_string(),
                });
                let bytes: Vec<&[u8]> = lines.iter().map(|(_, bytes)| *bytes).collect();
                self.refuse(Some(farm), bytes.join(&b'\n'), refusal.into());
            }
        }
    }

    fn refuse(&mut self, key: Option<String>, payload: Vec<u8>, rejection: Rejection) {
        self.refused.push(Refused {
            key,
            payload,
            rejection,
        });
    }
}

impl<'b> Group<'b> {
    fn of(said: &Said) -> Self {
        Self {
            reading: RawReading {
                farm_id: said.farm.clone().into(),
                turbine_id: said.turbine.clone().into(),
                event_time: said.time,
                ..RawReading::default()
            },
            lines: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Takes the values of a line; of two of the same field the later one counts, as in InfluxDB.
    fn add(&mut self, number: usize, bytes: &'b [u8], values: &[Value]) {
        self.lines.push((number, bytes));
        for value in values {
            match *value {
                Value::Metric(metric, value) => {
                    self.reading.metrics.set(metric, Some(value));
                    self.origins.retain(|(field, _)| *field != metric.name());
                    self.origins.push((metric.name(), number));
                }
                Value::Sequence(sequence) => self.reading.sequence = Some(sequence),
                Value::OperatingStatus(status) => self.reading.operating_status = Some(status),
            }
        }
    }
}

/// What a line says, in our words.
struct Said {
    farm: String,
    turbine: String,
    time: Timestamp,
    values: Vec<Value>,
}

enum Value {
    Metric(domain::Metric, f64),
    Sequence(i64),
    OperatingStatus(domain::OperatingStatus),
}

/// # Errors
/// The farm, if that much is known, and what is not understood.
fn said(
    line: &Line<'_>,
    map: &LineMap,
    precision: Precision,
    now: Timestamp,
) -> Result<Said, (Option<String>, String)> {
    let measurement = &line.measurement;
    let table = map.table(measurement).ok_or_else(|| {
        let known = map.measurements();
        (
            None,
            format!(
                "measurement '{}' has no table, wanted is one of {known}",
                short(measurement)
            ),
        )
    })?;
    let farm = id(line, &table.farm, "farm").map_err(|reason| (None, reason))?;
    let of_farm = |reason| (Some(farm.clone()), reason);
    let turbine = id(line, &table.turbine, "turbine").map_err(of_farm)?;
    let time = match line.timestamp {
        None => now,
        Some(timestamp) => precision.time(timestamp).ok_or_else(|| {
            of_farm(format!(
                "the timestamp is {timestamp}, which is beyond all time in this precision"
            ))
        })?,
    };
    let values = values(line, table).map_err(of_farm)?;
    Ok(Said {
        farm,
        turbine,
        time,
        values,
    })
}

fn id(line: &Line<'_>, origin: &Origin, what: &str) -> Result<String, String> {
    let tag = origin.tag.as_deref();
    let found = line.tags.iter().find(|(name, _)| Some(&**name) == tag);
    match (found, &origin.default) {
        (Some((_, value)), _) => Ok(value.clone().into_owned()),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!(
            "the {what} is missing, wanted is the tag '{}'",
            tag.unwrap_or_default()
        )),
    }
}

fn values(line: &Line<'_>, table: &Table) -> Result<Vec<Value>, String> {
    let mut values = Vec::with_capacity(line.fields.len());
    for (name, value) in &line.fields {
        let meaning = table.field(name).ok_or_else(|| {
            format!(
                "field '{}' has no meaning here, wanted is one of {}",
                short(name),
                table.fields()
            )
        })?;
        let wrong = |wanted: &str| format!("field '{}' is {}, wanted is {wanted}", short(name), shown(value));
        match meaning {
            Meaning::Ignored => {}
            Meaning::Metric(metric) => {
                let value = number(value).ok_or_else(|| wrong("a number"))?;
                values.push(Value::Metric(metric, value));
            }
            Meaning::Sequence => {
                let sequence = whole(value).ok_or_else(|| wrong("a whole number of 64 bits"))?;
                values.push(Value::Sequence(sequence));
            }
            Meaning::OperatingStatus => {
                let status = match value {
                    FieldValue::Text(text) => text.parse().ok(),
                    FieldValue::Float(_)
                    | FieldValue::Integer(_)
                    | FieldValue::Unsigned(_)
                    | FieldValue::Boolean(_) => None,
                };
                let statuses = domain::OperatingStatus::ALL.map(domain::OperatingStatus::as_str);
                let status = status.ok_or_else(|| wrong(&format!("one of {}", statuses.join(", "))))?;
                values.push(Value::OperatingStatus(status));
            }
        }
    }
    Ok(values)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric of 2^53 breaks its rule anyway"
)]
fn number(value: &FieldValue<'_>) -> Option<f64> {
    match *value {
        FieldValue::Float(value) => Some(value),
        FieldValue::Integer(value) => Some(value as f64),
        FieldValue::Unsigned(value) => Some(value as f64),
        FieldValue::Text(_) | FieldValue::Boolean(_) => None,
    }
}

/// Clients that know of no integers write `7` or `7.0`.
fn whole(value: &FieldValue<'_>) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: up to here every whole number is a float of its own
    match *value {
        FieldValue::Integer(value) => Some(value),
        FieldValue::Unsigned(value) => i64::try_from(value).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and not too large")]
        FieldValue::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT => Some(value as i64),
        FieldValue::Float(_) | FieldValue::Text(_) | FieldValue::Boolean(_) => None,
    }
}

fn shown(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::Float(value) => value.to_string(),
        FieldValue::Integer(value) => value.to_string(),
        FieldValue::Unsigned(value) => value.to_string(),
        FieldValue::Text(text) => format!("\"{}\"", short(text)),
        FieldValue::Boolean(value) => value.to_string(),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use domain::Metric;
    use expect_test::{Expect, expect};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_000); // 2026-11-23T10:00:00Z

    fn written(body: &str, precision: Precision) -> Written {
        read(
            body.as_bytes(),
            &LineMap::default(),
            precision,
            NOW,
            &Limits::default(),
            10,
        )
        .unwrap()
    }

    #[test]
    fn the_second_systems_lines_are_readings() {
        let body = "wind_turbine,location=site1 LV_ActivePower_kW=380.04,Wind_Speed_ms=5.31,\
                    Theoretical_Power_Curve_KWh=416.3,Wind_Direction_degrees=259.9 1514764800000000000\n";
        let written = written(body, Precision::Nanoseconds);
        assert!(written.faults.is_empty() && written.refused.is_empty());
        let reading = &written.readings[0];
        assert_eq!((&*reading.farm_id, &*reading.turbine_id), ("site1", "T1"));
        assert_eq!(reading.event_time.to_string(), "2018-01-01T00:00:00Z");
        let metrics: Vec<_> = reading.metrics.iter().collect();
        assert_eq!(
            metrics,
            [
                (Metric::WindSpeed, 5.31),
                (Metric::WindDirection, 259.9),
                (Metric::ActivePower, 380.04),
                (Metric::TheoreticalPower, 416.3)
            ]
        );
    }

    #[test]
    fn each_precision_tells_the_same_time() {
        let seconds = 1_795_428_000_i64;
        for (word, factor) in [("ns", 1_000_000_000), ("us", 1_000_000), ("ms", 1_000), ("s", 1)] {
            let body = format!(
                "reading,farm_id=f,turbine_id=t wind_speed_mps=1 {}",
                seconds * factor
            );
            let written = written(&body, Precision::parse(word).unwrap());
            assert_eq!(written.readings[0].event_time, NOW, "{word}");
        }
        let written = written(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1",
            Precision::Seconds,
        );
        assert_eq!(written.readings[0].event_time, NOW, "no time is now");
        assert_eq!(Precision::parse("h"), None);
    }

    #[test]
    fn lines_of_one_turbine_and_time_are_one_reading() {
        let body = "reading,farm_id=f,turbine_id=a wind_speed_mps=1,sequence=7 5000000000\n\
                    reading,farm_id=f,turbine_id=b wind_speed_mps=2 5000000000\n\
                    reading,farm_id=f,turbine_id=a active_power_kw=3i,operating_status=\"IDLE\" 5000000000\n\
                    reading,farm_id=f,turbine_id=a wind_speed_mps=4 5000000000";
        let body = body.replace("5000000000", "1795428000000000000");
        let readings = written(&body, Precision::Nanoseconds).readings;
        assert_eq!(readings.len(), 2);
        let first = &readings[0];
        assert_eq!(
            first.metrics.iter().collect::<Vec<_>>(),
            [(Metric::WindSpeed, 4.0), (Metric::ActivePower, 3.0)]
        );
        assert_eq!(
            (first.sequence, first.operating_status),
            (Some(7), Some(domain::OperatingStatus::Idle))
        );
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(body: &str, expected: Expect) {
        let written = written(body, Precision::Seconds);
        let mut shown = format!("{} taken\n", written.readings.len());
        for fault in &written.faults {
            shown += &format!("line {}: {}\n", fault.line, fault.reason);
        }
        for refused in &written.refused {
            let key = refused.key.as_deref().unwrap_or("-");
            shown += &format!("{} of {key}\n", refused.rejection.rule);
        }
        assert_eq!(written.faults.len(), written.refused.len());
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_is_not_understood_is_named_by_line() {
        check(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1\ncpu,host=a usage=1\nreading,farm_id=f,turbine_id=t",
            expect![[r#"
                1 taken
                line 2: measurement 'cpu' has no table, wanted is one of reading, wind_turbine
                line 3: missing fields
                undecodable of -
                undecodable of -
            "#]],
        );
        check(
            "reading,turbine_id=t wind_speed_mps=1",
            expect![[r#"
            0 taken
            line 1: the farm is missing, wanted is the tag 'farm_id'
            undecodable of -
        "#]],
        );
        check(
            "reading,farm_id=f wind_speed_mps=1",
            expect![[r#"
            0 taken
            line 1: the turbine is missing, wanted is the tag 'turbine_id'
            undecodable of f
        "#]],
        );
        check(
            "reading,farm_id=f,turbine_id=t wind_speed=1",
            expect![[r#"
            0 taken
            line 1: field 'wind_speed' has no meaning here, wanted is one of active_power_kw, ambient_temperature_celsius, blade_pitch_deg, nacelle_direction_deg, operating_status, rotor_speed_rpm, sequence, theoretical_power_kw, wind_direction_deg, wind_speed_mps
            undecodable of f
        "#]],
        );
        check(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=\"8\"",
            expect![[r#"
            0 taken
            line 1: field 'wind_speed_mps' is "8", wanted is a number
            undecodable of f
        "#]],
        );
        check(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1,sequence=1.5",
            expect![[r#"
                0 taken
                line 1: field 'sequence' is 1.5, wanted is a whole number of 64 bits
                undecodable of f
            "#]],
        );
        check(
            "reading,farm_id=f,turbine_id=t operating_status=\"ON\"",
            expect![[r#"
                0 taken
                line 1: field 'operating_status' is "ON", wanted is one of UNKNOWN, GENERATING, DERATED, IDLE, STARTING, STOPPED, MAINTENANCE, FAULT
                undecodable of f
            "#]],
        );
        check(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1 99999999999999",
            expect![[r#"
                0 taken
                line 1: the timestamp is 99999999999999, which is beyond all time in this precision
                undecodable of f
            "#]],
        );
    }

    #[test]
    fn what_breaks_a_rule_is_named_by_the_line_that_brought_it() {
        check(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1 1795428000\n\
             reading,farm_id=f,turbine_id=t blade_pitch_deg=400 1795428000\n\
             reading,farm_id=f,turbine_id=t active_power_kw=1 1795428000\n\
             reading,farm_id=f,turbine_id=u wind_speed_mps=1 99999999999\n\
             reading,farm_id=f,turbine_id=v operating_status=\"IDLE\"",
            expect![[r#"
                0 taken
                line 2: blade_pitch_deg is 400, allowed is [-180, 360]
                line 4: event_time is 5138-11-16T09:46:39Z, allowed is at most 2026-11-23T10:00:30Z (30000 ms ahead of the broker)
                line 5: the reading has no metric at all
                blade_pitch_deg of f
                event_time_ahead of f
                no_metric of f
            "#]],
        );
        let written = written(
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1\nreading,farm_id=f,turbine_id=t wind_speed_mps=80",
            Precision::Seconds,
        );
        assert_eq!(
            String::from_utf8_lossy(&written.refused[0].payload),
            "reading,farm_id=f,turbine_id=t wind_speed_mps=1\nreading,farm_id=f,turbine_id=t wind_speed_mps=80"
        );
    }

    #[test]
    fn there_is_a_limit_to_the_lines_of_one_request() {
        let body = "reading,farm_id=f,turbine_id=t wind_speed_mps=1\n".repeat(11);
        let read = read(
            body.as_bytes(),
            &LineMap::default(),
            Precision::Seconds,
            NOW,
            &Limits::default(),
            10,
        );
        assert!(matches!(read, Err(ApiError::TooMany { limit: 10 })));
    }
}

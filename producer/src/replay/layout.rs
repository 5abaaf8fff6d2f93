//! One file's way of writing readings: its columns in their order, and how a line of them becomes a reading.

use std::borrow::Cow;

use csv::StringRecord;
use domain::{FarmId, Metric, RawReading, Rule, TurbineId};
use jiff::tz::TimeZone;

use super::column::Column;
use super::event_time::{EventTimes, parse_time_zone};
use super::format::Format;

/// What a person may say about a file besides its format.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The farm of every line.
    pub farm_id: Option<FarmId>,
    /// The turbine of every line.
    pub turbine_id: Option<TurbineId>,
    /// The zone of times without an offset.
    pub time_zone: Option<TimeZone>,
}

/// The columns of one file.
#[derive(Debug)]
pub struct Layout {
    format: Format,
    columns: Vec<Column>,
    farm_id: Option<String>,
    turbine_id: Option<String>,
    times: EventTimes,
}

/// A file whose headings do not fit its format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadingError {
    /// A heading that means nothing in this format.
    #[error("there is no column '{heading}' in this format, known are {known}")]
    Unknown {
        /// The heading.
        heading: String,
        /// What could have been meant.
        known: String,
    },
    /// A column that occurs twice.
    #[error("the column '{0}' is there twice")]
    Twice(String),
    /// A column that is needed.
    #[error("there is no column {wanted}, found are {found}")]
    Missing {
        /// What is needed, and what else would do.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
}

impl Layout {
    /// The layout of a file with these headings.
    ///
    /// # Errors
    /// [`HeadingError`] when they do not fit the format.
    pub fn new(format: Format, headings: &StringRecord, overrides: &Overrides) -> Result<Self, HeadingError> {
        let columns = columns(format, headings)?;
        let missing = |wanted| HeadingError::Missing {
            wanted,
            found: headings.iter().collect::<Vec<_>>().join(", "),
        };
        let farm_id = overrides.farm_id.as_ref().map(ToString::to_string);
        let turbine_id = overrides.turbine_id.as_ref().map(ToString::to_string);
        let has = |column| columns.contains(&column);
        if !has(Column::EventTime) {
            return Err(missing("of the event time"));
        }
        if !columns.iter().any(|column| matches!(column, Column::Metric(_))) {
            return Err(missing("of any metric"));
        }
        let farm_id = farm_id.or_else(|| format.default_farm().map(str::to_owned));
        if farm_id.is_none() && !has(Column::FarmId) {
            return Err(missing("farm_id; --farm-id does instead of it"));
        }
        let turbine_id = turbine_id.or_else(|| format.default_turbine().map(str::to_owned));
        if turbine_id.is_none() && !has(Column::TurbineId) {
            return Err(missing("of the turbine's id; --turbine-id does instead of it"));
        }
        let zone = overrides.time_zone.clone().or_else(|| {
            let zone = format.default_time_zone()?;
            Some(parse_time_zone(zone).expect("the formats' own time zones are well-formed"))
        });
        Ok(Self {
            format,
            columns,
            farm_id,
            turbine_id,
            times: EventTimes::new(format.time_style(), zone),
        })
    }

    /// The reading that a line holds.
    ///
    /// # Errors
    /// What is wrong with the line: a field that cannot be read, or no value at all (rule `no_metric`).
    pub fn reading<'a>(&'a self, line: &'a StringRecord) -> Result<RawReading<'a>, String> {
        if line.len() != self.columns.len() {
            return Err(format!(
                "{} fields, the header has {}",
                line.len(),
                self.columns.len()
            ));
        }
        let mut reading = RawReading::default();
        for (&column, field) in self.columns.iter().zip(line) {
            self.read(column, field.trim(), &mut reading)?;
        }
        if reading.metrics.is_empty() {
            return Err(format!("{}: the line has no value at all", Rule::NoMetric.id()));
        }
        if let Some(id) = &self.farm_id {
            reading.farm_id = Cow::Borrowed(id);
        }
        if let Some(id) = &self.turbine_id {
            reading.turbine_id = Cow::Borrowed(id);
        }
        Ok(reading)
    }

    fn read<'a>(&self, column: Column, field: &'a str, reading: &mut RawReading<'a>) -> Result<(), String> {
        match column {
            Column::FarmId => reading.farm_id = Cow::Borrowed(field),
            Column::TurbineId => reading.turbine_id = Cow::Borrowed(field),
            Column::EventTime => reading.event_time = self.times.parse(field)?,
            Column::Ignored => {}
            _ if field.is_empty() => {}
            Column::Metric(metric) => reading.metrics.set(metric, self.value(metric, field)?),
            Column::Sequence => {
                let sequence = field
                    .parse()
                    .map_err(|_| format!("sequence '{field}' is no whole number"))?;
                reading.sequence = Some(sequence);
            }
            Column::OperatingStatus => {
                let status = field
                    .parse()
                    .map_err(|error| format!("operating_status: {error}"))?;
                reading.operating_status = Some(status);
            }
        }
        Ok(())
    }

    fn value(&self, metric: Metric, field: &str) -> Result<Option<f64>, String> {
        let value: f64 = field
            .parse()
            .map_err(|_| format!("{} '{field}' is no number", metric.name()))?;
        Ok((!self.format.means_missing(metric, value)).then_some(value))
    }
}

fn columns(format: Format, headings: &StringRecord) -> Result<Vec<Column>, HeadingError> {
    let mut columns = Vec::with_capacity(headings.len());
    for heading in headings {
        let column = format
            .column(heading.trim())
            .ok_or_else(|| HeadingError::Unknown {
                heading: heading.to_owned(),
                known: format.known_headings(),
            })?;
        if column != Column::Ignored && columns.contains(&column) {
            return Err(HeadingError::Twice(heading.to_owned()));
        }
        columns.push(column);
    }
    Ok(columns)
}

//! A row of a table of windows.

use domain::{Extreme, Metric, MetricKind, MetricStats, Quality, RollUp, TimeDelta, Timestamp, TurbineId};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Row, Type};
use time::OffsetDateTime;

use crate::Of;
use crate::columns::width;

/// A window as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWindow {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it; of a minute only.
    pub end: Option<Timestamp>,
    /// Why it closed; of a minute that did not come of late readings only.
    pub close_reason: Option<String>,
    /// The turbines whose clocks ran ahead of their fellows' when it closed; of a minute only.
    pub suspicious_clocks: Option<Vec<String>>,
    /// Different turbines that reported.
    pub turbine_count: u64,
    /// The figures.
    pub figures: RollUp,
}

/// Reads a row of which [`crate::Table::selection`] was selected from column `first` on. A turbine's window does not
/// say whose it is: `turbine` does.
///
/// # Errors
/// When the row is not what was to be selected.
pub fn read(row: &PgRow, first: usize, turbine: Option<&TurbineId>) -> Result<StoredWindow, sqlx::Error> {
    read_metrics(row, first, turbine, &Metric::ALL)
}

/// Reads a row as [`read`] does, of which [`crate::Table::selection_of`] these metrics was selected; it has no others.
///
/// # Errors
/// When the row is not what was to be selected.
pub fn read_metrics(
    row: &PgRow,
    first: usize,
    turbine: Option<&TurbineId>,
    metrics: &[Metric],
) -> Result<StoredWindow, sqlx::Error> {
    let mut columns = Columns { row, next: first };
    let start = columns.time()?;
    let end: Option<Instant> = columns.take()?;
    let close_reason = columns.take()?;
    let suspicious_clocks = columns.take()?;
    let turbine_seconds: f64 = columns.take()?;
    let revision: i32 = columns.take()?;
    let mut window = StoredWindow {
        start,
        end: end.map(|end| end.0),
        close_reason,
        suspicious_clocks,
        turbine_count: 0,
        figures: RollUp {
            revision: u64::try_from(revision).unwrap_or_default(),
            reading_count: columns.count()?,
            duplicate_count: columns.count()?,
            rejected_count: columns.count()?,
            turbine_time: TimeDelta::from_micros((turbine_seconds * 1e6).round() as i64),
            ..RollUp::default()
        },
    };
    window.turbine_count = columns.count()?;
    window.figures.energy_kwh = columns.take()?;
    let mut odd = [0; Quality::NAMES.len()];
    for count in &mut odd {
        *count = columns.count()?;
    }
    window.figures.quality = Quality::of_counts(odd);
    for &metric in metrics {
        let stats = columns.metric(metric.kind(), turbine)?;
        window.figures.metrics.set(metric, stats);
    }
    Ok(window)
}

/// Columns by place: a window has too many to look each up by name.
struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// The types are those of the selection: to compare them for each value takes longer than to decode it.
    fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, sqlx::Error> {
        self.next += 1;
        self.row.try_get_unchecked(self.next - 1)
    }

    fn count(&mut self) -> Result<u64, sqlx::Error> {
        // counts are stored signed and never negative
        Ok(u64::try_from(self.take::<i64>()?).unwrap_or_default())
    }

    fn time(&mut self) -> Result<Timestamp, sqlx::Error> {
        Ok(self.take::<Instant>()?.0)
    }

    fn metric(
        &mut self,
        kind: MetricKind,
        turbine: Option<&TurbineId>,
    ) -> Result<Option<MetricStats<TurbineId>>, sqlx::Error> {
        let first = self.next;
        let count = self.count()?;
        if count == 0 {
            let of = if turbine.is_some() { Of::Turbine } else { Of::Farm };
            self.next = first + width(kind, of);
            return Ok(None);
        }
        let moments = (self.take()?, self.take()?);
        let (min, max) = (self.extreme(turbine)?, self.extreme(turbine)?);
        Ok(Some(MetricStats::of_moments(kind, count, moments, min, max)))
    }

    fn extreme(&mut self, turbine: Option<&TurbineId>) -> Result<Extreme<TurbineId>, sqlx::Error> {
        let (value, event_time) = (self.take()?, self.time()?);
        let turbine_id = match turbine {
            Some(turbine) => turbine.clone(),
            None => TurbineId::parse(self.take()?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        };
        Ok(Extreme {
            value,
            event_time,
            turbine_id,
        })
    }
}

/// A `timestamptz`, which is microseconds on both sides: by way of a calendar it would take several times as long.
struct Instant(Timestamp);

/// 2000-01-01, from which PostgreSQL counts.
const POSTGRES_EPOCH: Timestamp = Timestamp::from_micros(946_684_800_000_000);

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        OffsetDateTime::type_info()
    }
}

impl Decode<'_, Postgres> for Instant {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(POSTGRES_EPOCH + TimeDelta::from_micros(micros)))
    }
}

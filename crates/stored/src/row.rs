//! A row of a table of windows.

use domain::{
    DirectionStats, Extreme, Metric, MetricKind, MetricStats, RollUp, ScalarStats, TimeDelta, Timestamp,
    TurbineId,
};
use sqlx::postgres::PgRow;
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
    let mut columns = Columns { row, next: first };
    let start = columns.time()?;
    let end: Option<OffsetDateTime> = columns.take()?;
    let close_reason = columns.take()?;
    let turbine_seconds: f64 = columns.take()?;
    let revision: i32 = columns.take()?;
    let mut window = StoredWindow {
        start,
        end: end.map(timestamp),
        close_reason,
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
    for metric in Metric::ALL {
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
    fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, sqlx::Error> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }

    fn count(&mut self) -> Result<u64, sqlx::Error> {
        // counts are stored signed and never negative
        Ok(u64::try_from(self.take::<i64>()?).unwrap_or_default())
    }

    fn time(&mut self) -> Result<Timestamp, sqlx::Error> {
        Ok(timestamp(self.take()?))
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
        let (one, two) = (self.take()?, self.take()?);
        let (min, max) = (self.extreme(turbine)?, self.extreme(turbine)?);
        Ok(Some(match kind {
            MetricKind::Scalar => MetricStats::Scalar(ScalarStats {
                count,
                mean: one,
                m2: two,
                min,
                max,
            }),
            MetricKind::Direction => MetricStats::Direction(DirectionStats {
                count,
                sum_sin: one,
                sum_cos: two,
                min,
                max,
            }),
        }))
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

fn timestamp(time: OffsetDateTime) -> Timestamp {
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    Timestamp::from_micros(i64::try_from(micros).expect("the calendar's microseconds fit into 64 bits"))
}

//! Windows, as the aggregator made them.

use std::sync::LazyLock;

use domain::{FarmId, Metric, MetricKind, TimeDelta, Timestamp, TurbineId};
use sqlx::postgres::PgRow;
use sqlx::{Decode, PgPool, Postgres, QueryBuilder, Row, Type};
use time::OffsetDateTime;

use super::{count, from_db, push_time_page};
use crate::model::{ExtremeValue, MetricFigures, Resolution, Window};
use crate::params::{Order, TimePage, TimeRange};

/// Whose windows are wanted.
#[derive(Debug, Clone)]
pub enum WindowsOf {
    /// The whole farm's.
    Farm(FarmId),
    /// One turbine's.
    Turbine(FarmId, TurbineId),
}

/// What a window is made of, in the order in which [`read_window`] takes it.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let mut columns =
        "window_start, window_end, revision, close_reason::text, reading_count, duplicate_count, \
                       rejected_count, turbine_count, energy_kwh"
            .to_owned();
    for metric in Metric::ALL {
        for figure in figures_of(metric.kind()) {
            columns += &format!(", {}_{figure}", metric.name());
        }
    }
    columns
});

/// The figures of a metric, in the order in which [`read_figures`] takes them.
const fn figures_of(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Scalar => &[
            "count",
            "mean",
            "stddev",
            "min",
            "min_turbine_id",
            "min_time",
            "max",
            "max_turbine_id",
            "max_time",
        ],
        MetricKind::Direction => &[
            "count",
            "mean",
            "resultant",
            "stddev",
            "min",
            "min_turbine_id",
            "min_time",
            "max",
            "max_turbine_id",
            "max_time",
        ],
    }
}

/// A page of windows by start and one more.
pub async fn list(database: &PgPool, of: &WindowsOf, page: &TimePage) -> Result<Vec<Window>, sqlx::Error> {
    let (table, farm, turbine) = match of {
        WindowsOf::Farm(farm) => ("farm_windows", farm, None),
        WindowsOf::Turbine(farm, turbine) => ("turbine_windows", farm, Some(turbine)),
    };
    let mut sql = QueryBuilder::new(format!("SELECT {} FROM {table} WHERE farm_id = ", *COLUMNS));
    sql.push_bind(farm.as_str());
    if let Some(turbine) = turbine {
        sql.push(" AND turbine_id = ").push_bind(turbine.as_str());
    }
    push_time_page(&mut sql, "window_start", page);
    let rows = sql.build().fetch_all(database).await?;
    rows.iter().map(|row| read_window(row, of)).collect()
}

/// The window of the farm that begins then.
pub async fn find(database: &PgPool, farm: &FarmId, start: Timestamp) -> Result<Option<Window>, sqlx::Error> {
    let page = TimePage {
        limit: 1,
        order: Order::Asc,
        range: TimeRange::ALL.and(start, start + TimeDelta::from_micros(1)),
    };
    let found = list(database, &WindowsOf::Farm(farm.clone()), &page).await?;
    Ok(found.into_iter().next())
}

fn read_window(row: &PgRow, of: &WindowsOf) -> Result<Window, sqlx::Error> {
    let (farm, turbine) = match of {
        WindowsOf::Farm(farm) => (farm, None),
        WindowsOf::Turbine(farm, turbine) => (farm, Some(turbine)),
    };
    let mut columns = Columns { row, next: 0 };
    let mut window = Window {
        farm_id: farm.to_string(),
        turbine_id: turbine.map(TurbineId::to_string),
        start: from_db(columns.take()?),
        end: from_db(columns.take()?),
        resolution: Resolution::Minute,
        revision: columns.take()?,
        close_reason: columns.take()?,
        reading_count: count(columns.take()?),
        duplicate_count: count(columns.take()?),
        rejected_count: count(columns.take()?),
        turbine_count: count(columns.take()?),
        energy_kwh: columns.take()?,
        metrics: Vec::with_capacity(Metric::COUNT),
    };
    for metric in Metric::ALL {
        if let Some(figures) = read_figures(&mut columns, metric.kind())? {
            window.metrics.push((metric, figures));
        }
    }
    Ok(window)
}

fn read_figures(columns: &mut Columns<'_>, kind: MetricKind) -> Result<Option<MetricFigures>, sqlx::Error> {
    let first = columns.next;
    let number = count(columns.take()?);
    if number == 0 {
        columns.next = first + figures_of(kind).len();
        return Ok(None);
    }
    Ok(Some(MetricFigures {
        count: number,
        mean: columns.take()?,
        resultant: match kind {
            MetricKind::Scalar => None,
            MetricKind::Direction => columns.take()?,
        },
        stddev: columns.take()?,
        min: columns.take_extreme()?,
        max: columns.take_extreme()?,
    }))
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

    fn take_extreme(&mut self) -> Result<ExtremeValue, sqlx::Error> {
        Ok(ExtremeValue {
            value: self.take()?,
            turbine_id: self.take()?,
            event_time: from_db(self.take::<OffsetDateTime>()?),
        })
    }
}

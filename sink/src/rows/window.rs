//! Rows of `farm_windows` and `turbine_windows`. What follows from these columns is computed by the database.

use std::sync::LazyLock;

use domain::{
    CloseReason, Extreme, FarmWindow, Metric, MetricKind, MetricStats, Quality, TurbineId, TurbineWindow,
    WindowMetrics,
};

use super::reading::Place;
use crate::copy::{CopyBuffer, RowWriter};

/// Whose windows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// `farm_windows`.
    Farm,
    /// `turbine_windows`: its extremes are the turbine's own, and it is one turbine.
    Turbine,
}

/// The columns of a row of `farm_windows`, in order.
pub static FARM_COLUMNS: LazyLock<Vec<String>> = LazyLock::new(|| columns(Of::Farm));

/// The columns of a row of `turbine_windows`, in order.
pub static TURBINE_COLUMNS: LazyLock<Vec<String>> = LazyLock::new(|| columns(Of::Turbine));

/// What a row says besides the window's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// 0 as it closed; one more with each time that late readings changed it.
    pub revision: i32,
    /// Why it closed; none if only late readings made it.
    pub close_reason: Option<CloseReason>,
    /// Its record; none if only late readings made it.
    pub place: Option<Place>,
}

impl Origin {
    /// Of a window that was read from Kafka.
    pub const fn closed(close_reason: CloseReason, place: Place) -> Self {
        Self {
            revision: 0,
            close_reason: Some(close_reason),
            place: Some(place),
        }
    }

    /// Of a window that was made from late readings, as far as there is no other yet.
    pub const LATE: Self = Self {
        revision: 1,
        close_reason: None,
        place: None,
    };
}

/// The columns that are made from the readings, and so change with a revision.
pub fn figures(of: Of) -> Vec<String> {
    let mut columns = vec!["reading_count".to_owned()];
    if of == Of::Farm {
        columns.push("turbine_count".to_owned());
    }
    columns.push("energy_kwh".to_owned());
    for metric in Metric::ALL {
        let state: &[_] = match metric.kind() {
            MetricKind::Scalar => &["count", "mean", "m2"],
            MetricKind::Direction => &["count", "sum_sin", "sum_cos"],
        };
        let extremes: &[_] = match of {
            Of::Farm => &[
                "min",
                "min_turbine_id",
                "min_time",
                "max",
                "max_turbine_id",
                "max_time",
            ],
            Of::Turbine => &["min", "min_time", "max", "max_time"],
        };
        columns.extend(
            state
                .iter()
                .chain(extremes)
                .map(|part| format!("{}_{part}", metric.name())),
        );
    }
    columns
}

/// The columns of what is odd, which is known when a window closes and not from its stored readings.
pub(super) fn quality_columns() -> impl Iterator<Item = String> {
    Quality::NAMES.into_iter().map(|name| format!("{name}_count"))
}

/// The columns that only a window's record knows, besides its place.
pub fn known_by_record() -> impl Iterator<Item = String> {
    [
        "close_reason",
        "duplicate_count",
        "rejected_count",
        "suspicious_clocks",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(quality_columns())
}

/// Adds a farm's window.
pub fn put_farm(rows: &mut CopyBuffer, window: &FarmWindow, origin: Origin) {
    let mut row = rows.row(FARM_COLUMNS.len());
    row.plain(window.farm_id.as_str());
    put_window(&mut row, window, origin, Of::Farm);
}

/// Adds a turbine's window.
pub fn put_turbine(rows: &mut CopyBuffer, window: &TurbineWindow, origin: Origin) {
    let mut row = rows.row(TURBINE_COLUMNS.len());
    row.plain(window.window.farm_id.as_str());
    row.plain(window.turbine_id.as_str());
    put_window(&mut row, &window.window, origin, Of::Turbine);
}

fn columns(of: Of) -> Vec<String> {
    let key: &[_] = match of {
        Of::Farm => &["farm_id"],
        Of::Turbine => &["farm_id", "turbine_id"],
    };
    let about = [
        "window_start",
        "window_end",
        "revision",
        "close_reason",
        "kafka_partition",
        "kafka_offset",
        "duplicate_count",
        "rejected_count",
    ];
    let own = key.iter().chain(&about).map(|&column| column.to_owned());
    let clocks = ["suspicious_clocks".to_owned()];
    own.chain(quality_columns())
        .chain(clocks)
        .chain(figures(of))
        .collect()
}

fn put_window(row: &mut RowWriter<'_>, window: &FarmWindow, origin: Origin, of: Of) {
    row.timestamptz(window.window_start);
    row.timestamptz(window.window_end);
    row.integer(origin.revision);
    row.optional(origin.close_reason, |row, reason| row.plain(reason.as_str()));
    row.optional(origin.place, |row, place| row.integer(place.partition));
    row.optional(origin.place, |row, place| row.bigint(place.offset));
    row.count(window.duplicate_count);
    row.count(window.rejected_count);
    put_quality(row, window.quality);
    row.plain_array(window.suspicious_clocks.iter().map(TurbineId::as_str));
    row.count(window.reading_count);
    if of == Of::Farm {
        row.count(window.turbine_count);
    }
    put_metrics(row, window.energy_kwh, &window.metrics, of);
}

/// Puts [`quality_columns`].
pub(super) fn put_quality(row: &mut RowWriter<'_>, quality: Quality) {
    quality.counts().into_iter().for_each(|count| row.count(count));
}

/// Puts the energy and what follows it in [`figures`].
pub(super) fn put_metrics(
    row: &mut RowWriter<'_>,
    energy_kwh: Option<f64>,
    metrics: &WindowMetrics<TurbineId>,
    of: Of,
) {
    row.optional(energy_kwh, RowWriter::float8);
    for metric in Metric::ALL {
        put_metric(row, metrics.get(metric), of);
    }
}

fn put_metric(row: &mut RowWriter<'_>, stats: Option<&MetricStats<TurbineId>>, of: Of) {
    row.count(stats.map_or(0, MetricStats::count));
    let state = stats.map(|stats| match stats {
        MetricStats::Scalar(stats) => [stats.mean, stats.m2],
        MetricStats::Direction(stats) => [stats.sum_sin, stats.sum_cos],
    });
    row.optional(state, |row, [first, _]| row.float8(first));
    row.optional(state, |row, [_, second]| row.float8(second));
    put_extreme(row, stats.map(MetricStats::min), of);
    put_extreme(row, stats.map(MetricStats::max), of);
}

fn put_extreme(row: &mut RowWriter<'_>, extreme: Option<&Extreme<TurbineId>>, of: Of) {
    row.optional(extreme, |row, extreme| row.float8(extreme.value));
    if of == Of::Farm {
        row.optional(extreme, |row, extreme| row.plain(extreme.turbine_id.as_str()));
    }
    row.optional(extreme, |row, extreme| row.timestamptz(extreme.event_time));
}

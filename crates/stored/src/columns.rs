//! What is selected of a window, in the order in which it is read: what tables differ in first, then the figures.

use std::sync::LazyLock;

use domain::{Metric, MetricKind, Quality};

use crate::{Length, Of, Table};

/// The list of columns of a table with all metrics, made once.
pub(crate) fn selection(table: Table) -> &'static str {
    static LISTS: [LazyLock<String>; 4] = [
        LazyLock::new(|| selection_of(Table::new(Of::Farm, Length::Minute), &Metric::ALL)),
        LazyLock::new(|| selection_of(Table::new(Of::Turbine, Length::Minute), &Metric::ALL)),
        LazyLock::new(|| selection_of(Table::new(Of::Farm, Length::Hour), &Metric::ALL)),
        LazyLock::new(|| selection_of(Table::new(Of::Turbine, Length::Hour), &Metric::ALL)),
    ];
    let [farm_minute, turbine_minute, farm_rolled_up, turbine_rolled_up] = &LISTS;
    match (table.of, table.length) {
        (Of::Farm, Length::Minute) => farm_minute,
        (Of::Turbine, Length::Minute) => turbine_minute,
        (Of::Farm, Length::TenMinutes | Length::Hour) => farm_rolled_up,
        (Of::Turbine, Length::TenMinutes | Length::Hour) => turbine_rolled_up,
    }
}

/// End, reason to close, suspicious clocks, and turbine time in seconds: of a minute, and of what minutes were put
/// together to.
const MINUTE: &str = "window_end, close_reason::text, suspicious_clocks, \
                      extract(epoch FROM window_end - window_start)::float8 * turbine_count";
const ROLLED_UP: &str = "NULL::timestamptz, NULL::text, NULL::text[], turbine_seconds";

/// The list of columns of a table with these metrics.
pub(crate) fn selection_of(table: Table, metrics: &[Metric]) -> String {
    let about = match table.length {
        Length::Minute => MINUTE,
        Length::TenMinutes | Length::Hour => ROLLED_UP,
    };
    let mut list = format!(
        "window_start, {about}, revision, reading_count, duplicate_count, rejected_count, turbine_count, energy_kwh"
    );
    for name in Quality::NAMES {
        list += &format!(", {name}_count");
    }
    for metric in metrics {
        for part in state_of(metric.kind()).iter().chain(extremes_of(table.of)) {
            list += &format!(", {}_{part}", metric.name());
        }
    }
    list
}

/// What the statistics of a metric are made of.
const fn state_of(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Scalar => &["count", "mean", "m2"],
        MetricKind::Direction => &["count", "sum_sin", "sum_cos"],
    }
}

/// Of a turbine's own extremes it is known whose they are.
const fn extremes_of(of: Of) -> &'static [&'static str] {
    match of {
        Of::Farm => &[
            "min",
            "min_time",
            "min_turbine_id",
            "max",
            "max_time",
            "max_turbine_id",
        ],
        Of::Turbine => &["min", "min_time", "max", "max_time"],
    }
}

/// How many columns a metric has.
pub(crate) const fn width(kind: MetricKind, of: Of) -> usize {
    state_of(kind).len() + extremes_of(of).len()
}

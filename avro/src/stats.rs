//! The statistics within a window.

use domain::{
    DirectionStats, Extreme, Metric, MetricKind, MetricStats, ScalarStats, TurbineId, WindowMetrics,
};

use crate::DecodeError;
use crate::bytes::{Reader, put_count, put_double, put_optional, put_string, put_timestamp};

pub(crate) fn put_metrics(metrics: &WindowMetrics<TurbineId>, out: &mut Vec<u8>) {
    for metric in Metric::ALL {
        put_optional(metrics.get(metric), put_stats, out);
    }
}

pub(crate) fn metrics(input: &mut Reader<'_>) -> Result<WindowMetrics<TurbineId>, DecodeError> {
    let mut metrics = WindowMetrics::default();
    for metric in Metric::ALL {
        let stats = match metric.kind() {
            MetricKind::Scalar => input.optional(metric.name(), scalar)?,
            MetricKind::Direction => input.optional(metric.name(), direction)?,
        };
        metrics.set(metric, stats);
    }
    Ok(metrics)
}

fn put_stats(stats: &MetricStats<TurbineId>, out: &mut Vec<u8>) {
    put_count(stats.count(), out);
    let (first, second) = match stats {
        MetricStats::Scalar(stats) => (stats.mean, stats.m2),
        MetricStats::Direction(stats) => (stats.sum_sin, stats.sum_cos),
    };
    put_double(first, out);
    put_double(second, out);
    put_extreme(stats.min(), out);
    put_extreme(stats.max(), out);
}

fn put_extreme(extreme: &Extreme<TurbineId>, out: &mut Vec<u8>) {
    put_double(extreme.value, out);
    put_string(extreme.turbine_id.as_str(), out);
    put_timestamp(extreme.event_time, out);
}

fn scalar(input: &mut Reader<'_>, field: &'static str) -> Result<MetricStats<TurbineId>, DecodeError> {
    Ok(MetricStats::Scalar(ScalarStats {
        count: input.count(field, 1)?,
        mean: input.double(field)?,
        m2: input.double(field)?,
        min: extreme(input, field)?,
        max: extreme(input, field)?,
    }))
}

fn direction(input: &mut Reader<'_>, field: &'static str) -> Result<MetricStats<TurbineId>, DecodeError> {
    Ok(MetricStats::Direction(DirectionStats {
        count: input.count(field, 1)?,
        sum_sin: input.double(field)?,
        sum_cos: input.double(field)?,
        min: extreme(input, field)?,
        max: extreme(input, field)?,
    }))
}

fn extreme(input: &mut Reader<'_>, field: &'static str) -> Result<Extreme<TurbineId>, DecodeError> {
    let value = input.double(field)?;
    let turbine_id = input.id(field, TurbineId::parse)?;
    let event_time = input.timestamp(field)?;
    Ok(Extreme {
        value,
        event_time,
        turbine_id,
    })
}

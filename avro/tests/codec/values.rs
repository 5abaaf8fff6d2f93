//! Arbitrary records.

use std::borrow::Cow;

use avro::PartitionCheckpoint;
use domain::{
    CloseReason, Closed, Extreme, FarmId, FarmWindow, Metric, MetricStats, Metrics, OperatingStatus, Quality,
    RawReading, Timestamp, TurbineId, TurbineWindow, WindowMetrics,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// A reading as anybody may send it: nothing in it need be valid but the encoding.
pub(crate) fn reading() -> impl Strategy<Value = RawReading<'static>> {
    let status = of(select(OperatingStatus::ALL.as_slice()));
    (
        ".{0,70}",
        ".{0,70}",
        time(),
        of(any::<i64>()),
        vec(of(any::<f64>()), Metric::COUNT),
        status,
    )
        .prop_map(
            |(farm_id, turbine_id, event_time, sequence, values, operating_status)| RawReading {
                farm_id: Cow::Owned(farm_id),
                turbine_id: Cow::Owned(turbine_id),
                event_time,
                sequence,
                metrics: metrics(&values),
                operating_status,
            },
        )
}

pub(crate) fn metrics(values: &[Option<f64>]) -> Metrics {
    let values = Metric::ALL.into_iter().zip(values);
    values
        .filter_map(|(metric, value)| Some((metric, (*value)?)))
        .collect()
}

pub(crate) fn farm_window() -> impl Strategy<Value = Closed<FarmWindow>> {
    let energy_kwh = of(any::<f64>());
    (
        farm_id(),
        time(),
        time(),
        vec(0..=i64::MAX as u64, 8),
        energy_kwh,
        window_metrics(),
        vec(turbine_id(), 0..4),
        close_reason(),
    )
        .prop_map(
            |(
                farm_id,
                window_start,
                window_end,
                counts,
                energy_kwh,
                metrics,
                suspicious_clocks,
                close_reason,
            )| Closed {
                window: FarmWindow {
                    farm_id,
                    window_start,
                    window_end,
                    reading_count: counts[0],
                    duplicate_count: counts[1],
                    rejected_count: counts[2],
                    turbine_count: counts[3],
                    energy_kwh,
                    metrics,
                    quality: Quality::of_counts([counts[4], counts[5], counts[6], counts[7]]),
                    suspicious_clocks,
                },
                close_reason,
            },
        )
}

pub(crate) fn turbine_window() -> impl Strategy<Value = Closed<TurbineWindow>> {
    (turbine_id(), farm_window()).prop_map(|(turbine_id, Closed { window, close_reason })| Closed {
        window: TurbineWindow { turbine_id, window },
        close_reason,
    })
}

pub(crate) fn checkpoint() -> impl Strategy<Value = PartitionCheckpoint> {
    (any::<i32>(), vec((farm_id(), time()), 0..20))
        .prop_map(|(partition, farms)| PartitionCheckpoint { partition, farms })
}

fn window_metrics() -> impl Strategy<Value = WindowMetrics<TurbineId>> {
    let stats = (
        1..=i64::MAX as u64,
        any::<f64>(),
        any::<f64>(),
        extreme(),
        extreme(),
    );
    vec(of(stats), Metric::COUNT).prop_map(|all| {
        let mut metrics = WindowMetrics::default();
        for (metric, stats) in Metric::ALL.into_iter().zip(all) {
            let stats = stats.map(|(count, first, second, min, max)| {
                MetricStats::of_moments(metric.kind(), count, (first, second), min, max)
            });
            metrics.set(metric, stats);
        }
        metrics
    })
}

fn extreme() -> impl Strategy<Value = Extreme<TurbineId>> {
    (any::<f64>(), time(), turbine_id()).prop_map(|(value, event_time, turbine_id)| Extreme {
        value,
        event_time,
        turbine_id,
    })
}

fn close_reason() -> impl Strategy<Value = CloseReason> {
    select([CloseReason::StreamTime, CloseReason::Idle].as_slice())
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn farm_id() -> impl Strategy<Value = FarmId> {
    "[A-Za-z0-9._:-]{1,64}".prop_map(|text| FarmId::parse(&text).unwrap())
}

fn turbine_id() -> impl Strategy<Value = TurbineId> {
    "[A-Za-z0-9._:-]{1,64}".prop_map(|text| TurbineId::parse(&text).unwrap())
}

//! Readings, windows and marks to be stored.

use domain::{
    CloseReason, Closed, FarmId, FarmWindow, Limits, Metric, Metrics, OperatingStatus, RawReading, Reading,
    TimeDelta, Timestamp, TurbineWindow, WindowSummary, validate,
};
use platform::{LateReading, Source};
use rdkafka::message::OwnedHeaders;
use sink::batch::{Batch, BatchLimits, Taken};
use sink::lane::{Lane, Topic};
use sink::rows::reading::Place;
use sink::store::RevisionLimits;
use std::time::{Duration, Instant};

pub(crate) const MINUTE: TimeDelta = TimeDelta::from_secs(60);

pub(crate) const ALL_AT_ONCE: RevisionLimits = RevisionLimits {
    marks: 1_000,
    readings: 1_000,
};

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Midday, some seconds later.
pub(crate) fn noon(seconds: i64) -> Timestamp {
    time("2025-11-23T12:00:00Z") + TimeDelta::from_secs(seconds)
}

/// With only a wind speed.
pub(crate) fn raw(farm: &str, turbine: &str, event_time: Timestamp, wind_mps: f64) -> RawReading<'static> {
    RawReading {
        farm_id: farm.to_owned().into(),
        turbine_id: turbine.to_owned().into(),
        event_time,
        metrics: [(Metric::WindSpeed, wind_mps)].into_iter().collect(),
        ..RawReading::default()
    }
}

/// Number `n` of many farms; each has an event time of its own.
pub(crate) fn nth(n: i64) -> RawReading<'static> {
    let farm = format!("farm-{}", n % 30);
    raw(&farm, "T1", noon(n), 5.0)
}

/// With everything.
pub(crate) fn full(farm: &str, turbine: &str, event_time: Timestamp) -> RawReading<'static> {
    RawReading {
        sequence: Some(i64::MAX),
        metrics: Metric::ALL
            .into_iter()
            .zip([7.25, 359.5, -12.5, 1_000.0, 11.3, -2.0, 0.0, -7.75])
            .collect::<Metrics>(),
        operating_status: Some(OperatingStatus::Derated),
        ..raw(farm, turbine, event_time, 0.0)
    }
}

pub(crate) fn valid(raw: RawReading<'_>) -> Reading<'_> {
    let appended_at = raw.event_time;
    validate(raw, appended_at, &Limits::default()).unwrap()
}

/// The windows that these readings make.
pub(crate) fn windows<'a>(
    readings: impl IntoIterator<Item = &'a RawReading<'a>>,
) -> (Closed<FarmWindow>, Vec<Closed<TurbineWindow>>) {
    let readings: Vec<_> = readings.into_iter().collect();
    let mut summary = WindowSummary::default();
    for reading in &readings {
        summary.add(&reading.turbine_id, reading.event_time, &reading.metrics);
    }
    let start = readings[0].event_time.floor_to(MINUTE);
    let farm_id = FarmId::parse(&readings[0].farm_id).unwrap();
    let (farm, turbines) = summary.finish(&farm_id, start, start + MINUTE);
    let turbines = turbines.into_iter().map(closed).collect();
    (closed(farm), turbines)
}

pub(crate) fn closed<W>(window: W) -> Closed<W> {
    Closed {
        window,
        close_reason: CloseReason::StreamTime,
    }
}

pub(crate) const fn lane(topic: Topic) -> Lane {
    Lane { topic, partition: 2 }
}

pub(crate) fn place(offset: i64) -> Place {
    Place {
        partition: 2,
        offset,
        appended_at: noon(3_600),
    }
}

/// An empty batch that owns partition 2 of every topic at this offset.
pub(crate) fn batch(stored: i64) -> Batch {
    let mut batch = Batch::new(BatchLimits {
        rows: 1_000,
        bytes: 1 << 20,
        days: 100,
        age: Duration::ZERO,
    });
    for topic in Topic::ALL {
        batch.own(lane(topic), stored);
    }
    batch
}

pub(crate) fn push(batch: &mut Batch, topic: Topic, offset: i64, taken: Taken<'_, OwnedHeaders>) {
    batch.push(lane(topic), place(offset), taken, Instant::now());
}

pub(crate) fn push_reading(batch: &mut Batch, offset: i64, raw: RawReading<'_>) {
    push(batch, Topic::Readings, offset, Taken::Reading(&valid(raw)));
}

/// Marks the window of `start` of farm `north` by the late reading at that offset of the readings.
pub(crate) fn push_late(batch: &mut Batch, offset: i64, start: Timestamp, source_offset: i64) {
    let late = LateReading {
        by_ms: 1,
        window_start: start,
        source: Source {
            topic: "readings".into(),
            partition: lane(Topic::Readings).partition,
            offset: source_offset,
            timestamp: start,
        },
    };
    let farm = FarmId::parse("north").unwrap();
    push(batch, Topic::LateReadings, offset, Taken::Late(farm, late));
}

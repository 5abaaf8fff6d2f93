//! The figures of a window in few bytes, alike from Kafka and from PostgreSQL: so that millions of windows can be
//! compared exactly, and a difference still names the part that differs.

use std::hash::{DefaultHasher, Hash, Hasher};

use domain::{
    CloseReason, Extreme, FarmWindow, Metric, MetricKind, MetricStats, Quality, Timestamp, TurbineId,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

/// Key, counts, energy, and each metric.
const PARTS: usize = 3 + Metric::COUNT;

/// A hash of each part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures([u32; PARTS]);

/// A metric as the columns have it.
type State = (i64, [Option<u64>; 2], [Option<(u64, String, i64)>; 2]);

impl Figures {
    /// Of a window from Kafka; `turbine_id` if it is a turbine's.
    pub(crate) fn of_record(
        window: &FarmWindow,
        turbine_id: Option<&str>,
        close_reason: CloseReason,
    ) -> Self {
        let key = (
            window.farm_id.as_str(),
            turbine_id,
            window.window_start.as_micros(),
            window.window_end.as_micros(),
        );
        let counts = (
            close_reason.as_str(),
            signed(window.reading_count),
            signed(window.duplicate_count),
            signed(window.rejected_count),
            signed(window.turbine_count),
            window.quality.counts().map(signed),
            window
                .suspicious_clocks
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        );
        let energy = window.energy_kwh.map(f64::to_bits);
        Self::new(&key, &counts, &energy, |metric| {
            window
                .metrics
                .get(metric)
                .map_or((0, [None; 2], [None, None]), state)
        })
    }

    /// Of a row.
    pub(crate) fn of_row(row: &PgRow, turbine_id: Option<&str>) -> Self {
        let key = (
            row.get::<&str, _>("farm_id"),
            turbine_id,
            micros(row.get("window_start")),
            micros(row.get("window_end")),
        );
        let counts = (
            row.get::<Option<&str>, _>("close_reason_text")
                .unwrap_or_default(),
            row.get::<i64, _>("reading_count"),
            row.get::<i64, _>("duplicate_count"),
            row.get::<i64, _>("rejected_count"),
            row.get::<i64, _>("turbine_count"),
            Quality::NAMES.map(|name| row.get::<i64, _>(format!("{name}_count").as_str())),
            row.get::<Vec<String>, _>("suspicious_clocks"),
        );
        let energy = row.get::<Option<f64>, _>("energy_kwh").map(f64::to_bits);
        Self::new(&key, &counts, &energy, |metric| state_of_row(row, metric))
    }

    /// The names of the parts that differ.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let names = ["key", "counts", "energy_kwh"]
            .into_iter()
            .chain(Metric::ALL.map(Metric::name));
        let pairs = self.0.iter().zip(&other.0);
        names
            .zip(pairs)
            .filter(|(_, (a, b))| a != b)
            .map(|(name, _)| name)
            .collect()
    }

    fn new(
        key: &impl Hash,
        counts: &impl Hash,
        energy: &impl Hash,
        metric: impl Fn(Metric) -> State,
    ) -> Self {
        let mut parts = [0; PARTS];
        parts[0] = hash(key);
        parts[1] = hash(counts);
        parts[2] = hash(energy);
        for (part, of) in parts[3..].iter_mut().zip(Metric::ALL) {
            *part = hash(&metric(of));
        }
        Self(parts)
    }
}

fn state(stats: &MetricStats<TurbineId>) -> State {
    let moments = match stats {
        MetricStats::Scalar(stats) => [stats.mean, stats.m2],
        MetricStats::Direction(stats) => [stats.sum_sin, stats.sum_cos],
    };
    let extreme = |extreme: &Extreme<TurbineId>| {
        Some((
            extreme.value.to_bits(),
            extreme.turbine_id.as_str().to_owned(),
            extreme.event_time.as_micros(),
        ))
    };
    let extremes = [extreme(stats.min()), extreme(stats.max())];
    (
        signed(stats.count()),
        moments.map(|moment| Some(moment.to_bits())),
        extremes,
    )
}

fn state_of_row(row: &PgRow, metric: Metric) -> State {
    let name = |part: &str| format!("{}_{part}", metric.name());
    let number = |part: &str| row.get::<Option<f64>, _>(name(part).as_str()).map(f64::to_bits);
    let moments = match metric.kind() {
        MetricKind::Scalar => ["mean", "m2"],
        MetricKind::Direction => ["sum_sin", "sum_cos"],
    };
    let extreme = |part: &str| {
        let value = number(part)?;
        let turbine: Option<String> = row.get(name(&format!("{part}_turbine_id")).as_str());
        let time: Option<OffsetDateTime> = row.get(name(&format!("{part}_time")).as_str());
        Some((
            value,
            turbine.unwrap_or_default(),
            time.map(micros).unwrap_or_default(),
        ))
    };
    let extremes = [extreme("min"), extreme("max")];
    (row.get(name("count").as_str()), moments.map(number), extremes)
}

fn hash(value: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    (hasher.finish() >> 32) as u32
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn micros(time: OffsetDateTime) -> i64 {
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).unwrap_or(Timestamp::MIN.as_micros())
}

//! A row of `readings`.

use std::sync::LazyLock;

use domain::{FarmId, Metric, Reading, Timestamp, TurbineId};

use crate::copy::{CopyBuffer, RowWriter, read_timestamptz};

/// The columns of a row, in order.
pub static COLUMNS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut columns = vec!["farm_id", "turbine_id", "event_time", "sequence"];
    columns.extend(Metric::ALL.map(Metric::name));
    columns.extend([
        "operating_status",
        "kafka_partition",
        "kafka_offset",
        "appended_at",
    ]);
    columns
});

/// Where a record lay, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time stamp on Kafka.
    pub appended_at: Timestamp,
}

/// Adds a reading.
pub fn put(rows: &mut CopyBuffer, reading: &Reading<'_>, place: Place) {
    let mut row = rows.row(COLUMNS.len());
    row.plain(&reading.farm_id);
    row.plain(&reading.turbine_id);
    row.timestamptz(reading.event_time);
    row.optional(reading.sequence, RowWriter::bigint);
    for metric in Metric::ALL {
        row.optional(reading.metrics.get(metric), RowWriter::float8);
    }
    row.optional(reading.operating_status, |row, status| row.plain(status.as_str()));
    row.integer(place.partition);
    row.bigint(place.offset);
    row.timestamptz(place.appended_at);
}

/// Farm, turbine and event time of a row.
pub fn key_of(rows: &CopyBuffer, row: usize) -> (FarmId, TurbineId, Timestamp) {
    let mut fields = rows.fields(row).map(Option::unwrap_or_default);
    let mut next = || fields.next().unwrap_or_default();
    let farm_id = std::str::from_utf8(next()).ok().map(FarmId::parse);
    let turbine_id = std::str::from_utf8(next()).ok().map(TurbineId::parse);
    let (Some(Ok(farm_id)), Some(Ok(turbine_id)), Some(event_time)) =
        (farm_id, turbine_id, read_timestamptz(next()))
    else {
        unreachable!("a row begins with what was put there");
    };
    (farm_id, turbine_id, event_time)
}

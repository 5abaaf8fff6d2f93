//! `windfarm.Reading`: the hot path, so that nothing is copied and nothing allocated.

use std::borrow::Cow;

use domain::{Metric, Metrics, OperatingStatus, RawReading};

use crate::DecodeError;
use crate::bytes::{Reader, put_long, put_optional, put_optional_double, put_string, put_timestamp};

/// Appends `reading` in Avro's binary encoding, without a frame.
pub fn encode_reading(reading: &RawReading<'_>, out: &mut Vec<u8>) {
    put_string(&reading.farm_id, out);
    put_string(&reading.turbine_id, out);
    put_timestamp(reading.event_time, out);
    put_optional(reading.sequence, put_long, out);
    for &metric in &Metric::ALL {
        put_optional_double(reading.metrics.get(metric), out);
    }
    put_optional(
        reading.operating_status,
        |status, out| put_long(status as i64, out),
        out,
    );
}

/// Reads a reading that was written with the schema that is compiled in; `body` is the record without its frame.
///
/// # Errors
/// [`DecodeError::Malformed`] unless `body` is one such record, and nothing more.
#[inline]
pub fn decode_reading(body: &[u8]) -> Result<RawReading<'_>, DecodeError> {
    let mut input = Reader::new(body);
    let farm_id = input.string("farm_id")?;
    let turbine_id = input.string("turbine_id")?;
    let event_time = input.timestamp("event_time")?;
    let sequence = input.optional("sequence", Reader::long)?;
    let mut metrics = Metrics::default();
    for &metric in &Metric::ALL {
        metrics.set(metric, input.optional_double(metric.name())?);
    }
    let operating_status = input.optional("operating_status", operating_status)?;
    input.finish("Reading")?;
    // put together at the very end, where it goes straight to its place
    Ok(RawReading {
        farm_id: Cow::Borrowed(farm_id),
        turbine_id: Cow::Borrowed(turbine_id),
        event_time,
        sequence,
        metrics,
        operating_status,
    })
}

fn operating_status(input: &mut Reader<'_>, field: &'static str) -> Result<OperatingStatus, DecodeError> {
    let symbol = input.choice(field, OperatingStatus::ALL.len())?;
    Ok(OperatingStatus::ALL[symbol])
}

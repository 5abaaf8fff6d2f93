//! `windfarm.Reading`: the hot path, so that nothing is copied and nothing allocated.

use std::borrow::Cow;

use domain::{Metric, Metrics, OperatingStatus, RawReading};

use crate::DecodeError;
use crate::bytes::{Reader, put_double, put_long, put_optional, put_string, put_timestamp};

/// Appends `reading` in Avro's binary encoding, without a frame.
pub fn encode_reading(reading: &RawReading<'_>, out: &mut Vec<u8>) {
    put_string(&reading.farm_id, out);
    put_string(&reading.turbine_id, out);
    put_timestamp(reading.event_time, out);
    put_optional(reading.sequence, put_long, out);
    for metric in Metric::ALL {
        put_optional(reading.metrics.get(metric), put_double, out);
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
pub fn decode_reading(body: &[u8]) -> Result<RawReading<'_>, DecodeError> {
    let mut input = Reader::new(body);
    let reading = RawReading {
        farm_id: Cow::Borrowed(input.string("farm_id")?),
        turbine_id: Cow::Borrowed(input.string("turbine_id")?),
        event_time: input.timestamp("event_time")?,
        sequence: input.optional("sequence", Reader::long)?,
        metrics: metrics(&mut input)?,
        operating_status: input.optional("operating_status", operating_status)?,
    };
    input.finish("Reading")?;
    Ok(reading)
}

#[inline]
fn metrics(input: &mut Reader<'_>) -> Result<Metrics, DecodeError> {
    let mut metrics = Metrics::default();
    for metric in Metric::ALL {
        metrics.set(metric, input.optional(metric.name(), Reader::double)?);
    }
    Ok(metrics)
}

fn operating_status(input: &mut Reader<'_>, field: &'static str) -> Result<OperatingStatus, DecodeError> {
    let symbol = input.choice(field, OperatingStatus::ALL.len())?;
    Ok(OperatingStatus::ALL[symbol])
}

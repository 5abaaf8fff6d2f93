//! `windfarm.FarmWindow` and `windfarm.TurbineWindow`, which is the same with a turbine's id after the farm's.

use domain::{CloseReason, Closed, FarmId, FarmWindow, Quality, TurbineId, TurbineWindow};

use crate::DecodeError;
use crate::bytes::{Reader, put_count, put_double, put_long, put_optional, put_string, put_timestamp};
use crate::stats::{metrics, put_metrics};

/// The symbols of `CloseReason` in the order of the schema.
const CLOSE_REASONS: [CloseReason; 2] = [CloseReason::StreamTime, CloseReason::Idle];

/// Appends a farm's window in Avro's binary encoding, without a frame.
pub fn encode_farm_window(closed: &Closed<FarmWindow>, out: &mut Vec<u8>) {
    put_string(closed.window.farm_id.as_str(), out);
    put_figures(&closed.window, closed.close_reason, out);
}

/// Appends a turbine's window in Avro's binary encoding, without a frame.
pub fn encode_turbine_window(closed: &Closed<TurbineWindow>, out: &mut Vec<u8>) {
    put_string(closed.window.window.farm_id.as_str(), out);
    put_string(closed.window.turbine_id.as_str(), out);
    put_figures(&closed.window.window, closed.close_reason, out);
}

/// Reads a farm's window that was written with the schema that is compiled in; `body` has no frame.
///
/// # Errors
/// [`DecodeError::Malformed`] unless `body` is one such record, and nothing more.
pub fn decode_farm_window(body: &[u8]) -> Result<Closed<FarmWindow>, DecodeError> {
    let mut input = Reader::new(body);
    let farm_id = input.id("farm_id", FarmId::parse)?;
    let closed = figures(&mut input, farm_id)?;
    input.finish("FarmWindow")?;
    Ok(closed)
}

/// Reads a turbine's window that was written with the schema that is compiled in; `body` has no frame.
///
/// # Errors
/// [`DecodeError::Malformed`] unless `body` is one such record, and nothing more.
pub fn decode_turbine_window(body: &[u8]) -> Result<Closed<TurbineWindow>, DecodeError> {
    let mut input = Reader::new(body);
    let farm_id = input.id("farm_id", FarmId::parse)?;
    let turbine_id = input.id("turbine_id", TurbineId::parse)?;
    let Closed { window, close_reason } = figures(&mut input, farm_id)?;
    input.finish("TurbineWindow")?;
    Ok(Closed {
        window: TurbineWindow { turbine_id, window },
        close_reason,
    })
}

fn put_figures(window: &FarmWindow, close_reason: CloseReason, out: &mut Vec<u8>) {
    put_timestamp(window.window_start, out);
    put_timestamp(window.window_end, out);
    put_long(close_reason as i64, out);
    put_count(window.reading_count, out);
    put_count(window.duplicate_count, out);
    put_count(window.rejected_count, out);
    put_count(window.turbine_count, out);
    put_optional(window.energy_kwh, put_double, out);
    put_metrics(&window.metrics, out);
    for count in window.quality.counts() {
        put_count(count, out);
    }
    if !window.suspicious_clocks.is_empty() {
        put_count(window.suspicious_clocks.len() as u64, out);
    }
    for turbine_id in &window.suspicious_clocks {
        put_string(turbine_id.as_str(), out);
    }
    // an empty block ends the array
    put_count(0, out);
}

fn figures(input: &mut Reader<'_>, farm_id: FarmId) -> Result<Closed<FarmWindow>, DecodeError> {
    let window_start = input.timestamp("window_start")?;
    let window_end = input.timestamp("window_end")?;
    let close_reason = CLOSE_REASONS[input.choice("close_reason", CLOSE_REASONS.len())?];
    let window = FarmWindow {
        farm_id,
        window_start,
        window_end,
        reading_count: input.count("reading_count", 0)?,
        duplicate_count: input.count("duplicate_count", 0)?,
        rejected_count: input.count("rejected_count", 0)?,
        turbine_count: input.count("turbine_count", 0)?,
        energy_kwh: input.optional("energy_kwh", Reader::double)?,
        metrics: metrics(input)?,
        quality: quality(input)?,
        suspicious_clocks: input.array("suspicious_clocks", |input| {
            input.id("suspicious_clocks", TurbineId::parse)
        })?,
    };
    Ok(Closed { window, close_reason })
}

fn quality(input: &mut Reader<'_>) -> Result<Quality, DecodeError> {
    let mut counts = [0; Quality::NAMES.len()];
    for (count, name) in counts.iter_mut().zip(Quality::NAMES) {
        *count = input.count(name, 0)?;
    }
    Ok(Quality::of_counts(counts))
}

//! `windfarm.PartitionCheckpoint`.

use domain::{FarmId, Timestamp};

use crate::DecodeError;
use crate::bytes::{Reader, put_count, put_long, put_string, put_timestamp};

/// What outlives the windows of one partition of the readings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionCheckpoint {
    /// The partition that it describes, which is the one that it lies in.
    pub partition: i32,
    /// Each farm that has ever closed a window, and up to when: every window that ends then or before is closed.
    pub farms: Vec<(FarmId, Timestamp)>,
}

/// Appends `checkpoint` in Avro's binary encoding, without a frame.
pub fn encode_checkpoint(checkpoint: &PartitionCheckpoint, out: &mut Vec<u8>) {
    put_long(checkpoint.partition.into(), out);
    if !checkpoint.farms.is_empty() {
        put_count(checkpoint.farms.len() as u64, out);
    }
    for (farm_id, closed_until) in &checkpoint.farms {
        put_string(farm_id.as_str(), out);
        put_timestamp(*closed_until, out);
    }
    // an empty block ends the array
    put_count(0, out);
}

/// Reads a checkpoint that was written with the schema that is compiled in; `body` has no frame.
///
/// # Errors
/// [`DecodeError::Malformed`] unless `body` is one such record, and nothing more.
pub fn decode_checkpoint(body: &[u8]) -> Result<PartitionCheckpoint, DecodeError> {
    let mut input = Reader::new(body);
    let checkpoint = PartitionCheckpoint {
        partition: input.int("partition")?,
        farms: input.array("farms", farm)?,
    };
    input.finish("PartitionCheckpoint")?;
    Ok(checkpoint)
}

fn farm(input: &mut Reader<'_>) -> Result<(FarmId, Timestamp), DecodeError> {
    Ok((
        input.id("farm_id", FarmId::parse)?,
        input.timestamp("closed_until")?,
    ))
}

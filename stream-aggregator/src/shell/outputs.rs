//! What the machine wants sent, as records of Kafka.

use avro::{
    RecordType, Registry, RegistryError, SchemaId, encode_checkpoint, encode_farm_window,
    encode_turbine_window, wire,
};
use platform::{DeadLetter, LateReading, Source, Topics};
use rdkafka::producer::BaseRecord;

use super::fitted::{Fitted, Room};
use super::producer::{Report, TransactionalProducer};
use crate::machine::{Original, Output};

/// Who refuses.
const COMPONENT: &str = "stream-aggregator";

/// The schemas of what is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaIds {
    farm_window: SchemaId,
    turbine_window: SchemaId,
    checkpoint: SchemaId,
}

/// Writes records. One per thread: it keeps its buffer.
pub(super) struct Outputs {
    topics: Topics,
    ids: SchemaIds,
    room: Room,
    buffer: Vec<u8>,
}

impl SchemaIds {
    /// Registers what this program writes, and the readings that it reads, so that none waits for a look-up.
    pub(super) async fn register(registry: &Registry, topics: &Topics) -> Result<Self, RegistryError> {
        registry.register(&topics.readings, RecordType::Reading).await?;
        Ok(Self {
            farm_window: registry
                .register(&topics.farm_windows, RecordType::FarmWindow)
                .await?,
            turbine_window: registry
                .register(&topics.turbine_windows, RecordType::TurbineWindow)
                .await?,
            checkpoint: registry
                .register(&topics.checkpoints, RecordType::PartitionCheckpoint)
                .await?,
        })
    }
}

impl Outputs {
    pub(super) const fn new(topics: Topics, ids: SchemaIds, room: Room) -> Self {
        Self {
            topics,
            ids,
            room,
            buffer: Vec::new(),
        }
    }

    /// Sends `output` to the partition of that number: a farm has one number everywhere.
    pub(super) fn send(&mut self, producer: &mut TransactionalProducer, partition: i32, output: &Output) {
        let Self {
            topics,
            ids,
            room,
            buffer,
        } = self;
        buffer.clear();
        match output {
            Output::FarmWindow(closed) => {
                wire::frame(ids.farm_window, buffer);
                encode_farm_window(closed, buffer);
                let key = closed.window.farm_id.as_str();
                producer.send(
                    encoded(&topics.farm_windows, partition, key, buffer),
                    Report::Failure,
                );
            }
            Output::TurbineWindow(closed) => {
                wire::frame(ids.turbine_window, buffer);
                encode_turbine_window(closed, buffer);
                let key = closed.window.window.farm_id.as_str();
                producer.send(
                    encoded(&topics.turbine_windows, partition, key, buffer),
                    Report::Failure,
                );
            }
            Output::Checkpoint(checkpoint) => {
                wire::frame(ids.checkpoint, buffer);
                encode_checkpoint(checkpoint, buffer);
                let key = checkpoint_key(partition);
                producer.send(
                    encoded(&topics.checkpoints, partition, &key, buffer),
                    Report::Checkpoint,
                );
            }
            Output::Late {
                by_ms,
                window_start,
                original,
            } => {
                let late = LateReading {
                    by_ms: *by_ms,
                    window_start: *window_start,
                    source: source(topics, partition, original),
                };
                let fitted = Fitted::of(original, late.to_headers(), room.late_readings);
                producer.send(fitted.record(&topics.late_readings, partition), Report::Failure);
            }
            Output::DeadLetter { rejection, original } => {
                let letter = DeadLetter {
                    rejection: (**rejection).clone(),
                    source: Some(source(topics, partition, original)),
                    component: COMPONENT.into(),
                };
                let fitted = Fitted::of(original, letter.to_headers(), room.dead_letters);
                producer.send(fitted.record(&topics.dead_letters, partition), Report::Failure);
            }
        }
    }
}

/// The key of a partition's checkpoints.
pub(super) fn checkpoint_key(partition: i32) -> String {
    partition.to_string()
}

fn encoded<'a>(
    topic: &'a str,
    partition: i32,
    key: &'a str,
    payload: &'a [u8],
) -> BaseRecord<'a, [u8], [u8], usize> {
    BaseRecord::with_opaque_to(topic, 0)
        .partition(partition)
        .key(key.as_bytes())
        .payload(payload)
}

fn source(topics: &Topics, partition: i32, original: &Original) -> Source {
    Source {
        topic: topics.readings.clone(),
        partition,
        offset: original.offset,
        timestamp: original.appended_at,
    }
}

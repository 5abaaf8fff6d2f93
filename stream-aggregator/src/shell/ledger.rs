//! What Kafka knows of our partitions: committed offsets, checkpoint records, where logs begin.

use std::time::{Duration, Instant};

use avro::{DecodeError, Decoder, PartitionCheckpoint, Registry};
use platform::{KafkaArgs, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::machine::{Committed, FoundCheckpoint, Trouble};

/// How long the broker may take to answer.
const CALL: Duration = Duration::from_secs(2);

/// Before the same is asked again; a pending transaction of a dead owner takes seconds to be resolved.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads what is needed to take a partition up.
pub(super) struct Ledger {
    kafka: KafkaArgs,
    client_id: String,
    topics: Topics,
    /// Reads checkpoints where committed offsets point to. What those point to is committed, so it need not wait for
    /// other transactions of that partition to end.
    reader: BaseConsumer<Quiet>,
    decoder: Decoder,
    registry: Registry,
    runtime: Handle,
}

/// Errors of these clients show in what they were asked for.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(client = "checkpoint reader", %error, reason, "kafka client");
    }
}

impl ConsumerContext for Quiet {}

impl Ledger {
    pub(super) fn new(
        kafka: &KafkaArgs,
        client_id: &str,
        registry: Registry,
        runtime: Handle,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            reader: reader(kafka, client_id, "read_uncommitted")?,
            kafka: kafka.clone(),
            client_id: client_id.to_owned(),
            topics: kafka.topics(),
            decoder: Decoder::new(registry.clone()),
            registry,
            runtime,
        })
    }

    /// Connects to the leaders of all partitions, so that the first look-up takes a millisecond and not half a second.
    pub(super) fn warm(&self, partitions: i32, stop: &CancellationToken) {
        for partition in (0..partitions).take_while(|_| !stop.is_cancelled()) {
            for topic in [&self.topics.checkpoints, &self.topics.readings] {
                if let Err(error) = self.reader.fetch_watermarks(topic, partition, CALL) {
                    tracing::debug!(topic, partition, %error, "not warmed up");
                }
            }
        }
    }

    /// What the group has committed of a partition of the readings. While a transaction with its offsets is pending,
    /// the answer is [`Trouble::Retry`].
    pub(super) fn committed<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        partition: i32,
        limit: Duration,
    ) -> Result<Committed, Trouble> {
        let readings = &self.topics.readings;
        let mut asked = TopicPartitionList::with_capacity(1);
        asked.add_partition(readings, partition);
        let answer = consumer
            .committed_offsets(asked, limit)
            .map_err(|error| retry(&error))?;
        let element = answer
            .find_partition(readings, partition)
            .ok_or_else(|| retry(&"no answer"))?;
        element.error().map_err(|error| retry(&error))?;
        let (log_start, log_end) = self
            .reader
            .fetch_watermarks(readings, partition, CALL)
            .map_err(|error| retry(&error))?;
        let offset = match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => {
                None
            }
        };
        Ok(Committed {
            has_checkpoint: if offset.is_none() {
                self.has_checkpoint(partition).map_err(Trouble::into_reason)
            } else {
                Ok(true) // it was not asked for
            },
            offset,
            log_start,
            log_end,
        })
    }

    /// The first checkpoint record from an offset on, if there is one.
    pub(super) fn checkpoint(
        &mut self,
        partition: i32,
        offset: i64,
    ) -> Result<Option<Box<FoundCheckpoint>>, Trouble> {
        let topic = &self.topics.checkpoints;
        self.reader
            .assign(&at(topic, partition, offset)?)
            .map_err(|error| retry(&error))?;
        let found = next(&self.reader).map(|record| {
            record.map(|record| (record.offset(), record.payload().unwrap_or_default().to_vec()))
        });
        self.reader.unassign().map_err(|error| retry(&error))?;
        let found = found?;
        if found.as_ref().is_none_or(|(found_at, _)| *found_at != offset) {
            std::thread::sleep(PAUSE); // it is not the one, and will be asked for again
        }
        let Some((offset, payload)) = found else {
            return Ok(None);
        };
        let checkpoint = self.decode(&payload)?;
        Ok(Some(Box::new(FoundCheckpoint { offset, checkpoint })))
    }

    /// Whether a checkpoint of a partition was ever committed. Only asked when the group knows no offset.
    fn has_checkpoint(&self, partition: i32) -> Result<bool, Trouble> {
        let topic = &self.topics.checkpoints;
        let (low, high) = self
            .reader
            .fetch_watermarks(topic, partition, CALL)
            .map_err(|error| retry(&error))?;
        if low == high {
            return Ok(false);
        }
        // records are there, but the transactions that wrote them may have been aborted
        let reader = reader(&self.kafka, &self.client_id, "read_committed").map_err(|error| retry(&error))?;
        reader
            .assign(&at(topic, partition, low)?)
            .map_err(|error| retry(&error))?;
        Ok(next(&reader)?.is_some())
    }

    fn decode(&mut self, payload: &[u8]) -> Result<PartitionCheckpoint, Trouble> {
        loop {
            match self.decoder.checkpoint(payload) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(DecodeError::UnknownSchema(id)) => {
                    self.runtime
                        .block_on(self.registry.resolve(id))
                        .map_err(|error| retry(&error))?;
                }
                Err(error) => return Err(retry(&error)),
            }
        }
    }
}

/// The next record; none at the end of the partition.
fn next<C: ConsumerContext>(
    reader: &BaseConsumer<C>,
) -> Result<Option<rdkafka::message::BorrowedMessage<'_>>, Trouble> {
    let deadline = Instant::now() + CALL;
    while Instant::now() < deadline {
        match reader.poll(PAUSE) {
            Some(Ok(record)) => return Ok(Some(record)),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) => return Err(retry(&error)),
            None => {}
        }
    }
    Err(retry(&format!("no answer within {CALL:?}")))
}

fn reader(kafka: &KafkaArgs, client_id: &str, isolation: &str) -> Result<BaseConsumer<Quiet>, KafkaError> {
    let mut config = kafka.client_config(&format!("{client_id}-checkpoints"));
    config
        .set("group.id", format!("{client_id}-checkpoints")) // wanted by the client; never joined, never committed to
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10");
    config.create_with_context(Quiet)
}

fn at(topic: &str, partition: i32, offset: i64) -> Result<TopicPartitionList, Trouble> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .map_err(|error| retry(&error))?;
    Ok(list)
}

fn retry(error: &impl ToString) -> Trouble {
    std::thread::sleep(PAUSE);
    Trouble::Retry(error.to_string())
}

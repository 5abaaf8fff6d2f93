//! The transactional producer of one stream thread, and what its errors mean.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use platform::fail_point;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::callbacks::log_client_error;
use crate::machine::{CommitPoint, Trouble};

/// How long one call may take before it is made again.
const CALL: Duration = Duration::from_secs(5);

/// The same for ending what has failed.
const ABORT_CALL: Duration = Duration::from_secs(2);

/// Between two looks at what has been acknowledged.
const REPORT_PAUSE: Duration = Duration::from_micros(200);

/// Whether a record's delivery report is wanted: its offset is, if it is a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    Failure,
    Checkpoint,
}

/// Sends within transactions. What goes wrong with a record is remembered and shows when the transaction is drained.
pub(super) struct TransactionalProducer {
    config: ClientConfig,
    /// None only while it is being replaced.
    client: Option<BaseProducer<Deliveries>>,
    failure: Option<String>,
    drain_limit: Duration,
}

/// What the broker said about records.
#[derive(Default)]
struct Deliveries(Mutex<Delivered>);

#[derive(Default)]
struct Delivered {
    /// Offsets of checkpoint records by partition.
    checkpoints: Vec<(i32, i64)>,
    failure: Option<String>,
}

impl TransactionalProducer {
    /// One whose transactions are acknowledged within `drain_limit`; not connected yet.
    pub(super) const fn new(config: ClientConfig, drain_limit: Duration) -> Self {
        Self {
            config,
            client: None,
            failure: None,
            drain_limit,
        }
    }

    /// Makes the client anew and aborts what the former owner of its id has left open.
    pub(super) fn connect(&mut self) -> Result<(), Trouble> {
        self.client = None; // two at a time would fence each other
        let client: BaseProducer<Deliveries> = self
            .config
            .create_with_context(Deliveries::default())
            .map_err(|error| trouble(&error))?;
        let client = self.client.insert(client);
        // else the first question finds nobody to ask yet, and is asked again half a second later
        client.client().fetch_cluster_id(CALL);
        client.init_transactions(CALL).map_err(|error| trouble(&error))?;
        self.failure = None;
        Ok(())
    }

    pub(super) fn begin(&mut self) {
        if let Some(client) = &self.client
            && let Err(error) = client.begin_transaction()
        {
            self.fail(format!("begin: {error}"));
        }
    }

    /// Puts a record into the transaction. A full queue is waited for.
    pub(super) fn send(&mut self, mut record: BaseRecord<'_, [u8], [u8], usize>, report: Report) {
        record.delivery_opaque = usize::from(report == Report::Checkpoint);
        let Some(client) = &self.client else { return };
        if self.failure.is_some() {
            return; // it will be aborted
        }
        while let Err((error, back)) = client.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                self.fail(format!("sending to {}: {error}", back.topic));
                return;
            }
            record = back;
            client.poll(Duration::from_millis(1));
        }
    }

    /// Takes up delivery reports that are there; to be called now and then.
    pub(super) fn poll(&self) {
        if let Some(client) = &self.client {
            client.poll(Duration::ZERO);
        }
    }

    /// Waits until all is acknowledged, and says where checkpoint records lie.
    pub(super) fn drain(&mut self) -> Result<Vec<(i32, i64)>, Trouble> {
        let client = self.client.as_ref().ok_or_else(not_connected)?;
        // not `flush`, which always takes 100 ms
        let deadline = Instant::now() + self.drain_limit;
        let left = serve_reports(client, deadline);
        let delivered = std::mem::take(&mut *client.context().delivered());
        if let Some(failure) = self.failure.take().or(delivered.failure) {
            return Err(Trouble::Abort(failure));
        }
        if left > 0 {
            let limit_ms = self.drain_limit.as_millis();
            return Err(Trouble::Abort(format!(
                "{left} records are not acknowledged after {limit_ms} ms"
            )));
        }
        Ok(delivered.checkpoints)
    }

    /// Offers offsets under the group's present metadata, unless the assignment is lost.
    pub(super) fn send_offsets<C: ConsumerContext>(
        &self,
        topic: &str,
        points: &[CommitPoint],
        consumer: &BaseConsumer<C>,
    ) -> Result<(), Trouble> {
        let client = self.client.as_ref().ok_or_else(not_connected)?;
        let offsets = offsets(topic, points).map_err(|error| trouble(&error))?;
        let Some(group) = consumer.group_metadata() else {
            return Err(Trouble::Abort("the consumer has no group metadata".to_owned()));
        };
        // in this order: what is lost after it is refused by the broker for its generation
        if consumer.assignment_lost() {
            return Err(Trouble::Abort("the partitions were lost to others".to_owned()));
        }
        fail_point::reach("before_send_offsets");
        client
            .send_offsets_to_transaction(&offsets, &group, CALL)
            .map_err(|error| trouble(&error))?;
        fail_point::reach("after_send_offsets");
        Ok(())
    }

    pub(super) fn commit(&self) -> Result<(), Trouble> {
        let client = self.client.as_ref().ok_or_else(not_connected)?;
        client.commit_transaction(CALL).map_err(|error| trouble(&error))?;
        fail_point::reach("after_commit");
        Ok(())
    }

    pub(super) fn abort(&mut self) -> Result<(), Trouble> {
        let client = self.client.as_ref().ok_or_else(not_connected)?;
        // it waits for delivery reports, which nobody but `poll` serves
        let deadline = Instant::now() + Duration::from_secs(1);
        serve_reports(client, deadline);
        client
            .abort_transaction(ABORT_CALL)
            .map_err(|error| trouble(&error))?;
        self.failure = None;
        *client.context().delivered() = Delivered::default();
        Ok(())
    }

    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}

/// Takes up delivery reports until there are none to come, and tells how many are still missing. The client's own waiting
/// is none in its last millisecond: it asks the queue and the clock as often as it can.
fn serve_reports(client: &BaseProducer<Deliveries>, deadline: Instant) -> i32 {
    while client.in_flight_count() > 0 && Instant::now() < deadline {
        client.poll(Duration::ZERO);
        std::thread::sleep(REPORT_PAUSE);
    }
    client.in_flight_count()
}

impl Deliveries {
    fn delivered(&self) -> MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        log_client_error("producer", &error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, is_checkpoint: usize) {
        match result {
            Ok(record) if is_checkpoint > 0 => {
                self.delivered()
                    .checkpoints
                    .push((record.partition(), record.offset()));
            }
            Ok(_) => {}
            Err((error, record)) => {
                let why = || format!("a record to {} was not acknowledged: {error}", record.topic());
                self.delivered().failure.get_or_insert_with(why);
            }
        }
    }
}

fn offsets(topic: &str, points: &[CommitPoint]) -> KafkaResult<TopicPartitionList> {
    let mut offsets = TopicPartitionList::with_capacity(points.len());
    for point in points {
        let mut element = offsets.add_partition(topic, point.partition);
        element.set_offset(Offset::Offset(point.offset))?;
        element.set_metadata(point.metadata.to_string());
    }
    Ok(offsets)
}

/// What helps: the same call again, a new producer, or giving the transaction up.
fn trouble(error: &KafkaError) -> Trouble {
    let why = error.to_string();
    let transaction = if let KafkaError::Transaction(error) = error {
        Some(error)
    } else {
        None
    };
    let is_fatal = transaction.is_some_and(RDKafkaError::is_fatal);
    let is_retriable =
        transaction.is_some_and(RDKafkaError::is_retriable) || matches!(error, KafkaError::Flush(_));
    if is_fatal || error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
        Trouble::Fenced(why)
    } else if is_retriable {
        Trouble::Retry(why)
    } else {
        Trouble::Abort(why)
    }
}

fn not_connected() -> Trouble {
    Trouble::Fenced("there is no producer".to_owned())
}

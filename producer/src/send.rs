//! Handing readings to Kafka: each once, in order, none lost while this process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use avro::{RecordType, SchemaId};
use domain::RawReading;
use metrics::{Counter, Gauge, counter, gauge};
use platform::{HealthHandle, KafkaArgs, RegistryArgs};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tokio_util::sync::CancellationToken;

/// Until the queue has room again, or is empty.
const POLL: Duration = Duration::from_millis(1);

/// What is said about a broker that does not take anything: how often.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How long a stopped program tries to get rid of what it has.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Settings of the queue, unless the user has others. A broker that is away is waited for: a reading does not expire,
/// but the queue fills up and holds us back.
const QUEUE: [(&str, &str); 3] = [
    ("message.timeout.ms", "0"),
    ("queue.buffering.max.messages", "200000"),
    ("linger.ms", "10"),
];

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is in the queue, and will be delivered.
    Queued,
    /// The program was stopped while there was no room; it is not in the queue.
    Stopped,
}

/// Sends readings to one topic.
pub struct Sender {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    schema: SchemaId,
    payload: Vec<u8>,
    counts: Arc<Counts>,
    sent: Counter,
    queued: Gauge,
}

/// What the broker has said about what was sent.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

/// Hears from librdkafka's thread.
struct Deliveries {
    counts: Arc<Counts>,
    acknowledged: Counter,
    failed: Counter,
    health: HealthHandle,
    unreachable: AtomicBool,
}

/// Makes the topics if they are missing and registers the schema, whose id it tells; waits for both servers.
///
/// # Errors
/// When a server refuses for good, the settings are wrong, or `stop` is cancelled first.
pub async fn prepare(
    kafka: &KafkaArgs,
    registry: &RegistryArgs,
    health: &HealthHandle,
    stop: &CancellationToken,
) -> anyhow::Result<SchemaId> {
    health.not_ready("waiting for kafka");
    platform::topics::ensure(kafka, stop).await?;
    health.not_ready("waiting for the schema registry");
    let (registry, topic) = (registry.registry()?, kafka.topics().readings);
    tokio::select! {
        id = registry.register(&topic, RecordType::Reading) => Ok(id?),
        () = stop.cancelled() => bail!("stopped while waiting for the schema registry"),
    }
}

impl Sender {
    /// Sends to a topic that exists, with a schema that is registered.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn new(kafka: &KafkaArgs, schema: SchemaId, health: HealthHandle) -> anyhow::Result<Self> {
        let counts = Arc::new(Counts::default());
        health.ready();
        let context = Deliveries {
            counts: Arc::clone(&counts),
            acknowledged: counter!("windfarm_producer_readings_acknowledged_total"),
            failed: counter!("windfarm_producer_delivery_errors_total"),
            health,
            unreachable: AtomicBool::new(false),
        };
        let mut config = kafka.producer_config("windfarm-producer");
        for (key, value) in QUEUE {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        Ok(Self {
            producer: config.create_with_context(context).context("kafka producer")?,
            topic: kafka.topics().readings,
            schema,
            payload: Vec::new(),
            counts,
            sent: counter!("windfarm_producer_readings_sent_total"),
            queued: gauge!("windfarm_producer_queue_records"),
        })
    }

    /// Queues a reading under its farm's id; waits while the queue is full.
    ///
    /// # Errors
    /// When librdkafka does not take it for another reason.
    pub async fn send(&mut self, reading: &RawReading<'_>, stop: &CancellationToken) -> anyhow::Result<Sent> {
        self.send_spoilt(reading, |_| {}, stop).await
    }

    /// The same, after `spoil` has had its way with the bytes.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_spoilt(
        &mut self,
        reading: &RawReading<'_>,
        spoil: impl FnOnce(&mut Vec<u8>),
        stop: &CancellationToken,
    ) -> anyhow::Result<Sent> {
        self.payload.clear();
        avro::wire::frame(self.schema, &mut self.payload);
        avro::encode_reading(reading, &mut self.payload);
        spoil(&mut self.payload);
        let mut record = BaseRecord::to(&self.topic)
            .key(&*reading.farm_id)
            .payload(&self.payload);
        let mut reported = Instant::now();
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("queueing a reading");
            }
            if stop.is_cancelled() {
                return Ok(Sent::Stopped);
            }
            record = back;
            if reported.elapsed() > REPORT_EVERY {
                tracing::warn!(
                    queue.records = self.producer.in_flight_count(),
                    "kafka takes nothing, waiting"
                );
                reported = Instant::now();
            }
            tokio::time::sleep(POLL).await;
        }
        self.sent.increment(1);
        Ok(Sent::Queued)
    }

    /// Brings the metrics up to date; cheap, to be called now and then.
    pub fn observe(&self) {
        self.queued.set(f64::from(self.producer.in_flight_count()));
    }

    /// Waits until all is acknowledged, which is as long as the broker is away; once stopped, for 30 s at most.
    ///
    /// # Errors
    /// When a reading was not delivered.
    pub async fn finish(self, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut deadline = None;
        let mut reported = Instant::now();
        // not `flush`: it takes 100 ms even if there is nothing to do
        while self.producer.in_flight_count() > 0 {
            if stop.is_cancelled()
                && Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + STOP_DEADLINE)
            {
                bail!(
                    "{} readings were not acknowledged within {STOP_DEADLINE:?}",
                    self.producer.in_flight_count()
                );
            }
            if reported.elapsed() > REPORT_EVERY {
                tracing::warn!(
                    queue.records = self.producer.in_flight_count(),
                    "waiting for kafka to acknowledge"
                );
                reported = Instant::now();
            }
            tokio::time::sleep(POLL).await;
        }
        self.observe();
        match self.counts.failed.load(Ordering::Acquire) {
            0 => Ok(()),
            failed => bail!(
                "{failed} readings were not delivered, {} were; the log has the first error",
                self.counts.acknowledged.load(Ordering::Acquire)
            ),
        }
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.unreachable.store(true, Ordering::Release);
            self.health.not_ready("no broker can be reached");
        }
        tracing::warn!(%error, reason, "kafka client");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.counts.acknowledged.fetch_add(1, Ordering::Release);
                self.acknowledged.increment(1);
                if self.unreachable.load(Ordering::Acquire) && self.unreachable.swap(false, Ordering::AcqRel)
                {
                    self.health.ready();
                }
            }
            Err((error, _)) => {
                if self.counts.failed.fetch_add(1, Ordering::Release) == 0 {
                    tracing::error!(%error, "a reading was not delivered; further ones are only counted");
                }
                self.failed.increment(1);
            }
        }
    }
}

//! Hands messages to Kafka, and hears what became of each.

use std::time::Duration;

use anyhow::Context;
use avro::SchemaId;
use metrics::counter;
use platform::{DeadLetter, HealthHandle, KafkaArgs, Topics};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::judge::Judged;
use super::unacknowledged::Ticket;
use crate::send::Sent;

/// Until the queue has room again.
const POLL: Duration = Duration::from_millis(1);

/// Settings of the queue, unless the user has others: a Kafka that is away is waited for. A broker sends few messages
/// ahead of their acknowledgements, so that to wait for more of them costs more than it saves.
const QUEUE: [(&str, &str); 2] = [("message.timeout.ms", "0"), ("linger.ms", "1")];

/// What became of a message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Which.
    pub ticket: Ticket,
    /// Whether Kafka has it, or why not.
    pub result: Result<(), KafkaError>,
}

/// The way to Kafka.
pub struct Forwarder {
    producer: ThreadedProducer<Deliveries>,
    topics: Topics,
    schema: SchemaId,
    payload: Vec<u8>,
}

/// Hears from librdkafka's thread.
struct Deliveries {
    told: UnboundedSender<Delivery>,
    health: HealthHandle,
}

impl Forwarder {
    /// Sends to topics that exist, with a schema that is registered; what became of it comes out of the receiver.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn new(
        kafka: &KafkaArgs,
        schema: SchemaId,
        health: HealthHandle,
    ) -> anyhow::Result<(Self, UnboundedReceiver<Delivery>)> {
        let (told, deliveries) = unbounded_channel();
        health.ready();
        let mut config = kafka.producer_config("windfarm-producer");
        for (key, value) in QUEUE {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        let forwarder = Self {
            producer: config
                .create_with_context(Deliveries { told, health })
                .context("kafka producer")?,
            topics: kafka.topics(),
            schema,
            payload: Vec::new(),
        };
        Ok((forwarder, deliveries))
    }

    /// Queues a message under its farm's id; waits while the queue is full.
    ///
    /// # Errors
    /// When librdkafka does not take it for another reason.
    pub async fn send(
        &mut self,
        judged: &Judged<'_>,
        ticket: Ticket,
        stop: &CancellationToken,
    ) -> anyhow::Result<Sent> {
        let mut record = BaseRecord::with_opaque_to("", ticket);
        match judged {
            Judged::Reading(reading) => {
                self.payload.clear();
                avro::wire::frame(self.schema, &mut self.payload);
                avro::encode_reading(reading, &mut self.payload);
                record.topic = &self.topics.readings;
                record = record.key(&*reading.farm_id).payload(&*self.payload);
            }
            Judged::Refused {
                key,
                payload,
                rejection,
            } => {
                let letter = DeadLetter {
                    rejection: rejection.clone(),
                    source: None,
                    component: "producer".into(),
                };
                record.topic = &self.topics.dead_letters;
                record = record.payload(*payload).headers(letter.to_headers());
                record.key = key.as_deref();
            }
        }
        queue(&self.producer, record, stop).await
    }
}

async fn queue(
    producer: &ThreadedProducer<Deliveries>,
    mut record: BaseRecord<'_, str, [u8], Ticket>,
    stop: &CancellationToken,
) -> anyhow::Result<Sent> {
    while let Err((error, back)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error).context("queueing a message");
        }
        if stop.is_cancelled() {
            return Ok(Sent::Stopped);
        }
        record = back;
        tokio::time::sleep(POLL).await;
    }
    Ok(Sent::Queued)
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.health.not_ready("no broker can be reached");
        }
        tracing::warn!(%error, reason, "kafka client");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket) {
        let result = match result {
            Ok(_) => {
                counter!("windfarm_producer_readings_acknowledged_total").increment(1);
                self.health.ready();
                Ok(())
            }
            Err((error, _)) => {
                counter!("windfarm_producer_delivery_errors_total").increment(1);
                Err(error.clone())
            }
        };
        // nobody listens any more when the program ends
        let _ = self.told.send(Delivery { ticket, result });
    }
}

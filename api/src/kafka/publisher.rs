//! Sends readings and dead letters, and answers only when Kafka has them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use avro::{RecordType, Registry, SchemaId};
use domain::RawReading;
use futures_util::future::try_join_all;
use platform::{DeadLetter, KafkaArgs, Rejection, Topics};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::OnceCell;

use crate::error::ApiError;

/// How long a record may take to be acknowledged before its sender is told to try again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends to Kafka. Cloning shares the connection.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    kafka: KafkaArgs,
    topics: Topics,
    registry: Registry,
    schema_id: OnceCell<SchemaId>,
    /// Replaced when librdkafka declares it broken for good.
    producer: RwLock<FutureProducer>,
}

/// Something that was refused, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The farm that it claims to be from.
    pub key: Option<String>,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Why.
    pub rejection: Rejection,
}

/// How many records Kafka has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Readings.
    pub readings: usize,
    /// Dead letters.
    pub dead_letters: usize,
}

struct Outgoing<'t> {
    topic: &'t str,
    key: Option<String>,
    payload: Vec<u8>,
    headers: Option<OwnedHeaders>,
}

impl Publisher {
    /// Prepares the connection; nothing is asked of Kafka or the registry yet.
    ///
    /// # Errors
    /// When librdkafka does not take the settings.
    pub fn new(kafka: KafkaArgs, registry: Registry) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            producer: RwLock::new(producer(&kafka)?),
            topics: kafka.topics(),
            schema_id: OnceCell::new(),
            kafka,
            registry,
        })))
    }

    /// Learns the id of the readings' schema; waits for the registry as long as need be.
    ///
    /// # Errors
    /// When the registry refuses our schema.
    pub async fn learn_schema(&self) -> anyhow::Result<SchemaId> {
        let inner = &self.0;
        let id = inner
            .schema_id
            .get_or_try_init(|| {
                inner
                    .registry
                    .register(&inner.topics.readings, RecordType::Reading)
            })
            .await?;
        Ok(*id)
    }

    /// Sends readings, which have been validated, and what was refused; returns when Kafka has acknowledged every one
    /// of them. After an error some may be there already: to send all of them again does no harm, because the first
    /// of two equal readings wins.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when Kafka or the registry has not answered within ten seconds.
    pub async fn publish(
        &self,
        readings: &[RawReading<'_>],
        refused: Vec<Refused>,
    ) -> Result<Published, ApiError> {
        let mut records = Vec::with_capacity(readings.len() + refused.len());
        if !readings.is_empty() {
            let id = self.schema_id().await?;
            records.extend(readings.iter().map(|reading| self.reading(id, reading)));
        }
        let published = Published {
            readings: readings.len(),
            dead_letters: refused.len(),
        };
        records.extend(refused.into_iter().map(|refused| self.dead_letter(refused)));
        self.send(records).await?;
        metrics::counter!("windfarm_api_readings_acknowledged_total").increment(published.readings as u64);
        metrics::counter!("windfarm_api_dead_letters_total").increment(published.dead_letters as u64);
        Ok(published)
    }

    /// Whether Kafka answers. Blocks for at most `patience`.
    ///
    /// # Errors
    /// What librdkafka says when it does not reach Kafka.
    pub fn ping(&self, patience: Duration) -> Result<(), KafkaError> {
        let client = self.producer();
        let topic = Some(self.0.topics.readings.as_str());
        client.client().fetch_metadata(topic, patience).map(drop)
    }

    async fn schema_id(&self) -> Result<SchemaId, ApiError> {
        let unavailable = |cause: String| ApiError::Unavailable {
            what: "the schema registry",
            cause,
        };
        match tokio::time::timeout(PATIENCE, self.learn_schema()).await {
            Ok(Ok(id)) => Ok(id),
            Ok(Err(error)) => Err(unavailable(format!("{error:#}"))),
            Err(_) => Err(unavailable(format!("no answer within {PATIENCE:?}"))),
        }
    }

    fn reading(&self, id: SchemaId, reading: &RawReading<'_>) -> Outgoing<'_> {
        let mut payload = Vec::with_capacity(160);
        avro::wire::frame(id, &mut payload);
        avro::encode_reading(reading, &mut payload);
        Outgoing {
            topic: &self.0.topics.readings,
            key: Some(reading.farm_id.clone().into_owned()),
            payload,
            headers: None,
        }
    }

    fn dead_letter(&self, refused: Refused) -> Outgoing<'_> {
        let letter = DeadLetter {
            rejection: refused.rejection,
            source: None,
            component: "api".into(),
        };
        Outgoing {
            topic: &self.0.topics.dead_letters,
            key: refused.key,
            payload: refused.payload,
            headers: Some(letter.to_headers()),
        }
    }

    async fn send(&self, records: Vec<Outgoing<'_>>) -> Result<(), ApiError> {
        let producer = self.producer();
        // all are queued, in this order, when the first one is waited for
        let sent = try_join_all(records.into_iter().map(|record| send_one(&producer, record))).await;
        let Err(error) = sent else { return Ok(()) };
        self.replace_if_broken(&producer);
        Err(match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                ApiError::Body("a record is larger than Kafka takes".to_owned())
            }
            _ => ApiError::Unavailable {
                what: "Kafka",
                cause: error.to_string(),
            },
        })
    }

    /// An idempotent producer that has lost its place in the sequence never sends again.
    fn replace_if_broken(&self, broken: &FutureProducer) {
        let Some((code, reason)) = broken.client().fatal_error() else {
            return;
        };
        tracing::warn!(%code, reason, "kafka producer is broken, a new one takes its place");
        match producer(&self.0.kafka) {
            Ok(fresh) => *self.0.producer.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::error!(error = format!("{error:#}"), "no new kafka producer"),
        }
    }

    fn producer(&self) -> FutureProducer {
        self.0
            .producer
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn send_one(producer: &FutureProducer, outgoing: Outgoing<'_>) -> Result<(), KafkaError> {
    let mut record = FutureRecord::to(outgoing.topic).payload(&outgoing.payload);
    record.key = outgoing.key.as_deref();
    record.headers = outgoing.headers;
    let delivered = producer.send(record, PATIENCE).await;
    delivered.map(drop).map_err(|(error, _)| error)
}

fn producer(kafka: &KafkaArgs) -> anyhow::Result<FutureProducer> {
    kafka
        .producer_config("windfarm-api")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        .create()
        .context("kafka producer")
}

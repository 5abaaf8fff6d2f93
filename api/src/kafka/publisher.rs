//! Sends readings and dead letters, and answers only when Kafka has them.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use avro::{RecordType, Registry, SchemaId};
use domain::RawReading;
use futures_util::future::join_all;
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

/// Not every record was acknowledged.
#[derive(Debug)]
pub struct Interrupted {
    /// What the sender is told.
    pub error: ApiError,
    /// Of each of the refused, whether it is a dead letter for certain.
    pub dead_letters: Vec<bool>,
}

/// What became of a record.
type Sent = Result<(), KafkaError>;

struct Outgoing<'t> {
    topic: &'t str,
    key: Option<Cow<'t, str>>,
    payload: Cow<'t, [u8]>,
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
    /// of them, or has had its time. To send all of them again does the readings no harm, because the first of two
    /// equal ones wins; dead letters would be there twice.
    ///
    /// # Errors
    /// [`Interrupted`] when Kafka or the registry has not answered within ten seconds, telling what is there.
    pub async fn publish(&self, readings: &[RawReading<'_>], refused: &[Refused]) -> Result<(), Interrupted> {
        let mut records = Vec::with_capacity(readings.len() + refused.len());
        if !readings.is_empty() {
            let id = self.schema_id().await.map_err(|error| Interrupted {
                error,
                dead_letters: vec![false; refused.len()],
            })?;
            records.extend(readings.iter().map(|reading| self.reading(id, reading)));
        }
        records.extend(refused.iter().map(|refused| self.dead_letter(refused)));
        let sent = self.send(records).await;
        let (of_readings, of_refused) = sent.split_at(readings.len());
        let acknowledged = |some: &[Sent]| some.iter().filter(|sent| sent.is_ok()).count();
        let counts = (acknowledged(of_readings), acknowledged(of_refused));
        metrics::counter!("windfarm_api_readings_acknowledged_total").increment(counts.0 as u64);
        metrics::counter!("windfarm_api_dead_letters_total").increment(counts.1 as u64);
        let dead_letters = of_refused.iter().map(Result::is_ok).collect();
        let records = sent.len();
        match sent.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some(error) => Err(Interrupted {
                error: told(&error, counts.0 + counts.1, records),
                dead_letters,
            }),
        }
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

    fn reading<'s>(&'s self, id: SchemaId, reading: &'s RawReading<'_>) -> Outgoing<'s> {
        let mut payload = Vec::with_capacity(160);
        avro::wire::frame(id, &mut payload);
        avro::encode_reading(reading, &mut payload);
        Outgoing {
            topic: &self.0.topics.readings,
            key: Some(Cow::Borrowed(&*reading.farm_id)),
            payload: Cow::Owned(payload),
            headers: None,
        }
    }

    fn dead_letter<'s>(&'s self, refused: &'s Refused) -> Outgoing<'s> {
        let letter = DeadLetter {
            rejection: refused.rejection.clone(),
            source: None,
            component: "api".into(),
        };
        Outgoing {
            topic: &self.0.topics.dead_letters,
            key: refused.key.as_deref().map(Cow::Borrowed),
            payload: Cow::Borrowed(&refused.payload),
            headers: Some(letter.to_headers()),
        }
    }

    /// What became of each record.
    async fn send(&self, records: Vec<Outgoing<'_>>) -> Vec<Sent> {
        let producer = self.producer();
        // all are queued, in this order, when the first one is waited for
        let sent = join_all(records.into_iter().map(|record| send_one(&producer, record))).await;
        if sent.iter().any(Result::is_err) {
            self.replace_if_broken(&producer);
        }
        sent
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

fn told(error: &KafkaError, acknowledged: usize, records: usize) -> ApiError {
    let cause = error.to_string();
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            ApiError::Body("a record is larger than Kafka takes".to_owned())
        }
        _ if acknowledged > 0 => ApiError::HalfTaken {
            acknowledged,
            records,
            cause,
        },
        _ => ApiError::Unavailable { what: "Kafka", cause },
    }
}

async fn send_one(producer: &FutureProducer, outgoing: Outgoing<'_>) -> Sent {
    let mut record = FutureRecord::to(outgoing.topic).payload(&*outgoing.payload);
    record.key = outgoing.key.as_deref();
    record.headers = outgoing.headers;
    let delivered = producer.send(record, PATIENCE).await;
    delivered.map(drop).map_err(|(error, _)| error)
}

fn producer(kafka: &KafkaArgs) -> anyhow::Result<FutureProducer> {
    kafka
        .producer_config("windfarm-api")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        // somebody waits for each record; what comes at the same time still goes together
        .set("linger.ms", "1")
        .create()
        .context("kafka producer")
}

impl From<Interrupted> for ApiError {
    fn from(interrupted: Interrupted) -> Self {
        interrupted.error
    }
}

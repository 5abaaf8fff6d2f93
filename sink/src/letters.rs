//! Dead letters of records that the database has refused: the original key and bytes are read again where they lie, and
//! sent with the reason.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use platform::{DeadLetter, KafkaArgs, Source, Topics, fail_point};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::lane::Lane;
use crate::rows::dead_letter::COMPONENT;
use crate::store::Refusal;

/// How long Kafka may take to hand over or to take a record.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads and sends; connects when there is something to send.
pub(crate) struct Letters {
    kafka: KafkaArgs,
    name: String,
    topics: Topics,
    clients: Option<Clients>,
}

struct Clients {
    reader: BaseConsumer,
    writer: FutureProducer,
}

impl Letters {
    /// Whose clients are called `name`.
    pub(crate) fn new(kafka: KafkaArgs, name: String) -> Self {
        Self {
            topics: kafka.topics(),
            kafka,
            name,
            clients: None,
        }
    }

    /// Sends the dead letters of these records and waits until all are acknowledged. Some may be sent though it fails.
    ///
    /// # Errors
    /// When Kafka does not hand over a record, or does not take one.
    pub(crate) async fn send(&mut self, refusals: &[Refusal]) -> anyhow::Result<()> {
        for refusal in refusals {
            let clients = match self.clients.take() {
                Some(clients) => clients,
                None => self.connect()?,
            };
            let (topic, lane, offset) = (self.topic_of(refusal.lane), refusal.lane, refusal.offset);
            // it blocks
            let (clients, original) = tokio::task::spawn_blocking(move || {
                let original = read(&clients.reader, &topic, lane.partition, offset);
                (clients, original)
            })
            .await
            .context("reading a record has panicked")?;
            let original = original.with_context(|| format!("reading {lane} at {offset} again"))?;
            self.send_one(&clients.writer, refusal, original.as_ref()).await?;
            self.clients = Some(clients);
        }
        Ok(())
    }

    async fn send_one(
        &self,
        writer: &FutureProducer,
        refusal: &Refusal,
        original: Option<&OwnedMessage>,
    ) -> anyhow::Result<()> {
        let headers = self.headers(refusal, original);
        let record = FutureRecord {
            topic: &self.topics.dead_letters,
            // all topics have as many, and a letter that is sent twice must come by the same one
            partition: Some(refusal.lane.partition),
            key: original.and_then(Message::key),
            payload: original.and_then(Message::payload),
            timestamp: None,
            headers: Some(headers),
        };
        fail_point::reach("before-letter");
        let sent = writer.send(record, LIMIT).await;
        sent.map_err(|(error, _)| error).with_context(|| {
            format!(
                "sending the dead letter of {} at {}",
                refusal.lane, refusal.offset
            )
        })?;
        fail_point::reach("after-letter");
        Ok(())
    }

    fn headers(&self, refusal: &Refusal, original: Option<&OwnedMessage>) -> OwnedHeaders {
        let mut rejection = refusal.rejection.clone();
        if original.is_none() {
            rejection
                .reason
                .push_str("; the record itself is no longer in the log");
        }
        let timestamp = original.and_then(|original| original.timestamp().to_millis());
        let letter = DeadLetter {
            rejection,
            source: Some(Source {
                topic: self.topic_of(refusal.lane),
                partition: refusal.lane.partition,
                offset: refusal.offset,
                timestamp: domain::Timestamp::from_millis(timestamp.unwrap_or_default()),
            }),
            component: COMPONENT.into(),
        };
        letter.to_headers()
    }

    fn connect(&self) -> anyhow::Result<Clients> {
        let mut config = self.kafka.client_config(&format!("{}-letters", self.name));
        for (key, value) in [
            ("group.id", "windfarm-sink-letters-never-commits"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
            ("fetch.wait.max.ms", "50"),
        ] {
            config.set(key, value);
        }
        let mut writer = self.kafka.producer_config(&format!("{}-letters", self.name));
        writer.set("message.timeout.ms", LIMIT.as_millis().to_string());
        Ok(Clients {
            reader: config.create().context("kafka consumer")?,
            writer: writer.create().context("kafka producer")?,
        })
    }

    fn topic_of(&self, lane: Lane) -> String {
        lane.topic.name(&self.topics).to_owned()
    }
}

/// The record at that very offset; none if the log no longer has it.
fn read(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    offset: i64,
) -> anyhow::Result<Option<OwnedMessage>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.topic() == topic && message.partition() == partition => {
                return Ok((message.offset() == offset).then(|| message.detach()));
            }
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => return Ok(None),
            Some(Err(error)) => tracing::debug!(%error, "reading a refused record"),
            Some(Ok(_)) | None => {}
        }
    }
    bail!("no answer within {} s", LIMIT.as_secs())
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letters")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

//! Sends dead letters back to their topics, each once: first it is noted that a letter is about to be sent, then it is
//! sent, then it is noted where it went. Wherever that ends, a letter whose sending was begun and never confirmed is told,
//! and not sent again unasked.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::Timestamp;
use futures_util::future::join_all;
use platform::{DeadLetterId, KafkaArgs, fail_point};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::OwnedDeliveryResult;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::args::ReplayArgs;
use super::judge::{Judge, Verdict};
use super::print::say;
use crate::store::{Letter, LetterState, Quarantine, RecordPlace, WholeLetter};
use crate::time;

/// Letters that are in memory, and on their way, at once.
const AT_ONCE: u32 = 64;

/// How long Kafka may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a record may take to arrive, milliseconds.
const DELIVERY_LIMIT_MS: &str = "60000";

/// In this header a record that was sent again says which dead letter it was.
const REPLAYED_HEADER: &str = "dlq.replayed";

/// What a replay came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sent again; in a dry run, those that would be.
    pub sent: u64,
    /// Left out, because today's rules would refuse them again.
    pub refused: u64,
    /// Cannot be sent again.
    pub not_replayable: u64,
    /// Kafka did not take them.
    pub failed: u64,
    /// Were perhaps sent, now or by a replay before.
    pub unconfirmed: u64,
}

/// One replay.
pub(super) struct Replay<'a> {
    pub(super) args: &'a ReplayArgs,
    pub(super) quarantine: Quarantine,
    pub(super) judge: Judge,
    pub(super) out: &'a mut dyn Write,
}

/// Sends records one batch after the other.
struct Sender(FutureProducer);

impl Replay<'_> {
    /// Sends what is meant, or says what would be.
    ///
    /// # Errors
    /// When Kafka, the database or the registry is away, or somebody else is at it.
    pub(super) async fn run(mut self, kafka: &KafkaArgs) -> anyhow::Result<Outcome> {
        let sender = if self.args.dry_run {
            None
        } else {
            if !self.quarantine.lock().await? {
                bail!("somebody else is sending dead letters again just now");
            }
            Some(Sender::new(kafka)?)
        };
        let mut filter = self.args.filter.filter(None);
        // what is refused again meanwhile is another letter, and not to be met here
        filter.below = Some(self.quarantine.ends().await?);
        let mut outcome = Outcome::default();
        let mut last: Option<Letter> = None;
        loop {
            let found = self.quarantine.after(&filter, last.as_ref(), AT_ONCE).await?;
            let Some(end) = found.last() else { break };
            last = Some(end.letter.clone());
            let chosen = self.choose(found, &mut outcome).await?;
            match &sender {
                None => outcome.sent += chosen.len() as u64,
                Some(_) if chosen.is_empty() => {}
                Some(sender) => self.send(sender, &chosen, &mut outcome).await?,
            }
        }
        say!(self.out, "{outcome}");
        Ok(outcome)
    }

    /// Those that are to be sent.
    async fn choose(
        &mut self,
        found: Vec<WholeLetter>,
        outcome: &mut Outcome,
    ) -> anyhow::Result<Vec<WholeLetter>> {
        let now = time::now();
        let mut chosen = Vec::with_capacity(found.len());
        for whole in found {
            let letter = &whole.letter;
            match letter.state() {
                LetterState::Open => {}
                LetterState::Unconfirmed if self.args.resend_unconfirmed => {}
                LetterState::Unconfirmed => {
                    outcome.unconfirmed += 1;
                    say!(
                        self.out,
                        "{} was perhaps sent again: begun at {}, never confirmed",
                        letter.id,
                        Moment(letter.replay_begun_at)
                    );
                    continue;
                }
                LetterState::Replayed => {
                    if !self.args.filter.ids.is_empty() {
                        say!(
                            self.out,
                            "{} was sent again at {}",
                            letter.id,
                            Moment(letter.replayed_at)
                        );
                    }
                    continue;
                }
            }
            let verdict = self.verdict(&whole, now).await?;
            if self.args.dry_run || matches!(verdict, Verdict::NotReplayable(_)) {
                say!(self.out, "{} {verdict}", letter.id);
            }
            match verdict {
                Verdict::NotReplayable(_) => outcome.not_replayable += 1,
                Verdict::Refused(_) if self.args.only_acceptable => outcome.refused += 1,
                Verdict::Refused(_) | Verdict::Acceptable => chosen.push(whole),
            }
        }
        Ok(chosen)
    }

    /// What would become of it; when that matters to nobody, only whether it can be sent.
    async fn verdict(&mut self, letter: &WholeLetter, now: Timestamp) -> anyhow::Result<Verdict> {
        if self.args.dry_run || self.args.only_acceptable {
            return self.judge.verdict(letter, now).await;
        }
        Ok(match self.judge.topic_of(letter) {
            Ok(_) => Verdict::Acceptable,
            Err(why) => Verdict::NotReplayable(why),
        })
    }

    async fn send(
        &mut self,
        sender: &Sender,
        chosen: &[WholeLetter],
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let letters: Vec<_> = chosen.iter().map(|whole| &whole.letter).collect();
        let begun: BTreeSet<_> = self.quarantine.begin(&letters).await?.into_iter().collect();
        fail_point::reach("before-replay");
        let mine = chosen.iter().filter(|whole| begun.contains(&whole.letter.id));
        let sent = join_all(mine.map(|whole| sender.send(whole))).await;
        fail_point::reach("after-replay");
        let (mut arrived, mut not_taken) = (Vec::new(), Vec::new());
        for (id, topic, result) in sent {
            match result {
                Ok(delivery) => {
                    let to = RecordPlace {
                        topic,
                        partition: delivery.partition,
                        offset: delivery.offset,
                    };
                    say!(self.out, "{id} sent to {to}");
                    arrived.push((id, to));
                }
                Err((error, _)) if is_certain(&error) => {
                    say!(self.out, "{id} not sent: {error}");
                    not_taken.push(id);
                }
                Err((error, _)) => {
                    say!(self.out, "{id} perhaps sent: {error}");
                    outcome.unconfirmed += 1;
                }
            }
        }
        outcome.sent += arrived.len() as u64;
        outcome.failed += not_taken.len() as u64;
        self.quarantine.confirm(&arrived).await?;
        self.quarantine.withdraw(&not_taken).await?;
        fail_point::reach("after-replay-note");
        Ok(())
    }
}

impl Sender {
    /// Connects, and sees that Kafka is there: before anything is noted.
    fn new(kafka: &KafkaArgs) -> anyhow::Result<Self> {
        let mut config = kafka.producer_config("windfarm-replay");
        config
            .set("message.timeout.ms", DELIVERY_LIMIT_MS)
            // what is too large is for the broker to say
            .set("message.max.bytes", "10485760");
        let producer: FutureProducer = config.create().context("kafka producer")?;
        let readings = kafka.topics().readings;
        tokio::task::block_in_place(|| producer.client().fetch_metadata(Some(&readings), ANSWER_LIMIT))
            .with_context(|| format!("asking kafka for the topic {readings}"))?;
        Ok(Self(producer))
    }

    /// Sends the original key and bytes; the partition follows from the key, as it did the first time.
    async fn send(&self, whole: &WholeLetter) -> (DeadLetterId, String, OwnedDeliveryResult) {
        let id = whole.letter.id;
        let topic = whole.letter.source.as_ref().map(|source| source.topic.clone());
        let topic = topic.expect("only what has a topic is chosen");
        let name = id.to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: REPLAYED_HEADER,
            value: Some(&name),
        });
        let record = FutureRecord {
            topic: &topic,
            partition: None,
            key: whole.key.as_deref(),
            payload: whole.payload.as_deref(),
            timestamp: None,
            headers: Some(headers),
        };
        let result = self.0.send(record, ANSWER_LIMIT).await;
        (id, topic, result)
    }
}

/// Whether the record is certainly not on Kafka.
fn is_certain(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::QueueFull
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
        )
    )
}

/// A time that may be none.
struct Moment(Option<Timestamp>);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => time.fmt(f),
            None => f.write_str("some time"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            refused,
            not_replayable,
            failed,
            unconfirmed,
        } = self;
        write!(f, "{sent} to be sent again")?;
        for (count, what) in [
            (refused, "would be refused again"),
            (not_replayable, "cannot be sent again"),
            (failed, "not taken by kafka"),
            (unconfirmed, "unconfirmed"),
        ] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

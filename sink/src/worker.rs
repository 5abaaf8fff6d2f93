//! One thread's work between two polls: taking records, storing them, waiting when it must.
//!
//! Nothing that is away stops the thread from polling: its partitions are paused, its batch is kept, and it stays a
//! member of its group. Whatever has been read and could not be stored is still in the batch, or is read again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use avro::{Registry, SchemaId};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use domain::TimeDelta;
use platform::{HealthHandle, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::{BorrowedMessage, OwnedMessage};
use rdkafka::{Message, Offset};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::batch::{Pipeline, Sealed};
use crate::errand::{Errand, Errands, LettersError};
use crate::intake::{Intake, refuse};
use crate::lane::{Lane, Topic};
use crate::store::{RevisionLimits, StoreError};
use crate::telemetry;

/// The longest wait for Kafka to hand over a record; what is due by the clock is looked at as often.
const POLL: Duration = Duration::from_millis(100);

/// The same while the connection is on an errand, whose return nobody announces.
const ERRAND_POLL: Duration = Duration::from_millis(5);

/// How long nothing is polled while the next batch is full and the one before is still being stored: it costs less than
/// to pause, which makes Kafka's client drop what it has fetched.
const PATIENCE: Duration = Duration::from_secs(1);

/// After this a database that has not answered is told to be away, though it is waited for.
const SLOW: Duration = Duration::from_secs(10);

/// Between two looks at what nobody announces: marks of transactions, windows to revise.
const TICK: Duration = Duration::from_secs(1);

/// How long the last batches may take when the sink stops.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What is made anew in one transaction: 500 bytes of memory for each mark, and 10 to 100 for each reading, by how many
/// turbines they are of.
const REVISIONS_AT_ONCE: RevisionLimits = RevisionLimits {
    marks: 1_000,
    readings: 100_000,
};

/// Dead letters that are sent in one go.
const LETTERS_AT_ONCE: usize = 100;

/// How long it takes until dead letters are tried again that Kafka did not take.
const LETTERS_AGAIN: Duration = Duration::from_secs(5);

/// What a worker needs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// For waiting from a thread that may block.
    pub(crate) runtime: Handle,
    /// Our topics.
    pub(crate) topics: Topics,
    /// For schemas that are new.
    pub(crate) registry: Registry,
    /// What decides what records become.
    pub(crate) intake: Intake,
    /// Empty.
    pub(crate) pipeline: Pipeline,
    /// Length of a window that only late readings made.
    pub(crate) window_size: TimeDelta,
    /// Where the state of what we need is told.
    pub(crate) health: Needs,
    /// The wish to stop.
    pub(crate) stop: CancellationToken,
}

/// Where the state of each thing that we need is told.
#[derive(Debug)]
pub(crate) struct Needs {
    pub(crate) database: HealthHandle,
    pub(crate) registry: HealthHandle,
    pub(crate) kafka: HealthHandle,
}

/// A thing that we need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Database,
    Registry,
    Kafka,
}

/// The state of one thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) parts: Parts,
    /// This thread's database connection.
    pub(crate) errands: Errands,
    /// Records that wait for their schema, and those behind them.
    pub(crate) held: VecDeque<OwnedMessage>,
    pause: Option<Pause>,
    /// Nothing is away, but there is no room for more.
    is_braked: bool,
    /// An error in a callback, which cannot return it.
    pub(crate) failure: Option<anyhow::Error>,
    next_tick: Instant,
    /// There may be windows to make anew.
    is_revision_due: bool,
    /// From when on there may be dead letters to send.
    letters_due: Option<Instant>,
    /// The last errand was none of a batch: one of those goes first.
    is_batchs_turn: bool,
}

/// Waiting for something that is away.
#[derive(Debug)]
struct Pause {
    need: Need,
    until: Instant,
    waits: ExponentialBackoff,
}

/// Why work did not go on.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This is away, and why; it may come back by itself.
    Away(Need, String),
    /// It will not.
    Final(anyhow::Error),
}

impl Worker {
    /// With nothing to do yet.
    pub(crate) fn new(parts: Parts, errands: Errands) -> Self {
        Self {
            parts,
            errands,
            held: VecDeque::new(),
            pause: None,
            is_braked: false,
            failure: None,
            next_tick: Instant::now(),
            is_revision_due: false,
            letters_due: None,
            is_batchs_turn: false,
        }
    }

    /// How long Kafka may be polled before [`Self::step`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Duration {
        let now = Instant::now();
        let due = match &self.pause {
            _ if self.errands.is_out() => Some(ERRAND_POLL),
            Some(pause) => Some(pause.until.saturating_duration_since(now)),
            None if self.is_due(now) => Some(Duration::ZERO),
            None => self.parts.pipeline.due_in(now),
        };
        due.map_or(POLL, |due| due.min(POLL))
    }

    /// Takes a record; false if no other should be taken before [`Self::step`].
    pub(crate) fn record(&mut self, message: &BorrowedMessage<'_>, now: Instant) -> bool {
        let Some(lane) = self.lane_of(message) else {
            return true;
        };
        if !self.parts.pipeline.wants(lane, message.offset()) {
            return true;
        }
        if !self.held.is_empty() || self.take(lane, message, now).is_err() {
            self.held.push_back(message.detach());
        }
        self.has_room()
    }

    /// Does what is due.
    ///
    /// # Errors
    /// What waiting cannot mend.
    pub(crate) fn step<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if !self.look_after_errand(consumer)? || !self.is_due(Instant::now()) {
            return Ok(());
        }
        match self.work(consumer) {
            Ok(()) if self.errands.is_out() => Ok(()),
            Ok(()) => self.go_on(consumer),
            Err(trouble) => self.wait(consumer, trouble),
        }
    }

    /// Stores what there is before lanes are given up, unless something is away: then it will be read again.
    pub(crate) fn finish<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) {
        self.skip_unseen(consumer);
        self.settle();
        if self.pause.is_some() && !self.parts.pipeline.is_empty() {
            self.forget();
        }
        while let Some(sealed) = self.next_batch() {
            self.store(sealed);
            self.settle();
        }
    }

    /// Waits until the connection is here; what went wrong meanwhile is read again. False if it does not come.
    pub(crate) fn settle(&mut self) -> bool {
        let begun = Instant::now();
        while self.errands.is_out() {
            if self.parts.stop.is_cancelled() && begun.elapsed() > STOP_LIMIT {
                tracing::warn!("the database does not answer: what was not stored will be read again");
                self.forget();
                return false;
            }
            let ended = match self.errands.returned(POLL) {
                Ok(None) => continue,
                Ok(Some(errand)) => self.take_up(errand),
                Err(error) => Err(Trouble::Final(error)),
            };
            match ended {
                Ok(()) => {}
                Err(Trouble::Away(_, why)) => {
                    tracing::warn!(why, "a batch could not be stored, and will be read again");
                    self.forget();
                }
                Err(Trouble::Final(error)) => {
                    self.failure = Some(error);
                    self.forget();
                    return false;
                }
            }
        }
        true
    }

    /// Drops what was read; whoever owns its lanes reads it again.
    pub(crate) fn forget(&mut self) {
        self.parts.pipeline.forget();
    }

    /// Whether nothing should be read just now.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.pause.is_some() || self.is_braked
    }

    /// Whether another record can be taken: what waits for its schema goes first, and is not to become more.
    fn has_room(&self) -> bool {
        self.held.is_empty() && self.parts.pipeline.has_room()
    }

    fn is_due(&self, now: Instant) -> bool {
        match &self.pause {
            Some(pause) if now >= pause.until => true,
            // what was read before is stored all the same
            Some(pause) => pause.need == Need::Registry && self.parts.pipeline.is_due(now),
            None => {
                !self.held.is_empty()
                    || self.is_revision_due
                    || self.are_letters_due(now)
                    || self.parts.pipeline.is_displaced()
                    || now >= self.next_tick
                    || self.parts.pipeline.is_due(now)
            }
        }
    }

    /// Takes up what an errand has come to; false while the connection is still on its way.
    fn look_after_errand<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<bool> {
        if !self.errands.is_out() {
            return Ok(true);
        }
        let must_wait = !self.is_at_rest() && !self.has_room();
        let begun = Instant::now();
        let errand = self
            .errands
            .returned(if must_wait { PATIENCE } else { Duration::ZERO })?;
        if must_wait {
            telemetry::phase("wait", begun.elapsed());
        }
        let Some(errand) = errand else {
            if must_wait {
                consumer.pause(&consumer.assignment()?)?;
                self.is_braked = true;
            }
            if self.parts.pipeline.is_storing() && self.errands.out_for() > SLOW {
                let why = format!("no answer for {} s", SLOW.as_secs());
                self.parts.health.database.not_ready(why);
            }
            return Ok(false);
        };
        match self.take_up(errand) {
            Ok(()) => self.database_answers(consumer)?,
            Err(trouble) => self.wait(consumer, trouble)?,
        }
        Ok(true)
    }

    fn work<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> Result<(), Trouble> {
        if self.parts.pipeline.is_displaced() {
            self.replace(consumer)?;
        }
        let held = self.take_held();
        self.skip_unseen(consumer);
        let now = Instant::now();
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.is_revision_due = true;
        }
        self.send_errand(now);
        held
    }

    /// Puts the connection to work, if there is some. Batches take turns with all else.
    fn send_errand(&mut self, now: Instant) {
        let is_batch_due = self.parts.pipeline.is_due(now);
        let is_else_due = self.is_revision_due || self.are_letters_due(now);
        if is_batch_due && (self.is_batchs_turn || !is_else_due) {
            if let Some(sealed) = self.next_batch() {
                self.store(sealed);
            }
        } else if self.are_letters_due(now) {
            self.send_letters();
        } else if self.is_revision_due {
            self.revise();
        }
        self.is_batchs_turn = is_else_due && !self.is_batchs_turn;
    }

    fn are_letters_due(&self, now: Instant) -> bool {
        self.letters_due.is_some_and(|due| now >= due)
    }

    /// Puts a record into the batch.
    fn take<M: Message>(&mut self, lane: Lane, message: &M, now: Instant) -> Result<(), SchemaId> {
        let parts = &mut self.parts;
        parts.intake.take(&mut parts.pipeline, lane, message, now)
    }

    /// Puts the records into the batch that have waited for their schema.
    fn take_held(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        while self.parts.pipeline.has_room()
            && let Some(message) = self.held.pop_front()
        {
            let Some(lane) = self.lane_of(&message) else {
                continue;
            };
            if !self.parts.pipeline.wants(lane, message.offset()) {
                continue;
            }
            let Err(id) = self.take(lane, &message, now) else {
                continue;
            };
            match self.parts.runtime.block_on(self.parts.registry.resolve(id)) {
                Ok(_) => self.held.push_front(message),
                Err(error) if error.is_transient() => {
                    self.held.push_front(message);
                    return Err(Trouble::Away(Need::Registry, error.to_string()));
                }
                Err(error) => {
                    let why = error.to_string();
                    refuse(&mut self.parts.pipeline, lane, &message, &why, now);
                }
            }
        }
        Ok(())
    }

    /// Moves the lanes over what nobody gets to see. The consumer's position is what it has handed over and what it
    /// has passed by; after a seek it has none until then.
    fn skip_unseen<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) {
        if !self.held.is_empty() || self.parts.pipeline.is_displaced() {
            return;
        }
        let Ok(position) = consumer.position() else { return };
        let now = Instant::now();
        for element in position.elements() {
            if let Offset::Offset(offset) = element.offset()
                && let Some(topic) = Topic::from_name(element.topic(), &self.parts.topics)
            {
                let lane = Lane {
                    topic,
                    partition: element.partition(),
                };
                self.parts.pipeline.skip_to(lane, offset, now);
            }
        }
    }

    fn next_batch(&mut self) -> Option<Sealed> {
        let sealed = self.parts.pipeline.next_batch();
        if sealed.is_some() {
            let timings = self.parts.intake.timings();
            telemetry::phase("decode", timings.decode);
            telemetry::phase("encode", timings.encode);
        }
        sealed
    }

    /// Sends a batch to the database.
    fn store(&mut self, sealed: Sealed) {
        self.errands.send(|mut desk| async move {
            let begun = Instant::now();
            let result = desk.store.commit(&sealed).await;
            (desk, Errand::Batch(Box::new(sealed), result, begun.elapsed()))
        });
    }

    /// Sends for windows to be made anew.
    fn revise(&mut self) {
        self.is_revision_due = false;
        let window_size = self.parts.window_size;
        self.errands.send(move |mut desk| async move {
            let begun = Instant::now();
            let result = desk.store.revise(window_size, REVISIONS_AT_ONCE).await;
            (desk, Errand::Revision(result, begun.elapsed()))
        });
    }

    /// Sends for dead letters to be sent.
    fn send_letters(&mut self) {
        self.letters_due = None;
        let lanes: Vec<_> = self.parts.pipeline.lanes().map(|(lane, _)| lane).collect();
        self.errands.send(move |mut desk| async move {
            let result = desk.send_letters(&lanes, LETTERS_AT_ONCE).await;
            (desk, Errand::Letters(result))
        });
    }

    /// There may be dead letters to send: of a refusal just now, or of a former owner of our lanes.
    pub(crate) fn look_for_letters(&mut self) {
        self.letters_due = Some(Instant::now());
    }

    /// Takes up what came of an errand.
    fn take_up(&mut self, errand: Errand) -> Result<(), Trouble> {
        match errand {
            Errand::Batch(sealed, Ok(committed), took) => {
                telemetry::stored(&sealed, &committed, took);
                if !committed.refused.is_empty() {
                    self.look_for_letters();
                }
                self.parts.pipeline.stored(*sealed);
            }
            Errand::Batch(_, Err(error @ StoreError::Fenced { .. }), _) => {
                tracing::warn!(%error, "batch dropped; reading on from the database's offsets");
                telemetry::fenced();
                self.parts.pipeline.fenced();
            }
            Errand::Batch(sealed, Err(error), _) => {
                self.parts.pipeline.failed(*sealed);
                return Err(error.into());
            }
            Errand::Revision(Ok(revised), took) => {
                self.is_revision_due |= revised.is_part;
                telemetry::revised(revised, took);
            }
            Errand::Revision(Err(error), _) => {
                self.is_revision_due = true;
                return Err(error.into());
            }
            Errand::Letters(Ok(sent)) => {
                if sent == LETTERS_AT_ONCE {
                    self.look_for_letters();
                }
            }
            Errand::Letters(Err(LettersError::Database(error))) => {
                self.look_for_letters();
                return Err(error.into());
            }
            Errand::Letters(Err(LettersError::Kafka(error))) => {
                // nothing else depends on them
                tracing::warn!(error = format!("{error:#}"), "dead letters are not sent yet");
                self.letters_due = Some(Instant::now() + LETTERS_AGAIN);
            }
        }
        Ok(())
    }

    /// The database is not away, at least.
    fn database_answers<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        self.parts.health.database.ready();
        if self
            .pause
            .as_ref()
            .is_some_and(|pause| pause.need == Need::Registry)
        {
            return Ok(());
        }
        self.read_on(consumer)
    }

    /// Nothing is away any more.
    fn go_on<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        self.parts.health.database.ready();
        self.parts.health.registry.ready();
        self.read_on(consumer)
    }

    fn read_on<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        let was_braked = std::mem::take(&mut self.is_braked);
        let was_away = self.pause.take().is_some();
        if was_away {
            tracing::info!("going on");
        }
        if was_away || was_braked {
            consumer.resume(&consumer.assignment()?)?;
        }
        Ok(())
    }

    /// Something is away: reads no more until it is there again, and looks after it at growing intervals.
    fn wait<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        trouble: Trouble,
    ) -> anyhow::Result<()> {
        let (need, why) = match trouble {
            Trouble::Away(need, why) => (need, why),
            Trouble::Final(error) => return Err(error),
        };
        if !self.is_at_rest() {
            consumer.pause(&consumer.assignment()?)?;
        }
        let pause = self.pause.get_or_insert_with(|| Pause {
            need,
            until: Instant::now(),
            waits: waits(),
        });
        pause.need = need;
        let wait = pause.waits.next().unwrap_or(POLL);
        pause.until = Instant::now() + wait;
        let rows = self.parts.pipeline.rows();
        tracing::warn!(why, rows, retry_in_ms = wait.as_millis() as u64, "waiting");
        self.parts.health.not_ready(need, &why);
        Ok(())
    }

    fn lane_of<M: Message>(&self, message: &M) -> Option<Lane> {
        let topic = Topic::from_name(message.topic(), &self.parts.topics)?;
        Some(Lane {
            topic,
            partition: message.partition(),
        })
    }
}

impl Needs {
    /// This is away, and why.
    pub(crate) fn not_ready(&self, need: Need, why: &str) {
        match need {
            Need::Database => self.database.not_ready(why),
            Need::Registry => self.registry.not_ready(why),
            Need::Kafka => self.kafka.not_ready(why),
        }
    }
}

/// Growing intervals, jittered so that not all come back at once.
pub(crate) fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
        .build()
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Away(Need::Database, error.to_string())
        } else {
            Self::Final(error.into())
        }
    }
}

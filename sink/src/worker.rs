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

use crate::batch::Batch;
use crate::intake::{Intake, refuse};
use crate::lane::{Lane, Topic};
use crate::store::{Store, StoreError};
use crate::telemetry;

/// The longest wait for Kafka to hand over a record; what is due by the clock is looked at as often.
const POLL: Duration = Duration::from_millis(100);

/// Between two looks at what nobody announces: marks of transactions, windows to revise.
const TICK: Duration = Duration::from_secs(1);

/// Windows that are made anew in one transaction.
const REVISIONS_AT_ONCE: usize = 200;

/// What a worker needs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// For waiting on the database from a thread that may block.
    pub(crate) runtime: Handle,
    /// Our topics.
    pub(crate) topics: Topics,
    /// This thread's database connection.
    pub(crate) store: Store,
    /// For schemas that are new.
    pub(crate) registry: Registry,
    /// What decides what records become.
    pub(crate) intake: Intake,
    /// Empty.
    pub(crate) batch: Batch,
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
    /// Records that wait for their schema, and those behind them.
    pub(crate) held: VecDeque<OwnedMessage>,
    /// The lanes must be read again from the database's offsets; until then no record is taken.
    pub(crate) displaced: bool,
    pub(crate) pause: Option<Pause>,
    /// An error in a callback, which cannot return it.
    pub(crate) failure: Option<anyhow::Error>,
    next_tick: Instant,
    /// Something is to be done at once.
    hurry: bool,
}

/// Waiting for something that is away.
#[derive(Debug)]
pub(crate) struct Pause {
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
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            held: VecDeque::new(),
            displaced: false,
            pause: None,
            failure: None,
            next_tick: Instant::now(),
            hurry: false,
        }
    }

    /// How long Kafka may be polled before [`Self::step`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Duration {
        let now = Instant::now();
        let due = match &self.pause {
            Some(pause) => Some(pause.until.saturating_duration_since(now)),
            None if self.hurry || self.displaced => Some(Duration::ZERO),
            None => self.parts.batch.due_in(now),
        };
        due.map_or(POLL, |due| due.min(POLL))
    }

    /// Takes a record.
    pub(crate) fn record(&mut self, message: &BorrowedMessage<'_>) {
        let Some(lane) = self.lane_of(message) else { return };
        if self.displaced || !self.parts.batch.wants(lane, message.offset()) {
            return;
        }
        if !self.held.is_empty() || self.take(lane, message).is_err() {
            self.held.push_back(message.detach());
            self.hurry = true;
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// What waiting cannot mend.
    pub(crate) fn step<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if !self.is_due(Instant::now()) {
            return Ok(());
        }
        self.hurry = false;
        match self.work(consumer) {
            Ok(()) => self.go_on(consumer),
            Err(Trouble::Away(need, why)) => self.wait(consumer, need, &why),
            Err(Trouble::Final(error)) => Err(error),
        }
    }

    /// Stores what there is before lanes are given up, unless something is away: then it will be read again.
    pub(crate) fn finish<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) {
        self.skip_unseen(consumer);
        if self.parts.batch.is_empty() {
            return;
        }
        if self.pause.is_some() {
            self.forget();
        } else if let Err(error) = self.flush() {
            tracing::warn!(?error, "a batch could not be stored, and will be read again");
            self.forget();
        }
    }

    /// Drops the batch; what it held is read again by whoever owns its lanes.
    pub(crate) fn forget(&mut self) {
        self.parts.batch.forget();
        self.displaced = true;
    }

    fn is_due(&self, now: Instant) -> bool {
        match &self.pause {
            Some(pause) => now >= pause.until,
            None => self.hurry || self.displaced || now >= self.next_tick || self.parts.batch.is_due(now),
        }
    }

    fn work<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> Result<(), Trouble> {
        if self.displaced {
            self.replace(consumer)?;
        }
        self.take_held()?;
        let now = Instant::now();
        let is_tick = now >= self.next_tick;
        self.skip_unseen(consumer);
        let has_marks = !self.parts.batch.rows().late.is_empty();
        self.flush()?;
        if is_tick || has_marks {
            self.next_tick = now + TICK;
            self.revise()?;
        }
        Ok(())
    }

    /// Puts a record into the batch.
    fn take<M: Message>(&mut self, lane: Lane, message: &M) -> Result<(), SchemaId> {
        let parts = &mut self.parts;
        parts.intake.take(&mut parts.batch, lane, message, Instant::now())
    }

    /// Puts the records into the batch that have waited for their schema.
    fn take_held(&mut self) -> Result<(), Trouble> {
        while let Some(message) = self.held.pop_front() {
            let Some(lane) = self.lane_of(&message) else {
                continue;
            };
            if !self.parts.batch.wants(lane, message.offset()) {
                continue;
            }
            let Err(id) = self.take(lane, &message) else {
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
                    refuse(&mut self.parts.batch, lane, &message, &why, Instant::now());
                }
            }
        }
        Ok(())
    }

    /// Moves the lanes over what nobody gets to see. The consumer's position is what it has handed over and what it
    /// has passed by; after a seek it has none until then.
    fn skip_unseen<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) {
        if !self.held.is_empty() || self.displaced {
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
                self.parts.batch.skip_to(lane, offset, now);
            }
        }
    }

    /// Stores the batch.
    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        let Parts {
            runtime,
            store,
            batch,
            ..
        } = &mut self.parts;
        if batch.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        match runtime.block_on(store.commit(batch)) {
            Ok(committed) => {
                let duplicates = committed
                    .duplicates
                    .values()
                    .map(|count| count.unsigned_abs())
                    .sum();
                telemetry::stored(batch.rows(), duplicates, begun.elapsed());
                telemetry::refused(batch.moves().map(|(_, progress)| progress.refused).sum());
                batch.stored();
                Ok(())
            }
            Err(error @ StoreError::Fenced { .. }) => {
                tracing::warn!(%error, "batch dropped; reading on from the database's offsets");
                telemetry::fenced();
                self.forget();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn revise(&mut self) -> Result<(), Trouble> {
        if self.displaced {
            return Ok(());
        }
        let begun = Instant::now();
        let Parts {
            runtime,
            store,
            window_size,
            ..
        } = &mut self.parts;
        let revised = runtime.block_on(store.revise(*window_size, REVISIONS_AT_ONCE))?;
        if revised.minutes > 0 {
            tracing::debug!(
                minutes = revised.minutes,
                changed = revised.changed,
                "windows revised"
            );
            telemetry::revised(revised.changed);
            telemetry::phase("revise", begun.elapsed());
        }
        if revised.minutes == REVISIONS_AT_ONCE {
            self.next_tick = Instant::now();
        }
        Ok(())
    }

    /// Nothing is away any more.
    fn go_on<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> anyhow::Result<()> {
        self.parts.health.database.ready();
        self.parts.health.registry.ready();
        if self.pause.take().is_some() {
            tracing::info!("going on");
            consumer.resume(&consumer.assignment()?)?;
        }
        Ok(())
    }

    /// Something is away: reads no more until it is there again, and looks after it at growing intervals.
    fn wait<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        need: Need,
        why: &str,
    ) -> anyhow::Result<()> {
        if self.pause.is_none() {
            consumer.pause(&consumer.assignment()?)?;
        }
        let pause = self.pause.get_or_insert_with(|| Pause {
            until: Instant::now(),
            waits: waits(),
        });
        let wait = pause.waits.next().unwrap_or(POLL);
        pause.until = Instant::now() + wait;
        let rows = self.parts.batch.rows().len();
        tracing::warn!(why, rows, retry_in_ms = wait.as_millis() as u64, "waiting");
        self.parts.health.not_ready(need, why);
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

//! What all listeners share: the ring, and the threads that fill it while somebody listens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use avro::Registry;
use domain::Limits;
use platform::{KafkaArgs, Topics};
use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::listener::{KeyCheck, Listener};
use super::translate::{Late, Translator};
use super::{Event, Filter, Position, Ring, revisions, tail};
use crate::error::{ApiError, ParameterError};
use crate::kafka::LogEnds;

/// How long a listener waits for Kafka to tell where its logs end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long Kafka is read on after the last listener has gone: most of them come back.
const LINGER: Duration = Duration::from_secs(60);

/// How many listeners that were away for long read the log at once.
const READERS: usize = 4;

/// What the stream takes.
pub struct FeedSettings {
    /// How to reach Kafka.
    pub kafka: KafkaArgs,
    /// Where the schemas are.
    pub registry: Registry,
    /// What may be set about the rules.
    pub limits: Limits,
    /// Windows made anew, and what the log has forgotten.
    pub database: PgPool,
    /// Where the logs end.
    pub log_ends: LogEnds,
    /// Most memory for the newest events.
    pub capacity_bytes: usize,
    /// Most listeners at once.
    pub most_listeners: usize,
    /// How long a listener hears nothing at most.
    pub heartbeat: Duration,
}

/// The live stream. Cloning shares it.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: FeedSettings,
    pub(super) topics: Topics,
    pub(super) runtime: Handle,
    pub(super) stop: CancellationToken,
    /// One for each of those who may read the log themselves.
    pub(super) readers: Semaphore,
    state: Mutex<State>,
    /// The number of the next event; a change wakes the listeners.
    next: watch::Sender<u64>,
}

struct State {
    /// None while nobody has listened, or Kafka has not told yet where its logs end.
    ring: Option<Ring>,
    /// Late readings whose windows are yet to be told, in their order.
    late: VecDeque<Late>,
    listeners: usize,
    /// Since when there has been no listener.
    idle_since: Instant,
    is_running: bool,
    /// How often the threads were started: those of an earlier time have nothing to do here any more.
    run: u64,
}

/// One who listens, as far as counting goes.
pub(super) struct Seat(Feed);

impl Feed {
    /// Nothing is read before somebody listens; must be made within a runtime.
    pub fn new(settings: FeedSettings, stop: CancellationToken) -> Self {
        let shared = Shared {
            topics: settings.kafka.topics(),
            runtime: Handle::current(),
            stop,
            readers: Semaphore::new(READERS),
            state: Mutex::new(State {
                ring: None,
                late: VecDeque::new(),
                listeners: 0,
                idle_since: Instant::now(),
                is_running: false,
                run: 0,
            }),
            next: watch::Sender::new(0),
            settings,
        };
        Self(Arc::new(shared))
    }

    /// One more listener, from `from` on, or from now. Its key is looked at again and again by `check`.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when Kafka is away or the seats are taken, [`ApiError::Parameters`] when `from` is a
    /// place that the log has not reached.
    pub async fn listen(
        &self,
        filter: Filter,
        from: Option<Position>,
        check: KeyCheck,
    ) -> Result<Listener, ApiError> {
        let seat = self.take_seat()?;
        let next = self.0.next.subscribe();
        let begun = tokio::time::timeout(PATIENCE, self.begun(&filter)).await;
        let head = begun.map_err(|_| kafka_away("it does not tell where its logs end"))?;
        let position = match from {
            Some(from) => {
                let from = from.of(&filter).fitted_to(&head);
                if !head.is_at_or_after(&from) {
                    self.refuse_the_future(&from).await?;
                }
                from
            }
            None => head,
        };
        Ok(Listener::new(seat, next, filter, position, check))
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.lock().listeners
    }

    /// Where somebody starts who has no place yet.
    async fn begun(&self, filter: &Filter) -> Position {
        let mut next = self.0.next.subscribe();
        loop {
            next.mark_unchanged();
            if let Some(ring) = &self.lock().ring {
                return ring.head().of(filter);
            }
            if next.changed().await.is_err() {
                std::future::pending::<()>().await; // the sender lives as long as we do
            }
        }
    }

    /// A place may lie after what this process has read; not after what there is.
    async fn refuse_the_future(&self, from: &Position) -> Result<(), ApiError> {
        let names = super::Source::ALL.map(|source| source.topic(&self.0.topics).clone());
        let ends = self.0.settings.log_ends.of(names.to_vec()).await;
        let ends = ends.map_err(|error| kafka_away(&format!("{error:#}")))?;
        let is_beyond = from.iter().any(|(source, partition, next)| {
            let place = (source.topic(&self.0.topics).clone(), partition);
            ends.get(&place).is_some_and(|end| next > *end)
        });
        if is_beyond {
            let wanted = "an event of this installation's stream: this one lies beyond the end of the log";
            let fault = ParameterError::new("Last-Event-ID", &from.to_string(), wanted);
            return Err(ApiError::Parameters(vec![fault]));
        }
        Ok(())
    }

    fn take_seat(&self) -> Result<Seat, ApiError> {
        let mut state = self.lock();
        if state.listeners >= self.0.settings.most_listeners {
            return Err(ApiError::Unavailable {
                what: "another seat at the live stream",
                cause: format!("{} listen already", state.listeners),
            });
        }
        state.listeners += 1;
        told(state.listeners);
        if !state.is_running {
            state.run += 1;
            state.is_running = self.start(state.run);
        }
        Ok(Seat(self.clone()))
    }

    fn start(&self, run: u64) -> bool {
        let feed = self.clone();
        let spawned = std::thread::Builder::new()
            .name("live-tail".to_owned())
            .spawn(move || tail::run(&feed, run));
        if let Err(error) = &spawned {
            tracing::error!(%error, "no thread for the live stream");
        }
        self.0.runtime.spawn(revisions::run(self.clone(), run));
        spawned.is_ok()
    }

    /// Whether anybody needs the tail; if not, all that it has filled is gone when this returns.
    pub(super) fn is_wanted(&self, run: u64) -> bool {
        let mut state = self.lock();
        if state.run != run {
            return false;
        }
        let idle = state.listeners == 0 && state.idle_since.elapsed() >= LINGER;
        if idle || self.0.stop.is_cancelled() {
            state.ring = None;
            state.late.clear();
            state.is_running = false;
        }
        state.is_running
    }

    /// The tail reads from `begin` on; who has no position starts at `head`.
    pub(super) fn begin(&self, begin: Position, head: Position) {
        self.lock().ring = Some(Ring::new(self.0.settings.capacity_bytes, begin, head));
        self.wake();
    }

    /// What the tail has read.
    pub(super) fn publish(&self, events: Vec<Event>, late: Vec<Late>) {
        if events.is_empty() && late.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.late.extend(late);
        if let Some(ring) = &mut state.ring {
            events.into_iter().for_each(|event| ring.push(event));
        }
        drop(state);
        self.wake();
    }

    /// The first late readings whose windows are yet to be told; none when nobody needs the tail any more.
    pub(super) fn late(&self, run: u64, most: usize) -> Option<Vec<Late>> {
        let state = self.lock();
        let first = || state.late.iter().take(most).cloned().collect();
        (state.is_running && state.run == run).then(first)
    }

    /// The windows of the first `count` late readings, made anew as far as they are.
    pub(super) fn settle_late(&self, count: usize, events: Vec<Event>) {
        {
            let mut state = self.lock();
            let count = count.min(state.late.len());
            state.late.drain(..count);
        }
        self.publish(events, Vec::new());
    }

    pub(super) fn with_ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> Option<T> {
        self.lock().ring.as_ref().map(look)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(super) fn translator(&self) -> Translator {
        let Shared {
            settings,
            topics,
            runtime,
            stop,
            ..
        } = &*self.0;
        Translator::new(
            settings.registry.clone(),
            settings.limits,
            topics.clone(),
            runtime.clone(),
            stop.clone(),
        )
    }

    fn wake(&self) {
        let next = self.with_ring(Ring::next).unwrap_or_default();
        self.0.next.send_replace(next);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(super) const fn feed(&self) -> &Feed {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.listeners -= 1;
        state.idle_since = Instant::now();
        told(state.listeners);
    }
}

fn told(listeners: usize) {
    metrics::gauge!("windfarm_api_event_listeners").set(listeners as f64);
}

fn kafka_away(cause: &str) -> ApiError {
    ApiError::Unavailable {
        what: "Kafka",
        cause: cause.to_owned(),
    }
}

//! One who listens: a place in the stream, and what is sent next.

use std::borrow::Borrow;
use std::time::Duration;

use actix_web::web::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::chapter::{self, Chapter};
use super::event::text;
use super::feed::{Feed, Seat};
use super::{Event, Filter, Position};
use crate::auth::Keys;
use crate::error::ApiError;

/// Events that are looked at in one go.
const GO: usize = 512;

/// How long a client should wait before it comes back, milliseconds.
const RETRY_MS: u32 = 2_000;

/// How often a key is looked at again.
const KEY_INTERVAL: Duration = Duration::from_secs(5);

/// Between two tries of what failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Sees to it that a stream ends with its key.
pub struct KeyCheck {
    /// Who knows.
    pub keys: Keys,
    /// What the client presented.
    pub key: String,
}

/// A place in the stream. Its position moves on with what it sends, and over what is not for it.
pub struct Listener {
    seat: Seat,
    next: watch::Receiver<u64>,
    filter: Filter,
    position: Position,
    /// The number of the next event in the ring; none while the ring does not hold all from `position` on.
    place: Option<u64>,
    /// What is being read meanwhile.
    chapter: Option<AbortOnDropHandle<anyhow::Result<Chapter>>>,
    check: KeyCheck,
    check_at: Instant,
    speak_at: Instant,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Arriving,
    Listening,
    Gone,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    TooSlow,
    KeyRevoked,
    Stopping,
}

/// The data of the event `error`.
#[derive(Serialize)]
struct Farewell {
    reason: Reason,
    detail: &'static str,
}

impl Listener {
    pub(super) fn new(
        seat: Seat,
        next: watch::Receiver<u64>,
        filter: Filter,
        position: Position,
        check: KeyCheck,
    ) -> Self {
        Self {
            seat,
            next,
            filter,
            position,
            place: None,
            chapter: None,
            check,
            check_at: Instant::now() + KEY_INTERVAL,
            speak_at: Instant::now(),
            stage: Stage::Arriving,
        }
    }

    /// What is to be sent next; waits until there is something. None is the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        let said = match self.stage {
            Stage::Gone => return None,
            Stage::Arriving => {
                self.stage = Stage::Listening;
                format!("retry: {RETRY_MS}\nid: {}\n\n", self.position)
            }
            Stage::Listening => self.listen().await,
        };
        self.speak_at = Instant::now() + self.feed().shared().settings.heartbeat;
        Some(Bytes::from(said))
    }

    async fn listen(&mut self) -> String {
        let stop = self.feed().shared().stop.clone();
        let speak_at = self.speak_at;
        loop {
            let check_at = self.check_at;
            tokio::select! {
                said = self.go_on() => if let Some(said) = said {
                    return said;
                },
                // where we are, besides: who comes back need not look through what was not for it
                () = sleep_until(speak_at) => return format!(": heartbeat\nid: {}\n\n", self.position),
                () = stop.cancelled() => return self.farewell(Reason::Stopping),
                () = sleep_until(check_at) => {}
            }
            if check_at <= Instant::now() {
                self.check_at = Instant::now() + KEY_INTERVAL;
                // a database that is away says nothing about the key
                if let Err(ApiError::KeyUnknown) = self.check.keys.verify(&self.check.key).await {
                    return self.farewell(Reason::KeyRevoked);
                }
            }
        }
    }

    /// One step; may be dropped at any await.
    async fn go_on(&mut self) -> Option<String> {
        match self.place {
            Some(place) => self.follow(place).await,
            None => self.catch_up().await,
        }
    }

    async fn follow(&mut self, place: u64) -> Option<String> {
        self.next.mark_unchanged();
        match self.feed().with_ring(|ring| ring.read(place, GO)) {
            Some(Ok(events)) if !events.is_empty() => {
                self.place = Some(place + events.len() as u64);
                self.written(&events)
            }
            Some(Err(_overtaken)) => Some(self.farewell(Reason::TooSlow)),
            Some(Ok(_)) | None => {
                if self.next.changed().await.is_err() {
                    std::future::pending::<()>().await; // the feed lives as long as its listeners
                }
                None
            }
        }
    }

    async fn catch_up(&mut self) -> Option<String> {
        let position = &self.position;
        let place = self
            .feed()
            .with_ring(|ring| position.is_at_or_after(ring.begin()).then(|| ring.first()));
        if let Some(Some(place)) = place {
            self.place = Some(place);
            return None;
        }
        let chapter = self.chapter.get_or_insert_with(|| {
            let read = chapter::read(
                self.seat.feed().clone(),
                self.position.clone(),
                self.filter.clone(),
            );
            AbortOnDropHandle::new(tokio::spawn(read))
        });
        let read = chapter.await;
        self.chapter = None;
        match read {
            Ok(Ok(Chapter { events, position })) => {
                let said = self.written(&events);
                self.position = position;
                said
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "what a listener has missed cannot be read yet"
                );
                sleep(AGAIN).await;
                None
            }
            Err(error) => {
                tracing::error!(%error, "what a listener has missed cannot be read");
                sleep(AGAIN).await;
                None
            }
        }
    }

    /// What it wants of these events, each with the position after it.
    fn written(&mut self, events: &[impl Borrow<Event>]) -> Option<String> {
        let mut out = String::new();
        let mut count = 0;
        for event in events.iter().map(Borrow::borrow) {
            let is_new = self
                .position
                .advance(event.source, event.partition, event.offset + 1);
            if is_new && self.filter.wants(event) {
                out += &format!("id: {}\n", self.position);
                out += &event.text;
                count += 1;
            }
        }
        metrics::counter!("windfarm_api_events_sent_total").increment(count);
        (count > 0).then_some(out)
    }

    fn farewell(&mut self, reason: Reason) -> String {
        self.stage = Stage::Gone;
        metrics::counter!("windfarm_api_event_streams_ended_total", "reason" => reason.word()).increment(1);
        let detail = match reason {
            Reason::TooSlow => {
                "events came faster than they were read; come back with Last-Event-ID to go on"
            }
            Reason::KeyRevoked => "the key is unknown, expired or revoked",
            Reason::Stopping => "the server stops; come back with Last-Event-ID to go on",
        };
        text("error", &Farewell { reason, detail })
    }

    const fn feed(&self) -> &Feed {
        self.seat.feed()
    }
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::TooSlow => "too_slow",
            Self::KeyRevoked => "key_revoked",
            Self::Stopping => "stopping",
        }
    }
}

//! Requests that say by an `Idempotency-Key` that they may come again: the first answer is remembered and given again,
//! and what was refused does not become a second dead letter.
//!
//! The memory is this process's own, and bounded. That is enough, because it only makes a repeat tidy: a reading that
//! comes twice counts once whatever we remember, downstream, by its turbine and event time. A repeat that reaches
//! another process, or this one after a restart, is a new request, whose refused readings are dead letters again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::Rejected;
use crate::error::{ApiError, ParameterError};

/// The longest key, characters.
const MAX_KEY_CHARS: usize = 255;

/// How long a request is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(86_400);

/// How many are remembered; the oldest make room.
const MOST_REQUESTS: usize = 10_000;

/// How large all remembered answers may be together, bytes; the oldest make room.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A request and its repeats: whose it is, and what its sender calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestName {
    caller: String,
    key: String,
}

/// What a request is, so that another one under the same key is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// What came of a request so far.
#[derive(Debug, Default)]
pub struct Memory {
    fingerprint: Option<Fingerprint>,
    progress: Progress,
}

#[derive(Debug, Default)]
enum Progress {
    #[default]
    None,
    /// These became dead letters before Kafka went away.
    Refused(Vec<Rejected>),
    Answered(Bytes),
}

/// What a request that comes, perhaps again, finds.
#[derive(Debug)]
pub enum Found {
    /// It has been answered.
    Answer(Bytes),
    /// It has not, but these readings of it are dead letters already.
    Refused(Vec<Rejected>),
}

/// The requests of this process. Cloning shares the memory.
#[derive(Debug, Clone, Default)]
pub struct Repeats(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    places: HashMap<RequestName, Place>,
    /// From the oldest to the newest.
    order: VecDeque<(Instant, RequestName)>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Place {
    memory: Arc<AsyncMutex<Memory>>,
    bytes: usize,
}

impl RequestName {
    /// What `caller` calls `key`.
    ///
    /// # Errors
    /// [`ApiError::Parameters`] for a key that is none.
    pub fn new(caller: String, key: &[u8]) -> Result<Self, ApiError> {
        let is_key = (1..=MAX_KEY_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !is_key {
            let (shown, wanted) = (
                String::from_utf8_lossy(key),
                format!("1 to {MAX_KEY_CHARS} visible characters of ASCII"),
            );
            return Err(ApiError::Parameters(vec![ParameterError::new(
                "Idempotency-Key",
                &shown,
                wanted,
            )]));
        }
        Ok(Self {
            caller,
            key: String::from_utf8_lossy(key).into_owned(),
        })
    }
}

impl Fingerprint {
    /// Of a request with this body.
    pub fn of(content_type: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((content_type.len() as u64).to_be_bytes());
        hash.update(content_type);
        hash.update(body);
        Self(hash.finalize().into())
    }
}

impl Memory {
    /// What is known of the request.
    ///
    /// # Errors
    /// [`ApiError::KeyReused`] when another one had this key.
    pub fn look(&mut self, fingerprint: Fingerprint) -> Result<Found, ApiError> {
        if *self.fingerprint.get_or_insert(fingerprint) != fingerprint {
            return Err(ApiError::KeyReused);
        }
        Ok(match &self.progress {
            Progress::None => Found::Refused(Vec::new()),
            Progress::Refused(refused) => Found::Refused(refused.clone()),
            Progress::Answered(answer) => Found::Answer(answer.clone()),
        })
    }
}

impl Repeats {
    /// The memory of a request; waits while the same one is under way.
    pub async fn enter(&self, name: &RequestName) -> OwnedMutexGuard<Memory> {
        let memory = self.lock().memory_of(name, Instant::now());
        memory.lock_owned().await
    }

    /// Notes the answer to a request.
    pub fn note_answer(&self, name: &RequestName, memory: &mut Memory, answer: Bytes) {
        self.lock().note_size(name, answer.len());
        memory.progress = Progress::Answered(answer);
    }

    /// Notes which of a request's readings became dead letters before Kafka went away.
    pub fn note_refused(&self, name: &RequestName, memory: &mut Memory, refused: Vec<Rejected>) {
        let bytes = refused.iter().map(Rejected::size_bytes).sum();
        self.lock().note_size(name, bytes);
        memory.progress = Progress::Refused(refused);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn memory_of(&mut self, name: &RequestName, now: Instant) -> Arc<AsyncMutex<Memory>> {
        self.forget_old(now);
        if !self.places.contains_key(name) {
            self.make_room(MOST_REQUESTS - 1, MOST_BYTES);
            self.order.push_back((now, name.clone()));
        }
        Arc::clone(&self.places.entry(name.clone()).or_default().memory)
    }

    fn note_size(&mut self, name: &RequestName, bytes: usize) {
        let Some(place) = self.places.get_mut(name) else {
            return;
        };
        self.bytes = self.bytes - place.bytes + bytes;
        place.bytes = bytes;
        self.make_room(MOST_REQUESTS, MOST_BYTES);
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= REMEMBERED_FOR;
        while self.order.front().is_some_and(|(at, _)| is_old(*at)) {
            self.forget_oldest();
        }
    }

    fn make_room(&mut self, most_requests: usize, most_bytes: usize) {
        while self.order.len() > most_requests || self.bytes > most_bytes {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front()
            && let Some(place) = self.places.remove(&name)
        {
            self.bytes -= place.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> RequestName {
        RequestName::new("key 1".to_owned(), key.as_bytes()).unwrap()
    }

    fn rejected(index: usize) -> Rejected {
        Rejected {
            index,
            rule: "no_metric".to_owned(),
            field: None,
            value: None,
            bound: None,
            message: String::new(),
        }
    }

    #[tokio::test]
    async fn a_repeat_finds_what_came_of_the_first() {
        let (repeats, name) = (Repeats::default(), name("a"));
        let (print, other) = (
            Fingerprint::of("application/json", b"1"),
            Fingerprint::of("application/json", b"2"),
        );
        let mut memory = repeats.enter(&name).await;
        assert!(matches!(memory.look(print), Ok(Found::Refused(none)) if none.is_empty()));
        repeats.note_refused(&name, &mut memory, vec![rejected(3)]);
        drop(memory);

        let mut memory = repeats.enter(&name).await;
        assert!(matches!(memory.look(other), Err(ApiError::KeyReused)));
        assert!(matches!(memory.look(print), Ok(Found::Refused(some)) if some == [rejected(3)]));
        repeats.note_answer(&name, &mut memory, Bytes::from_static(b"done"));
        drop(memory);
        let mut memory = repeats.enter(&name).await;
        assert!(matches!(memory.look(print), Ok(Found::Answer(answer)) if answer == "done"));
    }

    #[tokio::test]
    async fn another_ones_key_is_another_key() {
        let repeats = Repeats::default();
        let mine = repeats.enter(&name("a")).await;
        let theirs = RequestName::new("key 2".to_owned(), b"a").unwrap();
        let _theirs = repeats.enter(&theirs).await; // would wait for ever, were it mine
        drop(mine);
    }

    #[test]
    fn memory_is_bounded_by_count_size_and_age() {
        let mut requests = Requests::default();
        let began = Instant::now();
        for n in 0..MOST_REQUESTS + 5 {
            requests.memory_of(&name(&n.to_string()), began);
        }
        assert_eq!(
            (requests.places.len(), requests.order.len()),
            (MOST_REQUESTS, MOST_REQUESTS)
        );
        assert!(!requests.places.contains_key(&name("4")) && requests.places.contains_key(&name("5")));

        requests.note_size(&name("5"), MOST_BYTES);
        requests.note_size(&name("6"), 10);
        assert!(!requests.places.contains_key(&name("5")) && requests.places.contains_key(&name("6")));
        assert_eq!(requests.bytes, 10);
        requests.note_size(&name("6"), 7);
        requests.note_size(&name("gone"), 7);
        assert_eq!(requests.bytes, 7);

        requests.memory_of(&name("new"), began + REMEMBERED_FOR);
        assert_eq!(
            (requests.places.len(), requests.order.len(), requests.bytes),
            (1, 1, 0)
        );
    }

    #[test]
    fn a_key_is_visible_and_not_too_long() {
        for bad in ["", "a b", "\u{7f}", "é", &"x".repeat(256)] {
            assert!(
                RequestName::new(String::new(), bad.as_bytes()).is_err(),
                "{bad:?}"
            );
        }
        assert!(RequestName::new(String::new(), "\"8e03978e-40d5\"".as_bytes()).is_ok());
    }
}

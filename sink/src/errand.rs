//! Work with the thread's database connection while the thread goes on: the connection is lent to a task of the
//! runtime, and comes back with what came of it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::runtime::Handle;

use crate::batch::Sealed;
use crate::lane::Lane;
use crate::letters::Letters;
use crate::store::{Committed, Revised, Store, StoreError};

/// What was done with the connection, and what came of it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A batch was to be stored, which took so long.
    Batch(Box<Sealed>, Result<Committed, StoreError>, Duration),
    /// Windows were to be made anew, which took so long.
    Revision(Result<Revised, StoreError>, Duration),
    /// Dead letters were to be sent: so many are.
    Letters(Result<usize, LettersError>),
}

/// Why dead letters could not be sent.
#[derive(Debug)]
pub(crate) enum LettersError {
    /// The database does not tell which.
    Database(StoreError),
    /// Kafka does not hand over the records, or does not take the letters.
    Kafka(anyhow::Error),
}

/// What is lent.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The connection.
    pub(crate) store: Store,
    /// What sends dead letters.
    pub(crate) letters: Letters,
}

/// The connection, wherever it is.
#[derive(Debug)]
pub(crate) struct Errands {
    runtime: Handle,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(Box<Desk>),
    Out {
        since: Instant,
        back: Receiver<(Box<Desk>, Errand)>,
    },
    Lost,
}

impl Errands {
    /// With the connection here.
    pub(crate) fn new(runtime: Handle, desk: Desk) -> Self {
        Self {
            runtime,
            place: Place::Here(Box::new(desk)),
        }
    }

    /// Whether the connection is on its way.
    pub(crate) const fn is_out(&self) -> bool {
        !matches!(self.place, Place::Here(_))
    }

    /// How long it has been on its way.
    pub(crate) fn out_for(&self) -> Duration {
        match self.place {
            Place::Out { since, .. } => since.elapsed(),
            Place::Here(_) | Place::Lost => Duration::ZERO,
        }
    }

    /// Works with the connection and waits until that is done; it must be here.
    pub(crate) fn wait_for<T>(&mut self, work: impl AsyncFnOnce(&mut Store) -> T) -> T {
        let Place::Here(desk) = &mut self.place else {
            unreachable!("the connection is waited for before it is worked with");
        };
        self.runtime.block_on(work(&mut desk.store))
    }

    /// Sends the connection on an errand; it must be here.
    pub(crate) fn send<W, F>(&mut self, work: W)
    where
        W: FnOnce(Box<Desk>) -> F,
        F: Future<Output = (Box<Desk>, Errand)> + Send + 'static,
    {
        let (send_back, back) = sync_channel(1);
        let out = Place::Out {
            since: Instant::now(),
            back,
        };
        let Place::Here(desk) = std::mem::replace(&mut self.place, out) else {
            unreachable!("the connection is waited for before it is sent out again");
        };
        let work = work(desk);
        self.runtime.spawn(async move {
            // nobody waits any more when the sink has stopped
            let _ = send_back.send(work.await);
        });
    }

    /// What came of the errand, if the connection is back within `limit`.
    ///
    /// # Errors
    /// When it will never be back.
    pub(crate) fn returned(&mut self, limit: Duration) -> anyhow::Result<Option<Errand>> {
        let Place::Out { back, .. } = &self.place else {
            return Ok(None);
        };
        match back.recv_timeout(limit) {
            Ok((desk, errand)) => {
                self.place = Place::Here(desk);
                Ok(Some(errand))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.place = Place::Lost;
                bail!("a task of the sink has panicked")
            }
        }
    }
}

impl Desk {
    /// Sends the dead letters of refused records of these lanes: at most `limit`. Tells how many they were.
    ///
    /// # Errors
    /// [`LettersError`]; those that were sent are sent again, which is harmless.
    pub(crate) async fn send_letters(&mut self, lanes: &[Lane], limit: usize) -> Result<usize, LettersError> {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let refusals = self.store.unsent_refusals(lanes, most).await;
        let refusals = refusals.map_err(LettersError::Database)?;
        if !refusals.is_empty() {
            let sent = self.letters.send(&refusals).await;
            sent.map_err(LettersError::Kafka)?;
            let removed = self.store.letters_sent(&refusals).await;
            removed.map_err(LettersError::Database)?;
        }
        Ok(refusals.len())
    }
}

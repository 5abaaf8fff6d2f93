//! Work with the thread's database connection while the thread goes on: the connection is lent to a task of the
//! runtime, and comes back with what came of it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::runtime::Handle;

use crate::batch::Sealed;
use crate::store::{Committed, Revised, Store, StoreError};

/// What was done with the connection, and what came of it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A batch was to be stored, which took so long.
    Batch(Sealed, Result<Committed, StoreError>, Duration),
    /// Windows were to be made anew, which took so long.
    Revision(Result<Revised, StoreError>, Duration),
}

/// The connection, wherever it is.
#[derive(Debug)]
pub(crate) struct Errands {
    runtime: Handle,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(Box<Store>),
    Out {
        since: Instant,
        back: Receiver<(Box<Store>, Errand)>,
    },
    Lost,
}

impl Errands {
    /// With the connection here.
    pub(crate) fn new(runtime: Handle, store: Store) -> Self {
        Self {
            runtime,
            place: Place::Here(Box::new(store)),
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
        let Place::Here(store) = &mut self.place else {
            unreachable!("the connection is waited for before it is worked with");
        };
        self.runtime.block_on(work(store))
    }

    /// Sends the connection on an errand; it must be here.
    pub(crate) fn send<W, F>(&mut self, work: W)
    where
        W: FnOnce(Box<Store>) -> F,
        F: Future<Output = (Box<Store>, Errand)> + Send + 'static,
    {
        let (send_back, back) = sync_channel(1);
        let out = Place::Out {
            since: Instant::now(),
            back,
        };
        let Place::Here(store) = std::mem::replace(&mut self.place, out) else {
            unreachable!("the connection is waited for before it is sent out again");
        };
        let work = work(store);
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
            Ok((store, errand)) => {
                self.place = Place::Here(store);
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

//! Readings of any writer schema: those that are known, and finding those that are not.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use avro::{Decoder, Registry, RegistryError, SchemaId};
use domain::{Limits, Reading};
use platform::Rejection;
use platform::intake::{NotAdmitted, admit};
use tokio::runtime::Handle;

use crate::machine::{Intake, Record};

/// How long a stream thread waits for a schema itself, before the partition is left and another thread waits.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// How long a registry's word that there is no such schema is taken for true.
const NO_SCHEMA_FOR: Duration = Duration::from_secs(60);

/// The intake of one stream thread.
pub(super) struct Schemas {
    registry: Registry,
    decoder: Decoder,
    limits: Limits,
    runtime: Handle,
    /// Ids that no record can be read with, why, and when that was found.
    unusable: HashMap<SchemaId, (String, Instant)>,
    settled: (Sender<Settled>, Receiver<Settled>),
    /// Ids that are being waited for in the background.
    pending: Vec<SchemaId>,
}

type Settled = (SchemaId, Result<(), RegistryError>);

impl Schemas {
    pub(super) fn new(registry: Registry, limits: Limits, runtime: Handle) -> Self {
        Self {
            decoder: Decoder::new(registry.clone()),
            registry,
            limits,
            runtime,
            unusable: HashMap::new(),
            settled: channel(),
            pending: Vec::new(),
        }
    }

    /// Looks a schema up. If the registry does not answer soon, goes on asking in the background and says false;
    /// [`Self::settled`] tells when it is done.
    pub(super) fn resolve(&mut self, id: SchemaId) -> bool {
        let registry = self.registry.clone().with_patience(SHORT_WAIT);
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(SHORT_WAIT, registry.resolve(id)).await });
        match answer {
            Ok(Ok(_)) => true,
            Ok(Err(error)) if !error.is_transient() => {
                self.unusable.insert(id, (error.to_string(), Instant::now()));
                true
            }
            Ok(Err(_)) | Err(_) => {
                self.resolve_in_background(id);
                false
            }
        }
    }

    /// Schemas that have been found, or will never be, since this was last called.
    pub(super) fn settled(&mut self) -> Vec<SchemaId> {
        let settled: Vec<Settled> = self.settled.1.try_iter().collect();
        let ids = settled.into_iter().map(|(id, answer)| {
            self.pending.retain(|&pending| pending != id);
            if let Err(error) = answer {
                self.unusable.insert(id, (error.to_string(), Instant::now()));
            }
            id
        });
        ids.collect()
    }

    fn resolve_in_background(&mut self, id: SchemaId) {
        if self.pending.contains(&id) {
            return;
        }
        tracing::warn!(
            schema.id = id,
            "the schema registry does not answer; its records wait"
        );
        self.pending.push(id);
        let (registry, settled) = (self.registry.clone(), self.settled.0.clone());
        self.runtime.spawn(async move {
            let answer = loop {
                match registry.resolve(id).await {
                    Err(error) if error.is_transient() => {}
                    answer => break answer.map(|_| ()),
                }
            };
            let _ = settled.send((id, answer)); // the thread may have ended meanwhile
        });
    }
}

impl Intake for Schemas {
    fn admit<'a>(&mut self, record: &Record<'a>) -> Result<Reading<'a>, NotAdmitted<'a>> {
        let admitted = admit(
            record.key,
            record.payload,
            record.appended_at,
            &mut self.decoder,
            &self.limits,
        );
        if let Err(NotAdmitted::UnknownSchema(id)) = &admitted
            && let Some((why, found_at)) = self.unusable.get(id)
        {
            if found_at.elapsed() < NO_SCHEMA_FOR {
                return Err(NotAdmitted::Rejected {
                    rejection: Box::new(Rejection::undecodable(why)),
                    counted: None,
                });
            }
            let id = *id;
            self.unusable.remove(&id);
        }
        admitted
    }
}

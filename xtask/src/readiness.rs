//! Whether a process of a stack runs, and whether it is ready to serve.

use anyhow::Error;

use crate::identity::Identity;
use crate::ports;
use crate::programs;
use crate::servers::{postgres, registry};
use crate::service::Service;
use crate::stack::Stack;

/// What a look at one process shows.
pub(crate) enum Readiness {
    Ready(Identity),
    /// It runs, and why it is not ready.
    NotReady(Identity, Error),
    /// It ended by itself, or was killed.
    Ended,
    /// It was stopped, or never started.
    Stopped,
}

impl Readiness {
    pub(crate) fn of(service: Service, stack: &Stack) -> Self {
        let pid_file = stack.pid_file(service);
        let Some(identity) = pid_file.alive() else {
            return if pid_file.recorded().is_some() {
                Self::Ended
            } else {
                Self::Stopped
            };
        };
        match check(service, stack, identity) {
            Ok(()) => Self::Ready(identity),
            Err(error) => Self::NotReady(identity, error),
        }
    }

    /// Whether the process that was started still runs; none if it was stopped, or never started.
    pub(crate) fn recorded(service: Service, stack: &Stack) -> Option<bool> {
        stack.pid_file(service).recorded().map(Identity::is_alive)
    }
}

fn check(service: Service, stack: &Stack, identity: Identity) -> anyhow::Result<()> {
    let settings = &stack.settings;
    match service {
        // Its port was free before it was started, and it opens it when it is ready.
        Service::Kafka | Service::Kafka2 | Service::Kafka3 => {
            anyhow::ensure!(ports::accepts(service.ports(&settings.ports)[0]), "starting");
            Ok(())
        }
        Service::Registry => registry::check(settings),
        Service::Postgres => postgres::check(&stack.dir, identity),
        Service::StreamAggregator | Service::Sink | Service::Api | Service::Producer => {
            programs::check(service, settings)
        }
    }
}

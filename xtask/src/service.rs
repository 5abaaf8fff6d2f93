//! The processes of a stack.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;

use crate::ports::{Management, Ports};
use crate::process::{Manner, POLITELY};

/// One process of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Kafka,
    /// The further brokers of a cluster of three.
    #[value(name = "kafka-2", hide = true)]
    Kafka2,
    #[value(name = "kafka-3", hide = true)]
    Kafka3,
    Registry,
    Postgres,
    StreamAggregator,
    Sink,
    Api,
    Producer,
}

impl Service {
    /// What is not ours.
    pub(crate) const SERVERS: [Self; 3] = [Self::Kafka, Self::Registry, Self::Postgres];

    /// The same with three brokers.
    pub(crate) const CLUSTER: [Self; 5] = [
        Self::Kafka,
        Self::Kafka2,
        Self::Kafka3,
        Self::Registry,
        Self::Postgres,
    ];

    /// What is ours, in the order of starting.
    pub(crate) const PROGRAMS: [Self; 4] = [Self::StreamAggregator, Self::Sink, Self::Api, Self::Producer];

    /// From the source downwards, so that each still has what it needs to finish.
    pub(crate) const STOP_ORDER: [Self; 9] = [
        Self::Producer,
        Self::StreamAggregator,
        Self::Sink,
        Self::Api,
        Self::Registry,
        Self::Kafka3,
        Self::Kafka2,
        Self::Kafka,
        Self::Postgres,
    ];

    /// As typed on the command line, and as its binary is called if it is ours.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Kafka2 => "kafka-2",
            Self::Kafka3 => "kafka-3",
            Self::Registry => "registry",
            Self::Postgres => "postgres",
            Self::StreamAggregator => "stream-aggregator",
            Self::Sink => "sink",
            Self::Api => "api",
            Self::Producer => "producer",
        }
    }

    /// The ports it listens on; the first is the one that people use.
    pub(crate) fn ports(self, ports: &Ports) -> Vec<u16> {
        match self {
            Self::Kafka => ports.broker(1).all(),
            Self::Kafka2 => ports.broker(2).all(),
            Self::Kafka3 => ports.broker(3).all(),
            Self::Registry => vec![ports.registry],
            Self::Postgres => vec![ports.postgres],
            Self::StreamAggregator => vec![ports.management(Management::StreamAggregator)],
            Self::Sink => vec![ports.management(Management::Sink)],
            Self::Api => vec![ports.api, ports.management(Management::Api)],
            Self::Producer => vec![ports.management(Management::Producer)],
        }
    }

    pub(crate) fn manner(self) -> Manner {
        match self {
            // SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait for its clients to go.
            Self::Postgres => Manner {
                signal: Signal::INT,
                ..POLITELY
            },
            Self::Registry => Manner {
                patience: Duration::from_secs(10),
                ..POLITELY
            },
            Self::Kafka
            | Self::Kafka2
            | Self::Kafka3
            | Self::StreamAggregator
            | Self::Sink
            | Self::Api
            | Self::Producer => POLITELY,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

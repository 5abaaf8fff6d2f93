//! Which port is whose. `--port-offset` is added to every one.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;

/// The standard ports, and what the management ports start from.
const KAFKA: u16 = 9092;
const CONTROLLER: u16 = 9093;
const REGISTRY: u16 = 8081;
const POSTGRES: u16 = 5432;
const API: u16 = 8000;
const MANAGEMENT: u16 = 9101;

/// How many management ports there are: producer, stream-aggregator, sink, api.
const PROGRAMS: u16 = 4;

/// What a test's stack looks for its ports in: below the range from which the kernel takes ports of clients, so that
/// the port of a server that a test has stopped is still free when it starts again.
const TEST_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How long a port may stay taken after its owner was killed.
const RELEASE: Duration = Duration::from_secs(10);

/// The ports of one stack, all on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    kafka: u16,
    controller: u16,
    pub(crate) registry: u16,
    pub(crate) postgres: u16,
    pub(crate) api: u16,
    /// The first of the programs' management ports, which follow one another.
    management: u16,
    /// A second way to the broker; only of stacks that tests run on.
    #[serde(default)]
    pub(crate) detour: Option<Detour>,
    /// Those of the second broker and the third, of a cluster.
    #[serde(default)]
    further_brokers: Vec<Broker>,
}

/// Where a broker listens: for clients, and for controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broker {
    pub(crate) clients: u16,
    pub(crate) controllers: u16,
}

impl Broker {
    pub(crate) fn all(self) -> Vec<u16> {
        vec![self.clients, self.controllers]
    }
}

/// A way to the broker that can be blocked: whoever takes it is sent to a proxy, which a test opens when it wants one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detour {
    /// Where the broker listens for the proxy.
    pub(crate) broker: u16,
    /// Where it says that it listens.
    pub(crate) proxy: u16,
}

/// The programs in the order of their management ports.
#[derive(Clone, Copy)]
pub(crate) enum Management {
    Producer,
    StreamAggregator,
    Sink,
    Api,
}

impl Ports {
    /// # Errors
    /// If a port would lie beyond 65535.
    pub(crate) fn with_offset(offset: u16) -> Result<Self> {
        let add = |port: u16| {
            port.checked_add(offset).with_context(|| {
                format!(
                    "--port-offset {offset} is more than {}",
                    u16::MAX - (MANAGEMENT + PROGRAMS - 1)
                )
            })
        };
        add(MANAGEMENT + PROGRAMS - 1)?;
        Ok(Self {
            kafka: add(KAFKA)?,
            controller: add(CONTROLLER)?,
            registry: add(REGISTRY)?,
            postgres: add(POSTGRES)?,
            api: add(API)?,
            management: add(MANAGEMENT)?,
            detour: None,
            further_brokers: Vec::new(),
        })
    }

    /// Ports that nobody uses now, for a stack of tests.
    ///
    /// # Errors
    /// If there are too few.
    pub(crate) fn free() -> Result<Self> {
        Self::free_for(1)
    }

    /// The same for so many brokers. There is a detour to one that is alone.
    ///
    /// # Errors
    /// If there are too few.
    pub(crate) fn free_for(brokers: u16) -> Result<Self> {
        let others = 5 + PROGRAMS + 2;
        let count = others + (brokers - 1) * 2;
        // Stacks that start at the same time begin to look at different places.
        let places = (TEST_PORTS.end - TEST_PORTS.start) / count;
        let own_place =
            u16::try_from(std::process::id() % u32::from(places)).expect("less than the number of places");
        (0..places)
            .map(|step| TEST_PORTS.start + (own_place + step) % places * count)
            .find(|&first| (first..first + count).all(is_free))
            .map(|first| Self {
                kafka: first,
                controller: first + 1,
                registry: first + 2,
                postgres: first + 3,
                api: first + 4,
                management: first + 5,
                detour: (brokers == 1).then_some(Detour {
                    broker: first + 5 + PROGRAMS,
                    proxy: first + 6 + PROGRAMS,
                }),
                further_brokers: (first + others..first + count)
                    .step_by(2)
                    .map(|clients| Broker {
                        clients,
                        controllers: clients + 1,
                    })
                    .collect(),
            })
            .with_context(|| format!("no {count} free ports in a row between {TEST_PORTS:?}"))
    }

    /// All of them, in the order of their nodes, of which the first is 1.
    pub(crate) fn brokers(&self) -> Vec<Broker> {
        let first = Broker {
            clients: self.kafka,
            controllers: self.controller,
        };
        [&[first], &self.further_brokers[..]].concat()
    }

    /// That of one node.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn broker(&self, node: usize) -> Broker {
        self.brokers()[node - 1]
    }

    pub(crate) fn management(&self, program: Management) -> u16 {
        self.management + program as u16
    }

    /// # Errors
    /// Names the first port that somebody else uses, and the flag that moves it.
    pub(crate) fn ensure_free(&self) -> Result<()> {
        let Some((port, owner)) = self.table().into_iter().find(|&(port, _)| !is_free(port)) else {
            return Ok(());
        };
        let suggestion = (1..60).map(|hundreds| hundreds * 100).find(|&offset| {
            Self::with_offset(offset).is_ok_and(|ports| ports.table().iter().all(|&(port, _)| is_free(port)))
        });
        let flag = suggestion.map_or_else(
            || "--port-offset N".to_owned(),
            |offset| format!("--port-offset {offset}"),
        );
        bail!("port {port} ({owner}) is in use by another process; `cargo xtask up {flag}` moves all ports")
    }

    fn table(&self) -> Vec<(u16, &'static str)> {
        vec![
            (self.kafka, "Kafka"),
            (self.controller, "Kafka's controller"),
            (self.registry, "schema registry"),
            (self.postgres, "PostgreSQL"),
            (self.api, "API"),
            (self.management(Management::Producer), "producer's management"),
            (
                self.management(Management::StreamAggregator),
                "stream-aggregator's management",
            ),
            (self.management(Management::Sink), "sink's management"),
            (self.management(Management::Api), "api's management"),
        ]
    }
}

/// Waits until the port of a server that was killed a moment ago is free again.
///
/// # Errors
/// If it stays in use, or if interrupted.
pub(crate) fn wait_until_free(port: u16, interrupt: &Interrupt) -> Result<()> {
    interrupt.wait_for(
        &format!("port {port} is still in use by another process"),
        RELEASE,
        || Ok(is_free(port).then_some(())),
    )
}

/// Whether somebody accepts connections there.
pub(crate) fn accepts(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(1)).is_ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn without_an_offset_they_are_the_standard_ones() {
        let ports = Ports::with_offset(0).unwrap();
        let table: Vec<u16> = ports.table().into_iter().map(|(port, _)| port).collect();
        assert_eq!(table, [9092, 9093, 8081, 5432, 8000, 9101, 9102, 9103, 9104]);
    }

    #[test]
    fn the_offset_moves_every_one() {
        let (from, to) = (
            Ports::with_offset(0).unwrap(),
            Ports::with_offset(12_000).unwrap(),
        );
        for ((before, owner), (after, _)) in from.table().into_iter().zip(to.table()) {
            assert_eq!(after, before + 12_000, "{owner}");
        }
    }

    #[test]
    fn an_offset_beyond_the_last_port_names_the_bound() {
        assert!(Ports::with_offset(56_431).is_ok());
        let error = Ports::with_offset(56_432).unwrap_err();
        assert_eq!(error.to_string(), "--port-offset 56432 is more than 56431");
    }

    #[test]
    fn free_ports_are_distinct_and_can_be_taken() {
        let ports = Ports::free().unwrap();
        let table: BTreeSet<u16> = ports.table().into_iter().map(|(port, _)| port).collect();
        assert_eq!(table.len(), ports.table().len());
        assert!(table.iter().all(|port| TEST_PORTS.contains(port)));
    }

    #[test]
    fn the_brokers_of_a_cluster_have_ports_of_their_own_and_one_that_is_alone_a_detour() {
        let (one, three) = (Ports::free().unwrap(), Ports::free_for(3).unwrap());
        assert!(one.brokers().len() == 1 && one.detour.is_some());
        let ports: BTreeSet<u16> = three.brokers().into_iter().flat_map(Broker::all).collect();
        assert!(ports.len() == 6 && three.detour.is_none());
        assert!(ports.contains(&three.kafka) && !ports.contains(&three.registry));
    }

    #[test]
    fn a_port_in_use_is_named_with_the_flag_that_moves_it() {
        let ports = Ports::free().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.postgres)).unwrap();
        let message = ports.ensure_free().unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("port {} (PostgreSQL) is in use", ports.postgres)),
            "{message}"
        );
        assert!(message.contains("--port-offset "), "{message}");
    }
}

//! Apache Kafka: nodes that are broker and controller (KRaft), one or three.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::java;
use crate::ports::{Broker, Detour, Ports};
use crate::process;
use crate::settings::Settings;

/// Any text will do.
const CLUSTER_ID: &str = "veleta-dev";

/// Of the node of that number, which is 1 if there is only one. Writes its configuration and, the first time, formats its
/// storage.
///
/// # Errors
/// If either fails.
pub(crate) fn command(dir: &Path, settings: &Settings, node: usize) -> Result<Command> {
    prepare(dir, settings, node)?;
    let (mut command, heap) = if settings.measured {
        (java::measured(), "-Xmx1g")
    } else {
        (java::command(), "-Xmx384m")
    };
    command
        .args([heap, "-cp", &java::kafka_jars(), "kafka.Kafka"])
        .arg(properties_file(dir, node));
    Ok(command)
}

fn prepare(dir: &Path, settings: &Settings, node: usize) -> Result<()> {
    let file = properties_file(dir, node);
    fs::write(&file, properties(dir, &settings.ports, node))
        .with_context(|| format!("cannot write {}", file.display()))?;
    if data(dir, node).join("meta.properties").exists() {
        return Ok(());
    }
    let name = name(node);
    let log = process::open_log(dir, &name)?;
    let status = java::command()
        .args(["-cp", &java::kafka_jars(), "kafka.tools.StorageTool", "format"])
        .args((settings.ports.brokers().len() == 1).then_some("--standalone"))
        .args(["-t", CLUSTER_ID, "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log)
        .status()
        .context("cannot run Kafka's StorageTool")?;
    ensure!(
        status.success(),
        "cannot format Kafka's storage:\n{}",
        process::log_tail(dir, &name, 10)
    );
    Ok(())
}

/// As its service is called.
fn name(node: usize) -> String {
    match node {
        1 => "kafka".to_owned(),
        _ => format!("kafka-{node}"),
    }
}

fn properties_file(dir: &Path, node: usize) -> PathBuf {
    dir.join(format!("{}.properties", name(node)))
}

fn data(dir: &Path, node: usize) -> PathBuf {
    dir.join(name(node))
}

/// Small internal topics, a cleaner buffer that fits the heap (the default of 128 MiB does not), and a session short
/// enough that a broker which was killed is soon back, and long enough for a busy machine. Members of groups by the
/// broker's own protocol have it tell them how often to be heard; by default that is each 5 s, and they hear of a hand-over
/// no sooner, and of one who has died after 45 s.
fn properties(dir: &Path, ports: &Ports, node: usize) -> String {
    let brokers = ports.brokers();
    let Broker {
        clients: kafka,
        controllers: controller,
    } = ports.broker(node);
    let voters: Vec<_> = (1..)
        .zip(&brokers)
        .map(|(id, broker)| format!("{id}@127.0.0.1:{}", broker.controllers))
        .collect();
    // a node that is alone has been formatted as such, and may be from before there were clusters
    let quorum = match voters.len() {
        1 => format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}"),
        _ => format!("controller.quorum.voters={}", voters.join(",")),
    };
    // of three brokers one may be lost
    let (replicas, in_sync) = (brokers.len(), brokers.len().div_ceil(2));
    let (listener, advertised) = match ports.detour {
        Some(Detour { broker, proxy }) => (
            format!(",DETOUR://127.0.0.1:{broker}"),
            format!(",DETOUR://127.0.0.1:{proxy}"),
        ),
        None => (String::new(), String::new()),
    };
    let data = data(dir, node);
    let data = data.display();
    format!(
        "\
process.roles=broker,controller
node.id={node}
listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
{quorum}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=5
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
broker.session.timeout.ms=10000
broker.heartbeat.interval.ms=500
"
    )
}

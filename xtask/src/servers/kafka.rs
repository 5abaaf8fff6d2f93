//! Apache Kafka: one node that is broker and controller (KRaft).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::java;
use crate::ports::{Detour, Ports};
use crate::process;
use crate::settings::Settings;

/// Any text will do.
const CLUSTER_ID: &str = "veleta-dev";

/// Writes the configuration and, the first time, formats the storage.
///
/// # Errors
/// If either fails.
pub(crate) fn prepare(dir: &Path, settings: &Settings) -> Result<()> {
    let file = properties_file(dir);
    fs::write(&file, properties(dir, &settings.ports))
        .with_context(|| format!("cannot write {}", file.display()))?;
    if data(dir).join("meta.properties").exists() {
        return Ok(());
    }
    let log = process::open_log(dir, "kafka")?;
    let status = java::command()
        .args([
            "-cp",
            &java::kafka_jars(),
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            CLUSTER_ID,
            "-c",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log)
        .status()
        .context("cannot run Kafka's StorageTool")?;
    ensure!(
        status.success(),
        "cannot format Kafka's storage:\n{}",
        process::log_tail(dir, "kafka", 10)
    );
    Ok(())
}

pub(crate) fn command(dir: &Path, settings: &Settings) -> Command {
    let (mut command, heap) = if settings.measured {
        (java::measured(), "-Xmx1g")
    } else {
        (java::command(), "-Xmx384m")
    };
    command
        .args([heap, "-cp", &java::kafka_jars(), "kafka.Kafka"])
        .arg(properties_file(dir));
    command
}

fn properties_file(dir: &Path) -> PathBuf {
    dir.join("kafka.properties")
}

fn data(dir: &Path) -> PathBuf {
    dir.join("kafka")
}

/// Small internal topics, a cleaner buffer that fits the heap (the default of 128 MiB does not), and a session short
/// enough that a broker which was killed is soon back, and long enough for a busy machine. Members of groups by the
/// broker's own protocol have it tell them how often to be heard; by default that is each 5 s, and they hear of a hand-over
/// no sooner, and of one who has died after 45 s.
fn properties(dir: &Path, ports: &Ports) -> String {
    let (kafka, controller) = (ports.kafka, ports.controller);
    let (listener, advertised) = match ports.detour {
        Some(Detour { broker, proxy }) => (
            format!(",DETOUR://127.0.0.1:{broker}"),
            format!(",DETOUR://127.0.0.1:{proxy}"),
        ),
        None => (String::new(), String::new()),
    };
    let data = data(dir);
    let data = data.display();
    format!(
        "\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
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

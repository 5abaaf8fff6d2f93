//! Turbines for the pipeline: simulated ones in one coherent wind, recorded ones out of a file, or real ones that
//! report over MQTT.

pub mod faults;
pub mod fleet;
pub mod mqtt;
pub mod noise;
pub mod orders;
pub mod pace;
pub mod place;
pub mod power_curve;
pub mod probability;
pub mod replay;
pub mod schedule;
pub mod send;
pub mod simulate;
pub mod summary;
pub mod turbine;
pub mod weather;

use clap::Parser;
use platform::{Health, KafkaArgs, LogArgs, ManagementArgs, RegistryArgs};
use tokio_util::sync::CancellationToken;

pub use send::Sender;
pub use summary::Summary;

/// Port of health and metrics, unless told otherwise.
pub const MANAGEMENT_PORT: u16 = 9101;

/// Sends the readings of wind turbines to Kafka.
#[derive(Debug, Clone, Parser)]
#[command(name = "producer", version)]
pub struct Args {
    /// What to send
    #[command(subcommand)]
    pub command: Command,
}

/// Where readings come from.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Simulate farms of turbines in one coherent wind
    Simulate {
        /// What to simulate
        #[command(flatten)]
        simulate: simulate::SimulateArgs,
        /// Where to
        #[command(flatten)]
        servers: ServerArgs,
    },
    /// Replay a file of recorded readings
    Replay {
        /// What to replay
        #[command(flatten)]
        replay: replay::ReplayArgs,
        /// Where to
        #[command(flatten)]
        servers: ServerArgs,
    },
    /// Forward JSON readings from an MQTT broker
    Mqtt {
        /// What to listen to
        #[command(flatten)]
        mqtt: mqtt::MqttArgs,
        /// Where to
        #[command(flatten)]
        servers: ServerArgs,
    },
    /// Ask the producer that runs on this host whether it is ready: exit code 0 or 1
    Healthcheck {
        /// Where it answers
        #[command(flatten)]
        management: ManagementArgs,
    },
}

/// The servers that every source needs, and what it tells about itself.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Where readings go
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Where their schema is registered
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Where health and metrics are served
    #[command(flatten)]
    pub management: ManagementArgs,
    /// How it logs
    #[command(flatten)]
    pub log: LogArgs,
}

/// A source of readings.
#[derive(Debug, Clone)]
pub enum Source {
    /// Simulated turbines.
    Simulate(simulate::SimulateArgs),
    /// A recording.
    Replay(replay::ReplayArgs),
    /// An MQTT broker.
    Mqtt(mqtt::MqttArgs),
}

impl Source {
    /// What can be told to be wrong before any server is asked.
    fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Simulate(args) => args.fleet().and(args.first_event(pace::now())).map(drop)?,
            Self::Replay(args) => args.recording().open().map(drop)?,
            Self::Mqtt(args) => args.check()?,
        }
        Ok(())
    }
}

/// Sends what `source` gives until its end, or until `stop` is cancelled; everything that was sent is acknowledged
/// when it returns.
///
/// # Errors
/// When what is asked for makes no sense, a server refuses for good, or a reading was not delivered.
pub async fn run(source: Source, servers: ServerArgs, stop: CancellationToken) -> anyhow::Result<Summary> {
    source.check()?;
    let health = Health::default();
    let kafka = health.component("kafka");
    let serving = stop.child_token();
    let _serving_until_return = serving.clone().drop_guard();
    servers
        .management
        .serve_if_free(MANAGEMENT_PORT, health.clone(), serving)?;

    let schema = match send::prepare(&servers.kafka, &servers.registry, &kafka, &stop).await {
        // whoever is stopped before there was anything to lose has stopped cleanly
        Err(_) if stop.is_cancelled() => return Ok(Summary::default()),
        prepared => prepared?,
    };
    match &source {
        Source::Mqtt(args) => {
            let forwarder = mqtt::Forwarder::new(&servers.kafka, schema, kafka)?;
            mqtt::run(args, forwarder, health.component("mqtt"), &stop).await
        }
        Source::Simulate(args) => {
            let mut sender = Sender::new(&servers.kafka, schema, kafka)?;
            let summary = simulate::run(args, &mut sender, &stop).await;
            finish(sender, summary, &stop).await
        }
        Source::Replay(args) => {
            let mut sender = Sender::new(&servers.kafka, schema, kafka)?;
            let summary = replay::run(args, &mut sender, &stop).await;
            finish(sender, summary, &stop).await
        }
    }
}

/// What was sent before an error is delivered too.
async fn finish(
    sender: Sender,
    summary: anyhow::Result<Summary>,
    stop: &CancellationToken,
) -> anyhow::Result<Summary> {
    sender.finish(stop).await?;
    summary
}

//! The sink's scenario: three processes, twelve partitions, a stream with faults, and PostgreSQL that comes and goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::Program;

use super::plan::{Kind, Manner, Plan, Rules, Server};
use super::{Chaos, Crew, Journal};
use crate::{Servers, System};

/// All as likely, PostgreSQL's two ways to restart together as likely as one of the others.
const KINDS: &[(Kind, u32)] = &[
    (Kind::Kill, 2),
    (Kind::Freeze, 2),
    (Kind::Restart(Server::Postgres, Manner::Fast), 1),
    (Kind::Restart(Server::Postgres, Manner::Immediate), 1),
    (Kind::Cut, 2),
    (Kind::Join, 2),
    (Kind::Leave, 2),
];

/// Of each hundred readings: 2 duplicates, 1 late, 1 bad.
const FAULTS: &str = "duplicate=0.02,late=0.01,undecodable=0.005,clock-ahead=0.005";

const PARTITIONS: i32 = 12;
const FARMS: u64 = 24;
const TURBINES: u64 = 10;

/// Between two readings of a turbine, so that the stream goes over several hours and some minutes get few readings.
const INTERVAL: Duration = Duration::from_secs(5);

/// What an event takes on the average, pause and execution: the stream is to last as long as they do.
const EVENT: Duration = Duration::from_millis(2_700);

/// How long everything that is left may take to arrive.
const SETTLE: Duration = Duration::from_secs(300);

/// How hard, and with how much.
#[derive(Debug, Clone, clap::Args)]
pub struct SinkScenario {
    /// What the order of the events and the readings follow from; a new one each time by default
    #[arg(long)]
    pub seed: Option<u64>,

    /// How many events
    #[arg(long, default_value_t = 60)]
    pub events: usize,

    /// Readings of the stream, duplicates not counted
    #[arg(long, default_value_t = 2_000_000)]
    pub readings: u64,

    /// How long a frozen process stays so: longer than its session at Kafka, which is 10 s
    #[arg(long, default_value = "20s", value_parser = platform::duration::parse)]
    pub freeze: Duration,

    /// Folder for the logs of the processes and of the events; by default they are only printed
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// When anything was lost, doubled or changed, or a process ended by itself.
pub async fn sink(scenario: SinkScenario) -> Result<()> {
    let seed = scenario.seed.unwrap_or_else(rand::random);
    let mut journal = Journal::begin(scenario.logs.as_deref())?;
    journal.note(format_args!(
        "seed {seed}: {} events, {} readings",
        scenario.events, scenario.readings
    ));
    let system = System::new().await;
    system.make_topics(PARTITIONS).await?;

    let rules = Rules {
        kinds: KINDS,
        members: 3,
        crew: 2..=5,
        pause: Duration::from_secs(1)..=Duration::from_secs(3),
        freeze: scenario.freeze,
    };
    let crew = Crew::new("sink", scenario.logs.as_deref(), || {
        let mut command = system.command("sink");
        command.env("RUST_LOG", "info");
        command
    });
    let mut chaos = Chaos {
        system: &system,
        servers: Servers::of_this_run(),
        role: "windfarm_sink",
        crew,
        detour: None,
        journal,
        freeze: scenario.freeze,
        counts: BTreeMap::new(),
    };
    let _aggregator = system.start_aggregator();
    chaos.start(&rules)?;
    let mut producer = start_stream(&system, &scenario, seed);

    chaos.run(Plan::new(rules, seed).take(scenario.events)).await?;
    chaos.journal.note(format_args!("events: {:?}", chaos.counts));
    while producer.is_running() || chaos.crew.is_frozen() {
        chaos.pause(Duration::from_millis(200)).await?;
    }
    let status = producer.wait(Duration::from_secs(1));
    ensure!(status.success(), "the producer ended with {status}");
    chaos.journal.note("the stream has ended, and everybody is awake");

    let is_balanced = chaos.verdict(SETTLE).await?;
    ensure!(is_balanced, "verify found a difference; seed {seed}");
    ensure_faults_arose(&mut chaos).await
}

/// At a speed at which it lasts as long as the events.
fn start_stream(system: &System, scenario: &SinkScenario, seed: u64) -> Program {
    let beats = scenario.readings.div_ceil(FARMS * TURBINES);
    let duration_s = beats * INTERVAL.as_secs();
    let events = u32::try_from(scenario.events).unwrap_or(u32::MAX);
    let speedup = duration_s as f64 / (EVENT * events.max(1)).as_secs_f64();
    system.start_producer(&[
        "simulate",
        "--farms",
        &FARMS.to_string(),
        "--turbines",
        &TURBINES.to_string(),
        "--interval",
        &format!("{}s", INTERVAL.as_secs()),
        "--duration",
        &format!("{duration_s}s"),
        "--speedup",
        &format!("{:.1}", speedup.max(1.0)),
        "--faults",
        FAULTS,
        "--seed",
        &seed.to_string(),
    ])
}

/// A run without late readings, duplicates and dead letters would prove less than it says.
async fn ensure_faults_arose(chaos: &mut Chaos<'_>) -> Result<()> {
    let system = chaos.system;
    for (what, sql) in [
        ("readings", "SELECT count(*)::float8 FROM readings"),
        (
            "duplicates",
            "SELECT coalesce(sum(count), 0)::float8 FROM duplicates",
        ),
        ("dead letters", "SELECT count(*)::float8 FROM dead_letters"),
        (
            "revised minutes",
            "SELECT count(*)::float8 FROM farm_windows WHERE revision > 0",
        ),
    ] {
        let figure = system.figure(sql).await;
        chaos.journal.note(format_args!("{what}: {figure}"));
        ensure!(figure > 0.0, "there are no {what}");
    }
    Ok(())
}

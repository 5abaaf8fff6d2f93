//! The aggregator's scenario: three processes with two threads each, twelve partitions, a live stream and replayed ones,
//! and a Kafka that comes and goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stream_aggregator::GroupProtocol;
use testkit::Program;

use super::judge::judge;
use super::plan::{Kind, Manner, Plan, Rules, Server};
use super::settled::until_settled;
use super::watch::{Stop, Watch};
use super::{Chaos, Crew, Detour, Journal};
use crate::{Servers, System};

/// Kafka's two ways to restart together as likely as one of the others.
const KINDS: &[(Kind, u32)] = &[
    (Kind::Kill, 2),
    (Kind::Freeze, 2),
    (Kind::Restart(Server::Kafka, Manner::Fast), 1),
    (Kind::Restart(Server::Kafka, Manner::Kill), 1),
    (Kind::Block, 2),
    (Kind::Join, 2),
    (Kind::Leave, 2),
];

/// Of a cluster each broker is lost as often as the one that is alone: it goes in good order or at once, and comes back.
const KINDS_OF_A_CLUSTER: &[(Kind, u32)] = &[
    (Kind::Kill, 2),
    (Kind::Freeze, 2),
    (Kind::Restart(Server::Kafka, Manner::Fast), 1),
    (Kind::Restart(Server::Kafka, Manner::Kill), 1),
    (Kind::Restart(Server::Kafka2, Manner::Fast), 1),
    (Kind::Restart(Server::Kafka2, Manner::Kill), 1),
    (Kind::Restart(Server::Kafka3, Manner::Fast), 1),
    (Kind::Restart(Server::Kafka3, Manner::Kill), 1),
    (Kind::Join, 2),
    (Kind::Leave, 2),
];

/// Windows short enough that many close between two events.
const WINDOW: Duration = Duration::from_secs(2);
const SETTINGS: [(&str, &str); 3] = [("WINDOW_SIZE", "2s"), ("GRACE", "500ms"), ("IDLE_AFTER", "1s")];

/// Of each hundred readings: 2 duplicates, 1 late, 1 bad.
const FAULTS: &str = "duplicate=0.02,late=0.01,undecodable=0.005,clock-ahead=0.005";

const PARTITIONS: i32 = 12;

/// Farms that report now, and those whose past is replayed, ten times as fast as it was.
const LIVE_FARMS: u32 = 24;
const REPLAYED_FARMS: u32 = 2;
const SPEEDUP: u32 = 10;

/// What an event takes on the average, pause and execution: the streams are to last as long as they do. A broker of a
/// cluster takes longer to come back, since the others must have seen it go.
const EVENT: Duration = Duration::from_millis(3_000);
const EVENT_OF_A_CLUSTER: Duration = Duration::from_millis(8_000);

/// The streams last at least that long: late readings of the replayed ones need it.
const SHORTEST: Duration = Duration::from_secs(14);

/// How long everything that is left may take to arrive.
const SETTLE: Duration = Duration::from_secs(300);

/// How hard, and by which protocol.
#[derive(Debug, Clone, clap::Args)]
pub struct AggregatorScenario {
    /// What the order of the events and the readings follow from; a new one each time by default
    #[arg(long)]
    pub seed: Option<u64>,

    /// How many events
    #[arg(long, default_value_t = 60)]
    pub events: usize,

    /// How the members share the partitions
    #[arg(long, value_enum, default_value_t = GroupProtocol::Classic)]
    pub group_protocol: GroupProtocol,

    /// How long a frozen process stays so: longer than its session at Kafka, which is 6 s, and than a transaction may
    /// take, which is 7 s
    #[arg(long, default_value = "8s", value_parser = platform::duration::parse)]
    pub freeze: Duration,

    /// Folder for the logs of the processes and of the events; by default they are only printed
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

/// Runs it with one broker, the way to which is blocked now and then.
///
/// # Errors
/// When anything was lost, doubled or changed, or a process ended by itself.
pub async fn aggregator(scenario: AggregatorScenario) -> Result<()> {
    let detour = Detour::open().await?;
    run(scenario, KINDS, EVENT, Some(detour)).await
}

/// Runs it with three brokers, which hold everything three times.
///
/// # Errors
/// As [`aggregator`].
pub async fn cluster(scenario: AggregatorScenario) -> Result<()> {
    run(scenario, KINDS_OF_A_CLUSTER, EVENT_OF_A_CLUSTER, None).await
}

async fn run(
    scenario: AggregatorScenario,
    kinds: &'static [(Kind, u32)],
    event: Duration,
    detour: Option<Detour>,
) -> Result<()> {
    let seed = scenario.seed.unwrap_or_else(rand::random);
    let mut journal = Journal::begin(scenario.logs.as_deref())?;
    let begun = Instant::now();
    journal.note(format_args!(
        "seed {seed}: {} events, group protocol {}",
        scenario.events, scenario.group_protocol
    ));
    let mut system = System::new().await;
    system.settings.extend(SETTINGS);
    let system = system;
    system.make_topics(PARTITIONS).await?;
    let way = match &detour {
        Some(detour) => detour.address(),
        None => system.stack.bootstrap_servers.clone(),
    };

    let rules = Rules {
        kinds,
        members: 3,
        crew: 2..=5,
        pause: Duration::from_secs(1)..=Duration::from_secs(3),
        freeze: scenario.freeze,
    };
    let crew = Crew::new("stream-aggregator", scenario.logs.as_deref(), || {
        let mut command = system.command("stream-aggregator");
        command
            .env("KAFKA_BOOTSTRAP_SERVERS", &way)
            .env("THREADS", "2")
            .env("GROUP_PROTOCOL", scenario.group_protocol.to_string())
            .env("SESSION_TIMEOUT", "6s")
            .env("TRANSACTION_TIMEOUT", "7s")
            .env("RUST_LOG", "info");
        command
    })
    .supervised();
    let mut chaos = Chaos {
        system: &system,
        servers: Servers::of_this_run(),
        role: "windfarm_sink",
        crew,
        detour,
        journal,
        freeze: scenario.freeze,
        counts: BTreeMap::new(),
    };
    let kafka = system.stack.kafka();
    let watch = Watch::begin(&kafka, &kafka.topics().farm_windows, PARTITIONS)?;
    chaos.start(&rules)?;
    let _sink = system.start_sink();
    let events = u32::try_from(scenario.events).unwrap_or(u32::MAX);
    let mut streams = start_streams(&system, (event * events).max(SHORTEST), seed);

    chaos.run(Plan::new(rules, seed).take(scenario.events)).await?;
    chaos.journal.note(format_args!("events: {:?}", chaos.counts));
    while streams.iter_mut().any(Program::is_running) {
        chaos.pause(Duration::from_millis(100)).await?;
    }
    for stream in &mut streams {
        let status = stream.wait(Duration::from_secs(1));
        ensure!(status.success(), "a producer ended with {status}");
    }
    tell_stops(&mut chaos.journal, begun, &watch.end()?);
    while chaos.crew.is_frozen() {
        chaos.pause(Duration::from_millis(100)).await?;
    }
    chaos
        .journal
        .note("the streams have ended, and everybody is awake");

    tokio::task::block_in_place(|| until_settled(&kafka, PARTITIONS, SETTLE))?;
    let is_balanced = chaos.verdict(SETTLE).await?;
    let judged = judge(&system.stack, WINDOW.into())
        .await
        .with_context(|| format!("the group-by found a difference; seed {seed}"))?;
    chaos
        .journal
        .note(format_args!("the group-by found none: {judged:?}"));
    ensure!(is_balanced, "verify found a difference; seed {seed}");
    // a run without them would prove less than it says
    ensure!(
        judged.late > 0 && judged.dead_letters > 0,
        "there are no late readings, or no dead letters"
    );
    Ok(())
}

/// Farms that report as time goes by, and farms whose past goes by faster.
fn start_streams(system: &System, duration: Duration, seed: u64) -> Vec<Program> {
    let seconds = |duration: Duration| format!("{}s", duration.as_secs());
    let (lasts, seed) = (seconds(duration), seed.to_string());
    let common = ["--faults", FAULTS, "--seed", &seed];
    let farms = LIVE_FARMS.to_string();
    let live = ["simulate", "--farms", &farms, "--turbines", "10"];
    let live = [&live[..], &["--interval", "200ms", "--duration", &lasts], &common].concat();
    let mut streams = vec![system.start_producer(&live)];
    for number in 1..=REPLAYED_FARMS {
        let (farm, past, speedup) = (
            format!("past-{number}"),
            seconds(duration * SPEEDUP),
            SPEEDUP.to_string(),
        );
        let replayed = ["simulate", "--farm-id", &farm, "--turbines", "20"];
        let pace = ["--duration", &past, "--speedup", &speedup];
        streams.push(system.start_producer(&[&replayed[..], &pace, &common].concat()));
    }
    streams
}

fn tell_stops(journal: &mut Journal, begun: Instant, stops: &BTreeMap<i32, Stop>) {
    let mut by_length: Vec<_> = stops.iter().collect();
    by_length.sort_by_key(|(_, stop)| std::cmp::Reverse(stop.lasted));
    for (partition, stop) in by_length.iter().take(3) {
        journal.note(format_args!(
            "longest stops of output: {:.1} s from {:.1} s on, partition {partition} of {}",
            stop.lasted.as_secs_f64(),
            stop.since.duration_since(begun).as_secs_f64(),
            stops.len()
        ));
    }
}

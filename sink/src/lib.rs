//! From Kafka to PostgreSQL, exactly once: readings, windows and dead letters by binary COPY, each batch in one
//! transaction with the next offsets of its partitions. Windows that late readings have changed are made anew.
//!
//! **Invariant.** At any instant the rows in the database are those of the records below `kafka_offsets.next_offset`,
//! each once.

mod args;
mod assignment;
pub mod batch;
mod consumer;
pub mod copy;
pub mod dead_letters;
mod errand;
mod intake;
pub mod lane;
mod letters;
mod log_time;
pub mod retention;
pub mod revision;
pub mod roll_up;
pub mod rows;
pub mod store;
mod telemetry;
pub mod time;
pub mod upkeep;
mod worker;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use avro::Decoder;
use domain::TimeDelta;
use migrations::Passwords;
use platform::program::UsageError;
use platform::{Health, topics};
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use args::{
    Args, Command, DatabaseArgs, GroupArgs, MANAGEMENT_PORT, MigrateArgs, RetentionArgs, SharedArgs,
};

use batch::{Batch, Pipeline};
use errand::{Desk, Errands};
use intake::Intake;
use lane::Topic;
use letters::Letters;
use retention::KeptDays;
use store::Store;
use upkeep::Upkeep;
use worker::{Needs, Parts, Worker, waits};

/// How long a thread asks the registry before it polls Kafka again.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(1);

/// The bounds of each statement must be known when it is planned: over all days a plan takes far longer than the work.
const ROLL_UP_PLANS: (&str, &str) = ("plan_cache_mode", "force_custom_plan");

/// Runs the program: [`store_until`] with health and metrics.
///
/// # Errors
/// As there, and when health and metrics cannot be served.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    args.management
        .serve(MANAGEMENT_PORT, health.clone(), stop.clone())?;
    store_until(stop, args, &health).await
}

/// Stores what comes until `stop`, then what it has read, and leaves its group.
///
/// # Errors
/// What waiting cannot mend: settings, rights, a missing table, an offset that the log does not have.
pub async fn store_until(stop: CancellationToken, args: Args, health: &Health) -> anyhow::Result<()> {
    args.check()?;
    telemetry::describe();
    let database = PgConnectOptions::from_str(&args.database.database_url)
        .map_err(|error| UsageError(format!("--database-url: {error}")))?;
    let registry = args.registry.registry()?.with_patience(REGISTRY_PATIENCE);
    if let Err(error) = topics::ensure(&args.kafka, &stop).await {
        // nothing has been read yet
        return if stop.is_cancelled() { Ok(()) } else { Err(error) };
    }

    let name = member_name(&args);
    let kept = Arc::new(KeptDays::default());
    let mut threads = JoinSet::new();
    for (thread, share) in shares(args.group.threads) {
        let component = |what: &str| health.component(format!("{what}[{thread}]"));
        let parts = Parts {
            runtime: Handle::current(),
            topics: args.kafka.topics(),
            registry: registry.clone(),
            intake: Intake::new(
                Decoder::new(registry.clone()),
                args.shared.limits(),
                Arc::clone(&kept),
            ),
            pipeline: Pipeline::new(Batch::new(args.database.limits())),
            window_size: TimeDelta::from(args.shared.window_size),
            health: Needs {
                database: component("database"),
                registry: component("registry"),
                kafka: component("kafka"),
            },
            stop: stop.clone(),
        };
        let member = format!("{name}-{thread}");
        let desk = Desk {
            store: Store::new(database.clone().application_name(&member), args.kafka.topics())
                .with_patience(args.group.session_timeout)
                .with_kept(Arc::clone(&kept)),
            letters: Letters::new(args.kafka.clone(), member.clone()),
        };
        let config = consumer::config(&args, &member);
        let instance = args.group.instance_id.as_ref().map(|id| format!("{id}-{thread}"));
        threads.spawn_blocking(move || thread_main(config, instance.as_deref(), share, parts, desk));
    }
    let options = database
        .clone()
        .application_name(&format!("{name}-roll-up"))
        .options([ROLL_UP_PLANS]);
    let store = Store::new(options, args.kafka.topics());
    threads.spawn(roll_up::run(store, stop.clone()));
    let upkeep = Upkeep {
        database: database.application_name(&format!("{name}-upkeep")),
        kafka: args.kafka.clone(),
        retention: args.retention.retention(),
        roll_ups: args.retention.roll_up_retention,
        kept,
    };
    let upkeep = tokio::spawn(upkeep.run(stop.clone()));
    while let Some(ended) = threads.join_next().await {
        let ended = ended.context("a thread of the sink has panicked").flatten();
        // one for all: with a thread less its partitions would wait for nobody
        stop.cancel();
        ended?;
    }
    // whatever it is at can be ended anywhere
    upkeep.abort();
    Ok(())
}

/// Makes what is missing of database, roles and tables, and brings them up to date.
///
/// # Errors
/// When the address is unusable, or PostgreSQL cannot be reached or refuses.
pub async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    let passwords = Passwords {
        owner: args.owner_password,
        sink: args.sink_password,
        api: args.api_password,
    };
    Ok(migrations::migrate(&args.admin_url, &passwords).await?)
}

/// The threads' names, and what each reads: as many as were asked for share the readings, and one more reads what has been
/// made of them. A group deals out partitions by their number: if all read everything, a thread that joins could be given
/// those with next to nothing in them, and the readings stay where they are.
fn shares(threads: u16) -> impl Iterator<Item = (String, &'static [Topic])> {
    (0..threads)
        .map(|thread| (thread.to_string(), &[Topic::Readings][..]))
        .chain([("results".to_owned(), &Topic::RESULTS[..])])
}

fn thread_main(
    config: rdkafka::ClientConfig,
    instance: Option<&str>,
    share: &[Topic],
    parts: Parts,
    mut desk: Desk,
) -> anyhow::Result<()> {
    if !wait_for_database(&parts, &mut desk.store)? {
        return Ok(());
    }
    let errands = Errands::new(parts.runtime.clone(), desk);
    consumer::run(config, instance, share, Worker::new(parts, errands))
}

/// Before it joins the group: a member that cannot store would only take partitions from those who can. False if the
/// sink is to stop.
fn wait_for_database(parts: &Parts, store: &mut Store) -> anyhow::Result<bool> {
    for wait in waits() {
        match parts.runtime.block_on(store.check()) {
            Ok(()) => {
                parts.health.database.ready();
                // it is asked for when a schema is new
                parts.health.registry.ready();
                return Ok(true);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "the database is not there yet");
                parts.health.database.not_ready(error.to_string());
            }
            Err(error) => return Err(error).context("the database cannot be used"),
        }
        let stop = parts.stop.cancelled();
        if parts
            .runtime
            .block_on(async { tokio::time::timeout(wait, stop).await.is_ok() })
        {
            break;
        }
    }
    Ok(false)
}

/// What this process is called at Kafka and in `pg_stat_activity`; members of a group must differ.
fn member_name(args: &Args) -> String {
    match &args.group.instance_id {
        Some(instance) => format!("sink-{instance}"),
        None => format!("sink-{:08x}", rand::random::<u32>()),
    }
}

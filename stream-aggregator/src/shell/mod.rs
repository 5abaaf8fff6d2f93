//! Kafka round the state machine. Each stream thread is an operating system's thread with a consumer, a transactional
//! producer and a reader of checkpoints of its own; nothing is shared but the registry's schemas.

mod callbacks;
mod clocks;
mod fitted;
mod ledger;
mod metrics;
mod outputs;
mod producer;
mod queues;
mod schemas;
mod stream;
mod thread;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use platform::{Health, topics};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, MANAGEMENT_PORT};
use fitted::Room;
use outputs::SchemaIds;
use thread::Deps;

pub use thread::consumer_config;

/// How long a clean end may take, all threads together.
const STOP: Duration = Duration::from_secs(20);

/// Runs the aggregator until `stop` is cancelled; then everything processed is committed and the group left.
///
/// # Errors
/// [`platform::program::UsageError`] for settings that cannot work; otherwise why it had to end.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    args.check()?;
    let registry = args.registry.registry()?;
    let health = Health::default();
    let schemas = health.component("schemas");
    for thread in 0..args.group.threads {
        health.component(thread_name(thread)); // before anybody asks: until it has joined it is starting
    }
    args.management
        .serve(MANAGEMENT_PORT, health.clone(), stop.clone())?;
    metrics::describe();

    let Some(partitions) = unless_stopped(&stop, topics::ensure(&args.kafka, &stop)).await? else {
        return Ok(());
    };
    schemas.not_ready("registering schemas");
    let topics = args.kafka.topics();
    let Some(room) = unless_stopped(&stop, Room::of(&args.kafka, &topics)).await? else {
        return Ok(());
    };
    let register = async {
        SchemaIds::register(&registry, &topics)
            .await
            .context("registering schemas")
    };
    let Some(ids) = unless_stopped(&stop, register).await? else {
        return Ok(());
    };
    schemas.ready();

    let instance = args
        .group
        .instance_id
        .clone()
        .unwrap_or_else(|| format!("{:08x}", rand::random::<u32>()));
    let deps = Deps {
        args,
        instance,
        partitions,
        room,
        ids,
        registry,
        health,
        runtime: Handle::current(),
        stop: stop.child_token(),
    };
    run_threads(&deps).await
}

/// Runs all threads to their end; the first to fail stops the others.
async fn run_threads(deps: &Deps) -> anyhow::Result<()> {
    let (sender, mut ended) = mpsc::unbounded_channel();
    let threads = deps.args.group.threads;
    tracing::info!(
        group = deps.args.group_id(),
        instance = deps.instance,
        threads,
        "starting"
    );
    for thread in 0..threads {
        let (deps, sender) = (deps.clone(), sender.clone());
        std::thread::Builder::new()
            .name(format!("stream-{thread}"))
            .spawn(move || {
                let result = std::panic::catch_unwind(AssertUnwindSafe(|| thread::run(thread, &deps)))
                    .unwrap_or_else(|_| Err(anyhow!("it panicked"))); // nothing of it is used any more
                let _ = sender.send(result.with_context(|| format!("stream thread {thread}")));
            })
            .context("starting a stream thread")?;
    }
    drop(sender);

    let mut outcome = Ok(());
    let overdue = overdue(&deps.stop);
    tokio::pin!(overdue);
    for _ in 0..threads {
        let result = tokio::select! {
            biased;
            result = ended.recv() => result.unwrap_or(Ok(())),
            () = &mut overdue => bail!("not stopped within {STOP:?}"),
        };
        if outcome.is_ok() {
            outcome = result;
        } else if let Err(error) = result {
            tracing::error!(error = format!("{error:#}"), "another thread failed, too");
        }
        deps.stop_on(&outcome);
    }
    outcome
}

/// What health calls a stream thread.
fn thread_name(thread: u16) -> String {
    format!("stream thread {thread}")
}

impl Deps {
    fn stop_on(&self, outcome: &anyhow::Result<()>) {
        if outcome.is_err() {
            self.stop.cancel();
        }
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP).await;
}

async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        // work that blocks may notice the wish to stop before we do, and call it an error
        result = work => if stop.is_cancelled() { Ok(None) } else { result.map(Some) },
    }
}

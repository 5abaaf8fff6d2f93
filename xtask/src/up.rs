//! `up`: everything on this machine, without Docker.

use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::api_key;
use crate::cargo;
use crate::env_file;
use crate::fetch;
use crate::identity::Identity;
use crate::interrupt::Interrupt;
use crate::live;
use crate::lock::Lock;
use crate::paths;
use crate::pid_file::PidFile;
use crate::ports::Ports;
use crate::process;
use crate::programs;
use crate::requirements;
use crate::service::Service;
use crate::settings::{Settings, Simulation};
use crate::stack::{CARGO, MIGRATION, Stack};
use crate::summary;
use crate::watchdog::Watchdog;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Return when everything is ready, and leave it running
    #[arg(long)]
    detach: bool,
    /// Added to every port (Kafka 9092, its controller 9093, registry 8081, PostgreSQL 5432, API 8000, management 9101-9104)
    #[arg(long, default_value_t = 0, value_name = "N")]
    port_offset: u16,
    /// Run the programs as they were built last
    #[arg(long)]
    no_build: bool,
    /// No simulated turbines
    #[arg(long)]
    no_producer: bool,
    #[command(flatten)]
    simulation: Simulation,
}

/// # Errors
/// If something cannot be started; then nothing is left running.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    requirements::ensure_met()?;
    let dir = paths::dev_stack();
    let lock = Lock::try_take(&dir.join("lock"))?;
    if let Ok(stack) = Stack::running(dir.clone()) {
        return already_up(&stack, lock.is_some());
    }
    ensure!(lock.is_some(), "another `cargo xtask up` is at work here");
    let settings = Settings {
        ports: Ports::with_offset(args.port_offset)?,
        simulation: (!args.no_producer).then(|| args.simulation.clone()),
        durable: true,
        measured: false,
    };
    settings.ports.ensure_free()?;
    let stack = Stack::create(dir, settings)?;
    let interrupt = Interrupt::install()?;
    let watchdog = Watchdog::start(&stack.dir, false)?;
    let outcome = start_and_stay(args, &stack, &interrupt);
    if args.detach && outcome.is_ok() {
        watchdog.release()?;
        return Ok(ExitCode::SUCCESS);
    }
    Stack::stop_all(&stack.dir, process::announce)?;
    owner(&stack.dir).remove()?;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The pid file of an `up` in the foreground.
pub(crate) fn owner(dir: &Path) -> PidFile {
    PidFile::new(dir, "xtask")
}

/// What still runs is left alone; of a detached stack, what ended by itself is started again.
fn already_up(stack: &Stack, is_detached: bool) -> Result<ExitCode> {
    let missing: Vec<Service> = stack
        .services()
        .into_iter()
        .filter(|&one| !stack.is_alive(one))
        .collect();
    if missing.is_empty() {
        say!("everything is already up");
    } else if is_detached {
        let names: Vec<&str> = missing.iter().map(|one| one.name()).collect();
        say!("already up, apart from {}", names.join(", "));
        stack.start_all(&missing, &Interrupt::install()?)?;
    } else {
        bail!("another `cargo xtask up` is at work here; `cargo xtask status` shows how far it is");
    }
    summary::print(stack)?;
    Ok(ExitCode::SUCCESS)
}

fn start_and_stay(args: &Args, stack: &Stack, interrupt: &Interrupt) -> Result<()> {
    let own = i32::try_from(std::process::id())
        .ok()
        .and_then(Identity::of)
        .context("xtask is not in /proc")?;
    owner(&stack.dir).write(own)?;
    start_everything(args, stack, interrupt)?;
    env_file::write(stack)?;
    summary::print(stack)?;
    if args.detach {
        return owner(&stack.dir).remove();
    }
    say!("Ctrl-C stops everything");
    live::show(stack, &api_key::of(&stack.dir)?, interrupt);
    Ok(())
}

/// Servers are fetched and started while the programs are built.
fn start_everything(args: &Args, stack: &Stack, interrupt: &Interrupt) -> Result<()> {
    let begin = Instant::now();
    thread::scope(|scope| {
        let servers = scope.spawn(|| {
            fetch::ensure_tools(&stack.dir, interrupt)?;
            stack.start_all(&Service::SERVERS, interrupt)
        });
        let built = if args.no_build {
            Ok(())
        } else {
            build(stack, interrupt)
        };
        servers
            .join()
            .expect("starting servers does not panic")
            .and(built)
    })?;
    migrate(stack, interrupt)?;
    let wanted = stack.services();
    let programs: Vec<Service> = Service::PROGRAMS
        .into_iter()
        .filter(|one| wanted.contains(one))
        .collect();
    stack.start_all(&programs, interrupt)?;
    // One that was ready may have found out since what it is waiting for.
    wanted
        .iter()
        .try_for_each(|&one| stack.wait_until_ready(one, interrupt))?;
    say!("everything is up after {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn build(stack: &Stack, interrupt: &Interrupt) -> Result<()> {
    say!("building the programs (the first time takes minutes)");
    let begin = Instant::now();
    let mut command = cargo::command();
    command
        .args(["build", "--release"])
        .args(programs::PACKAGES.iter().flat_map(|name| ["--package", name]));
    let mut child = process::spawn(&stack.dir, CARGO, &mut command)?;
    let status = process::finish(&stack.dir, CARGO, &mut child, interrupt)?;
    ensure!(status.success(), "the programs do not build");
    say!("built after {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn migrate(stack: &Stack, interrupt: &Interrupt) -> Result<()> {
    let log = process::open_log(&stack.dir, MIGRATION)?;
    let mut command = programs::migrate(&stack.settings)?;
    command
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log);
    let mut child = process::spawn(&stack.dir, MIGRATION, &mut command)?;
    let status = process::finish(&stack.dir, MIGRATION, &mut child, interrupt)?;
    let tail = process::log_tail(&stack.dir, MIGRATION, 10);
    ensure!(status.success(), "the database cannot be migrated:\n{tail}");
    say!("database migrated");
    Ok(())
}

//! `test`: every test on a stack of its own, which is gone afterwards, however the tests end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self as std_process, ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::cargo;
use crate::fetch;
use crate::interrupt::Interrupt;
use crate::lock::Lock;
use crate::paths;
use crate::ports::Ports;
use crate::process;
use crate::programs;
use crate::requirements;
use crate::servers::{postgres, registry};
use crate::service::Service;
use crate::settings::Settings;
use crate::stack::{CARGO, Stack};
use crate::test_count::TestCount;
use crate::watchdog::Watchdog;

/// What needs no server in any of its tests.
const PURE: [&str; 3] = ["domain", "windowing", "avro"];

#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Only what needs no server
    #[arg(long)]
    quick: bool,
    /// Only this package; may be repeated
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Only the tests whose names contain this
    filter: Option<String>,
    /// Arguments for the test programs, such as --nocapture
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What the tests came to.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) count: TestCount,
    exit_code: u8,
}

/// Exit code as cargo's.
///
/// # Errors
/// If the tests could not be run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let outcome = run_tests(args)?;
    say!("{}", outcome.count);
    Ok(ExitCode::from(outcome.exit_code))
}

/// # Errors
/// If the tests could not be run.
pub(crate) fn run_tests(args: &Args) -> Result<Outcome> {
    requirements::ensure_met()?;
    let dir = paths::runs().join(format!("test-{}", std_process::id()));
    let _lock =
        Lock::try_take(&lock_file(&dir))?.context("another xtask uses the folder of this one's pid")?;
    let interrupt = Interrupt::install()?;
    let watchdog = Watchdog::start(&dir, true)?;
    remove_leftovers(&dir);
    let outcome = if args.quick {
        run_quick(args, &dir, &interrupt)
    } else {
        run_all(args, &dir, &interrupt)
    };
    let stopped = Stack::stop_all(&dir, |_, _| ());
    // It has nothing left to stop, and removes the folder.
    drop(watchdog);
    let outcome = outcome?;
    stopped.map(|()| outcome)
}

fn run_quick(args: &Args, dir: &Path, interrupt: &Interrupt) -> Result<Outcome> {
    let mut pure = cargo::command();
    pure.arg("test")
        .args(PURE.iter().flat_map(|name| ["--package", name]));
    let first = run_cargo_test(pure, args, dir, interrupt)?;
    let mut units = cargo::command();
    units
        .args(["test", "--workspace", "--lib", "--bins"])
        .args(PURE.iter().flat_map(|name| ["--exclude", name]));
    let second = run_cargo_test(units, args, dir, interrupt)?;
    let mut count = first.count;
    count += second.count;
    let success = first.success && second.success;
    Ok(Outcome {
        success,
        count,
        exit_code: first.exit_code.max(second.exit_code),
    })
}

fn run_all(args: &Args, dir: &Path, interrupt: &Interrupt) -> Result<Outcome> {
    let settings = Settings {
        ports: Ports::free()?,
        simulation: None,
        durable: false,
    };
    let stack = Stack::create(dir.to_owned(), settings)?;
    thread::scope(|scope| {
        let servers = scope.spawn(|| {
            fetch::ensure_tools(dir, interrupt)?;
            stack.start_all(&Service::SERVERS, interrupt)
        });
        let built = build(dir, interrupt);
        servers
            .join()
            .expect("starting servers does not panic")
            .and(built)
    })?;
    let mut command = cargo::command();
    command.arg("test").envs(environment(&stack)?);
    if args.packages.is_empty() {
        command.arg("--workspace");
    }
    command.args(args.packages.iter().flat_map(|name| ["--package", name]));
    run_cargo_test(command, args, dir, interrupt)
}

/// The programs themselves, which end-to-end tests run.
fn build(dir: &Path, interrupt: &Interrupt) -> Result<()> {
    let mut command = cargo::command();
    command.args(["build", "--workspace", "--bins"]);
    let mut child = process::spawn(dir, CARGO, &mut command)?;
    let status = process::finish(dir, CARGO, &mut child, interrupt)?;
    anyhow::ensure!(status.success(), "the workspace does not build");
    Ok(())
}

/// Where the tests find their servers.
fn environment(stack: &Stack) -> Result<Vec<(&'static str, String)>> {
    let settings = &stack.settings;
    let own = paths::own_binary()?;
    Ok(vec![
        ("KAFKA_BOOTSTRAP_SERVERS", programs::kafka(settings)),
        ("SCHEMA_REGISTRY_URL", registry::url(settings)),
        (
            "TEST_DATABASE_URL",
            postgres::url(settings, postgres::SUPERUSER, "postgres"),
        ),
        (
            "VELETA_BIN_DIR",
            paths::target()?.join("debug").display().to_string(),
        ),
        (
            "VELETA_SERVERS_CTL",
            format!("{} server --dir {}", own.display(), stack.dir.display()),
        ),
    ])
}

fn run_cargo_test(mut command: Command, args: &Args, dir: &Path, interrupt: &Interrupt) -> Result<Outcome> {
    command.arg("--no-fail-fast").args(&args.filter);
    if !args.arguments.is_empty() {
        command.arg("--").args(&args.arguments);
    }
    let mut child = process::spawn(dir, CARGO, command.stdout(Stdio::piped()))?;
    let output = child.stdout.take().expect("piped above");
    let reader = thread::spawn(|| print_and_count(output));
    let status = process::finish(dir, CARGO, &mut child, interrupt)?;
    let count = reader.join().expect("reading does not panic");
    let exit_code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(Outcome {
        success: status.success(),
        count,
        exit_code,
    })
}

fn print_and_count(output: ChildStdout) -> TestCount {
    let mut count = TestCount::default();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        say!("{line}");
        if let Some(more) = TestCount::of_line(&line) {
            count += more;
        }
    }
    count
}

/// Removes the folders of tests that ended with their machine. One whose owner lives is locked.
fn remove_leftovers(own: &Path) {
    let folders = fs::read_dir(paths::runs())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let is_test = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("test-"))
    };
    for dir in folders.filter(|path| path != own && is_test(path)) {
        // What cannot be removed now is left to the next run.
        if let Ok(Some(_lock)) = Lock::try_take(&lock_file(&dir)) {
            let _ = Stack::stop_all(&dir, |_, _| ()).and_then(|()| Ok(fs::remove_dir_all(&dir)?));
        }
    }
}

fn lock_file(dir: &Path) -> PathBuf {
    dir.join("lock")
}

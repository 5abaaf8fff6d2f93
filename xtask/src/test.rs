//! `test`: every test on a stack of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use anyhow::Result;

use crate::cargo;
use crate::dashboard;
use crate::interrupt::Interrupt;
use crate::own_stack;
use crate::ports::Ports;
use crate::process;
use crate::python;
use crate::requirements;
use crate::service::Service;
use crate::settings::Settings;
use crate::stack::CARGO;
use crate::test_count::TestCount;

/// What needs no server in any of its tests.
const PURE: [&str; 3] = ["domain", "windowing", "simulation"];

/// Other people's clients that the API's tests run: InfluxDB's own.
const CLIENTS: [&str; 1] = ["influxdb-client==1.50.0"];

/// What the API's specification is held against, and the API against it.
const SPECIFICATION: [&str; 2] = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"];

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

impl Args {
    /// Whether the page's own test is among them.
    fn want_the_page(&self) -> bool {
        self.want("end-to-end")
    }

    /// Whether the tests of this package that need servers are among them.
    fn want(&self, package: &str) -> bool {
        !self.quick && (self.packages.is_empty() || self.packages.iter().any(|name| name == package))
    }
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
    if args.want_the_page() {
        requirements::ensure_met_for_the_page()?;
        dashboard::ensure_modules()?;
    }
    if args.want("producer") {
        requirements::ensure_met_for_mqtt()?;
    }
    own_stack::with_folder("test", |dir, interrupt| {
        if args.quick {
            run_quick(args, dir, interrupt)
        } else {
            run_all(args, dir, interrupt)
        }
    })
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
        measured: false,
    };
    // the programs themselves, which end-to-end tests run
    let mut build = cargo::command();
    build.args(["build", "--workspace", "--bins"]);
    let stack = own_stack::start(dir, settings, &Service::SERVERS, build, interrupt)?;
    let mut command = cargo::command();
    command.arg("test").envs(own_stack::environment(&stack, "debug")?);
    if args.want("api") {
        let interpreter = python::venv("clients", &CLIENTS, interrupt)?;
        command.env("VELETA_CLIENTS_PYTHON", interpreter);
        let interpreter = python::venv("specification", &SPECIFICATION, interrupt)?;
        command.env("VELETA_SPECIFICATION_PYTHON", interpreter);
    }
    if args.packages.is_empty() {
        command.arg("--workspace");
    }
    command.args(args.packages.iter().flat_map(|name| ["--package", name]));
    run_cargo_test(command, args, dir, interrupt)
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

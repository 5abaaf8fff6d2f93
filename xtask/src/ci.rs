//! `ci`: what must be green before a change is merged, cheapest first.

use std::env;
use std::fmt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::cargo;
use crate::dashboard;
use crate::licences;
use crate::requirements;
use crate::test;
use crate::test_count::TestCount;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps
    steps: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Format,
    Licences,
    Lints,
    Docs,
    Page,
    Tests,
}

/// How one step went.
struct Report {
    step: Step,
    success: bool,
    took: Duration,
}

/// Runs the steps, also after one that failed; exit code 1 if any did.
///
/// # Errors
/// If the machine lacks something.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    requirements::ensure_met()?;
    let mut count = TestCount::default();
    let chosen = |step: &&Step| args.steps.is_empty() || args.steps.contains(step);
    let steps = Step::value_variants().iter().filter(chosen);
    let reports: Vec<Report> = steps.map(|&step| take(step, &mut count)).collect();
    say!("\n{:<10} {:>7}", "step", "seconds");
    for Report { step, success, took } in &reports {
        let mark = if *success { "" } else { "  FAILED" };
        say!("{step:<10} {:>7.1}{mark}", took.as_secs_f64());
    }
    if reports.iter().any(|report| report.step == Step::Tests) {
        say!("{count}");
    }
    let success = reports.iter().all(|report| report.success);
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn take(step: Step, count: &mut TestCount) -> Report {
    say!("== {step}");
    let begin = Instant::now();
    let outcome = match step {
        Step::Format => run_cargo(&["fmt", "--all", "--check"]),
        Step::Licences => check_dependencies(),
        Step::Lints => run_cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Step::Docs => build_docs(),
        Step::Page => dashboard::check(),
        Step::Tests => run_tests(count),
    };
    if let Err(error) = &outcome {
        eprintln!("error: {step}: {error:#}");
    }
    Report {
        step,
        success: outcome.is_ok(),
        took: begin.elapsed(),
    }
}

fn run_cargo(arguments: &[&str]) -> Result<()> {
    succeed(cargo::command().args(arguments))
}

fn check_dependencies() -> Result<()> {
    let version = cargo::command().args(["deny", "--version"]).output();
    if version.is_ok_and(|output| output.status.success()) {
        return run_cargo(&["deny", "check", "licenses", "bans", "sources"]);
    }
    licences::check()
}

fn build_docs() -> Result<()> {
    let flags = format!("{} -D warnings", env::var("RUSTDOCFLAGS").unwrap_or_default());
    succeed(
        cargo::command()
            .args(["doc", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", flags.trim()),
    )
}

fn run_tests(count: &mut TestCount) -> Result<()> {
    let outcome = test::run_tests(&test::Args::default())?;
    *count = outcome.count;
    ensure!(outcome.success, "some failed");
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{status}");
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Format => "format",
            Self::Licences => "licences",
            Self::Lints => "lints",
            Self::Docs => "docs",
            Self::Page => "page",
            Self::Tests => "tests",
        })
    }
}

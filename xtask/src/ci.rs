//! `ci`: what must be green before a change is merged, cheapest first.

use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::licences;
use crate::requirements;
use crate::test::{self, Outcome};

/// How one step went.
struct Step {
    name: &'static str,
    success: bool,
    took: Duration,
}

/// Runs all steps, also after one that failed; exit code 1 if any did.
///
/// # Errors
/// If the machine lacks something.
pub(crate) fn run() -> Result<ExitCode> {
    requirements::ensure_met()?;
    let mut steps = Vec::new();
    take(&mut steps, "format", || run_cargo(&["fmt", "--all", "--check"]));
    take(&mut steps, "licences", check_dependencies);
    take(&mut steps, "lints", || {
        run_cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    });
    take(&mut steps, "docs", build_docs);
    let mut tests = None;
    take(&mut steps, "tests", || {
        let outcome: &Outcome = tests.insert(test::run_tests(&test::Args::default())?);
        ensure!(outcome.success, "tests failed");
        Ok(())
    });
    let failed = report(&steps);
    say!("{}", tests.map(|outcome| outcome.count).unwrap_or_default());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn take(steps: &mut Vec<Step>, name: &'static str, step: impl FnOnce() -> Result<()>) {
    say!("== {name}");
    let begin = Instant::now();
    let outcome = step();
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    steps.push(Step {
        name,
        success: outcome.is_ok(),
        took: begin.elapsed(),
    });
}

/// Whether any step failed.
fn report(steps: &[Step]) -> bool {
    say!("\n{:<10} {:>7}", "step", "seconds");
    for Step { name, success, took } in steps {
        say!(
            "{name:<10} {:>7.1}{}",
            took.as_secs_f64(),
            if *success { "" } else { "  FAILED" }
        );
    }
    steps.iter().any(|step| !step.success)
}

fn run_cargo(arguments: &[&str]) -> Result<()> {
    succeed(cargo::command().args(arguments))
}

fn build_docs() -> Result<()> {
    let flags = format!("{} -D warnings", env::var("RUSTDOCFLAGS").unwrap_or_default());
    succeed(
        cargo::command()
            .args(["doc", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", flags.trim()),
    )
}

fn check_dependencies() -> Result<()> {
    if cargo::command()
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return run_cargo(&["deny", "check", "licenses", "bans", "sources"]);
    }
    licences::check()
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "it failed ({status})");
    Ok(())
}

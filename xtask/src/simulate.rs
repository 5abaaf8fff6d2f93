//! `simulate`: the aggregator's state machine against a simulated Kafka, for as many seeds as one has time for.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::paths;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of `simulate`: `--seeds N`, `--first-seed S`, `--trace`; `-- --help` tells all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Exit code 1 if any seed is wrong.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let status = cargo::command()
        .args(["build", "--quiet", "--release", "--package", "simulation"])
        .status();
    ensure!(
        status.context("cannot run cargo")?.success(),
        "cannot build simulate"
    );
    let binary = paths::target()?.join("release").join("simulate");
    let status = std::process::Command::new(&binary)
        .args(&args.arguments)
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

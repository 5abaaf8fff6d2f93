//! `verify`: the reconciliation of Kafka with PostgreSQL, on the stack of `up`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::env_file;
use crate::paths;
use crate::programs;
use crate::stack::Stack;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of `verify`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// # Errors
/// If nothing is up, or it cannot be built.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let stack = Stack::running(paths::dev_stack())?;
    let binary = programs::binary("verify")?;
    if !binary.exists() {
        let status = cargo::command()
            .args(["build", "--release", "--package", "verify"])
            .status();
        ensure!(
            status.context("cannot run cargo")?.success(),
            "cannot build verify"
        );
    }
    // Replaces xtask, so that the exit code is verify's own.
    Err(Command::new(&binary)
        .args(&args.arguments)
        .envs(env_file::variables(&stack)?)
        .exec())
    .with_context(|| format!("cannot run {}", binary.display()))
}

//! `down`: stops the stack of `up`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::env_file;
use crate::interrupt::Interrupt;
use crate::paths;
use crate::process;
use crate::stack::Stack;
use crate::up;

/// How long an `up` in another terminal may take to stop its stack.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Remove its data, logs and key as well
    #[arg(long)]
    wipe: bool,
}

/// # Errors
/// If something does not stop.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let dir = paths::dev_stack();
    stop_owner(&dir)?;
    Stack::stop_all(&dir, process::announce)?;
    if args.wipe {
        wipe(&dir)?;
    }
    say!("everything is down");
    Ok(ExitCode::SUCCESS)
}

/// An `up` in the foreground stops its stack itself when asked to.
fn stop_owner(dir: &Path) -> Result<()> {
    let Some(owner) = up::owner(dir).alive() else {
        return Ok(());
    };
    owner.signal(Signal::TERM);
    let what = format!("`cargo xtask up` (pid {}) still runs", owner.pid);
    Interrupt::default().wait_for(&what, PATIENCE, || Ok((!owner.is_alive()).then_some(())))
}

fn wipe(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    if env_file::path().exists() {
        fs::remove_file(env_file::path()).context("cannot remove .dev/env")?;
    }
    Ok(())
}

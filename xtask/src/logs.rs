//! `logs`: what a process of the stack of `up` has written.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::process;
use crate::service::Service;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whose
    program: Service,
    /// Go on showing what is added
    #[arg(short, long)]
    follow: bool,
}

/// # Errors
/// If there is no log.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let path = process::log_path(&paths::dev_stack(), args.program.name());
    ensure!(path.exists(), "{} has not run yet", args.program);
    let mut command = if args.follow {
        Command::new("tail")
    } else {
        Command::new("cat")
    };
    if args.follow {
        command.args(["-n", "100", "-F"]);
    }
    // Replaces xtask, so an error is all that can come back.
    Err(command.arg(&path).exec()).with_context(|| format!("cannot show {}", path.display()))
}

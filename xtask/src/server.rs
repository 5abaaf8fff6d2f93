//! One process of a stack is stopped, killed or started: how a test makes an outage.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustix::process::Signal;

use crate::interrupt::Interrupt;
use crate::process::{self, Manner};
use crate::service::Service;
use crate::stack::Stack;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The stack's folder
    #[arg(long)]
    dir: PathBuf,
    action: Action,
    #[arg(required = true)]
    services: Vec<Service>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Returns when it is ready
    Start,
    /// In its own way; returns when it has ended
    Stop,
    /// By SIGKILL; returns when it has ended
    Kill,
    /// By SIGQUIT, which is PostgreSQL's immediate shutdown; returns when it has ended
    Quit,
}

/// # Errors
/// If there is no such stack, or the process does not do as it is told.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    // The registry's database wants an absolute path.
    let dir = args
        .dir
        .canonicalize()
        .with_context(|| format!("no folder {}", args.dir.display()))?;
    let stack = Stack::open(dir)?.with_context(|| format!("no stack in {}", args.dir.display()))?;
    match args.action {
        Action::Start => stack.start_all(&args.services, &Interrupt::default())?,
        Action::Stop => stop(&stack, &args.services, Service::manner)?,
        Action::Kill => stop(&stack, &args.services, |_| process::AT_ONCE)?,
        Action::Quit => stop(&stack, &args.services, |service| Manner {
            signal: Signal::QUIT,
            ..service.manner()
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(stack: &Stack, services: &[Service], manner: impl Fn(Service) -> Manner) -> Result<()> {
    for &service in services {
        process::announce(
            service.name(),
            process::stop(&stack.dir, service.name(), manner(service))?,
        );
    }
    Ok(())
}

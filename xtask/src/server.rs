//! One process of a stack is stopped, killed or started: how a test makes an outage.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;

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
}

/// # Errors
/// If there is no such stack, or the process does not do as it is told.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let stack =
        Stack::open(args.dir.clone())?.with_context(|| format!("no stack in {}", args.dir.display()))?;
    for &service in &args.services {
        match args.action {
            Action::Start => stack.start(service, &Interrupt::default())?,
            Action::Stop => stop(&stack, service, service.manner())?,
            Action::Kill => stop(&stack, service, process::AT_ONCE)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(stack: &Stack, service: Service, manner: Manner) -> Result<()> {
    process::announce(service.name(), process::stop(&stack.dir, service.name(), manner)?);
    Ok(())
}

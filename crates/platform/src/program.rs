//! The frame of a `main`: runtime, signals, and the exit codes that scripts and supervisors rely on.

use std::future::Future;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::{LogArgs, ManagementArgs, shutdown};

/// What a person has typed makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs a program until it ends or is told to stop. Exit code 0 when all is drained, 2 for bad usage or
/// configuration ([`UsageError`]), 1 otherwise; the error is logged once, here.
pub fn run<F, R>(log: LogArgs, program: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    log.init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(Err(error.into())),
    };
    exit_code(runtime.block_on(async { program(shutdown::on_signal()?).await }))
}

/// `PROGRAM healthcheck`: exit code 0 when this program's own process is ready, 1 with the reason otherwise.
pub fn healthcheck(management: &ManagementArgs, default_port: u16) -> ExitCode {
    match management.healthcheck(default_port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended by an error");
            if error.downcast_ref::<UsageError>().is_some() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

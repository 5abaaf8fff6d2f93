//! `status`: each process of the stack of `up`.

use std::process::ExitCode;

use anyhow::Result;

use crate::paths;
use crate::readiness::Readiness;
use crate::stack::Stack;

/// Exit code 1 if something is not ready.
///
/// # Errors
/// If the stack's settings cannot be read.
pub(crate) fn run() -> Result<ExitCode> {
    let Some(stack) = Stack::open(paths::dev_stack())? else {
        say!("nothing is up; `cargo xtask up` starts it");
        return Ok(ExitCode::FAILURE);
    };
    let mut all_ready = true;
    say!("{:<18} {:>8} {:>6}  state", "process", "pid", "port");
    for service in stack.services() {
        let (pid, state) = match Readiness::of(service, &stack) {
            Readiness::Ready(identity) => (identity.pid.to_string(), "ready".to_owned()),
            Readiness::NotReady(identity, why) => (identity.pid.to_string(), format!("not ready: {why:#}")),
            Readiness::Ended => (
                "-".to_owned(),
                format!("ended by itself; see `cargo xtask logs {service}`"),
            ),
            Readiness::Stopped => ("-".to_owned(), "stopped".to_owned()),
        };
        all_ready &= state == "ready";
        say!(
            "{service:<18} {pid:>8} {:>6}  {state}",
            service.ports(&stack.settings.ports)[0]
        );
    }
    Ok(if all_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

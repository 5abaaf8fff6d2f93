//! `sink`, `sink migrate`, and `sink healthcheck`.

use std::process::ExitCode;

use clap::Parser;
use platform::program;
use sink::{Args, Command, MANAGEMENT_PORT};

fn main() -> ExitCode {
    let mut args = Args::parse();
    match args.command.take() {
        Some(Command::Healthcheck) => program::healthcheck(&args.management, MANAGEMENT_PORT),
        Some(Command::Migrate(migrate)) => program::run(args.log, |_| sink::migrate(migrate)),
        None => program::run(args.log, |stop| sink::run(args, stop)),
    }
}

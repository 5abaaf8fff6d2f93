//! `sink`, `sink migrate`, `sink dead-letters …`, and `sink healthcheck`.

use std::process::ExitCode;

use clap::Parser;
use platform::program;
use sink::{Args, Command, MANAGEMENT_PORT, dead_letters};

fn main() -> ExitCode {
    let mut args = Args::parse();
    match args.command.take() {
        Some(Command::Healthcheck) => program::healthcheck(&args.management, MANAGEMENT_PORT),
        Some(Command::Migrate(migrate)) => program::run(args.log, |_| sink::migrate(migrate)),
        Some(Command::DeadLetters { command }) => program::run(args.log, |_| async move {
            dead_letters::run(&args, &command, &mut std::io::stdout()).await
        }),
        None => program::run(args.log, |stop| sink::run(args, stop)),
    }
}

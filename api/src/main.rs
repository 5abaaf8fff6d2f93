//! `api`, `api key create|list|revoke` and `api healthcheck`.

use std::process::ExitCode;

use api::{Args, Command, MANAGEMENT_PORT};
use clap::Parser;
use platform::program;

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Some(Command::Healthcheck) => program::healthcheck(&args.management, MANAGEMENT_PORT),
        Some(Command::Key { command }) => {
            program::run(args.log, |_| async move { command.run(&args.database).await })
        }
        None => program::run(args.log, |stop| api::run(args, stop)),
    }
}

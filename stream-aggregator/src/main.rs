//! `stream-aggregator`, and `stream-aggregator healthcheck`.

use std::process::ExitCode;

use clap::Parser;
use platform::program;
use stream_aggregator::{Args, Command, MANAGEMENT_PORT};

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Some(Command::Healthcheck) => program::healthcheck(&args.management, MANAGEMENT_PORT),
        None => program::run(args.log, |stop| stream_aggregator::run(args, stop)),
    }
}

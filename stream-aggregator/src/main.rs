//! `stream-aggregator`, and `stream-aggregator healthcheck`.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use platform::program;
use stream_aggregator::{Args, Command, MANAGEMENT_PORT};

/// librdkafka's too. Its own thread asks for the memory of each record and ours gives it back, over which the C library's
/// allocator has both wait.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Some(Command::Healthcheck) => program::healthcheck(&args.management, MANAGEMENT_PORT),
        None => program::run(args.log, |stop| stream_aggregator::run(args, stop)),
    }
}

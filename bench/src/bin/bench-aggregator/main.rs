//! The aggregator against reading alone and against its peers: a topic of readings is worked off by the real program,
//! drained by consumers set up alike that only count, and worked off by Kafka Streams, in alternating rounds. Then what a
//! reading costs among few and among many, and how long a window takes to its readers.

#![expect(
    clippy::print_stdout,
    reason = "the figures are the program's answer to a person"
)]

mod aggregate;
mod args;
mod drain;
mod latency;
mod measurement;
mod peer;
mod rounds;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Args, Part};
use crate::rounds::Benchmark;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().checked()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    match args.part {
        Some(Part::Drain { threads }) => drain::run(threads),
        None => Benchmark::prepare(args).await?.run().await,
    }
}

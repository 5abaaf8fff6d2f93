//! The sink against `\copy`: a backlog of readings is stored by the real program, and the same rows are copied by psql
//! from a file into the same table of the same PostgreSQL, in alternating rounds.

#![expect(
    clippy::print_stdout,
    reason = "the figures are the program's answer to a person"
)]

mod args;
mod backlog;
mod latency;
mod measurement;
mod rounds;
mod running;
mod yardstick;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::rounds::Benchmark;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse().checked();
    let outcome = async { Benchmark::prepare(args).await?.run().await };
    match outcome.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

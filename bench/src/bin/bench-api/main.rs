//! The API under load, each kind of request against the floor of this machine (a server of the same make that answers a
//! constant of the same size) and, where PostgreSQL answers, against pgbench running the same statements; and how much
//! memory a million rows take on their way out. All compared things are measured alternately in the same run.

#![expect(
    clippy::print_stdout,
    reason = "the figures are the program's answer to a person"
)]

mod args;
mod export;
mod floor;
mod http;
mod load;
mod pgbench;
mod rounds;
mod scenario;
mod seed;
mod server;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::Args;
use crate::rounds::Benchmark;

fn main() -> ExitCode {
    let outcome = match std::env::var(floor::ADDRESS) {
        Ok(address) => floor::serve(&address),
        Err(_) => measure(Args::parse().checked()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure(args: Args) -> Result<()> {
    Benchmark::prepare(args).await?.run().await
}

//! How long output stops when processes of the stream-aggregator are killed, end, and start again.

#![expect(
    clippy::print_stdout,
    reason = "the figures are the program's answer to a person"
)]

mod args;
mod group;
mod probes;
mod rounds;

use std::process::ExitCode;

use anyhow::Result;
use bench::describe_machine;
use clap::Parser;

use crate::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse().checked()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    println!("{}", describe_machine());
    rounds::measure(args).await
}

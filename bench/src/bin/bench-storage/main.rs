//! Keys and indexes by measurement: every candidate gets the same rows in the same batches, one candidate after the other
//! batch by batch, so that whatever the machine does meanwhile strikes all alike; then each answers the API's questions.

#![expect(
    clippy::print_stdout,
    reason = "the figures are the program's answer to a person"
)]

mod arena;
mod args;
mod candidate;
mod contest;
mod filling;
mod questions;
mod scale;
mod source;

use std::process::ExitCode;

use anyhow::Result;
use bench::{Server, describe_machine};
use clap::Parser;
use testkit::Stack;

use crate::args::Args;
use crate::contest::Contest;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    let server = Server::at(&Stack::for_test().admin_database_url).await?;
    println!("{}; PostgreSQL {}", describe_machine(), server.version);
    for contest in Contest::all(&args) {
        contest.hold(&server, &args).await?;
    }
    Ok(())
}

//! The program `chaos`, which `cargo xtask chaos` runs on a stack of its own.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use end_to_end::chaos::{self, AggregatorScenario, SinkScenario};

/// Makes the life of programs hard while data flows, and lets `verify` judge; exit code 1 on any difference.
#[derive(Parser)]
#[command(name = "cargo xtask chaos")]
struct Args {
    #[command(subcommand)]
    whose: Whose,
}

#[derive(Subcommand)]
enum Whose {
    /// Three aggregators and Kafka
    Aggregator(AggregatorScenario),
    /// Three aggregators and a cluster of three brokers, of which any two keep what there is
    Cluster(AggregatorScenario),
    /// Three sinks and PostgreSQL
    Sink(SinkScenario),
}

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

/// When it is interrupted its processes end with it, frozen ones too.
async fn run(args: Args) -> Result<()> {
    let stop = platform::shutdown::on_signal()?;
    let scenario = async {
        match args.whose {
            Whose::Aggregator(scenario) => chaos::aggregator(scenario).await,
            Whose::Cluster(scenario) => chaos::cluster(scenario).await,
            Whose::Sink(scenario) => chaos::sink(scenario).await,
        }
    };
    tokio::select! {
        outcome = scenario => outcome,
        () = stop.cancelled() => bail!("interrupted"),
    }
}

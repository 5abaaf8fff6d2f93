//! `chaos`: programs and servers are killed, stopped and restarted at random while data flows; nothing may be lost.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::driver::Driver;
use crate::paths;
use crate::service::Service;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whose life is made hard
    whose: Whose,
    /// Arguments, such as `--seed N` and `--events N`; `-- --help` tells all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Whose {
    /// Three aggregators and Kafka
    Aggregator,
    /// Three aggregators and a cluster of three brokers, of which any two keep what there is
    Cluster,
    /// Three sinks and PostgreSQL
    Sink,
}

const CHAOS: Driver = Driver {
    binary: "chaos",
    packages: &["end-to-end", "producer", "stream-aggregator", "sink", "verify"],
    servers: &Service::SERVERS,
    measured: false,
};

const CHAOS_OF_A_CLUSTER: Driver = Driver {
    servers: &Service::CLUSTER,
    ..CHAOS
};

/// Exit code 1 on any difference.
///
/// # Errors
/// If it could not be run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (whose, driver) = match args.whose {
        Whose::Aggregator => ("aggregator", &CHAOS),
        Whose::Cluster => ("cluster", &CHAOS_OF_A_CLUSTER),
        Whose::Sink => ("sink", &CHAOS),
    };
    let logs = paths::dot_dev().join("chaos").join(whose);
    let mut arguments = vec![whose.to_owned(), "--logs".to_owned(), logs.display().to_string()];
    arguments.extend(args.arguments.iter().cloned());
    driver.run("chaos", &arguments)
}

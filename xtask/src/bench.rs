//! `bench`: lists the benchmarks, or runs one on servers that are set up for measuring.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::driver::Driver;
use crate::service::Service;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which one; without a name they are listed
    name: Option<String>,
    /// Arguments of the benchmark: `--quick` for a small try-out; `-- --help` tells all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

struct Benchmark {
    name: &'static str,
    about: &'static str,
    driver: Driver,
}

const BENCHMARKS: [Benchmark; 5] = [
    Benchmark {
        name: "aggregator",
        about: "Readings per second and per CPU second of the aggregator against reading the topic alone",
        driver: Driver {
            binary: "bench-aggregator",
            packages: &["bench", "stream-aggregator"],
            servers: &[Service::Kafka, Service::Registry],
            measured: true,
        },
    },
    Benchmark {
        name: "api",
        about: "Requests per second of the API against the floor of the machine and against pgbench; memory of exports",
        driver: Driver {
            binary: "bench-api",
            packages: &["bench", "api"],
            servers: &Service::SERVERS,
            measured: true,
        },
    },
    Benchmark {
        name: "recovery",
        about: "How long the aggregator's output stops when its processes are killed, end and start again",
        driver: Driver {
            binary: "bench-recovery",
            packages: &["bench", "stream-aggregator"],
            servers: &[Service::Kafka, Service::Registry],
            measured: true,
        },
    },
    Benchmark {
        name: "sink",
        about: "Rows per second of the sink against psql's \\copy of the same rows into the same table",
        driver: Driver {
            binary: "bench-sink",
            packages: &["bench", "sink"],
            servers: &Service::SERVERS,
            measured: true,
        },
    },
    Benchmark {
        name: "storage",
        about: "Keys and indexes: insert rate, size and the API's queries of several candidates",
        driver: Driver {
            binary: "bench-storage",
            packages: &["bench"],
            servers: &[Service::Postgres],
            measured: true,
        },
    },
];

/// Exit code as the benchmark's.
///
/// # Errors
/// If there is none of that name, or it could not be run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        for Benchmark { name, about, .. } in &BENCHMARKS {
            say!("{name:<10} {about}");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let found = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    let benchmark =
        found.with_context(|| format!("no benchmark is called {name}; `cargo xtask bench` lists them"))?;
    benchmark.driver.run("bench", &args.arguments)
}

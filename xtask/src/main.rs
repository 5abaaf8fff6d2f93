//! Development commands, run as `cargo xtask …`: a real Kafka, schema registry and PostgreSQL without Docker, the
//! programs on top of them, and what CI runs. Quick to build, so that it needs nothing but Rust.

#![expect(
    clippy::print_stdout,
    reason = "every command prints for the person who typed it"
)]

#[macro_use]
mod say;

mod api_key;
mod bench;
mod cargo;
mod chaos;
mod ci;
mod compose_test;
mod consume;
mod dashboard;
mod down;
mod driver;
mod env_file;
mod fetch;
mod http;
mod identity;
mod interrupt;
mod java;
mod licences;
mod live;
mod lock;
mod logs;
mod metrics;
mod own_stack;
mod paths;
mod pid_file;
mod ports;
mod process;
mod programs;
mod python;
mod readiness;
mod requirements;
mod server;
mod servers;
mod service;
mod settings;
mod simulate;
mod stack;
mod status;
mod summary;
mod test;
mod test_count;
mod up;
mod verify;
mod watchdog;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Veleta's development commands"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything without Docker: Kafka, registry, PostgreSQL and the programs
    Up(up::Args),
    /// Stop what `up --detach` started
    Down(down::Args),
    /// Show each process, its pid and port, and whether it is ready
    Status,
    /// Print the log of one process
    Logs(logs::Args),
    /// Run kafka-console-consumer on the stack, values as JSON
    Consume(consume::Args),
    /// Run every test on a stack of its own, on free ports
    Test(test::Args),
    /// List the benchmarks, or run one on a stack of its own
    Bench(bench::Args),
    /// Kill, stop and restart at random while data flows, then verify; exit code 1 on any difference
    Chaos(chaos::Args),
    /// Format, lints, docs, licences, tests: what `.ci/run` runs
    Ci(ci::Args),
    /// Build the page into dashboard/dist
    Dashboard,
    /// Run docker-compose.yml for real, with an engine and stand-in images where there are none
    ComposeTest(compose_test::Args),
    /// Run the aggregator's state machine against a simulated Kafka, for as many seeds as one has time for
    Simulate(simulate::Args),
    /// Reconcile Kafka with PostgreSQL; exit code 1 on any difference
    Verify(verify::Args),
    /// Stop, kill or start one process of a stack (for tests of outages)
    #[command(hide = true)]
    Server(server::Args),
    /// Stop a stack when the process at the other end of standard input is gone
    #[command(hide = true)]
    Watchdog(watchdog::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Status => status::run(),
        Command::Logs(args) => logs::run(&args),
        Command::Consume(args) => consume::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Dashboard => dashboard::run(),
        Command::ComposeTest(args) => compose_test::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Server(args) => server::run(&args),
        Command::Watchdog(args) => watchdog::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(if interrupt::is_interruption(&error) {
            130
        } else {
            1
        })
    })
}

//! The program `producer`.

use std::process::ExitCode;

use clap::Parser;
use producer::{Args, Command, MANAGEMENT_PORT, ServerArgs, Source};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Simulate { simulate, servers } => send(Source::Simulate(simulate), servers),
        Command::Replay { replay, servers } => send(Source::Replay(replay), servers),
        Command::Mqtt { mqtt, servers } => send(Source::Mqtt(mqtt), servers),
        Command::Healthcheck { management } => platform::program::healthcheck(&management, MANAGEMENT_PORT),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the summary is the program's answer to a person"
)]
fn send(source: Source, servers: ServerArgs) -> ExitCode {
    platform::program::run(servers.log, async move |stop| {
        let summary = producer::run(source, servers, stop).await?;
        println!("{summary}");
        Ok(())
    })
}

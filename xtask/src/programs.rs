//! What is ours: how the programs are built and started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::api_key;
use crate::http;
use crate::paths;
use crate::servers::{postgres, registry};
use crate::service::Service;
use crate::settings::Settings;

/// The packages that `up` builds.
pub(crate) const PACKAGES: [&str; 5] = ["producer", "stream-aggregator", "sink", "api", "verify"];

/// A program as `up` builds it.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    Ok(paths::target()?.join("release").join(name))
}

/// Creates database, roles and schema, or brings them up to date.
pub(crate) fn migrate(settings: &Settings) -> Result<Command> {
    let mut command = Command::new(binary("sink")?);
    command.arg("migrate");
    command.env(
        "ADMIN_DATABASE_URL",
        postgres::url(settings, postgres::SUPERUSER, postgres::DATABASE),
    );
    command.env("LOG_FORMAT", "human").env("NO_COLOR", "1");
    Ok(command)
}

/// # Errors
/// If the folder of its files cannot be made.
pub(crate) fn command(program: Service, dir: &Path, settings: &Settings) -> Result<Command> {
    let mut command = Command::new(binary(program.name())?);
    command.env("KAFKA_BOOTSTRAP_SERVERS", kafka(settings));
    command.env("SCHEMA_REGISTRY_URL", registry::url(settings));
    command.env("SCHEMA_CACHE", schema_cache(dir, program)?);
    command.env("MANAGEMENT_ADDRESS", management_address(program, settings));
    command.env("LOG_FORMAT", "human").env("NO_COLOR", "1");
    // Members of a group by name, so that one which was killed takes its partitions up at once when it is back.
    command.env("INSTANCE_ID", "up");
    match program {
        Service::Producer => {
            command
                .arg("simulate")
                .args(settings.simulation.clone().unwrap_or_default().arguments());
        }
        Service::Sink => {
            command.env(
                "DATABASE_URL",
                postgres::url(settings, "windfarm_sink", postgres::DATABASE),
            );
        }
        Service::Api => {
            command.env(
                "DATABASE_URL",
                postgres::url(settings, "windfarm_api", postgres::DATABASE),
            );
            command.env("API_ADDRESS", format!("127.0.0.1:{}", settings.ports.api));
            command.env("API_BOOTSTRAP_KEY", api_key::of(dir)?);
        }
        Service::StreamAggregator
        | Service::Kafka
        | Service::Kafka2
        | Service::Kafka3
        | Service::Registry
        | Service::Postgres => {}
    }
    Ok(command)
}

/// # Errors
/// Why it is not ready, in its own words if it answers.
pub(crate) fn check(program: Service, settings: &Settings) -> Result<()> {
    let url = format!("http://{}/health/ready", management_address(program, settings));
    let answer = http::get(&url, &[]).context("does not answer yet")?;
    anyhow::ensure!(answer.status == 200, "{}", answer.body.trim());
    Ok(())
}

/// Kafka's addresses for clients.
pub(crate) fn kafka(settings: &Settings) -> String {
    let brokers = settings.ports.brokers().into_iter();
    let addresses: Vec<_> = brokers
        .map(|broker| format!("127.0.0.1:{}", broker.clients))
        .collect();
    addresses.join(",")
}

/// Where a program tells of its health and its figures.
pub(crate) fn management_address(program: Service, settings: &Settings) -> String {
    let port = *program
        .ports(&settings.ports)
        .last()
        .expect("every program has a management port");
    format!("127.0.0.1:{port}")
}

/// The schema ids that a program has learnt, so that it starts while the registry is down.
fn schema_cache(dir: &Path, program: Service) -> Result<PathBuf> {
    let folder = dir.join("schema-cache");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{program}.json")))
}

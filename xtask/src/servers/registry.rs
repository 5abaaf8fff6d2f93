//! Apicurio Registry, spoken to through its Confluent-compatible interface, its schemas in an H2 file.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::http;
use crate::java;
use crate::paths;
use crate::settings::Settings;

/// The base address for clients.
pub(crate) fn url(settings: &Settings) -> String {
    format!("http://127.0.0.1:{}/apis/ccompat/v7", settings.ports.registry)
}

pub(crate) fn command(dir: &Path, settings: &Settings) -> Result<Command> {
    let mut command = java::command();
    command.args(["-Xmx128m", "-Dquarkus.http.host=127.0.0.1"]);
    command.arg(format!("-Dquarkus.http.port={}", settings.ports.registry));
    command.arg("-Dquarkus.http.access-log.enabled=false");
    // The same schema with other white space is the same schema.
    command.arg("-Dapicurio.ccompat.use-canonical-hash=true");
    let database = dir.join("registry").join("db");
    command.arg(format!(
        "-Dapicurio.datasource.url=jdbc:h2:file:{};WRITE_DELAY=0",
        database.display()
    ));
    for (name, size) in [("initial", 2), ("min", 2), ("max", 8)] {
        command.arg(format!("-Dapicurio.datasource.jdbc.{name}-size={size}"));
    }
    command.arg("-jar").arg(jar()?);
    Ok(command)
}

/// Its own default is to accept any change of a schema.
///
/// # Errors
/// If it refuses.
pub(crate) fn configure(settings: &Settings) -> Result<()> {
    http::put_json(
        &format!("{}/config", url(settings)),
        r#"{"compatibility":"BACKWARD"}"#,
    )
}

/// # Errors
/// Why it is not ready.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    let url = format!("{}/subjects", url(settings));
    let answer = http::get(&url, &[])?;
    anyhow::ensure!(answer.status == 200, "{url} answered {}", answer.status);
    Ok(())
}

fn jar() -> Result<std::path::PathBuf> {
    let folder = paths::tools().join("registry");
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
        .with_context(|| format!("no *-runner.jar in {}", folder.display()))
}

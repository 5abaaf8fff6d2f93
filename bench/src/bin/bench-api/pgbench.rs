//! PostgreSQL's own benchmark, running the statements of a request.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use testkit::Database;

use crate::load::Load;

/// As the API has it: the days of a statement must be known when it is planned.
const OPTIONS: &str = "-c plan_cache_mode=force_custom_plan";

/// Whether there is one.
pub(crate) fn is_there() -> bool {
    Command::new("pgbench")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs statements as prepared ones, `variables` being their parameters; tells how often all of them were answered in a
/// second.
pub(crate) async fn run(
    database: &Database,
    statements: &str,
    variables: &[(&str, String)],
    load: Load,
) -> Result<f64> {
    let script = tempfile::NamedTempFile::new().context("making a file for pgbench")?;
    fs::write(script.path(), statements)?;
    let mut command = command(database, script.path(), variables, load);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rate = said.lines().find_map(|line| {
        let (number, _) = line.strip_prefix("tps = ")?.split_once(' ')?;
        number.parse().ok()
    });
    rate.with_context(|| format!("pgbench tells no rate: {said}"))
}

fn command(database: &Database, script: &Path, variables: &[(&str, String)], load: Load) -> Command {
    let mut command = Command::new("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={}", load.connections))
        .arg(format!("--time={}", load.time.as_secs_f64().ceil()))
        .arg(format!("--file={}", script.display()));
    for (name, value) in variables {
        command.arg(format!("--define={name}={value}"));
    }
    command
        .arg(&database.api_url)
        .env("PGOPTIONS", OPTIONS)
        .stdin(Stdio::null());
    command
}

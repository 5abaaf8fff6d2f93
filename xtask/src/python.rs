//! Python's packages that tests drive the programs with: clients that other people use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::interrupt::Interrupt;
use crate::lock::Lock;
use crate::paths;
use crate::requirements;

/// How long another xtask may take to fetch the same.
const PATIENCE: Duration = Duration::from_secs(600);

/// Makes sure that the virtual environment of this name holds these packages (`name==version`), fetched by pip once per
/// set of them; tells where its interpreter is.
///
/// # Errors
/// If the machine lacks Python, or pip fails.
pub(crate) fn venv(name: &str, packages: &[&str], interrupt: &Interrupt) -> Result<PathBuf> {
    requirements::ensure_met_for_python()?;
    let folder = paths::tools().join("python").join(name);
    let interpreter = folder.join("bin/python");
    if holds(&folder, packages) {
        return Ok(interpreter);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let lock_file = paths::dot_dev().join(format!("python-{name}.lock"));
    let _lock = interrupt.wait_for("another xtask is still fetching", PATIENCE, || {
        Lock::try_take(&lock_file)
    })?;
    if holds(&folder, packages) {
        return Ok(interpreter);
    }
    say!("fetching {} (once)", packages.join(", "));
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .arg("--disable-pip-version-check")
        .args(packages))?;
    fs::write(record(&folder), list(packages)).context("cannot write the list of what was fetched")?;
    Ok(interpreter)
}

/// The record is written last, so what it names is there.
fn holds(folder: &Path, packages: &[&str]) -> bool {
    fs::read_to_string(record(folder)).is_ok_and(|fetched| fetched == list(packages))
}

fn record(folder: &Path) -> PathBuf {
    folder.join("fetched")
}

fn list(packages: &[&str]) -> String {
    packages.join("\n")
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

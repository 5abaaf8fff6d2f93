//! The page: fetches what it is made with, builds it, and sees to it that what is committed is what is built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::requirements;

/// Builds the page into `dashboard/dist`, which is committed: who has Rust only can build the API.
///
/// # Errors
/// If something is missing, or the page does not build.
pub(crate) fn run() -> Result<ExitCode> {
    requirements::ensure_met_for_the_page()?;
    ensure_modules()?;
    npm(&["run", "--silent", "check"])?;
    build(&folder().join("dist"))?;
    say!("built into dashboard/dist, which is to be committed");
    Ok(ExitCode::SUCCESS)
}

/// Checks the page's types, and that the committed build is what its sources make.
///
/// # Errors
/// If not, naming the files that differ.
pub(crate) fn check() -> Result<()> {
    requirements::ensure_met_for_the_page()?;
    ensure_modules()?;
    npm(&["run", "--silent", "check"])?;
    let fresh = paths::target()?.join("dashboard");
    build(&fresh)?;
    let (committed, fresh) = (files(&folder().join("dist"))?, files(&fresh)?);
    let names = committed.keys().chain(fresh.keys());
    let different: Vec<_> = names
        .filter(|name| committed.get(*name) != fresh.get(*name))
        .map(|name| name.display().to_string())
        .collect();
    ensure!(
        different.is_empty(),
        "dashboard/dist is not what dashboard/ makes; `cargo xtask dashboard` builds it. Different: {}",
        different.join(", ")
    );
    Ok(())
}

/// Fetches exactly what `package-lock.json` names, once for each state of it.
///
/// # Errors
/// If npm cannot.
pub(crate) fn ensure_modules() -> Result<()> {
    let lock =
        fs::read(folder().join("package-lock.json")).context("cannot read dashboard/package-lock.json")?;
    let fetched = folder().join("node_modules/.fetched");
    if fs::read(&fetched).is_ok_and(|fetched| fetched == lock) {
        return Ok(());
    }
    say!("fetching what the page is built and tested with");
    npm(&["ci", "--silent"])?;
    fs::write(fetched, lock).context("cannot write what was fetched")
}

fn build(into: &Path) -> Result<()> {
    let into = into.display().to_string();
    npm(&[
        "run",
        "--silent",
        "build",
        "--",
        "--logLevel=warn",
        "--emptyOutDir",
        "--outDir",
        &into,
    ])
}

fn npm(arguments: &[&str]) -> Result<()> {
    let status = Command::new("npm")
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::null())
        .status()
        .context("cannot run npm")?;
    ensure!(status.success(), "npm {} failed", arguments.join(" "));
    Ok(())
}

fn folder() -> PathBuf {
    paths::root().join("dashboard")
}

/// The files of a folder and of those in it, by their path there.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = next
            .read_dir()
            .with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry.context("cannot read a folder")?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it lies in there").to_owned();
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            found.insert(name, bytes);
        }
    }
    Ok(found)
}

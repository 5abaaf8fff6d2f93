//! Fetches the servers by Maven, versions pinned in `dev/pom.xml`, once per set of versions.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::interrupt::Interrupt;
use crate::lock::Lock;
use crate::paths;
use crate::process;
use crate::stack::MAVEN;

/// What decides which versions are fetched.
const POMS: [&str; 3] = ["pom.xml", "servers/pom.xml", "serde/pom.xml"];

/// How long another xtask may take to fetch the same.
const PATIENCE: Duration = Duration::from_secs(900);

/// Makes sure that `.dev/tools` holds the servers; `dir` is the stack that waits for them.
///
/// # Errors
/// If Maven fails or is interrupted; then nothing has changed.
pub(crate) fn ensure_tools(dir: &Path, interrupt: &Interrupt) -> Result<()> {
    let wanted = poms()?;
    if are_there(&wanted) {
        return Ok(());
    }
    let lock_file = paths::dot_dev().join("tools.lock");
    let _lock = interrupt.wait_for("another xtask is still fetching", PATIENCE, || {
        Lock::try_take(&lock_file)
    })?;
    if are_there(&wanted) {
        return Ok(());
    }
    let begin = Instant::now();
    say!("fetching Kafka, registry and PostgreSQL (once, about 180 MB)");
    let draft = paths::dot_dev().join("tools.draft");
    remove(&draft)?;
    run_maven(dir, &draft, interrupt)?;
    unpack_postgres(&draft.join("postgres"))?;
    fs::write(draft.join("fetched"), wanted).context("cannot write the list of what was fetched")?;
    remove(&paths::tools())?;
    fs::rename(&draft, paths::tools()).context("cannot put the servers into place")?;
    say!("fetched after {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The folder is put into place as a whole, so its own record of what it holds is enough.
fn are_there(wanted: &str) -> bool {
    fs::read_to_string(paths::tools().join("fetched")).is_ok_and(|fetched| fetched == wanted)
}

fn poms() -> Result<String> {
    let dev = paths::root().join("dev");
    let read = |name| fs::read_to_string(dev.join(name)).with_context(|| format!("cannot read dev/{name}"));
    POMS.into_iter().map(read).collect()
}

fn run_maven(dir: &Path, draft: &Path, interrupt: &Interrupt) -> Result<()> {
    let log = process::open_log(dir, MAVEN)?;
    let mut command = Command::new("mvn");
    command
        .args(["-B", "-ntp", "-f"])
        .arg(paths::root().join("dev/pom.xml"));
    command.arg(format!("-Dtools.dir={}", draft.display()));
    command.arg(format!("-Dpostgres.arch={}", postgres_architecture()?));
    command.arg("generate-resources");
    command
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log);
    let mut maven = process::spawn(dir, MAVEN, &mut command)?;
    let status = process::finish(dir, MAVEN, &mut maven, interrupt)?;
    ensure!(
        status.success(),
        "Maven failed; the end of its log:\n{}",
        process::log_tail(dir, MAVEN, 20)
    );
    Ok(())
}

fn postgres_architecture() -> Result<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-amd64"),
        ("linux", "aarch64") => Ok("linux-arm64v8"),
        (os, architecture) => bail!(
            "this runs on Linux on x86_64 or aarch64, not on {os} on {architecture}; `docker compose up --build` does"
        ),
    }
}

/// Maven unpacks the jar, and in it lies an archive compressed by xz.
fn unpack_postgres(folder: &Path) -> Result<()> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let archive = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "txz"))
        .with_context(|| format!("no archive in {}", folder.display()))?;
    let tar = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .arg("-C")
        .arg(folder)
        .stdin(Stdio::null())
        .status();
    ensure!(
        tar.context("cannot run tar")?.success(),
        "cannot unpack {}",
        archive.display()
    );
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

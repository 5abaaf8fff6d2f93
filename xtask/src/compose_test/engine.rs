//! The Docker engine, and the images that ours build on.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

/// The smallest image that ours build on.
const BASE: &str = "debian:bookworm-slim";

/// What a stand-in is labelled with.
const STAND_IN: &str = "veleta.stand-in";

/// A Docker engine that answers.
pub(super) struct Engine {
    /// Whether it was started here.
    own: bool,
}

impl Engine {
    /// # Errors
    /// If none answers, and none can be brought up.
    pub(super) fn find_or_start() -> Result<Self> {
        if succeeds(docker(["version"])) {
            return Ok(Self { own: false });
        }
        deploy_script("docker-here.sh", &["start"])?;
        Ok(Self { own: true })
    }

    /// Stops it if it was started here.
    ///
    /// # Errors
    /// If it does not end.
    pub(super) fn stop(self) -> Result<()> {
        if self.own {
            deploy_script("docker-here.sh", &["stop"])?;
        }
        Ok(())
    }
}

/// Sees to stand-ins where the public images cannot be had.
///
/// # Errors
/// If they cannot be made.
pub(super) fn ensure_base_images() -> Result<()> {
    let labels = docker(["image", "inspect", "--format", "{{json .Config.Labels}}", BASE])
        .output()
        .context("cannot run docker")?;
    let is_stand_in = String::from_utf8_lossy(&labels.stdout).contains(STAND_IN);
    let is_public = labels.status.success() && !is_stand_in;
    if is_public || (!is_stand_in && succeeds(docker(["pull", "--quiet", BASE]))) {
        return Ok(());
    }
    println!("           no image registry answers: stand-ins");
    deploy_script("offline-images/make.sh", &[])
}

/// Docker with some arguments.
pub(super) fn docker<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("docker");
    command
        .args(arguments)
        .current_dir(paths::root())
        .stdin(Stdio::null());
    command
}

/// What docker prints.
///
/// # Errors
/// If it fails, with what it says.
pub(super) fn output(mut command: Command) -> Result<String> {
    let output = command.output().context("cannot run docker")?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn succeeds(mut command: Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn deploy_script(name: &str, arguments: &[&str]) -> Result<()> {
    let script = paths::root().join("deploy").join(name);
    let status = Command::new(&script)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", script.display()))?;
    ensure!(status.success(), "deploy/{name} failed");
    Ok(())
}

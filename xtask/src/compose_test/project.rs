//! One run of docker-compose.yml, under a name and on ports of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::engine::{docker, output};
use crate::paths;
use crate::ports::Ports;

/// The key that the first start makes.
pub(super) const API_KEY: &str = "the-key-of-compose-test";

/// Containers, networks and volumes of one name.
pub(super) struct Project {
    name: String,
    ports: Ports,
    files: Vec<&'static str>,
    /// Where cargo leaves its programs.
    programs: PathBuf,
    /// Takes what the longer commands say.
    log: PathBuf,
}

impl Project {
    /// # Errors
    /// If no ports are free, or the log cannot be written.
    pub(super) fn new(prebuilt: bool) -> Result<Self> {
        let name = format!("veleta-test-{}", std::process::id());
        let folder = paths::runs();
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut files = vec!["docker-compose.yml"];
        if prebuilt {
            files.push("deploy/compose.prebuilt.yaml");
        }
        Ok(Self {
            log: folder.join(format!("{name}.log")),
            programs: paths::target()?.join("release"),
            ports: Ports::free()?,
            files,
            name,
        })
    }

    /// # Errors
    /// If an image cannot be built.
    pub(super) fn build(&self) -> Result<()> {
        self.run(&["--progress", "plain", "--profile", "tools", "build"])
    }

    /// # Errors
    /// If a container does not get healthy.
    pub(super) fn up(&self) -> Result<()> {
        self.run(&["up", "--build", "--wait", "--wait-timeout", "300"])
    }

    /// Removes everything, and looks whether it is gone.
    ///
    /// # Errors
    /// Names what is left.
    pub(super) fn down(&self) -> Result<()> {
        let volumes = self.volumes()?;
        self.run(&[
            "--profile",
            "tools",
            "down",
            "--volumes",
            "--remove-orphans",
            "--rmi",
            "local",
        ])?;
        let label = format!("label=com.docker.compose.project={}", self.name);
        for list in [
            &["ps", "--all"][..],
            &["network", "ls"],
            &["image", "ls"],
            &["volume", "ls"],
        ] {
            let left = output(docker([list, &["--quiet", "--filter", &label]].concat()))?;
            ensure!(left.is_empty(), "docker {} still has {left}", list[0]);
        }
        let left = output(docker(["volume", "ls", "--quiet"]))?;
        if let Some(volume) = left
            .lines()
            .find(|left| volumes.iter().any(|volume| volume == left))
        {
            bail!("volume {volume} is left");
        }
        fs::remove_file(&self.log).with_context(|| format!("cannot remove {}", self.log.display()))
    }

    /// Keeps the containers' logs and says where.
    pub(super) fn keep_logs(&self) {
        let kept = self
            .run(&["ps", "--all"])
            .and_then(|()| self.run(&["logs", "--no-color", "--timestamps"]));
        let kept_copy = self.log.with_extension("failed.log");
        if kept.is_ok() && fs::copy(&self.log, &kept_copy).is_ok() {
            eprintln!("the containers' logs are in {}", kept_copy.display());
        }
    }

    /// `docker compose run --rm consume …`: values as JSON.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn consume(&self, arguments: &[&str]) -> Result<String> {
        output(self.compose(&[&["--profile", "tools", "run", "--rm", "-T", "consume"], arguments].concat()))
    }

    /// Runs a program inside the container of a service.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn exec(&self, service: &str, arguments: &[&str]) -> Result<String> {
        output(self.compose(&[&["exec", "-T", service], arguments].concat()))
    }

    /// The ids of a service's containers, in full.
    ///
    /// # Errors
    /// If docker fails.
    pub(super) fn containers(&self, service: &str) -> Result<Vec<String>> {
        let ids = output(self.compose(&["ps", "--quiet", service]))?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// The address of a path of the API.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.api)
    }

    /// Every volume that a container of ours has, also those that have no name.
    fn volumes(&self) -> Result<Vec<String>> {
        let containers = output(self.compose(&["--profile", "tools", "ps", "--all", "--quiet"]))?;
        if containers.is_empty() {
            return Ok(Vec::new());
        }
        let format = ["inspect", "--format", "{{range .Mounts}}{{println .Name}}{{end}}"];
        let volumes = output(docker(format.into_iter().chain(containers.lines())))?;
        Ok(volumes
            .lines()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Runs a command that says much, into the log.
    fn run(&self, arguments: &[&str]) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = self.compose(arguments);
        command
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log);
        let status = command.status().context("cannot run docker")?;
        ensure!(
            status.success(),
            "docker compose {}:\n{}",
            arguments.join(" "),
            self.last_lines(40)
        );
        Ok(())
    }

    fn last_lines(&self, count: usize) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = docker(["compose", "--project-name", &self.name, "--ansi", "never"]);
        for file in &self.files {
            command.args(["--file", file]);
        }
        command.args(arguments).env("API_BOOTSTRAP_KEY", API_KEY);
        command.env("PREBUILT", &self.programs);
        let ports = [
            ("KAFKA_PORT", self.ports.broker(1).clients),
            ("REGISTRY_PORT", self.ports.registry),
            ("POSTGRES_PORT", self.ports.postgres),
            ("API_PORT", self.ports.api),
        ];
        command.envs(ports.map(|(name, port)| (name, port.to_string())));
        command
    }
}

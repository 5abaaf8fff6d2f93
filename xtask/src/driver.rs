//! Programs that drive a stack of their own, built in release mode: benchmarks and chaos.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::interrupt::Interrupt;
use crate::own_stack;
use crate::ports::Ports;
use crate::process;
use crate::programs;
use crate::service::Service;
use crate::settings::Settings;
use crate::stack::{DRIVER, Stack};

/// What is run, and what it needs.
pub(crate) struct Driver {
    /// Its binary.
    pub(crate) binary: &'static str,
    /// The packages that it and the programs it runs are built from.
    pub(crate) packages: &'static [&'static str],
    pub(crate) servers: &'static [Service],
    /// Whether the servers are set up for measuring, and keep what they are told over a loss of power.
    pub(crate) measured: bool,
}

impl Driver {
    /// Runs it with these arguments on a stack of its own; its exit code is the outcome.
    ///
    /// # Errors
    /// If it could not be built or started, or was interrupted.
    pub(crate) fn run(&self, purpose: &'static str, arguments: &[String]) -> Result<ExitCode> {
        if arguments
            .iter()
            .any(|argument| argument == "--help" || argument == "-h")
        {
            return self.help();
        }
        own_stack::with_folder(purpose, |dir, interrupt| {
            let settings = Settings {
                ports: if self.servers.contains(&Service::Kafka3) {
                    Ports::free_for(3)?
                } else {
                    Ports::free()?
                },
                simulation: None,
                durable: self.measured,
                measured: self.measured,
            };
            let stack = own_stack::start(dir, settings, self.servers, self.build(), interrupt)?;
            self.drive(&stack, arguments, interrupt)
        })
    }

    /// Lets it tell its options, for which it needs no servers.
    fn help(&self) -> Result<ExitCode> {
        let built = self.build().status().context("cargo")?;
        ensure!(built.success(), "{} could not be built", self.binary);
        let told = Command::new(programs::binary(self.binary)?)
            .arg("--help")
            .status();
        Ok(if told.context(self.binary)?.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn build(&self) -> Command {
        let mut command = cargo::command();
        command
            .args(["build", "--release"])
            .args(self.packages.iter().flat_map(|name| ["--package", name]));
        command
    }

    fn drive(&self, stack: &Stack, arguments: &[String], interrupt: &Interrupt) -> Result<ExitCode> {
        let dir: &Path = &stack.dir;
        let mut command = Command::new(programs::binary(self.binary)?);
        command
            .args(arguments)
            .envs(own_stack::environment(stack, "release")?);
        let mut child = process::spawn(dir, DRIVER, &mut command)?;
        let status = process::finish(dir, DRIVER, &mut child, interrupt)?;
        let code = status.code().context("it was killed")?;
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

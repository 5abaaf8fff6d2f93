//! One stack: a folder with the settings, data, logs and pid files of its processes. Several may live side by side.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};

use crate::interrupt::Interrupt;
use crate::pid_file::PidFile;
use crate::ports;
use crate::process::{self, Ending};
use crate::programs;
use crate::readiness::Readiness;
use crate::servers::{kafka, postgres, registry};
use crate::service::Service;
use crate::settings::Settings;

/// How long a process may take to become ready on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Names under which the passing helpers of xtask are known, so that they are stopped as well.
pub(crate) const CARGO: &str = "cargo";
pub(crate) const MAVEN: &str = "maven";
pub(crate) const MIGRATION: &str = "migration";
pub(crate) const DRIVER: &str = "driver";

/// A stack, running or not.
pub(crate) struct Stack {
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
}

impl Stack {
    /// A stack with these settings, which replace those of earlier runs.
    pub(crate) fn create(dir: PathBuf, settings: Settings) -> Result<Self> {
        settings.save(&dir)?;
        Ok(Self { dir, settings })
    }

    /// The stack in that folder; none if there never was one.
    pub(crate) fn open(dir: PathBuf) -> Result<Option<Self>> {
        let settings = Settings::load(&dir)?;
        Ok(settings.map(|settings| Self { dir, settings }))
    }

    /// # Errors
    /// If there is none, or nothing of it runs.
    pub(crate) fn running(dir: PathBuf) -> Result<Self> {
        let stack =
            Self::open(dir)?.filter(|stack| Service::STOP_ORDER.into_iter().any(|one| stack.is_alive(one)));
        stack.context("nothing is up; `cargo xtask up` starts it")
    }

    /// The processes that belong to it, servers first.
    pub(crate) fn services(&self) -> Vec<Service> {
        let programs = Service::PROGRAMS.into_iter();
        let wanted = programs.filter(|&one| one != Service::Producer || self.settings.simulation.is_some());
        Service::SERVERS.into_iter().chain(wanted).collect()
    }

    pub(crate) fn pid_file(&self, service: Service) -> PidFile {
        PidFile::new(&self.dir, service.name())
    }

    pub(crate) fn is_alive(&self, service: Service) -> bool {
        self.pid_file(service).alive().is_some()
    }

    /// Starts these side by side, telling of each when it is ready. What runs already stays as it is.
    ///
    /// # Errors
    /// The first that failed, with the end of its log.
    pub(crate) fn start_all(&self, services: &[Service], interrupt: &Interrupt) -> Result<()> {
        thread::scope(|scope| {
            let starting: Vec<_> = services
                .iter()
                .map(|&service| scope.spawn(move || self.start(service, interrupt)))
                .collect();
            let outcomes = starting
                .into_iter()
                .map(|thread| thread.join().expect("starting does not panic"));
            outcomes.collect::<Vec<Result<()>>>().into_iter().collect()
        })
    }

    /// Starts one process and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready, with the end of its log.
    pub(crate) fn start(&self, service: Service, interrupt: &Interrupt) -> Result<()> {
        let begin = Instant::now();
        if !self.is_alive(service) {
            for port in service.ports(&self.settings.ports) {
                ports::wait_until_free(port, interrupt)?;
            }
            process::start(&self.dir, service.name(), &mut self.command(service, interrupt)?)?;
        }
        self.wait_until_ready(service, interrupt)?;
        if service == Service::Registry {
            registry::configure(&self.settings)?;
        }
        let port = service.ports(&self.settings.ports)[0];
        say!(
            "{service:<18} ready on 127.0.0.1:{port} after {:.1} s",
            begin.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Stops everything in order, reporting what ran. What does not want to stop is killed.
    ///
    /// # Errors
    /// What could not be stopped; the rest is.
    pub(crate) fn stop_all(dir: &Path, report: impl Fn(&str, Ending)) -> Result<()> {
        let helpers = [DRIVER, CARGO, MAVEN, MIGRATION].map(|name| (name, process::WITH_CHILDREN));
        let services = Service::STOP_ORDER.map(|service| (service.name(), service.manner()));
        let mut failed = Ok(());
        for (name, manner) in helpers.into_iter().chain(services) {
            match process::stop(dir, name, manner) {
                Ok(Ending::AlreadyGone) => {}
                Ok(ending) => report(name, ending),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    fn command(&self, service: Service, interrupt: &Interrupt) -> Result<Command> {
        let (dir, settings) = (&self.dir, &self.settings);
        match service {
            Service::Kafka => kafka::command(dir, settings, 1),
            Service::Kafka2 => kafka::command(dir, settings, 2),
            Service::Kafka3 => kafka::command(dir, settings, 3),
            Service::Registry => registry::command(dir, settings),
            Service::Postgres => {
                postgres::prepare(dir, interrupt)?;
                Ok(postgres::command(dir, settings))
            }
            Service::StreamAggregator | Service::Sink | Service::Api | Service::Producer => {
                programs::command(service, dir, settings)
            }
        }
    }

    /// # Errors
    /// If it ends, or does not become ready in time, with the end of its log.
    pub(crate) fn wait_until_ready(&self, service: Service, interrupt: &Interrupt) -> Result<()> {
        let mut why = Error::msg("starting");
        let outcome = interrupt.wait_for("not ready", START, || match Readiness::of(service, self) {
            Readiness::Ready(_) => Ok(Some(())),
            Readiness::NotReady(_, error) => {
                why = error;
                Ok(None)
            }
            Readiness::Ended | Readiness::Stopped => bail!("it ended"),
        });
        interrupt.check()?;
        outcome.map_err(|error| {
            let tail = process::log_tail(&self.dir, service.name(), 15);
            Error::msg(format!(
                "{service} did not start: {error} ({why:#}); the end of its log:\n{tail}"
            ))
        })
    }
}

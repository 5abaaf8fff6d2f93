//! Events are carried out, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{Instant, sleep, sleep_until};

use super::in_sync::until_in_sync;
use super::plan::{Action, Manner, Rules, Server, Step};
use super::{Crew, Detour, Journal};
use crate::{Servers, System};

/// Between two looks at who is to go on.
const LOOK: Duration = Duration::from_millis(100);

/// How long nothing passes between the members and Kafka.
const BLOCK: Duration = Duration::from_secs(5);

/// How long the brokers of a cluster may take until each has everything again.
const IN_SYNC: Duration = Duration::from_secs(60);

/// Sessions that may be ended: those of the program's role in this installation's database.
const SESSIONS: &str = "SELECT pid, application_name FROM pg_stat_activity \
     WHERE datname = current_database() AND usename = $1 ORDER BY pid";

/// A crew at work, and what can be done to it.
pub struct Chaos<'a> {
    /// The installation.
    pub system: &'a System,
    /// Its servers.
    pub servers: Servers,
    /// The database role of the crew, whose sessions are cut.
    pub role: &'static str,
    /// The processes.
    pub crew: Crew<'a>,
    /// The members' way to Kafka, if it is to be blocked.
    pub detour: Option<Detour>,
    /// Where everything is told.
    pub journal: Journal,
    /// How long a frozen member stays so.
    pub freeze: Duration,
    /// How often each kind of event has happened.
    pub counts: BTreeMap<&'static str, usize>,
}

impl Chaos<'_> {
    /// Starts the members that the rules want at first.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(&mut self, rules: &Rules) -> Result<()> {
        for member in 1..=rules.members {
            let told = self.crew.start(member)?;
            self.journal.note(format_args!("start  {told}"));
        }
        Ok(())
    }

    /// Carries out these steps.
    ///
    /// # Errors
    /// When a member ends by itself, or something cannot be done.
    pub async fn run(&mut self, steps: impl Iterator<Item = Step>) -> Result<()> {
        for (number, step) in (1..).zip(steps) {
            self.pause(step.pause).await?;
            let what = self
                .act(step.action)
                .await
                .with_context(|| format!("event {number}, {:?}", step.action))?;
            self.journal.note(format_args!("#{number:<3} {what}"));
        }
        Ok(())
    }

    /// Has `verify` judge once what is left has arrived, which may take so long; then everybody leaves. True if it has found
    /// no difference.
    ///
    /// # Errors
    /// When a member has ended by itself, or does not leave in good order.
    pub async fn verdict(&mut self, settle: Duration) -> Result<bool> {
        let verdict = self.system.verdict(settle);
        self.crew.check()?;
        self.crew.disband().await?;
        self.journal.note(match &verdict {
            Ok(report) => format!("verify found no difference:\n{report}"),
            Err(report) => format!("verify found a difference:\n{report}"),
        });
        Ok(verdict.is_ok())
    }

    /// Waits, and lets those go on meanwhile whose time has come.
    ///
    /// # Errors
    /// When a member ends by itself.
    pub async fn pause(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        loop {
            for member in self.crew.thaw_due() {
                self.journal.note(format_args!("     {:<18} {member}", "goes on"));
            }
            for member in self.crew.check()? {
                self.journal
                    .note(format_args!("     {:<18} {member}", "started again"));
            }
            if Instant::now() >= end {
                return Ok(());
            }
            sleep_until(end.min(Instant::now() + LOOK)).await;
        }
    }

    async fn act(&mut self, action: Action) -> Result<String> {
        let (kind, told) = match action {
            Action::Kill(member) => {
                let killed = self.crew.kill(member)?;
                ("kill -9", format!("{killed}; again {}", self.crew.start(member)?))
            }
            Action::Freeze(member) => {
                let frozen = self.crew.freeze(member, self.freeze)?;
                ("freeze", format!("{frozen} for {} s", self.freeze.as_secs()))
            }
            Action::Join(member) => ("join", self.crew.start(member)?),
            Action::Leave(member) => ("leave", self.crew.leave(member)?),
            Action::Restart(server, manner) => self.restart(server, manner)?,
            Action::Cut(which) => ("cut", self.cut(which).await?),
            Action::Block => {
                let detour = self.detour.as_ref().context("there is no way to be blocked")?;
                detour.block(BLOCK);
                ("block", format!("the way to kafka for {} s", BLOCK.as_secs()))
            }
        };
        *self.counts.entry(kind).or_default() += 1;
        Ok(format!("{kind:<18} {told}"))
    }

    fn restart(&self, server: Server, manner: Manner) -> Result<(&'static str, String)> {
        let name = match server {
            Server::Postgres => "postgres",
            Server::Kafka => "kafka",
            Server::Kafka2 => "kafka-2",
            Server::Kafka3 => "kafka-3",
            Server::Registry => "registry",
        };
        let begun = Instant::now();
        let kind = match manner {
            Manner::Fast => {
                self.servers.stop(name);
                "restart, fast"
            }
            Manner::Immediate => {
                self.servers.quit(name);
                "restart, immediate"
            }
            Manner::Kill => {
                self.servers.kill(name);
                "restart, kill -9"
            }
        };
        self.servers.start(name);
        if matches!(server, Server::Kafka | Server::Kafka2 | Server::Kafka3) {
            tokio::task::block_in_place(|| until_in_sync(&self.system.stack.kafka(), IN_SYNC))?;
        }
        Ok((
            kind,
            format!("{name}, back after {:.1} s", begun.elapsed().as_secs_f64()),
        ))
    }

    async fn cut(&self, which: usize) -> Result<String> {
        let mut connection = self.connect().await?;
        let sessions = sqlx::query(SESSIONS)
            .bind(self.role)
            .fetch_all(&mut connection)
            .await
            .context("asking for the sessions")?;
        let told = match sessions.get(which % sessions.len().max(1)) {
            None => "there is no session just now".to_owned(),
            Some(session) => {
                let (pid, name): (i32, String) = (session.get("pid"), session.get("application_name"));
                sqlx::query("SELECT pg_terminate_backend($1)")
                    .bind(pid)
                    .execute(&mut connection)
                    .await
                    .context("ending a session")?;
                format!("the session of {name}, one of {}", sessions.len())
            }
        };
        connection.close().await?;
        Ok(told)
    }

    async fn connect(&self) -> Result<PgConnection> {
        let url = &self.system.database.admin_url;
        let mut tries = 0;
        loop {
            match PgConnection::connect(url).await {
                // a server that was started a moment ago may still be recovering
                Err(_) if tries < 100 => tries += 1,
                other => return other.context("connecting to the database"),
            }
            sleep(LOOK).await;
        }
    }
}

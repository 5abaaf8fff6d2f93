//! The processes whose life is made hard: several of one program.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testkit::Program;

use super::plan::Member;

/// How long a member that was asked to leave may take on a busy machine, its database being restarted meanwhile.
const LEAVE_LIMIT: Duration = Duration::from_secs(90);

/// How many lines of a log are shown beside an error.
const TOLD: usize = 15;

/// Processes of one program.
pub struct Crew<'a> {
    name: &'static str,
    command: Box<dyn Fn() -> Command + 'a>,
    logs: Option<PathBuf>,
    members: BTreeMap<Member, Process>,
    leaving: Vec<Leaving>,
    /// Whether a named member that Kafka has fenced is started again.
    is_supervised: bool,
}

struct Process {
    program: Program,
    /// Frozen until then.
    thaw_at: Option<Instant>,
}

struct Leaving {
    member: Member,
    program: Program,
    since: Instant,
}

/// Some keep their name in the group over a restart, as under a supervisor, others are strangers each time.
const fn is_named(member: Member) -> bool {
    member % 2 == 1
}

impl<'a> Crew<'a> {
    /// A crew of nobody; `command` starts a member, whose output goes to a file of the folder, if there
    /// is one.
    pub fn new(name: &'static str, logs: Option<&Path>, command: impl Fn() -> Command + 'a) -> Self {
        Self {
            name,
            command: Box::new(command),
            logs: logs.map(Path::to_owned),
            members: BTreeMap::new(),
            leaving: Vec::new(),
            is_supervised: false,
        }
    }

    /// With a supervisor, which a member that keeps its name needs where Kafka itself is killed: the answer to its joining
    /// may be lost with the broker, which then knows the name by another member and fences this one for good.
    #[must_use]
    pub fn supervised(mut self) -> Self {
        self.is_supervised = true;
        self
    }

    /// Starts a member.
    ///
    /// # Errors
    /// When its log cannot be written.
    pub fn start(&mut self, member: Member) -> Result<String> {
        let mut command = (self.command)();
        if let Some(path) = self.log_of(member) {
            let log = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .with_context(|| format!("opening {}", path.display()))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        if is_named(member) {
            command.env("INSTANCE_ID", format!("chaos-{member}"));
        }
        let program = Program::start(command.stdin(Stdio::null()));
        let told = format!("{} {member} (pid {})", self.name, program.pid());
        let process = Process {
            program,
            thaw_at: None,
        };
        self.members.insert(member, process);
        Ok(told)
    }

    /// Kills a member.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn kill(&mut self, member: Member) -> Result<String> {
        let mut process = self.take(member)?;
        process.program.kill();
        Ok(format!("{} {member} (pid {})", self.name, process.program.pid()))
    }

    /// Stops a member by SIGSTOP; [`Self::thaw_due`] lets it go on.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn freeze(&mut self, member: Member, duration: Duration) -> Result<String> {
        let process = self.members.get_mut(&member);
        let process = process.with_context(|| format!("there is no {} {member}", self.name))?;
        process.program.signal("STOP");
        process.thaw_at = Some(Instant::now() + duration);
        Ok(format!("{} {member} (pid {})", self.name, process.program.pid()))
    }

    /// Lets those go on whose time has come, and tells who.
    pub fn thaw_due(&mut self) -> Vec<String> {
        let now = Instant::now();
        self.thaw(|thaw_at| thaw_at <= now)
    }

    /// Whether any is frozen.
    pub fn is_frozen(&self) -> bool {
        self.members.values().any(|process| process.thaw_at.is_some())
    }

    /// Asks a member to leave; [`Self::check`] sees to it that it does.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn leave(&mut self, member: Member) -> Result<String> {
        let process = self.take(member)?;
        process.program.signal("TERM");
        let told = format!("{} {member} (pid {})", self.name, process.program.pid());
        self.leaving.push(Leaving {
            member,
            program: process.program,
            since: Instant::now(),
        });
        Ok(told)
    }

    /// Sees that nobody has ended who should not have, and that those who were asked to leave do so in good order. Tells
    /// whom a supervisor has started again.
    ///
    /// # Errors
    /// Who has not, with the end of its log.
    pub fn check(&mut self) -> Result<Vec<String>> {
        let ended: Vec<_> = self
            .members
            .iter_mut()
            .filter_map(|(&member, process)| (!process.program.is_running()).then_some(member))
            .collect();
        let mut started = Vec::new();
        for member in ended {
            let mut process = self.take(member)?;
            let status = process.program.wait(Duration::from_secs(1));
            ensure!(
                self.may_be_fenced(member, status),
                "{} {member} ended by itself: {status}{}",
                self.name,
                self.said(member)
            );
            started.push(self.start(member)?);
        }
        let mut still_leaving = Vec::new();
        for mut one in std::mem::take(&mut self.leaving) {
            if !one.program.is_running() {
                let status = one.program.wait(Duration::from_secs(1));
                ensure!(
                    status.success()
                        || self.may_be_fenced(one.member, status)
                        || self.may_have_lost_its_coordinator(one.member, status)
                        || self.may_be_new(one.member, status),
                    "{} {} left with {status}{}",
                    self.name,
                    one.member,
                    self.said(one.member)
                );
            } else if one.since.elapsed() > LEAVE_LIMIT {
                bail!(
                    "{} {} has not left within {} s{}",
                    self.name,
                    one.member,
                    LEAVE_LIMIT.as_secs(),
                    self.said(one.member)
                );
            } else {
                still_leaving.push(one);
            }
        }
        self.leaving = still_leaving;
        Ok(started)
    }

    /// Whether a program that ended so had perhaps only just been started again, and could not listen to signals yet.
    fn may_be_new(&self, member: Member, status: ExitStatus) -> bool {
        const SIGTERM: i32 = 15;
        self.is_supervised && is_named(member) && status.signal() == Some(SIGTERM)
    }

    /// Whether a program that ended so was perhaps fenced, and said that it cannot go on.
    fn may_be_fenced(&self, member: Member, status: ExitStatus) -> bool {
        self.is_supervised && is_named(member) && status.code() == Some(1)
    }

    /// Whether a program that ended so was told to end while its client waited for a coordinator that had gone with its
    /// broker, for which the client has no limit; it must have said so.
    fn may_have_lost_its_coordinator(&self, member: Member, status: ExitStatus) -> bool {
        let has_waited = |said: &str| {
            ["not stopped within", "could not be given back within"]
                .iter()
                .any(|why| said.contains(why))
        };
        self.is_supervised && status.code() == Some(1) && has_waited(&self.said(member))
    }

    /// Asks all to leave, and waits until they have.
    ///
    /// # Errors
    /// Who has not, with the end of its log.
    pub async fn disband(&mut self) -> Result<()> {
        self.thaw(|_| true);
        let members: Vec<_> = self.members.keys().copied().collect();
        for member in members {
            self.leave(member)?;
        }
        while !self.leaving.is_empty() {
            self.check()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn thaw(&mut self, is_due: impl Fn(Instant) -> bool) -> Vec<String> {
        let mut thawed = Vec::new();
        for (&member, process) in &mut self.members {
            if process.thaw_at.is_some_and(&is_due) {
                process.program.signal("CONT");
                process.thaw_at = None;
                thawed.push(format!("{} {member} (pid {})", self.name, process.program.pid()));
            }
        }
        thawed
    }

    fn take(&mut self, member: Member) -> Result<Process> {
        let process = self.members.remove(&member);
        process.with_context(|| format!("there is no {} {member}", self.name))
    }

    fn log_of(&self, member: Member) -> Option<PathBuf> {
        let folder = self.logs.as_ref()?;
        Some(folder.join(format!("{}-{member}.log", self.name)))
    }

    /// The end of a member's log, to stand behind an error.
    fn said(&self, member: Member) -> String {
        let Some(text) = self.log_of(member).and_then(|path| fs::read_to_string(path).ok()) else {
            return String::new();
        };
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(TOLD)..];
        format!("; the end of its log:\n{}", last.join("\n"))
    }
}

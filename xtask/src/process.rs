//! Starting and stopping one process. Each is the leader of a group of its own, so that Ctrl-C reaches xtask only, and
//! each leaves a pid file, so that whoever comes later can stop it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::identity::Identity;
use crate::interrupt::Interrupt;
use crate::pid_file::PidFile;

/// How long the kernel may take to clear away what it was told to kill.
const BURIAL: Duration = Duration::from_secs(10);

/// How a process wants to be stopped.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) signal: Signal,
    /// Cargo and Maven have children of their own.
    pub(crate) whole_group: bool,
    /// After this it is killed.
    pub(crate) patience: Duration,
}

/// For what stops by itself when asked.
pub(crate) const POLITELY: Manner = Manner {
    signal: Signal::TERM,
    whole_group: false,
    patience: Duration::from_secs(20),
};

/// For programs that run others.
pub(crate) const WITH_CHILDREN: Manner = Manner {
    signal: Signal::TERM,
    whole_group: true,
    patience: Duration::from_secs(10),
};

/// For an outage in a test.
pub(crate) const AT_ONCE: Manner = Manner {
    signal: Signal::KILL,
    whole_group: false,
    patience: Duration::from_secs(0),
};

/// What stopping came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    AlreadyGone,
    AsAsked,
    Killed,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyGone => "was not running",
            Self::AsAsked => "stopped",
            Self::Killed => "killed",
        })
    }
}

/// Tells the person who typed the command.
pub(crate) fn announce(name: &str, ending: Ending) {
    say!("{name:<18} {ending}");
}

/// Starts a process that outlives this call, its output appended to its log.
///
/// # Errors
/// If it cannot be started, or has ended already.
pub(crate) fn start(dir: &Path, name: &str, command: &mut Command) -> Result<()> {
    let log = open_log(dir, name)?;
    command
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log);
    let mut child = spawn(dir, name, command)?;
    // Reaped as soon as it ends, so that no corpse looks like a process that still holds its files.
    thread::spawn(move || child.wait());
    Ok(())
}

/// Starts a process that [`finish`] waits for.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn spawn(dir: &Path, name: &str, command: &mut Command) -> Result<Child> {
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if let Some(identity) =
        Identity::of(i32::try_from(child.id()).context("a pid is not a number of the kernel's")?)
    {
        PidFile::new(dir, name).write(identity)?;
    }
    Ok(child)
}

/// Waits for the end of a process started by [`spawn`], and stops it with its children if interrupted.
///
/// # Errors
/// If interrupted.
pub(crate) fn finish(dir: &Path, name: &str, child: &mut Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let pid_file = PidFile::new(dir, name);
    loop {
        if let Some(status) = child
            .try_wait()
            .with_context(|| format!("cannot wait for {name}"))?
        {
            pid_file.remove()?;
            return Ok(status);
        }
        if let Err(interruption) = interrupt.check() {
            stop(dir, name, WITH_CHILDREN)?;
            return Err(interruption);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Stops a process by what its pid file says, and removes that file.
///
/// # Errors
/// If it survives even SIGKILL.
pub(crate) fn stop(dir: &Path, name: &str, manner: Manner) -> Result<Ending> {
    let pid_file = PidFile::new(dir, name);
    let Some(identity) = pid_file.alive() else {
        pid_file.remove()?;
        return Ok(Ending::AlreadyGone);
    };
    signal(identity, manner, manner.signal);
    let polite = is_gone_within(identity, manner.patience);
    if !polite {
        signal(identity, manner, Signal::KILL);
        if !is_gone_within(identity, BURIAL) {
            bail!("{name} (pid {}) does not end, even by SIGKILL", identity.pid);
        }
    }
    pid_file.remove()?;
    let asked = polite && manner.signal != Signal::KILL;
    Ok(if asked { Ending::AsAsked } else { Ending::Killed })
}

fn signal(identity: Identity, manner: Manner, signal: Signal) {
    if manner.whole_group {
        identity.signal_group(signal);
    } else {
        identity.signal(signal);
    }
}

fn is_gone_within(identity: Identity, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while identity.is_alive() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Where a process's output goes.
pub(crate) fn log_path(dir: &Path, name: &str) -> PathBuf {
    dir.join("logs").join(format!("{name}.log"))
}

/// The log of a process, to append to.
pub(crate) fn open_log(dir: &Path, name: &str) -> Result<File> {
    let path = log_path(dir, name);
    fs::create_dir_all(path.parent().expect("a log lies in `logs`"))
        .context("cannot create the folder of logs")?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The last lines of a process's log, to show beside an error.
pub(crate) fn log_tail(dir: &Path, name: &str, lines: usize) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(log_path(dir, name)) {
        let _ = file.read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary_dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_process_is_stopped_by_its_pid_file() {
        let dir = temporary_dir("stop");
        start(&dir, "sleeper", Command::new("sleep").arg("60")).unwrap();
        assert!(PidFile::new(&dir, "sleeper").alive().is_some());
        assert_eq!(stop(&dir, "sleeper", POLITELY).unwrap(), Ending::AsAsked);
        assert_eq!(stop(&dir, "sleeper", POLITELY).unwrap(), Ending::AlreadyGone);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn one_that_does_not_listen_is_killed_with_its_children() {
        let dir = temporary_dir("kill");
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' TERM; echo deaf; while true; do sleep 1; done"]);
        start(&dir, "deaf", &mut shell).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while log_tail(&dir, "deaf", 1) != "deaf" {
            assert!(Instant::now() < deadline, "the shell says nothing for 10 s");
            thread::yield_now();
        }
        let manner = Manner {
            patience: Duration::from_millis(100),
            ..WITH_CHILDREN
        };
        assert_eq!(stop(&dir, "deaf", manner).unwrap(), Ending::Killed);
        fs::remove_dir_all(dir).unwrap();
    }
}

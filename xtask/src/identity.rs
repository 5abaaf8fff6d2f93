//! Which process a pid means. A pid alone is recycled by the kernel; with the moment the process started it is not.

use std::fmt;
use std::fs;
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

/// A pid and the clock ticks between boot and the start of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Kept by `exec`, as is the start.
    pub(crate) pid: i32,
    start_ticks: u64,
}

impl Identity {
    /// The process that has this pid now; none if there is none, or only its corpse.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start_ticks) = parse_stat(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Signals this process, and never another one that got its pid since.
    pub(crate) fn signal(self, signal: Signal) {
        // The descriptor pins the process first; then it cannot be recycled between the look and the signal.
        let Some(descriptor) = self
            .raw()
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        else {
            return;
        };
        if self.is_alive() {
            // It may end by itself right here, which is what is wanted.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }

    /// Signals this process and all of its group, whose leader it must be.
    pub(crate) fn signal_group(self, signal: Signal) {
        if let Some(pid) = self.raw().filter(|_| self.is_alive()) {
            let _ = kill_process_group(pid, signal);
            // What was stopped hears nothing until it goes on.
            let _ = kill_process_group(pid, Signal::CONT);
        }
    }

    fn raw(self) -> Option<Pid> {
        Pid::from_raw(self.pid)
    }
}

/// State and start time out of `/proc/PID/stat`; the name between them may itself hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    // proc(5) counts from 1: the state is the 3rd field and the start time the 22nd.
    let start_ticks = fields.nth(22 - 3 - 1)?.parse().ok()?;
    Some((state, start_ticks))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.start_ticks)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (pid, start_ticks) = text
            .trim()
            .split_once(' ')
            .context("want a pid and a start time")?;
        Ok(Self {
            pid: pid.parse()?,
            start_ticks: start_ticks.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "2503 (a) b (c) S 1 2503 2503 0 -1 4194560 1 0 0 0 7 8 0 0 20 0 1 0 152304 4096 9 18446744073709551615";

    #[test]
    fn the_name_does_not_confuse_the_fields() {
        assert_eq!(parse_stat(STAT), Some(('S', 152_304)));
        assert_eq!(parse_stat("2503 (sh"), None);
    }

    #[test]
    fn survives_its_text_form() {
        let identity = Identity {
            pid: 2503,
            start_ticks: 152_304,
        };
        assert_eq!(identity.to_string().parse::<Identity>().unwrap(), identity);
        assert!("2503".parse::<Identity>().is_err());
    }

    #[test]
    fn a_recycled_pid_is_another_process() {
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let recycled = Identity {
            start_ticks: own.start_ticks + 1,
            ..own
        };
        assert!(own.is_alive());
        assert!(!recycled.is_alive());
        // Would end this test if it were sent.
        recycled.signal(Signal::KILL);
    }

    #[test]
    fn a_corpse_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while Identity::of(pid).is_some() {
            assert!(
                std::time::Instant::now() < deadline,
                "`true` still runs after 10 s"
            );
            std::thread::yield_now();
        }
        assert!(fs::exists(format!("/proc/{pid}")).unwrap(), "not reaped yet");
        child.wait().unwrap();
    }
}

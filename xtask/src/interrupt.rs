//! Ctrl-C, SIGTERM and SIGHUP: they only raise a flag, and whatever waits looks at it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a waiting loop looks again.
const LOOK: Duration = Duration::from_millis(50);

/// Cloned into everything that waits.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signals over from the system's default, which would end xtask and leave its stack behind.
    pub(crate) fn install() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.0)).context("cannot handle signals")?;
        }
        Ok(interrupt)
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Interrupted`] once a signal has come.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_raised() {
            Err(Error::new(Interrupted))
        } else {
            Ok(())
        }
    }

    /// Sleeps, and wakes at a signal.
    pub(crate) fn sleep(&self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while !self.is_raised() && Instant::now() < deadline {
            thread::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// Looks until `probe` has something, at most for `patience`.
    ///
    /// # Errors
    /// The probe's own, [`Interrupted`], or that `what` did not happen in time.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        mut probe: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = probe()? {
                return Ok(found);
            }
            self.check()?;
            if Instant::now() >= deadline {
                bail!("{what} after {} s", patience.as_secs());
            }
            thread::sleep(LOOK);
        }
    }
}

/// The person pressed Ctrl-C, or somebody asked xtask to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

pub(crate) fn is_interruption(error: &Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<Interrupted>)
}

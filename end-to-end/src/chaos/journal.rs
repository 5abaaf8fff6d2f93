//! What happened when, for people: printed as it happens, and kept in a file if one is wanted.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use domain::{TimeDelta, Timestamp};

/// Notes with their times.
#[derive(Debug)]
pub struct Journal {
    begun: Instant,
    file: Option<File>,
}

impl Journal {
    /// Begins now; kept in `events.log` of the folder, if there is one, which is emptied: what an earlier run has left there
    /// would be taken for this one's.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn begin(folder: Option<&Path>) -> Result<Self> {
        let create = |folder: &Path| {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            let path = folder.join("events.log");
            File::create(&path).with_context(|| format!("making {}", path.display()))
        };
        Ok(Self {
            begun: Instant::now(),
            file: folder.map(create).transpose()?,
        })
    }

    /// How long ago it began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// One line, with the time of the clock on the wall and since the beginning.
    #[expect(clippy::print_stdout, reason = "it is followed by the person who started it")]
    pub fn note(&mut self, what: impl fmt::Display) {
        let line = format!("{}  {:>7.1} s  {what}", now(), self.elapsed().as_secs_f64());
        println!("{line}");
        if let Some(file) = &mut self.file {
            // a full disk is no reason to end the run
            let _ = writeln!(file, "{line}");
        }
    }
}

/// To the millisecond, as the programs' logs have it.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(micros).floor_to(TimeDelta::from_millis(1))
}

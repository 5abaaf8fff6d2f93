//! Playing a recording: what a person may order, and the loop that carries it out.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use domain::{FarmId, TimeDelta, Timestamp, TimestampError, TurbineId};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::event_time::parse_time_zone;
use super::format::Format;
use super::layout::Overrides;
use super::recording::{LineError, Recording};
use super::survey::Survey;
use crate::pace::{Pace, Speedup, now};
use crate::send::{Sender, Sent};
use crate::summary::Summary;
use platform::program::UsageError;

/// After so many lines others get their turn, and the progress is shown.
const LINES_A_TURN: u64 = 256;

/// What to replay, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// File to replay; it may be larger than memory
    pub file: PathBuf,

    /// How the file is written
    #[arg(long, value_enum)]
    pub format: Format,

    /// Farm of every line, in place of what the file says (t1: `t1`; la-haute-borne: `la-haute-borne`)
    #[arg(long)]
    pub farm_id: Option<FarmId>,

    /// Turbine of every line, in place of what the file says (t1: `T1`)
    #[arg(long)]
    pub turbine_id: Option<TurbineId>,

    /// Zone of times without an offset: `Europe/Istanbul`, `+03:00`, `UTC` (t1: +03:00)
    #[arg(long, value_parser = parse_time_zone)]
    pub time_zone: Option<TimeZone>,

    /// Move all times by one constant, so that the last reading is `now` or at this RFC 3339 time
    #[arg(long)]
    pub shift_to: Option<ShiftTo>,

    /// How much faster than it was recorded, or `max`
    #[arg(long, default_value_t = Speedup::Max)]
    pub speedup: Speedup,

    /// Begin again at the end, each round later by the file's length; what would lie in the future waits for its time
    #[arg(long = "loop")]
    pub repeat: bool,
}

/// Where the last reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShiftTo {
    /// To the time of the start.
    Now,
    /// To this time.
    Time(Timestamp),
}

impl FromStr for ShiftTo {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if text == "now" {
            Ok(Self::Now)
        } else {
            text.parse().map(Self::Time)
        }
    }
}

impl ReplayArgs {
    /// The recording that is meant.
    pub fn recording(&self) -> Recording {
        Recording {
            path: self.file.clone(),
            format: self.format,
            overrides: Overrides {
                farm_id: self.farm_id.clone(),
                turbine_id: self.turbine_id.clone(),
                time_zone: self.time_zone.clone(),
            },
        }
    }
}

/// Sends the recording until its end, or until `stop` is cancelled.
///
/// # Errors
/// When the file cannot be read, or a reading cannot be handed to Kafka. A bad line is no error: it is named in the
/// log, counted and skipped.
pub async fn run(
    args: &ReplayArgs,
    sender: &mut Sender,
    stop: &CancellationToken,
) -> anyhow::Result<Summary> {
    let recording = args.recording();
    let (mut shift, round) = plan(args, &recording)?;
    let mut player = Player {
        speedup: args.speedup,
        repeat: args.repeat,
        pace: None,
        first_round: true,
        progress: progress(recording.size()?),
        summary: Summary::default(),
    };
    while player.play(&recording, shift, sender, stop).await? && args.repeat {
        shift = shift + round;
        player.first_round = false;
    }
    player.progress.finish_and_clear();
    Ok(player.summary)
}

/// By how much the first round is moved, and each further one; it takes a look through the file only if need be.
fn plan(args: &ReplayArgs, recording: &Recording) -> anyhow::Result<(TimeDelta, TimeDelta)> {
    if args.shift_to.is_none() && !args.repeat {
        return Ok((TimeDelta::ZERO, TimeDelta::ZERO));
    }
    let survey = Survey::of(recording)?
        .ok_or_else(|| UsageError(format!("{} holds no reading", recording.path.display())))?;
    let shift = match args.shift_to {
        Some(ShiftTo::Now) => now().since(survey.latest),
        Some(ShiftTo::Time(time)) => time.since(survey.latest),
        None => TimeDelta::ZERO,
    };
    Ok((shift, survey.round()))
}

struct Player {
    speedup: Speedup,
    repeat: bool,
    /// Known from the first reading on.
    pace: Option<Pace>,
    /// Whether bad lines are named: once is enough.
    first_round: bool,
    progress: ProgressBar,
    summary: Summary,
}

impl Player {
    /// Sends the file once; false if it was stopped.
    async fn play(
        &mut self,
        recording: &Recording,
        shift: TimeDelta,
        sender: &mut Sender,
        stop: &CancellationToken,
    ) -> anyhow::Result<bool> {
        let mut lines = recording.open()?;
        self.progress.reset();
        loop {
            if self.summary.read.is_multiple_of(LINES_A_TURN) {
                if stop.is_cancelled() {
                    return Ok(false);
                }
                self.progress.set_position(lines.position());
                sender.observe();
                tokio::task::yield_now().await;
            }
            let line = lines
                .next_line()
                .with_context(|| recording.path.display().to_string())?;
            let mut reading = match line {
                None => return Ok(true),
                Some(Ok(reading)) => reading,
                Some(Err(error)) => {
                    self.refuse(&error);
                    continue;
                }
            };
            self.summary.read += 1;
            reading.event_time = reading.event_time + shift;
            if !self.wait(reading.event_time, stop).await
                || sender.send(&reading, stop).await? == Sent::Stopped
            {
                return Ok(false);
            }
            self.summary.sent += 1;
        }
    }

    fn refuse(&mut self, error: &LineError) {
        self.summary.refuse();
        if self.first_round {
            self.progress
                .suspend(|| tracing::warn!(line = error.line, reason = error.reason, "line refused"));
        }
    }

    /// Waits until a reading of that time is due; false if it was stopped before.
    async fn wait(&mut self, event_time: Timestamp, stop: &CancellationToken) -> bool {
        let now = now();
        let pace = self
            .pace
            .get_or_insert_with(|| Pace::new(self.speedup, event_time, now, self.repeat));
        pace.pass(event_time, now, stop).await
    }
}

/// Hidden where nobody watches.
fn progress(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .expect("the template is well-formed");
    ProgressBar::new(bytes).with_style(style)
}

//! `producer simulate`: what a person may order, and the loop that carries it out.

use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use domain::{FarmId, TimeDelta, Timestamp, TurbineId};
use jiff::{Span, SpanRelativeTo};
use platform::program::UsageError;
use tokio_util::sync::CancellationToken;

use crate::faults::{FaultPlan, FaultRate, garble};
use crate::fleet::Fleet;
use crate::pace::{Pace, Speedup, now};
use crate::probability::Probability;
use crate::schedule::{Dispatch, Schedule};
use crate::send::{Sender, Sent};
use crate::summary::Summary;

/// What to simulate, and how fast.
///
/// Readings are taken at multiples of the interval and never sent before they have happened: a run that is faster
/// than the clock on the wall slows down to it when it has caught up. The same seed, farms, turbines and times give
/// the same readings.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// Number of farms, `farm-1`, `farm-2`, …
    #[arg(long, env = "PRODUCER_FARMS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub farms: u32,

    /// One farm of this id, instead of `--farms`
    #[arg(long, env = "PRODUCER_FARM_ID", conflicts_with = "farms")]
    pub farm_id: Option<FarmId>,

    /// Number of turbines of each farm, `T01`, `T02`, …
    #[arg(long, env = "PRODUCER_TURBINES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub turbines: u32,

    /// Be one turbine of the farm, instead of `--turbines`, with this id
    #[arg(long, env = "PRODUCER_TURBINE_ID_FROM", conflicts_with_all = ["turbines", "farms"])]
    pub turbine_id_from: Option<TurbineIdFrom>,

    /// Time between two readings of a turbine, 1 ms or more: `1s`, `100ms`, `10m`
    #[arg(long, env = "PRODUCER_INTERVAL", default_value = "1s", value_parser = parse_interval)]
    pub interval: TimeDelta,

    /// What the weather, the turbines and the faults follow from
    #[arg(long, env = "PRODUCER_SEED", default_value_t = 42)]
    pub seed: u64,

    /// Probability of each metric of each reading to lie outside its bounds
    #[arg(long, env = "PRODUCER_ERROR_PROBABILITY", default_value = "0")]
    pub error_probability: Probability,

    /// Further faults with the probability of each, `late=0.01,duplicate=0.01`: duplicate (sent twice), late (sent 90 s
    /// later), clock-ahead (event time 1024 weeks ahead), stuck (a metric does not change for 60 readings), missing
    /// (silent for 180 readings), undecodable (bytes that are no reading)
    #[arg(long, env = "PRODUCER_FAULTS", value_delimiter = ',')]
    pub faults: Vec<FaultRate>,

    /// How much faster than the clock on the wall, or `max`. Above 1 it needs a past to run through: `--start`, or
    /// `--duration`, which then ends now
    #[arg(long, env = "PRODUCER_SPEEDUP", default_value_t = Speedup::Times(1.0))]
    pub speedup: Speedup,

    /// Event time of the first readings, RFC 3339; now by default
    #[arg(long, env = "PRODUCER_START")]
    pub start: Option<Timestamp>,

    /// Span of event time to simulate, `5m`, `36h`, `7d`; without it there is no end
    #[arg(long, env = "PRODUCER_DURATION", value_parser = parse_duration)]
    pub duration: Option<TimeDelta>,
}

/// Where the id of a process's only turbine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TurbineIdFrom {
    /// The name of the host (or container) that it runs on
    Hostname,
}

impl SimulateArgs {
    /// The turbines that are asked for.
    ///
    /// # Errors
    /// When the host's name is no turbine's.
    pub fn fleet(&self) -> Result<Fleet, UsageError> {
        let named = |text: String| FarmId::parse(&text).expect("farm-<number> is an id");
        let farms = match &self.farm_id {
            Some(farm) => vec![farm.clone()],
            None => (1..=self.farms).map(|n| named(format!("farm-{n}"))).collect(),
        };
        let turbines = match self.turbine_id_from {
            Some(TurbineIdFrom::Hostname) => vec![host_name()?],
            None => (1..=self.turbines).map(numbered).collect(),
        };
        let plan = FaultPlan::new(self.error_probability, &self.faults);
        Ok(Fleet::new(self.seed, &farms, &turbines, self.interval, plan))
    }

    /// The event time at which a run begins.
    ///
    /// # Errors
    /// When it would have to run ahead of time.
    pub fn first_event(&self, now: Timestamp) -> Result<Timestamp, UsageError> {
        match (self.start, self.duration) {
            (Some(start), _) => Ok(start),
            (None, Some(duration)) if self.speedup.is_faster() => Ok(now - duration),
            (None, None) if self.speedup.is_faster() => Err(UsageError(format!(
                "--speedup {} needs a past to run through: give --start or --duration",
                self.speedup
            ))),
            (None, _) => Ok(now),
        }
    }
}

fn numbered(n: u32) -> TurbineId {
    TurbineId::parse(&format!("T{n:02}")).expect("T<number> is an id")
}

fn host_name() -> Result<TurbineId, UsageError> {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    TurbineId::parse(&name).map_err(|error| UsageError(format!("the host's name: {error}")))
}

/// A span such as `5m` or `7d`, a day being 24 h.
fn parse_duration(text: &str) -> Result<TimeDelta, String> {
    let wrong = |_| format!("'{text}' is no span of time such as 1s, 5m, 36h, 7d");
    let span: Span = text.parse().map_err(wrong)?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(wrong)?;
    let duration = Duration::try_from(duration).map_err(|_| format!("'{text}' is negative"))?;
    Ok(duration.into())
}

fn parse_interval(text: &str) -> Result<TimeDelta, String> {
    let interval = parse_duration(text)?;
    if interval < TimeDelta::from_millis(1) {
        return Err(format!("'{text}' is less than 1ms"));
    }
    Ok(interval)
}

/// Simulates until the end of the run, or until `stop` is cancelled. Nothing that is withheld then is lost.
///
/// # Errors
/// When what is asked for makes no sense, or a reading cannot be handed to Kafka.
pub async fn run(
    args: &SimulateArgs,
    sender: &mut Sender,
    stop: &CancellationToken,
) -> anyhow::Result<Summary> {
    let fleet = args.fleet()?;
    let started = now();
    let start = args.first_event(started)?;
    let mut schedule = Schedule::new(&fleet, start, args.duration);
    let pace = Pace::new(args.speedup, start, started, true);
    tracing::info!(turbines = fleet.len(), seed = args.seed, start = %start, speedup = %args.speedup, "simulating");

    let mut run = Run {
        fleet: &fleet,
        sender,
        stop,
        summary: Summary::default(),
    };
    let mut beat = Vec::with_capacity(fleet.len());
    let mut catching_up = args.speedup.is_faster();
    while let Some(time) = schedule.next_beat(&fleet, &mut beat) {
        let now = now();
        if catching_up && pace.has_caught_up(time, now) {
            tracing::info!(event_time = %time, "caught up with the clock, going on at its speed");
            catching_up = false;
        }
        if !pace.pass(time, now, stop).await || !run.dispatch(&beat).await? {
            break;
        }
    }
    let rest: Vec<_> = schedule.drain().collect();
    run.dispatch(&rest).await.context("readings that were withheld")?;
    let mut summary = run.summary;
    summary.faults = schedule
        .struck()
        .map(|(fault, count)| (fault.name(), count))
        .collect();
    Ok(summary)
}

struct Run<'a> {
    fleet: &'a Fleet,
    sender: &'a mut Sender,
    stop: &'a CancellationToken,
    summary: Summary,
}

impl Run<'_> {
    /// Sends what is due; false if there was no room for it when the program was stopped.
    async fn dispatch(&mut self, due: &[Dispatch]) -> anyhow::Result<bool> {
        for &Dispatch {
            member,
            sequence,
            garbled,
        } in due
        {
            let reading = self.fleet.reading(member, sequence);
            self.summary.read += 1;
            let spoil = |payload: &mut Vec<u8>| {
                if garbled {
                    garble(payload, self.fleet.dice(member, sequence));
                }
            };
            if self.sender.send_spoilt(&reading, spoil, self.stop).await? == Sent::Stopped {
                return Ok(false);
            }
            self.summary.sent += 1;
        }
        self.sender.observe();
        tokio::task::yield_now().await;
        Ok(true)
    }
}

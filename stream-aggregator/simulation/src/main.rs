//! `simulate`: as many seeds as one has time for.
#![expect(clippy::print_stdout, reason = "it prints for the person who typed it")]

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use simulation::{Mistake, Report};

/// How many bad seeds are told of in full.
const TOLD: usize = 3;

/// Runs the stream-aggregator's state machine against a simulated Kafka
#[derive(Parser)]
#[command(name = "simulate", bin_name = "cargo xtask simulate")]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,

    /// The first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,

    /// Tell all that happens in the first seed
    #[arg(long)]
    trace: bool,

    /// Let everybody make that mistake, to see who notices; `list` lists them
    #[arg(long, value_name = "NAME")]
    mistake: Option<String>,
}

/// What came of many seeds.
#[derive(Default)]
struct Total {
    seeds: u64,
    kills: u64,
    freezes: u64,
    commits: u64,
    records: u64,
    windows: u64,
    late: u64,
    bad: Vec<(u64, Report)>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mistake = match args.mistake.as_deref().map(|name| (name, Mistake::of_name(name))) {
        None => None,
        Some((_, Some(mistake))) => Some(mistake),
        Some((name, None)) => {
            let names: Vec<_> = Mistake::ALL.iter().map(ToString::to_string).collect();
            println!("'{name}' is none of: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    if args.trace {
        return trace(args.first_seed, mistake);
    }
    let begin = Instant::now();
    let total = simulate(
        args.first_seed..args.first_seed.saturating_add(args.seeds),
        mistake,
    );
    println!(
        "{} seeds in {:.1} s: {} records, {} windows, {} late readings, {} transactions, {} kills, {} freezes",
        total.seeds,
        begin.elapsed().as_secs_f64(),
        total.records,
        total.windows,
        total.late,
        total.commits,
        total.kills,
        total.freezes
    );
    for (seed, report) in total.bad.iter().take(TOLD) {
        println!("seed {seed}:\n{report}");
        let mistake = mistake.map_or_else(String::new, |mistake| format!(" --mistake {mistake}"));
        println!("to see it: cargo xtask simulate --first-seed {seed} --trace{mistake}");
    }
    println!("{} seeds are wrong", total.bad.len());
    exit_code(total.bad.is_empty())
}

fn trace(seed: u64, mistake: Option<Mistake>) -> ExitCode {
    let report = simulation::trace(seed, mistake);
    for (at, what) in &report.journal {
        println!("{at:>7} {what}");
    }
    println!("{report}");
    exit_code(report.is_good())
}

/// On all processors, each taking the next seed that nobody has taken.
fn simulate(seeds: Range<u64>, mistake: Option<Mistake>) -> Total {
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut totals = thread::scope(|scope| {
        let work = || {
            let mut total = Total::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return total;
                }
                total.add(seed, simulation::run(seed, mistake));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Total>| thread.join().expect("it does not panic");
        running.into_iter().map(join).fold(Total::default(), Total::plus)
    });
    totals.bad.sort_by_key(|(seed, _)| *seed);
    totals
}

impl Total {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.kills += u64::from(report.kills);
        self.freezes += u64::from(report.freezes);
        self.commits += u64::from(report.commits);
        self.records += report.records;
        self.windows += report.windows;
        self.late += report.late;
        if !report.is_good() {
            self.bad.push((seed, report));
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.seeds += other.seeds;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.commits += other.commits;
        self.records += other.records;
        self.windows += other.windows;
        self.late += other.late;
        self.bad.extend(other.bad);
        self
    }
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

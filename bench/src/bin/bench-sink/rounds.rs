//! All that is measured, round by round, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use bench::{CopyIn, Corpus, Ratio, Series, Server, Shape, Table, Target, describe_machine, grouped};
use testkit::Stack;

use crate::args::{Args, Comparison};
use crate::backlog;
use crate::latency;
use crate::measurement::Measurement;
use crate::yardstick::Yardstick;

/// What a run of the sink with one thread may take at most, MiB.
const MEMORY_MIB: f64 = 256.0;

/// The phases of the thread that reads; all others are of its connection.
const READING_PHASES: [&str; 3] = ["decode", "encode", "wait"];

/// One thing that is measured in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    OneThread,
    OneCopy,
    TwoThreads,
    TwoCopies,
    WithDuplicates,
    WithoutDuplicates,
    FewTurbines,
    ManyTurbines,
}

/// Everything that is needed for the rounds.
pub(crate) struct Benchmark {
    args: Args,
    server: Server,
    copy: CopyIn,
    yardstick: Option<Yardstick>,
    corpora: BTreeMap<Subject, Corpus>,
    measured: BTreeMap<Subject, Vec<Measurement>>,
    /// Of each round, milliseconds until a lone reading was seen.
    seen_after_ms: Vec<Series>,
}

impl Benchmark {
    /// Fills the topics.
    pub(crate) async fn prepare(args: Args) -> Result<Self> {
        let server = Server::at(&Stack::for_test().admin_database_url).await?;
        let copy = CopyIn::of_this_machine();
        println!(
            "{}; PostgreSQL {}; {}",
            describe_machine(),
            server.version,
            copy.describe()
        );
        let mut benchmark = Self {
            args,
            server,
            copy,
            yardstick: None,
            corpora: BTreeMap::new(),
            measured: BTreeMap::new(),
            seen_after_ms: Vec::new(),
        };
        benchmark.fill().await.context("filling the topics")?;
        Ok(benchmark)
    }

    /// Measures, and tells.
    pub(crate) async fn run(mut self) -> Result<()> {
        for round in 1..=self.args.rounds {
            let mut subjects = self.subjects();
            // who is first pays for what the one before has left behind, so not always the same
            if round % 2 == 0 {
                subjects.reverse();
            }
            for subject in subjects {
                let measurement = self
                    .measure(subject)
                    .await
                    .with_context(|| format!("measuring {subject} in round {round}"))?;
                println!(
                    "round {round}: {subject:<34} {:>10} rows/s in {:>6.1} s",
                    grouped(measurement.rows_per_s()),
                    measurement.took.as_secs_f64()
                );
                self.measured.entry(subject).or_default().push(measurement);
            }
            if self.wants(Comparison::Latency) {
                let series = self.seen_after().await.context("measuring the latency")?;
                println!(
                    "round {round}: a lone reading is seen after {:.0} ms, p99 {:.0} ms, at most {:.0} ms",
                    series.median(),
                    series.quantile(0.99),
                    series.most()
                );
                self.seen_after_ms.push(series);
            }
        }
        if !self.measured.is_empty() {
            println!("\n{}", self.table());
        }
        if let Some(phases) = self.phases() {
            println!("Where the time of one thread goes:\n\n{phases}");
        }
        for ratio in self.ratios() {
            println!("{}", ratio.json());
        }
        Ok(())
    }

    fn wants(&self, comparison: Comparison) -> bool {
        self.args.only.contains(&comparison)
    }

    fn subjects(&self) -> Vec<Subject> {
        let pairs = [
            (Comparison::Copy, [Subject::OneThread, Subject::OneCopy]),
            (Comparison::Threads, [Subject::TwoThreads, Subject::TwoCopies]),
            (
                Comparison::Duplicates,
                [Subject::WithDuplicates, Subject::WithoutDuplicates],
            ),
            (
                Comparison::Turbines,
                [Subject::FewTurbines, Subject::ManyTurbines],
            ),
        ];
        // the latency has no partner: its measure is a bound
        let wanted = pairs
            .into_iter()
            .filter(|&(comparison, _)| self.wants(comparison));
        wanted.flat_map(|(_, pair)| pair).collect()
    }

    async fn fill(&mut self) -> Result<()> {
        let (turbines, partitions) = (self.args.turbines, self.args.partitions);
        let shape = |readings, turbines, duplicates| Shape {
            readings,
            turbines,
            farms: None,
            span: Shape::WITHIN_A_DAY,
            duplicates,
        };
        let (all, part) = (self.args.readings, self.args.part_readings);
        if self.wants(Comparison::Copy) || self.wants(Comparison::Threads) {
            let corpus = Corpus::send(shape(all, turbines, false), partitions).await?;
            self.save(&corpus).await.context("writing the rows into files")?;
            self.corpora.insert(Subject::TwoThreads, corpus.clone());
            self.corpora.insert(Subject::OneThread, corpus);
        }
        let mut parts = Vec::new();
        if self.wants(Comparison::Duplicates) {
            parts.push((Subject::WithDuplicates, shape(part, turbines, true)));
            parts.push((Subject::WithoutDuplicates, shape(part, turbines, false)));
        }
        if self.wants(Comparison::Turbines) {
            parts.push((Subject::FewTurbines, shape(part, 10, false)));
            parts.push((Subject::ManyTurbines, shape(part, 10_000, false)));
        }
        for (subject, shape) in parts {
            self.corpora
                .insert(subject, Corpus::send(shape, partitions).await?);
        }
        Ok(())
    }

    /// The rows for the yardstick are those that the sink makes of the corpus: the same by construction.
    async fn save(&mut self, corpus: &Corpus) -> Result<()> {
        let database = corpus.stack.database().await;
        backlog::work_off(&self.server, corpus, &database, 1, &self.args.sink_args).await?;
        self.yardstick = Some(Yardstick::of(&database, self.copy.clone()).await?);
        self.server.drop(&database).await
    }

    async fn measure(&self, subject: Subject) -> Result<Measurement> {
        let database = Stack::for_test().database().await;
        self.server.settle().await?;
        let yardstick = || self.yardstick.as_ref().context("there are no files of the rows");
        let measurement = match subject {
            Subject::OneCopy => yardstick()?.one(&self.server, &database).await?,
            Subject::TwoCopies => yardstick()?.two(&self.server, &database).await?,
            Subject::OneThread
            | Subject::TwoThreads
            | Subject::WithDuplicates
            | Subject::WithoutDuplicates
            | Subject::FewTurbines
            | Subject::ManyTurbines => {
                let threads = if subject == Subject::TwoThreads { 2 } else { 1 };
                let corpus = &self.corpora[&subject];
                backlog::work_off(&self.server, corpus, &database, threads, &self.args.sink_args).await?
            }
        };
        self.server.drop(&database).await?;
        Ok(measurement)
    }

    async fn seen_after(&self) -> Result<Series> {
        let database = Stack::for_test().database().await;
        self.server.settle().await?;
        let series = latency::measure(self.args.turbines, &database, &self.args.sink_args).await?;
        self.server.drop(&database).await?;
        Ok(series)
    }

    fn series(&self, subject: Subject, figure: impl Fn(&Measurement) -> f64) -> Series {
        Series::of(self.measured.get(&subject), figure)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "median of the rounds",
            "rows/s",
            "least",
            "most",
            "own CPU µs/row",
            "PostgreSQL CPU µs/row",
            "CPUs busy",
            "peak MiB",
            "start s",
        ]);
        for &subject in self.measured.keys() {
            let of = |figure: &dyn Fn(&Measurement) -> f64| self.series(subject, figure).median();
            let rates = self.series(subject, Measurement::rows_per_s);
            let is_sink = !matches!(subject, Subject::OneCopy | Subject::TwoCopies);
            let only_sink = |text: String| if is_sink { text } else { "-".to_owned() };
            table.row([
                subject.to_string(),
                grouped(rates.median()),
                grouped(rates.least()),
                grouped(rates.most()),
                only_sink(format!("{:.2}", of(&|one| one.micros_per_row(one.own_cpu)))),
                format!("{:.2}", of(&|one| one.micros_per_row(one.postgres_cpu))),
                format!(
                    "{:.2}",
                    of(&|one| one.machine_cpu.as_secs_f64() / one.took.as_secs_f64())
                ),
                only_sink(format!("{:.0}", of(&peak_mib))),
                only_sink(format!("{:.1}", of(&|one| one.start_up.as_secs_f64()))),
            ]);
        }
        table
    }

    /// What the sink says of its own time, in the round whose rate is nearest to the median: the reading thread and the
    /// connection to PostgreSQL work at once, so each has all of the time for itself.
    fn phases(&self) -> Option<Table> {
        let runs = self.measured.get(&Subject::OneThread)?;
        let median = self.series(Subject::OneThread, Measurement::rows_per_s).median();
        let distance = |one: &Measurement| (one.rows_per_s() - median).abs();
        let run = runs
            .iter()
            .min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
        let took_s = run.took.as_secs_f64();
        let mut table = Table::new(&["phase", "s", "share", "µs/row"]);
        let mut row = |name: &str, seconds: f64| {
            table.row([
                name.to_owned(),
                format!("{seconds:.2}"),
                format!("{:.1} %", 100.0 * seconds / took_s),
                format!("{:.3}", seconds * 1e6 / run.rows as f64),
            ]);
        };
        let mut phases: BTreeMap<String, f64> = BTreeMap::new();
        for (phase, seconds) in run.metrics.by("windfarm_sink_phase_seconds_sum", "phase") {
            *phases.entry(phase).or_default() += seconds;
        }
        for (who, others, is_of) in [
            ("reading thread", "fetching, and all else", true),
            ("connection", "waiting for a batch", false),
        ] {
            let mut rest = took_s;
            for (phase, &seconds) in &phases {
                if READING_PHASES.contains(&phase.as_str()) == is_of {
                    row(&format!("{who}: {phase}"), seconds);
                    rest -= seconds;
                }
            }
            row(&format!("{who}: {others}"), rest);
        }
        row("all of it", took_s);
        let batches = run.metrics.sum("windfarm_sink_batches_total");
        table.row([format!("{} batches", grouped(batches))]);
        Some(table)
    }

    fn ratios(&self) -> Vec<Ratio> {
        let rate = |subject| self.series(subject, Measurement::rows_per_s);
        let mut ratios = Vec::new();
        let mut tell = |name: &str, rounds: Series, target| {
            ratios.push(Ratio {
                benchmark: "sink",
                name: name.to_owned(),
                rounds,
                target,
            });
        };
        if self.wants(Comparison::Copy) {
            let rounds = rate(Subject::OneThread).over(&rate(Subject::OneCopy));
            tell("one thread to one copy", rounds, Target::AtLeast(0.8));
        }
        if self.wants(Comparison::Threads) {
            let rounds = rate(Subject::TwoThreads).over(&rate(Subject::TwoCopies));
            tell("two threads to two copies", rounds, Target::None);
        }
        if self.wants(Comparison::Copy) && self.wants(Comparison::Threads) {
            let rounds = rate(Subject::TwoThreads).over(&rate(Subject::OneThread));
            tell("two threads to one thread", rounds, Target::None);
        }
        if self.wants(Comparison::Duplicates) {
            let rounds = rate(Subject::WithDuplicates).over(&rate(Subject::WithoutDuplicates));
            tell("5 % duplicates to none", rounds, Target::AtLeast(0.667));
        }
        if self.wants(Comparison::Turbines) {
            let rounds = rate(Subject::FewTurbines).over(&rate(Subject::ManyTurbines));
            tell(
                "cost of a row, 10,000 turbines to 10",
                rounds,
                Target::Between(0.75, 1.25),
            );
        }
        if self.wants(Comparison::Latency) {
            let rounds = self.seen_after_ms.iter();
            tell(
                "p99 until a lone reading is seen, to 250 ms",
                rounds.map(|one| one.quantile(0.99) / latency::BOUND_MS).collect(),
                Target::AtMost(1.0),
            );
        }
        for (name, is_of_two, target) in [
            ("peak memory to 256 MiB", false, Target::AtMost(1.0)),
            ("peak memory of two threads to 256 MiB", true, Target::None),
        ] {
            let runs = self.measured.iter();
            let runs = runs.filter(|&(&subject, _)| (subject == Subject::TwoThreads) == is_of_two);
            let peaks: Vec<_> = runs.flat_map(|(_, runs)| runs).map(peak_mib).collect();
            if let Some(peak) = peaks.into_iter().reduce(f64::max) {
                tell(name, [peak / MEMORY_MIB].into_iter().collect(), target);
            }
        }
        ratios
    }
}

fn peak_mib(one: &Measurement) -> f64 {
    one.peak_memory_bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OneThread => "sink, 1 thread",
            Self::OneCopy => "\\copy",
            Self::TwoThreads => "sink, 2 threads",
            Self::TwoCopies => "\\copy, 2 at once",
            Self::WithDuplicates => "sink, 5 % duplicates",
            Self::WithoutDuplicates => "sink, the same without duplicates",
            Self::FewTurbines => "sink, 10 turbines",
            Self::ManyTurbines => "sink, 10,000 turbines",
        })
    }
}

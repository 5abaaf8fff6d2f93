//! All that is measured, round by round, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

use anyhow::{Context, Result};
use bench::{Corpus, Ratio, Series, Shape, Table, Target, describe_machine, grouped};
use domain::TimeDelta;

use crate::aggregate;
use crate::args::{Args, Comparison};
use crate::latency;
use crate::measurement::Measurement;
use crate::peer::{Guarantee, KafkaStreams, Store};
use crate::worker;

const FARMS: u64 = 60;
const TURBINES_PER_FARM: u64 = 20;

/// What latency should be at most, ms.
const LATENCY_P99_MS: f64 = 150.0;

/// One thing that is measured in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Drain { threads: u16 },
    Aggregate { threads: u16 },
    KafkaStreams(Store, Guarantee),
    Fleet(Fleet),
}

/// One reading a second of each turbine of so many farms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fleet {
    farms: u64,
    turbines_per_farm: u64,
}

impl Fleet {
    const FEW: Self = Self {
        farms: 1,
        turbines_per_farm: 10,
    };
    const MANY_FARMS: Self = Self {
        farms: 1_000,
        turbines_per_farm: 10,
    };
    const MANY_TURBINES: Self = Self {
        farms: 1,
        turbines_per_farm: 10_000,
    };
    const ALL: [Self; 3] = [Self::FEW, Self::MANY_FARMS, Self::MANY_TURBINES];

    fn shape(self, readings: u64) -> Shape {
        let turbines = self.farms * self.turbines_per_farm;
        Shape {
            readings,
            turbines,
            farms: Some(self.farms),
            span: seconds(readings.div_ceil(turbines)),
            duplicates: false,
        }
    }
}

/// Everything that is needed for the rounds.
pub(crate) struct Benchmark {
    args: Args,
    corpus: Option<Corpus>,
    fleets: BTreeMap<Fleet, Corpus>,
    kafka_streams: Option<KafkaStreams>,
    measured: BTreeMap<Subject, Vec<Measurement>>,
}

impl Benchmark {
    /// Fills the topic.
    pub(crate) async fn prepare(args: Args) -> Result<Self> {
        println!("{}", describe_machine());
        let wants = |comparison| args.only.contains(&comparison);
        let usual = Fleet {
            farms: FARMS,
            turbines_per_farm: TURBINES_PER_FARM,
        };
        let mut corpus = None;
        if wants(Comparison::Drain) || wants(Comparison::Peers) {
            let sent = Corpus::send(usual.shape(args.readings), args.partitions).await;
            corpus = Some(sent.context("filling the topic")?);
        }
        let mut fleets = BTreeMap::new();
        if wants(Comparison::Scaling) {
            for fleet in Fleet::ALL {
                let sent = Corpus::send(fleet.shape(args.part_readings), args.partitions).await;
                fleets.insert(fleet, sent.context("filling a topic of few or many")?);
            }
        }
        Ok(Self {
            kafka_streams: wants(Comparison::Peers).then(KafkaStreams::build).transpose()?,
            args,
            corpus,
            fleets,
            measured: BTreeMap::new(),
        })
    }

    /// Measures, and tells.
    pub(crate) async fn run(mut self) -> Result<()> {
        self.warm_up().await?;
        for round in 1..=self.args.rounds {
            let mut subjects = self.subjects();
            // who is first pays for what the one before has left behind, so not always the same
            if round % 2 == 0 {
                subjects.reverse();
            }
            for subject in subjects {
                let measurement = self
                    .measure(subject, round)
                    .await
                    .with_context(|| format!("measuring {subject} in round {round}"))?;
                println!(
                    "round {round}: {subject:<38} {:>10} records/s, {:.2} µs CPU, {:>4.0} MiB",
                    grouped(measurement.records_per_s()),
                    measurement.cpu_micros_per_record(),
                    measurement.peak_mib(),
                );
                self.measured.entry(subject).or_default().push(measurement);
            }
        }
        println!("\n{}", self.table());
        for ratio in self.ratios() {
            println!("{}", ratio.json());
        }
        if self.wants(Comparison::Latency) {
            let rounds = latency::measure(self.args.rounds, &self.args.aggregator_args).await?;
            for ratio in latency_figures(&rounds) {
                println!("{}", ratio.json());
            }
        }
        Ok(())
    }

    fn wants(&self, comparison: Comparison) -> bool {
        self.args.only.contains(&comparison)
    }

    fn subjects(&self) -> Vec<Subject> {
        let mut subjects = Vec::new();
        if self.wants(Comparison::Drain) {
            for threads in [1, 2] {
                subjects.extend([Subject::Drain { threads }, Subject::Aggregate { threads }]);
            }
        }
        if self.wants(Comparison::Peers) {
            if !self.wants(Comparison::Drain) {
                subjects.push(Subject::Aggregate { threads: 2 });
            }
            subjects.extend(peers());
        }
        if self.wants(Comparison::Scaling) {
            subjects.extend(Fleet::ALL.map(Subject::Fleet));
        }
        subjects
    }

    /// Lets the broker compile what it will do all the time: while it is new that takes as much as its work.
    async fn warm_up(&self) -> Result<()> {
        let is_ours = |subject: &Subject| matches!(subject, Subject::Aggregate { .. } | Subject::Fleet(_));
        match self.subjects().into_iter().rfind(is_ours) {
            Some(subject) if !self.args.quick => self.measure(subject, 0).await.map(drop),
            Some(_) | None => Ok(()),
        }
    }

    async fn measure(&self, subject: Subject, round: u64) -> Result<Measurement> {
        let corpus = match subject {
            Subject::Fleet(fleet) => self.fleets.get(&fleet),
            Subject::Drain { .. } | Subject::Aggregate { .. } | Subject::KafkaStreams(..) => {
                self.corpus.as_ref()
            }
        };
        let corpus = corpus.context("its topic is not filled")?;
        // each run is a group of its own and reads everything again
        let group = |name: String| format!("{}{name}-{round}", corpus.stack.topic_prefix);
        let aggregate = async |threads: u16| {
            let group = group(format!("aggregate-{threads}"));
            aggregate::work_off(corpus, &group, threads, &self.args.aggregator_args).await
        };
        match subject {
            Subject::Drain { threads } => {
                let mut command = Command::new(std::env::current_exe()?);
                command
                    .envs(corpus.stack.environment())
                    .args(["drain", "--threads", &threads.to_string()]);
                worker::measure(&mut command, corpus.records)
            }
            Subject::Aggregate { threads } => aggregate(threads).await,
            Subject::Fleet(_) => aggregate(1).await,
            Subject::KafkaStreams(store, guarantee) => {
                let peer = self.kafka_streams.as_ref().context("the peer is not built")?;
                peer.work_off(
                    corpus,
                    &group(format!("peer-{store}-{guarantee}")),
                    store,
                    guarantee,
                )
            }
        }
    }

    fn series(&self, subject: Subject, figure: impl Fn(&Measurement) -> f64) -> Series {
        Series::of(self.measured.get(&subject), figure)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "median of the rounds",
            "records/s",
            "least",
            "most",
            "own CPU µs/record",
            "CPUs busy",
            "peak MiB",
        ]);
        for &subject in self.measured.keys() {
            let of = |figure: &dyn Fn(&Measurement) -> f64| self.series(subject, figure).median();
            let rates = self.series(subject, Measurement::records_per_s);
            table.row([
                subject.to_string(),
                grouped(rates.median()),
                grouped(rates.least()),
                grouped(rates.most()),
                format!("{:.2}", of(&Measurement::cpu_micros_per_record)),
                format!("{:.2}", of(&Measurement::cpus_busy)),
                format!("{:.0}", of(&Measurement::peak_mib)),
            ]);
        }
        table
    }

    fn ratios(&self) -> Vec<Ratio> {
        let mut ratios = Vec::new();
        let mut tell = |name: String, rounds: Series, target| {
            ratios.push(Ratio {
                benchmark: "aggregator",
                name,
                rounds,
                target,
            });
        };
        if self.wants(Comparison::Drain) {
            for threads in [1, 2] {
                let compare = |figure: &dyn Fn(&Measurement) -> f64| {
                    self.series(Subject::Aggregate { threads }, figure)
                        .over(&self.series(Subject::Drain { threads }, figure))
                };
                tell(
                    format!("records/s to drain's, {threads} threads"),
                    compare(&Measurement::records_per_s),
                    Target::AtLeast(0.75),
                );
                tell(
                    format!("CPU per record to drain's, {threads} threads"),
                    compare(&Measurement::cpu_micros_per_record),
                    Target::AtMost(1.6),
                );
            }
        }
        if self.wants(Comparison::Peers) {
            let own =
                |figure: &dyn Fn(&Measurement) -> f64| self.series(Subject::Aggregate { threads: 2 }, figure);
            let best = |figure: &dyn Fn(&Measurement) -> f64| self.best_peer(figure);
            tell(
                "records per CPU second to the best Kafka Streams'".to_owned(),
                best(&Measurement::cpu_micros_per_record).over(&own(&Measurement::cpu_micros_per_record)),
                Target::AtLeast(4.0),
            );
            let least = |one: &Measurement| 1.0 / one.records_per_s();
            tell(
                "records/s to the best Kafka Streams'".to_owned(),
                best(&least).over(&own(&least)),
                Target::AtLeast(3.5),
            );
            tell(
                "memory to the leanest Kafka Streams'".to_owned(),
                own(&Measurement::peak_mib).over(&best(&Measurement::peak_mib)),
                Target::AtMost(1.0 / 6.0),
            );
        }
        if self.wants(Comparison::Scaling) {
            let cost = |fleet| self.series(Subject::Fleet(fleet), Measurement::cpu_micros_per_record);
            for fleet in [Fleet::MANY_FARMS, Fleet::MANY_TURBINES] {
                let (of, few) = (Subject::Fleet(fleet), Subject::Fleet(Fleet::FEW));
                tell(
                    format!("CPU per record, {of} to {few}"),
                    cost(fleet).over(&cost(Fleet::FEW)),
                    Target::Between(0.75, 1.25),
                );
            }
        }
        ratios
    }

    /// Round by round, the least that any of the peer's variants has of this figure.
    fn best_peer(&self, figure: impl Fn(&Measurement) -> f64) -> Series {
        let rounds = self.measured.values().map(Vec::len).max().unwrap_or_default();
        let of_round = |round: usize| {
            peers()
                .filter_map(|subject| Some(figure(self.measured.get(&subject)?.get(round)?)))
                .fold(f64::INFINITY, f64::min)
        };
        (0..rounds).map(of_round).collect()
    }
}

/// The middle and the worst of the windows' ways to their readers.
fn latency_figures(rounds: &[Series]) -> [Ratio; 2] {
    let of = |name: &str, share: f64, target| Ratio {
        benchmark: "aggregator",
        name: name.to_owned(),
        rounds: rounds.iter().map(|round| round.quantile(share)).collect(),
        target,
    };
    [
        of(
            "ms from the closing reading to the window, p50",
            0.5,
            Target::None,
        ),
        of(
            "ms from the closing reading to the window, p99",
            0.99,
            Target::AtMost(LATENCY_P99_MS),
        ),
    ]
}

/// Every variant of the peer.
fn peers() -> impl Iterator<Item = Subject> {
    Store::ALL
        .into_iter()
        .flat_map(|store| Guarantee::ALL.map(|guarantee| Subject::KafkaStreams(store, guarantee)))
}

fn seconds(count: u64) -> TimeDelta {
    TimeDelta::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Drain { threads } => format!("drain, {threads} threads"),
            Self::Aggregate { threads } => format!("aggregator, {threads} threads"),
            Self::KafkaStreams(store, guarantee) => format!("Kafka Streams, {store}, {guarantee}"),
            Self::Fleet(Fleet {
                farms,
                turbines_per_farm,
            }) => format!("{farms} farms of {turbines_per_farm} turbines"),
        })
    }
}

//! All that is measured, round by round, and what comes of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bench::{Ratio, Series, Server, Table, Target, cpu_of, describe_machine, grouped};
use testkit::{Database, Stack};

use crate::args::Args;
use crate::export::{self, Export};
use crate::floor::Floor;
use crate::load::{Load, Outcome, drive};
use crate::pgbench;
use crate::scenario::Scenario;
use crate::seed;
use crate::server::Api;

/// What a request with a key may cost more than one without, µs.
const MOST_FOR_A_KEY_US: f64 = 20.0;

/// What the API may grow by, MiB.
const MOST_GROWTH_MIB: f64 = 50.0;

/// Everything that is needed for the rounds.
pub(crate) struct Benchmark {
    args: Args,
    api: Api,
    floor: Floor,
    database: Database,
    has_pgbench: bool,
    measured: BTreeMap<Scenario, Vec<Round>>,
}

/// One scenario in one round.
struct Round {
    own: Outcome,
    floor: Outcome,
    /// One connection only.
    alone: Outcome,
    /// Processor time of the API for each request, µs.
    cpu_us: f64,
    pgbench_per_s: Option<f64>,
}

impl Benchmark {
    /// Fills a database and starts the servers.
    pub(crate) async fn prepare(args: Args) -> Result<Self> {
        let stack = Stack::for_test();
        let server = Server::at(&stack.admin_database_url).await?;
        println!("{}; PostgreSQL {}", describe_machine(), server.version);
        let database = stack.database().await;
        seed::fill(&database, &args)
            .await
            .context("filling the database")?;
        server.settle().await?;
        let has_pgbench = pgbench::is_there();
        if !has_pgbench {
            println!("no pgbench on this machine (Debian: postgresql): that comparison is left out");
        }
        Ok(Self {
            api: Api::start(&stack, &database).await?,
            floor: Floor::start().await?,
            database,
            has_pgbench,
            args,
            measured: BTreeMap::new(),
        })
    }

    /// Measures, and tells.
    pub(crate) async fn run(mut self) -> Result<()> {
        for round in 1..=self.args.rounds {
            for scenario in self.args.scenarios().to_vec() {
                let measured = self
                    .measure(scenario)
                    .await
                    .with_context(|| format!("measuring {scenario} in round {round}"))?;
                println!(
                    "round {round}: {scenario:<28} {:>9} /s",
                    grouped(measured.own.per_s)
                );
                self.measured.entry(scenario).or_default().push(measured);
            }
        }
        let exports = if self.args.only.is_empty() {
            export::measure(&self.api, &self.args)
                .await
                .context("fetching many rows")?
        } else {
            Vec::new()
        };
        println!("\n{}", self.table());
        if !exports.is_empty() {
            println!("{}", exports_table(&exports));
        }
        for ratio in self.ratios(&exports) {
            println!("{}", ratio.json());
        }
        Ok(())
    }

    async fn measure(&self, scenario: Scenario) -> Result<Round> {
        let load = Load {
            connections: self.args.connections,
            time: self.args.time(),
        };
        let lone = Load {
            connections: 1,
            time: load.time / 2,
        };
        let request = scenario.request(&self.args);
        // what is asked for the first time is not measured: connections, caches, plans
        let first = drive(
            self.api.address,
            &request,
            Load {
                time: load.time / 10,
                ..load
            },
        )
        .await?;
        let floor_request = scenario.floor_request(&self.args, first.bytes);
        let floor = drive(self.floor.address, &floor_request, load).await?;

        let pid = self.api.program.pid();
        let cpu = cpu_of(pid);
        let own = drive(self.api.address, &request, load).await?;
        let cpu = cpu_of(pid).saturating_sub(cpu);
        let alone = drive(self.api.address, &request, lone).await?;
        let pgbench_per_s = match scenario.statements(&self.args).filter(|_| self.has_pgbench) {
            None => None,
            Some(asked) => Some(pgbench::run(&self.database, &asked.text, &asked.variables, load).await?),
        };
        Ok(Round {
            cpu_us: cpu.as_secs_f64() * 1e6 / (own.per_s * load.time.as_secs_f64()),
            own,
            floor,
            alone,
            pgbench_per_s,
        })
    }

    fn series(&self, scenario: Scenario, figure: impl Fn(&Round) -> f64) -> Series {
        Series::of(self.measured.get(&scenario), figure)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "median of the rounds",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "alone p50 ms",
            "alone p99 ms",
            "bytes",
            "CPU µs",
            "floor/s",
            "floor p50 ms",
            "pgbench/s",
        ]);
        for &scenario in self.args.scenarios() {
            let of = |figure: &dyn Fn(&Round) -> f64| self.series(scenario, figure).median();
            let pgbench = of(&|round| round.pgbench_per_s.unwrap_or(f64::NAN));
            table.row([
                scenario.to_string(),
                grouped(of(&|round| round.own.per_s)),
                format!("{:.2}", of(&|round| round.own.p50_ms)),
                format!("{:.2}", of(&|round| round.own.p99_ms)),
                format!("{:.2}", of(&|round| round.alone.p50_ms)),
                format!("{:.2}", of(&|round| round.alone.p99_ms)),
                grouped(of(&|round| round.own.bytes as f64)),
                format!("{:.0}", of(&|round| round.cpu_us)),
                grouped(of(&|round| round.floor.per_s)),
                format!("{:.2}", of(&|round| round.floor.p50_ms)),
                grouped(pgbench),
            ]);
        }
        table
    }

    fn ratios(&self, exports: &[Export]) -> Vec<Ratio> {
        let mut ratios = Vec::new();
        let mut tell = |name: String, rounds: Series, target| {
            ratios.push(Ratio {
                benchmark: "api",
                name,
                rounds,
                target,
            });
        };
        for &scenario in self.args.scenarios() {
            let of_floor = self.series(scenario, |round| round.own.per_s / round.floor.per_s);
            tell(format!("{scenario}, to the floor"), of_floor, scenario.of_floor());
            if self.has_pgbench && scenario.statements(&self.args).is_some() {
                let of_pgbench = self.series(scenario, |round| {
                    round.own.per_s / round.pgbench_per_s.unwrap_or(f64::NAN)
                });
                tell(
                    format!("{scenario}, to pgbench"),
                    of_pgbench,
                    Target::AtLeast(0.7),
                );
            }
            if let Some(most_ms) = scenario.most_ms() {
                let of_bound = self.series(scenario, |round| round.alone.p99_ms / most_ms);
                tell(
                    format!("{scenario}, p99 alone to {most_ms} ms"),
                    of_bound,
                    Target::AtMost(1.0),
                );
            }
        }
        let cpu = |scenario| self.series(scenario, |round| round.cpu_us).median();
        let key_us = cpu(Scenario::EmptyWrite) - cpu(Scenario::Ping);
        if key_us.is_finite() {
            tell(
                format!("processor time for a key to {MOST_FOR_A_KEY_US} µs"),
                [key_us / MOST_FOR_A_KEY_US].into_iter().collect(),
                Target::AtMost(1.0),
            );
        }
        for export in exports {
            tell(
                format!("growth by {} to 50 MiB", export.format),
                [export.growth_mib / MOST_GROWTH_MIB].into_iter().collect(),
                Target::AtMost(1.0),
            );
        }
        ratios
    }
}

fn exports_table(exports: &[Export]) -> Table {
    let mut table = Table::new(&["rows on their way out", "s", "MiB", "growth MiB"]);
    for export in exports {
        table.row([
            export.format.to_owned(),
            format!("{:.1}", export.took.as_secs_f64()),
            format!("{:.0}", export.bytes as f64 / f64::from(1 << 20)),
            format!("{:.1}", export.growth_mib),
        ]);
    }
    table
}

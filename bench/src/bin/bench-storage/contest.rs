//! One table at one size: all candidates are filled, asked, and told of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::{Ratio, Series, Server, Table, Target, grouped};
use testkit::Stack;

use crate::arena::Arena;
use crate::args::{Args, Subject};
use crate::candidate::{Candidate, FARM_WINDOWS, READINGS, TURBINE_WINDOWS};
use crate::filling;
use crate::questions::Question;
use crate::scale::Scale;
use crate::source::{Source, Steps};

/// A table, an installation, and who competes.
pub(crate) struct Contest {
    table: &'static str,
    scale: Scale,
    steps: Steps,
    candidates: &'static [Candidate],
}

/// The milliseconds of each kind of question, and how many rows came.
type Answers = BTreeMap<Question, (Series, usize)>;

/// What a candidate has shown.
struct Outcome {
    name: String,
    /// None for a candidate that only its index of closed days tells from the one before.
    filled: Option<Filled>,
    closing: Option<Duration>,
    answers: Answers,
}

/// How a candidate took its rows.
struct Filled {
    rows_per_s: f64,
    batches: Series,
    bytes_of_heap: f64,
    bytes_of_indexes: f64,
}

impl Contest {
    /// All that are asked for.
    pub(crate) fn all(args: &Args) -> Vec<Self> {
        let mut contests = Vec::new();
        if args.wants(Subject::Readings) {
            contests.extend([Scale::small(args), Scale::large(args)].map(Self::of_readings));
        }
        if args.wants(Subject::Windows) {
            let scale = Scale::large(args);
            contests.push(Self::of_turbine_windows(Scale {
                // a row of them is as wide as ten readings
                span_s: scale.span_s.min(4 * 3_600),
                ..scale
            }));
            contests.push(Self::of_farm_windows(Scale {
                // what is small enough is measured for a whole day
                span_s: if args.quick { scale.span_s } else { 86_400 },
                ..scale
            }));
        }
        contests
    }

    fn of_readings(scale: Scale) -> Self {
        Self {
            table: "readings",
            steps: Steps {
                time_column: "event_time",
                interval_s: scale.interval_s,
                count: scale.readings() / scale.turbines(),
                members: scale.turbines(),
            },
            candidates: &READINGS,
            scale,
        }
    }

    fn of_turbine_windows(scale: Scale) -> Self {
        Self {
            table: "turbine_windows",
            steps: Steps {
                time_column: "window_start",
                interval_s: 60,
                count: scale.minutes(),
                members: scale.turbines(),
            },
            candidates: &TURBINE_WINDOWS,
            scale,
        }
    }

    fn of_farm_windows(scale: Scale) -> Self {
        Self {
            table: "farm_windows",
            steps: Steps {
                time_column: "window_start",
                interval_s: 60,
                count: scale.minutes(),
                members: scale.farms,
            },
            candidates: &FARM_WINDOWS,
            scale,
        }
    }

    /// Fills all candidates, asks them, and tells.
    pub(crate) async fn hold(self, server: &Server, args: &Args) -> Result<()> {
        let Self {
            table, scale, steps, ..
        } = &self;
        println!(
            "\n## {table}, {}: {} rows, one every {} s for {:.1} h, in transactions of {}\n",
            scale.name,
            grouped((steps.count * steps.members) as f64),
            steps.interval_s,
            scale.span_s as f64 / 3_600.0,
            grouped(args.batch_rows as f64),
        );
        let of_source = Stack::for_test().database().await;
        let mut source = Source::make(&of_source, table, scale, *steps).await?;
        let mut arenas = Vec::new();
        for &candidate in self.candidates {
            arenas.push(Arena::make(candidate, table, scale).await?);
        }
        server.settle().await?;
        filling::fill(&mut arenas, &mut source, args.batch_rows)
            .await
            .with_context(|| format!("filling {table}"))?;
        let rows = source.rows as f64;
        drop(source);

        let mut results = Vec::new();
        for arena in &mut arenas {
            arena.vacuum().await?;
            let size = arena.size().await?;
            results.push(Outcome {
                name: arena.candidate.name.to_owned(),
                filled: Some(Filled {
                    rows_per_s: rows / arena.took.as_secs_f64(),
                    batches: arena.batches.clone(),
                    bytes_of_heap: size.heap as f64 / rows,
                    bytes_of_indexes: size.indexes as f64 / rows,
                }),
                closing: None,
                answers: self.ask(arena, args).await?,
            });
            if let Some(closing) = arena.close_day().await? {
                arena.vacuum().await?;
                results.push(Outcome {
                    name: format!(
                        "… its day closed: {}",
                        arena.candidate.index_of_closed_days.unwrap_or("")
                    ),
                    filled: None,
                    closing: Some(closing),
                    answers: self.ask(arena, args).await?,
                });
            }
        }
        self.tell(&results);
        for arena in arenas {
            arena.pool.close().await;
            server.drop(&arena.database).await?;
        }
        server.drop(&of_source).await
    }

    async fn ask(&self, arena: &Arena, args: &Args) -> Result<Answers> {
        let mut answers = Answers::new();
        for &question in Question::of(self.table) {
            let begun = Instant::now();
            let mut series = Series::default();
            let mut most = 0;
            for number in 0..args.questions {
                // a turbine of another farm each time, and all of them if there are few
                let turbine = i64::try_from(number)? * 37;
                let (rows, took_ms) = question
                    .ask(arena, &self.scale, turbine)
                    .await
                    .with_context(|| format!("{question} of {}", arena.candidate.name))?;
                ensure!(rows > 0, "{question} of {}: nothing came", arena.candidate.name);
                // what is prepared at first is prepared later on
                if number > 0 {
                    series.push(took_ms);
                }
                most = most.max(rows);
                if begun.elapsed() > args.patience() && number > 2 {
                    break;
                }
            }
            answers.insert(question, (series, most));
        }
        Ok(answers)
    }

    fn tell(&self, results: &[Outcome]) {
        let mut filling = Table::new(&[
            "candidate",
            "rows/s",
            "of the present",
            "ms a batch, median",
            "p99",
            "heap B/row",
            "indexes B/row",
        ]);
        let present = results
            .first()
            .and_then(|one| one.filled.as_ref())
            .map(|one| one.rows_per_s);
        for Outcome {
            name,
            filled,
            closing,
            ..
        } in results
        {
            match filled {
                Some(filled) => filling.row([
                    name.clone(),
                    grouped(filled.rows_per_s),
                    format!("{:.2}", filled.rows_per_s / present.unwrap_or(f64::NAN)),
                    format!("{:.1}", filled.batches.median() * 1e3),
                    format!("{:.1}", filled.batches.quantile(0.99) * 1e3),
                    format!("{:.0}", filled.bytes_of_heap),
                    format!("{:.0}", filled.bytes_of_indexes),
                ]),
                None => filling.row([
                    name.clone(),
                    closing.map_or_else(String::new, |took| format!("in {:.1} s", took.as_secs_f64())),
                ]),
            }
        }
        println!("{filling}");

        let questions = Question::of(self.table);
        let headings: Vec<_> = questions
            .iter()
            .map(|question| {
                let rows = results.first().map_or(0, |one| one.answers[question].1);
                format!("{question}, {} rows", grouped(rows as f64))
            })
            .collect();
        let mut asking = Table::new(
            &["ms, median (p99)"]
                .into_iter()
                .chain(headings.iter().map(String::as_str))
                .collect::<Vec<_>>(),
        );
        for Outcome { name, answers, .. } in results {
            let cells = questions.iter().map(|question| {
                let series = &answers[question].0;
                format!("{:.2} ({:.2})", series.median(), series.quantile(0.99))
            });
            asking.row([name.clone()].into_iter().chain(cells));
        }
        println!("{asking}");
        for ratio in self.ratios(results) {
            println!("{}", ratio.json());
        }
    }

    /// Each candidate's rate and times, of those of the table as it is.
    fn ratios(&self, results: &[Outcome]) -> Vec<Ratio> {
        let Some((present, others)) = results.split_first() else {
            return Vec::new();
        };
        let ratio = |name: String, value: f64| Ratio {
            benchmark: "storage",
            name: format!("{}, {}: {name}", self.table, self.scale.name),
            rounds: [value].into_iter().collect(),
            target: Target::None,
        };
        let mut ratios = Vec::new();
        for other in others {
            if let (Some(present), Some(filled)) = (&present.filled, &other.filled) {
                ratios.push(ratio(
                    format!("insert rate, {} to as it is", other.name),
                    filled.rows_per_s / present.rows_per_s,
                ));
            }
            for &question in Question::of(self.table) {
                let median = |one: &Outcome| one.answers[&question].0.median();
                ratios.push(ratio(
                    format!("time for {question}, {} to as it is", other.name),
                    median(other) / median(present),
                ));
            }
        }
        ratios
    }
}

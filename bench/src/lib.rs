//! What benchmarks share: data to measure with, what the machine and its processes say, and how figures are told.
//!
//! A benchmark is a program of its own (`src/bin/bench-*`), which `cargo xtask bench NAME` builds in release mode and
//! runs on servers that are set up for measuring. It compares things that are measured in the same run, alternating,
//! and tells each ratio as a line of JSON too: an absolute figure says as much about the machine as about the program.

mod address;
mod copy;
mod corpus;
mod machine;
mod postgres;
mod processes;
mod report;
mod scrape;
mod series;

pub use address::free_address;
pub use copy::{CopyIn, save};
pub use corpus::{Appender, Corpus, Shape};
pub use machine::{busy_cpu, describe as describe_machine};
pub use postgres::Server;
pub use processes::{cpu_of, cpu_with_children, peak_memory_bytes};
pub use report::{Ratio, Table, Target, grouped};
pub use scrape::Metrics;
pub use series::Series;

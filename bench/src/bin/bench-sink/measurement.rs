//! What one run took.

use std::time::{Duration, Instant};

use bench::{Metrics, Server, busy_cpu, cpu_of};

/// What one run took: rows, time, and whose processor time.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    /// Records worked off while time was taken.
    pub(crate) rows: u64,
    /// From the first batch to the last.
    pub(crate) took: Duration,
    /// From the program's start to its first batch.
    pub(crate) start_up: Duration,
    /// Of the program that was measured; the yardstick's is not known.
    pub(crate) own_cpu: Duration,
    /// Of PostgreSQL.
    pub(crate) postgres_cpu: Duration,
    /// Of all that ran on the machine.
    pub(crate) machine_cpu: Duration,
    /// The most memory that the program had, bytes; 0 if it is not known.
    pub(crate) peak_memory_bytes: u64,
    /// What the program said of itself at the end.
    pub(crate) metrics: Metrics,
}

/// The clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    at: Instant,
    own_cpu: Duration,
    postgres_cpu: Duration,
    machine_cpu: Duration,
}

impl Measurement {
    /// Between two moments.
    pub(crate) fn between(start: Clocks, end: Clocks, rows: u64) -> Self {
        Self {
            rows,
            took: end.at - start.at,
            start_up: Duration::ZERO,
            own_cpu: end.own_cpu.saturating_sub(start.own_cpu),
            postgres_cpu: end.postgres_cpu.saturating_sub(start.postgres_cpu),
            machine_cpu: end.machine_cpu.saturating_sub(start.machine_cpu),
            peak_memory_bytes: 0,
            metrics: Metrics::default(),
        }
    }

    pub(crate) fn rows_per_s(&self) -> f64 {
        self.rows as f64 / self.took.as_secs_f64()
    }

    /// Microseconds of this time for each row.
    pub(crate) fn micros_per_row(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.rows as f64
    }
}

impl Clocks {
    /// Now; of the program with this pid, if one is measured.
    pub(crate) fn now(server: &Server, pid: Option<u32>) -> Self {
        Self {
            own_cpu: pid.map(cpu_of).unwrap_or_default(),
            postgres_cpu: server.cpu(),
            machine_cpu: busy_cpu(),
            at: Instant::now(),
        }
    }
}

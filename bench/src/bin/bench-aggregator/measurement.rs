//! What one run took.

use std::time::{Duration, Instant};

use bench::{busy_cpu, cpu_of, peak_memory_bytes};

/// What one run took: records, time, and whose processor time.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    /// Records worked off while time was taken.
    pub(crate) records: u64,
    /// How long that took.
    pub(crate) took: Duration,
    /// Of the process that was measured.
    pub(crate) own_cpu: Duration,
    /// Of all that ran on the machine, the broker among it.
    pub(crate) machine_cpu: Duration,
    /// The most memory that the process had, bytes.
    pub(crate) peak_memory_bytes: u64,
}

/// The clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    at: Instant,
    own_cpu: Duration,
    machine_cpu: Duration,
}

impl Measurement {
    /// Between two moments of the process with this pid.
    pub(crate) fn between(start: Clocks, end: Clocks, records: u64, pid: u32) -> Self {
        Self {
            records,
            took: end.at - start.at,
            own_cpu: end.own_cpu.saturating_sub(start.own_cpu),
            machine_cpu: end.machine_cpu.saturating_sub(start.machine_cpu),
            peak_memory_bytes: peak_memory_bytes(pid).unwrap_or_default(),
        }
    }

    pub(crate) fn records_per_s(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    /// Microseconds of the process's processor time for each record.
    pub(crate) fn cpu_micros_per_record(&self) -> f64 {
        self.own_cpu.as_secs_f64() * 1e6 / self.records as f64
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_memory_bytes as f64 / f64::from(1 << 20)
    }

    /// How many processors were at work on the average.
    pub(crate) fn cpus_busy(&self) -> f64 {
        self.machine_cpu.as_secs_f64() / self.took.as_secs_f64()
    }
}

impl Clocks {
    /// Now, of the process with this pid.
    pub(crate) fn now(pid: u32) -> Self {
        Self {
            own_cpu: cpu_of(pid),
            machine_cpu: busy_cpu(),
            at: Instant::now(),
        }
    }
}

//! What came of a run.

use std::fmt;

/// Counts of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Readings (of a file: lines) that there were, refused ones included.
    pub read: u64,
    /// Records that were handed to Kafka.
    pub sent: u64,
    /// Lines that held no reading.
    pub refused: u64,
    /// Faults that were made on order, by name.
    pub faults: Vec<(&'static str, u64)>,
}

impl Summary {
    /// Counts a line that holds no reading.
    pub fn refuse(&mut self) {
        self.read += 1;
        self.refused += 1;
        metrics::counter!("windfarm_producer_lines_refused_total").increment(1);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read {}, sent {}, refused {}",
            self.read, self.sent, self.refused
        )?;
        for (name, count) in &self.faults {
            write!(f, ", {name} {count}")?;
        }
        Ok(())
    }
}

//! What was found, for people and for scripts.

use std::fmt;

/// Differences that are told of each check; of more only the number.
const TOLD: usize = 10;

/// All that was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How the readings of each partition add up.
    pub partitions: Vec<PartitionBalance>,
    /// What was compared.
    pub checks: Vec<Check>,
}

/// Where the records of one partition of the readings have gone, up to a place that both sides have passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionBalance {
    /// The partition.
    pub partition: i32,
    /// Records in the log.
    pub appended: i64,
    /// Rows.
    pub stored: i64,
    /// Counted as duplicates.
    pub duplicates: i64,
    /// Dead letters.
    pub dead_letters: i64,
    /// Records behind that place.
    pub lag: i64,
}

/// One thing that was compared.
#[derive(Debug, Clone)]
pub struct Check {
    /// What should be true.
    pub claim: &'static str,
    /// Of how many things, and of what kind.
    pub examined: String,
    /// Where it is not.
    pub differences: Vec<String>,
}

impl Report {
    /// Whether all is as it should be.
    pub fn is_clean(&self) -> bool {
        self.partitions.iter().all(PartitionBalance::is_balanced)
            && self.checks.iter().all(|check| check.differences.is_empty())
    }
}

impl PartitionBalance {
    /// Whether every record has gone somewhere, and to one place only.
    pub const fn is_balanced(&self) -> bool {
        self.appended == self.stored + self.duplicates + self.dead_letters
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            "partition",
            "appended",
            "stored",
            "duplicates",
            "dead letters",
            "lag",
        ];
        let [partition, appended, stored, duplicates, letters, lag] = heads;
        writeln!(
            f,
            "{partition:>9} {appended:>12} {stored:>12} {duplicates:>12} {letters:>12} {lag:>9}"
        )?;
        for row in &self.partitions {
            let PartitionBalance {
                partition,
                appended,
                stored,
                duplicates,
                dead_letters,
                lag,
            } = row;
            let verdict = if row.is_balanced() {
                "balanced"
            } else {
                "NOT BALANCED"
            };
            writeln!(
                f,
                "{partition:>9} {appended:>12} {stored:>12} {duplicates:>12} {dead_letters:>12} {lag:>9}  {verdict}"
            )?;
        }
        for check in &self.checks {
            write!(f, "{check}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            claim,
            examined,
            differences,
        } = self;
        if differences.is_empty() {
            return writeln!(f, "ok    {claim} ({examined})");
        }
        writeln!(f, "DIFF  {claim} ({examined}): {} differences", differences.len())?;
        for difference in differences.iter().take(TOLD) {
            writeln!(f, "      {difference}")?;
        }
        if differences.len() > TOLD {
            writeln!(f, "      … and {} more", differences.len() - TOLD)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_first_differences_and_counts_the_others() {
        let check = Check {
            claim: "windows are right",
            examined: "20 windows".to_owned(),
            differences: (0..12).map(|n| format!("difference {n}")).collect(),
        };
        let balance = PartitionBalance {
            partition: 0,
            appended: 10,
            stored: 7,
            duplicates: 1,
            dead_letters: 2,
            lag: 0,
        };
        let mut report = Report {
            partitions: vec![balance],
            checks: vec![check],
        };
        let text = report.to_string();
        assert!(
            text.contains("balanced")
                && text.contains("DIFF  windows are right (20 windows): 12 differences")
        );
        assert!(text.contains("difference 9\n      … and 2 more"), "{text}");
        assert!(!report.is_clean());

        report.checks.clear();
        assert!(report.is_clean());
        report.partitions[0].stored = 6;
        assert!(!report.is_clean());
    }
}

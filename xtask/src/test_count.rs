//! The sum over what `cargo test` says of each of its test programs.

use std::fmt;
use std::ops::AddAssign;

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCount {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl TestCount {
    /// The counts of a line `test result: ok. 3 passed; 0 failed; …`; none for any other line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (_, result) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            let part = result.split("; ").find_map(|part| part.strip_suffix(word));
            part.and_then(|number| number.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }
}

impl AddAssign for TestCount {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for TestCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_results_and_nothing_else() {
        let output = "\
running 2 tests
test a ... ok
test test result: ok. 9 passed; 9 failed ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

test result: FAILED. 40 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 12.50s
";
        let mut sum = TestCount::default();
        output
            .lines()
            .filter_map(TestCount::of_line)
            .for_each(|count| sum += count);
        assert_eq!(
            sum,
            TestCount {
                passed: 42,
                failed: 3
            }
        );
        assert_eq!(sum.to_string(), "42 passed, 3 failed");
    }
}

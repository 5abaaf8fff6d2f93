//! How figures are told: a table for people, and a line of JSON for each ratio.

use std::fmt;

use serde_json::json;

use crate::series::Series;

/// Rows of cells under headings; the first column is text, the others are figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()],
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    /// As Markdown, which is read as it is too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width_of).collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, &width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                if column == 0 {
                    write!(f, "| {cell:<width$} ")?;
                } else {
                    write!(f, "| {cell:>width$} ")?;
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let end = if column == 0 { '-' } else { ':' };
                    write!(f, "|{}{end}", "-".repeat(width + 1))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// From the first to the second.
    Between(f64, f64),
    /// Only told.
    None,
}

impl Target {
    fn is_met(self, figure: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(figure >= bound),
            Self::AtMost(bound) => Some(figure <= bound),
            Self::Between(least, most) => Some((least..=most).contains(&figure)),
            Self::None => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::None => Ok(()),
        }
    }
}

/// A figure that says something about the program and little about the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    /// Of which benchmark.
    pub benchmark: &'static str,
    /// What is compared, in words.
    pub name: String,
    /// Its value in each round.
    pub rounds: Series,
    /// What it should be.
    pub target: Target,
}

impl Ratio {
    /// One line of JSON.
    pub fn json(&self) -> String {
        let median = self.rounds.median();
        let rounded = |figure: f64| (figure * 1_000.0).round() / 1_000.0;
        json!({
            "benchmark": self.benchmark,
            "ratio": self.name,
            "median": rounded(median),
            "min": rounded(self.rounds.least()),
            "max": rounded(self.rounds.most()),
            "target": self.target.to_string(),
            "met": self.target.is_met(median),
        })
        .to_string()
    }
}

/// A number with its thousands apart: 1,234,567.
pub fn grouped(number: f64) -> String {
    if !number.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", "rows/s"]);
        table.row(["sink".to_owned(), "1,234".to_owned()]);
        assert_eq!(
            table.to_string(),
            "| what | rows/s |\n|------|-------:|\n| sink |  1,234 |\n"
        );
    }

    #[test]
    fn a_ratio_says_whether_it_is_as_it_should_be() {
        let ratio = Ratio {
            benchmark: "sink",
            name: "one thread to copy".to_owned(),
            rounds: [0.9, 0.81234, 0.7].into_iter().collect(),
            target: Target::AtLeast(0.8),
        };
        let value: serde_json::Value = serde_json::from_str(&ratio.json()).unwrap();
        assert_eq!(value["median"], 0.812);
        assert_eq!(value["met"], true);
        assert_eq!(value["target"], ">= 0.8");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(-1_000.0), "-1,000");
        assert_eq!(grouped(f64::NAN), "-");
    }
}

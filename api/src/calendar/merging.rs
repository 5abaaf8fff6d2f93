//! Stored windows, merged into those of a division as they come.

use domain::RollUp;
use stored::StoredWindow;

use super::{Division, Span};

/// A window made of stored ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Its stretch of time.
    pub span: Span,
    /// Its figures.
    pub figures: RollUp,
    /// Different turbines that reported; none if it is made of several stored windows, which cannot tell.
    pub turbine_count: Option<u64>,
}

/// Merges stored windows that come in the order of time or against it.
#[derive(Debug)]
pub struct Merging<'d> {
    division: &'d Division,
    windows: Vec<Merged>,
}

impl<'d> Merging<'d> {
    /// Nothing yet.
    pub const fn new(division: &'d Division) -> Self {
        Self {
            division,
            windows: Vec::new(),
        }
    }

    /// Takes the next stored window.
    pub fn add(&mut self, stored: StoredWindow) {
        match self.windows.last_mut() {
            Some(window) if window.span.start <= stored.start && stored.start < window.span.end => {
                window.figures.merge(&stored.figures);
                window.turbine_count = None;
            }
            _ => self.windows.push(Merged {
                span: self.division.span_of(stored.start),
                figures: stored.figures,
                turbine_count: Some(stored.turbine_count),
            }),
        }
    }

    /// How many windows have begun; all but the last one are complete.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether none has begun.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The windows, in the order in which they began.
    pub fn finish(self) -> Vec<Merged> {
        self.windows
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::Resolution;

    #[test]
    fn neighbours_become_one_window() {
        let division = Division {
            resolution: Resolution::Hour,
            zone: TimeZone::UTC,
        };
        let mut merging = Merging::new(&division);
        for minute in ["10:00", "10:59", "11:00"] {
            merging.add(StoredWindow {
                start: format!("2026-11-23T{minute}:00Z").parse().unwrap(),
                end: None,
                close_reason: None,
                suspicious_clocks: None,
                turbine_count: 3,
                figures: RollUp {
                    reading_count: 1,
                    ..RollUp::default()
                },
            });
        }
        let windows: Vec<_> = merging
            .finish()
            .into_iter()
            .map(|window| {
                let start = window.span.start.to_string();
                (start, window.figures.reading_count, window.turbine_count)
            })
            .collect();
        assert_eq!(
            windows,
            [
                ("2026-11-23T10:00:00Z".to_owned(), 2, None),
                ("2026-11-23T11:00:00Z".to_owned(), 1, Some(3))
            ]
        );
    }
}

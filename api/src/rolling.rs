//! Windows of any resolution: minutes as they are stored, longer ones merged from what was stored of them, all of a
//! page from one snapshot of the database.

use std::collections::BTreeSet;

use domain::{FarmWindow, Quality, RollUp, TimeDelta, Timestamp, TurbineId};
use sqlx::{PgConnection, PgPool};
use stored::{Length, StoredWindow};

use crate::calendar::{Chunks, Division, Expected, Merged, Merging, Span};
use crate::model::{Resolution, Window, WindowHead};
use crate::params::{Order, TimePage, TimeRange};
use crate::provisional;
use crate::queries::windows::{self, WindowsOf};

/// Stored windows that are read at once: a page takes no more memory than itself.
const ROWS_AT_ONCE: std::ops::RangeInclusive<u64> = 60..=4_000;

/// Begins a transaction in which every statement sees the same.
pub const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Whose windows, how they are divided, and what could be there.
#[derive(Debug)]
pub struct View {
    /// Whose.
    pub of: WindowsOf,
    /// How long, by whose clocks.
    pub division: Division,
    /// When there are readings.
    pub known: TimeRange,
    /// What could be there.
    pub expected: Expected,
    /// Whether minutes count too that have not closed yet.
    pub with_provisional: bool,
}

impl View {
    /// A page of windows by start and one more.
    pub async fn list(&self, database: &PgPool, page: &TimePage) -> Result<Vec<Window>, sqlx::Error> {
        let mut page = *page;
        // so that the database looks only at days on which there can be something
        page.range = page.range.and(self.first_start(), self.known.to);
        if self.division.resolution == Resolution::Minute {
            return self.minutes(database, &page).await;
        }
        // a window counts by its start, so the range is made one of whole windows
        page.range.from = self.division.first_start(page.range.from);
        page.range.to = self.division.first_start(page.range.to);

        let mut snapshot = database.begin_with(SNAPSHOT).await?;
        let marked = windows::marked_hours(&mut *snapshot, self.of.farm(), page.range).await?;
        let merged = self.merge(&mut snapshot, &page, &marked).await?;
        let turbine_counts = self.turbine_counts(&mut snapshot, &merged, &marked).await?;
        snapshot.commit().await?;
        let told = merged.into_iter().zip(turbine_counts);
        Ok(told.map(|(merged, count)| self.longer(&merged, count)).collect())
    }

    async fn minutes(&self, database: &PgPool, page: &TimePage) -> Result<Vec<Window>, sqlx::Error> {
        // first what is open: what closes meanwhile is there twice, and not missing
        let open = if self.with_provisional {
            provisional::minutes(database, &self.of, self.known, page.range).await?
        } else {
            Vec::new()
        };
        let closed = windows::minutes(database, &self.of, page).await?;
        let mut minutes: Vec<_> = closed.into_iter().map(|minute| self.minute(minute)).collect();
        for minute in &open {
            if minutes.iter().all(|closed| closed.start != minute.window_start) {
                minutes.push(self.provisional(minute));
            }
        }
        if !open.is_empty() {
            minutes.sort_unstable_by_key(|minute| minute.start);
            if page.order == Order::Desc {
                minutes.reverse();
            }
            minutes.truncate(page.limit as usize + 1);
        }
        Ok(minutes)
    }

    /// Where the minutes lie of the windows that begin in `range`.
    pub fn minutes_of(&self, range: TimeRange) -> TimeRange {
        let known = range.and(self.first_start(), self.known.to);
        TimeRange {
            from: self.division.first_start(known.from),
            to: self.division.first_start(known.to),
        }
    }

    /// No stored window is longer than a day, whatever its length was set to.
    fn first_start(&self) -> Timestamp {
        let day = TimeDelta::from_secs(86_400);
        self.division.span_of(self.known.from.floor_to(day)).start
    }

    async fn merge(
        &self,
        snapshot: &mut PgConnection,
        page: &TimePage,
        marked: &BTreeSet<Timestamp>,
    ) -> Result<Vec<Merged>, sqlx::Error> {
        let wanted = page.limit as usize + 1;
        let mut chunks = Chunks::new(&self.division, page.order, page.range, marked.clone());
        let rows_of_window = self.division.length().as_micros() / chunks.length().as_delta().as_micros();
        let mut merging = Merging::new(&self.division);
        // of the last one it need only be known that there is one
        while merging.len() < wanted {
            let missing = (wanted - merging.len()) as u64 * rows_of_window.unsigned_abs();
            let budget = missing.clamp(*ROWS_AT_ONCE.start(), *ROWS_AT_ONCE.end());
            let Some(chunk) = chunks.next(budget) else { break };
            let mut stored = Vec::new();
            if !chunk.is_all_fine {
                stored = windows::put_together(&mut *snapshot, &self.of, chunks.length(), &chunk).await?;
            }
            if !chunk.fine.is_empty() {
                stored.append(&mut windows::fine_minutes(&mut *snapshot, &self.of, &chunk).await?);
            }
            stored.sort_unstable_by_key(|window| window.start);
            if page.order == Order::Desc {
                stored.reverse();
            }
            stored.into_iter().for_each(|window| merging.add(window));
        }
        let mut merged = merging.finish();
        merged.truncate(wanted);
        Ok(merged)
    }

    /// How many different turbines reported in each window.
    async fn turbine_counts(
        &self,
        snapshot: &mut PgConnection,
        merged: &[Merged],
        marked: &BTreeSet<Timestamp>,
    ) -> Result<Vec<u64>, sqlx::Error> {
        if self.of.turbine().is_some() {
            return Ok(vec![1; merged.len()]);
        }
        let unknown: Vec<_> = merged
            .iter()
            .filter(|window| window.turbine_count.is_none())
            .map(|window| (window.span, needs_minutes(window.span, marked)))
            .collect();
        let counted = windows::turbine_counts(snapshot, self.of.farm(), &unknown).await?;
        let mut counted = counted.into_iter();
        let count = |window: &Merged| window.turbine_count.or_else(|| counted.next());
        Ok(merged.iter().map(count).map(Option::unwrap_or_default).collect())
    }

    fn minute(&self, minute: StoredWindow) -> Window {
        let span = Span {
            start: minute.start,
            end: minute.end.unwrap_or(minute.start),
        };
        let head = WindowHead {
            span,
            resolution: Resolution::Minute,
            close_reason: minute.close_reason,
            suspicious_clocks: minute.suspicious_clocks,
            turbine_count: minute.turbine_count,
            completeness: Some(self.expected.completeness(span, &minute.figures)),
        };
        self.window(head, &minute.figures)
    }

    fn provisional(&self, minute: &FarmWindow) -> Window {
        let span = Span {
            start: minute.window_start,
            end: minute.window_end,
        };
        let figures = RollUp {
            // known by how all of its readings came, and so when it closes
            quality: Quality::default(),
            ..RollUp::from(minute)
        };
        let head = WindowHead {
            span,
            resolution: Resolution::Minute,
            close_reason: None,
            suspicious_clocks: None,
            turbine_count: minute.turbine_count,
            completeness: Some(self.expected.completeness(span, &figures)),
        };
        Window {
            provisional: true,
            ..self.window(head, &figures)
        }
    }

    fn longer(&self, merged: &Merged, turbine_count: u64) -> Window {
        let head = WindowHead {
            span: merged.span,
            resolution: self.division.resolution,
            close_reason: None,
            suspicious_clocks: None,
            turbine_count,
            completeness: Some(self.expected.completeness(merged.span, &merged.figures)),
        };
        self.window(head, &merged.figures)
    }

    fn window(&self, head: WindowHead, figures: &RollUp) -> Window {
        let turbine = self.of.turbine().map(TurbineId::as_str);
        Window::new(self.of.farm().as_str(), turbine, head, figures)
    }
}

/// Whether ten minutes alone do not tell what is in it.
fn needs_minutes(span: Span, marked: &BTreeSet<Timestamp>) -> bool {
    let is_cut = |time: Timestamp| Length::TenMinutes.start_of(time) != time;
    let mut changed = marked.range(Length::Hour.start_of(span.start)..span.end);
    is_cut(span.start) || is_cut(span.end) || changed.next().is_some()
}

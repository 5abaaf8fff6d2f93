//! One partition of the readings, as producers with and without transactions write it.

use domain::Timestamp;

use crate::time::Ms;

/// A partition's log. An offset is a place in it.
#[derive(Debug, Default)]
pub struct Log {
    /// What is older has been deleted.
    start: i64,
    entries: Vec<Entry>,
}

/// What one offset holds.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the broker wrote as append time.
    pub appended_at: Timestamp,
    /// When that really was.
    moment: Ms,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Record(String),
    /// The end of a transaction, or a record that is gone: an offset that no reader sees.
    Nothing,
    /// Of a transaction that has not ended.
    Pending {
        text: String,
        transaction: u32,
    },
}

impl Entry {
    /// The record, if readers of committed records see one.
    pub fn text(&self) -> Option<&str> {
        match &self.body {
            Body::Record(text) => Some(text),
            Body::Nothing | Body::Pending { .. } => None,
        }
    }
}

impl Log {
    /// Appends a record.
    pub fn append(&mut self, appended_at: Timestamp, moment: Ms, text: String) {
        self.push(appended_at, moment, Body::Record(text));
    }

    /// Appends a record of a transaction, which nobody sees until that has ended.
    pub fn append_pending(&mut self, appended_at: Timestamp, moment: Ms, text: String, transaction: u32) {
        self.push(appended_at, moment, Body::Pending { text, transaction });
    }

    /// Appends what nobody sees.
    pub fn append_nothing(&mut self, appended_at: Timestamp, moment: Ms) {
        self.push(appended_at, moment, Body::Nothing);
    }

    /// Ends a transaction.
    pub fn end_transaction(&mut self, transaction: u32, commit: bool, appended_at: Timestamp, moment: Ms) {
        for entry in &mut self.entries {
            if let Body::Pending {
                text,
                transaction: of,
            } = &mut entry.body
                && *of == transaction
            {
                entry.body = if commit {
                    Body::Record(std::mem::take(text))
                } else {
                    Body::Nothing
                };
            }
        }
        self.append_nothing(appended_at, moment);
    }

    /// Deletes what is older than `offset`.
    pub fn delete_before(&mut self, offset: i64) {
        self.start = self.start.max(offset.min(self.end()));
    }

    /// The first offset that is left.
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// The next record's offset.
    pub const fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Whether some transaction has not ended.
    pub fn is_pending(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry.body, Body::Pending { .. }))
    }

    /// Whether a record can be read at an offset.
    pub fn shows(&self, offset: i64) -> bool {
        self.entry(offset).is_some_and(|entry| entry.text().is_some())
    }

    /// The record at an offset, or nothing, whatever it was.
    pub fn entry(&self, offset: i64) -> Option<&Entry> {
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// All records that can be read, with their offsets.
    pub fn records(&self) -> impl Iterator<Item = (i64, &Entry)> {
        (0..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.text().is_some())
    }

    /// The next record from an offset on, as a reader of committed records sees it that was told of everything up to
    /// a moment; none at the end.
    pub fn next(&self, from: i64, moment: Ms) -> Option<(i64, &Entry)> {
        let entries = self.entries.get(usize::try_from(from).ok()?..)?;
        for (offset, entry) in (from..).zip(entries) {
            if entry.moment > moment || matches!(entry.body, Body::Pending { .. }) {
                return None;
            }
            if entry.text().is_some() {
                return Some((offset, entry));
            }
        }
        None
    }

    fn push(&mut self, appended_at: Timestamp, moment: Ms, body: Body) {
        self.entries.push(Entry {
            appended_at,
            moment,
            body,
        });
    }
}

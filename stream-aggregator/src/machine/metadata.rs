//! What a committed offset says besides itself: `1;<processed>;<checkpoint>`.

use std::fmt;
use std::str::FromStr;

/// The only format there has been so far.
const VERSION: &str = "1";

/// The metadata of a partition's committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The next offset to be processed: everything that a record below it causes has been sent.
    pub processed: i64,
    /// Where the partition's checkpoint record lies in the topic of checkpoints; none until a window has closed.
    pub checkpoint: Option<i64>,
}

/// A text that this program has not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no metadata of a committed offset: {fault}")]
pub struct MetadataError {
    text: String,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("format {0} is unknown, {VERSION} is wanted; was it written by a newer version of this program?")]
    Version(String),
    #[error("it has {0} parts, 3 are wanted: format;processed;checkpoint")]
    Parts(usize),
    #[error("{field} is '{found}', {wanted} is wanted")]
    Number {
        field: &'static str,
        found: String,
        wanted: &'static str,
    },
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{VERSION};{};{}",
            self.processed,
            self.checkpoint.unwrap_or(-1)
        )
    }
}

impl FromStr for Metadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        parse(text).map_err(|fault| MetadataError {
            text: text.chars().take(80).collect(),
            fault,
        })
    }
}

fn parse(text: &str) -> Result<Metadata, Fault> {
    let parts: Vec<_> = text.split(';').collect();
    if parts[0] != VERSION {
        return Err(Fault::Version(parts[0].chars().take(20).collect()));
    }
    let &[_, processed, checkpoint] = parts.as_slice() else {
        return Err(Fault::Parts(parts.len()));
    };
    let checkpoint = offset("checkpoint", checkpoint, -1, "an offset or -1")?;
    Ok(Metadata {
        processed: offset("processed", processed, 0, "an offset")?,
        checkpoint: (checkpoint >= 0).then_some(checkpoint),
    })
}

fn offset(field: &'static str, text: &str, least: i64, wanted: &'static str) -> Result<i64, Fault> {
    let number = text.parse().ok().filter(|&number: &i64| number >= least);
    // "+7" and "007" are numbers, too, but not ours
    number
        .filter(|number| number.to_string() == text)
        .ok_or_else(|| Fault::Number {
            field,
            found: text.chars().take(40).collect(),
            wanted,
        })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(processed in 0..i64::MAX, checkpoint in proptest::option::of(0..i64::MAX)) {
            let metadata = Metadata { processed, checkpoint };
            prop_assert_eq!(metadata.to_string().parse(), Ok(metadata));
        }

        #[test]
        fn only_what_was_written_is_read(text in "[0-9;+ -]{0,12}") {
            if let Ok(metadata) = text.parse::<Metadata>() {
                prop_assert_eq!(metadata.to_string(), text);
            }
        }
    }

    fn refusal(text: &str, expected: &Expect) {
        expected.assert_eq(&text.parse::<Metadata>().unwrap_err().to_string());
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        refusal(
            "2;7;8",
            &expect![
                "'2;7;8' is no metadata of a committed offset: format 2 is unknown, 1 is wanted; was it written by a newer version of this program?"
            ],
        );
        refusal(
            "1;7",
            &expect![
                "'1;7' is no metadata of a committed offset: it has 2 parts, 3 are wanted: format;processed;checkpoint"
            ],
        );
        refusal(
            "1;-1;8",
            &expect!["'1;-1;8' is no metadata of a committed offset: processed is '-1', an offset is wanted"],
        );
        refusal(
            "1;7;-2",
            &expect![
                "'1;7;-2' is no metadata of a committed offset: checkpoint is '-2', an offset or -1 is wanted"
            ],
        );
        refusal(
            "1;7;x",
            &expect![
                "'1;7;x' is no metadata of a committed offset: checkpoint is 'x', an offset or -1 is wanted"
            ],
        );
    }
}

//! Dead letters as people read them.

use std::fmt;
use std::io::Write;

use domain::RawReading;

use crate::store::{Letter, LetterState, WholeLetter};

/// As `writeln!`, but a reader that has gone away (`… | head`) is no reason to stop.
macro_rules! say {
    ($out:expr, $($argument:tt)*) => {{
        let _ = writeln!($out, $($argument)*);
    }};
}
pub(super) use say;

/// One line for each.
pub(super) fn list(out: &mut dyn Write, letters: &[Letter]) {
    say!(out, "ID\tREFUSED\tFARM\tRULE\tVALUE\tALLOWED\tSENT AGAIN");
    for letter in letters {
        let Letter {
            id,
            appended_at,
            farm_id,
            rule,
            field,
            value,
            bound,
            ..
        } = letter;
        let value = match (field, value) {
            (Some(field), Some(value)) => format!("{} = {}", Plain(field), Plain(value)),
            (_, value) => Text(value).to_string(),
        };
        say!(
            out,
            "{id}\t{appended_at}\t{}\t{}\t{value}\t{}\t{}",
            Text(farm_id),
            Text(rule),
            Text(bound),
            SentAgain(letter)
        );
    }
}

/// One JSON object a line.
pub(super) fn json(out: &mut dyn Write, letters: &[Letter]) {
    for letter in letters {
        let mut object = serde_json::to_value(letter).expect("a letter is an object");
        object["state"] = serde_json::to_value(letter.state()).expect("a state is a word");
        say!(out, "{object}");
    }
}

/// All of one.
pub(super) fn whole(
    out: &mut dyn Write,
    whole: &WholeLetter,
    reading: Option<&RawReading<'_>>,
    verdict: &str,
) {
    let WholeLetter {
        letter,
        key,
        payload,
        headers,
    } = whole;
    let source = letter.source.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("id", letter.id.to_string()),
        ("refused at", letter.appended_at.to_string()),
        ("reason", Text(&letter.reason).to_string()),
        ("rule", Text(&letter.rule).to_string()),
        ("field", Text(&letter.field).to_string()),
        ("value", Text(&letter.value).to_string()),
        ("bound", Text(&letter.bound).to_string()),
        ("refused by", Text(&letter.component).to_string()),
        ("was at", Text(&source).to_string()),
        ("farm", Text(&letter.farm_id).to_string()),
        ("sent again", SentAgain(letter).to_string()),
        ("today", verdict.to_owned()),
        ("key", bytes(key.as_deref())),
        ("value", bytes(payload.as_deref())),
    ] {
        say!(out, "{name:<12}{value}");
    }
    if let Some(reading) = reading {
        say!(out, "{:<12}{}", "reading", Shown(reading));
    }
    let headers = headers.as_object().into_iter().flatten();
    for (name, value) in headers {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), |text| Plain(text).to_string());
        say!(out, "{:<12}{}: {value}", "header", Plain(name));
    }
}

/// As text if they are, else in hexadecimal.
fn bytes(bytes: Option<&[u8]>) -> String {
    use fmt::Write as _;

    let Some(bytes) = bytes else { return "-".to_owned() };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.iter().fold(String::from("0x"), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

/// Somebody's text, without what would confuse a terminal or a table.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

/// The same, or `-`.
struct Text<'a>(&'a Option<String>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(self.0.as_deref().unwrap_or("-")).fmt(f)
    }
}

struct SentAgain<'a>(&'a Letter);

impl fmt::Display for SentAgain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Letter {
            replay_begun_at,
            replayed_at,
            replayed_to,
            ..
        } = self.0;
        match (self.0.state(), replay_begun_at, replayed_at, replayed_to) {
            (LetterState::Replayed, _, Some(at), Some(to)) => write!(f, "{at} to {to}"),
            (LetterState::Replayed, ..) => f.write_str("yes"),
            (LetterState::Unconfirmed, Some(at), ..) => write!(f, "perhaps, begun at {at}"),
            (LetterState::Unconfirmed | LetterState::Open, ..) => f.write_str("-"),
        }
    }
}

struct Shown<'a>(&'a RawReading<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawReading {
            farm_id,
            turbine_id,
            event_time,
            sequence,
            metrics,
            operating_status,
        } = self.0;
        write!(f, "{} {} at {event_time}", Plain(farm_id), Plain(turbine_id))?;
        if let Some(sequence) = sequence {
            write!(f, ", sequence {sequence}")?;
        }
        for (metric, value) in metrics.iter() {
            write!(f, ", {} {value}", metric.name())?;
        }
        if let Some(status) = operating_status {
            write!(f, ", {}", status.as_str())?;
        }
        Ok(())
    }
}

//! InfluxDB's line protocol: `measurement,tag=value field=value,field=value timestamp`.
//!
//! The grammar is InfluxDB's own. What it leaves open is decided for safety: a line without its closing quote reaches to
//! the end of the body, as there, so that the inside of a text is never taken for a line of its own.

use std::borrow::Cow;
use std::iter;

/// One line, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// What was measured.
    pub measurement: Cow<'a, str>,
    /// Labels, in the order of the line; no name comes twice.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Values, in the order of the line; at least one.
    pub fields: Vec<(Cow<'a, str>, FieldValue<'a>)>,
    /// When, in the unit of the request's precision.
    pub timestamp: Option<i64>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// `8.5`, `-1e3`
    Float(f64),
    /// `8i`
    Integer(i64),
    /// `8u`
    Unsigned(u64),
    /// `"text"`
    Text(Cow<'a, str>),
    /// `t`, `true`, `f`, …
    Boolean(bool),
}

/// Why a line is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// A part is empty or not there.
    #[error("missing {0}")]
    Missing(&'static str),
    /// A tag comes twice.
    #[error("tag '{0}' comes twice")]
    TagTwice(String),
    /// A field's value is of no type.
    #[error(
        "field '{field}' has the value {value}, wanted is a number, 8i, 8u, \"text\" in double quotes, true or false"
    )]
    Value {
        /// The field.
        field: String,
        /// Its value.
        value: String,
    },
    /// The text of a field does not end.
    #[error("the text of field '{0}' has no closing quote")]
    Unclosed(String),
    /// The time is no number.
    #[error("the timestamp is {0}, wanted is a whole number")]
    Timestamp(String),
}

/// The lines of a body, each with its number from 1, without blank ones and comments.
pub fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut rest, mut number) = (body, 1);
    iter::from_fn(move || {
        while !rest.is_empty() {
            let end = line_end(rest);
            let line = &rest[..end];
            let this = number;
            number += 1 + line.iter().filter(|byte| **byte == b'\n').count();
            rest = rest.get(end + 1..).unwrap_or_default();
            let trimmed = line.trim_ascii();
            if !trimmed.is_empty() && !trimmed.starts_with(b"#") {
                return Some((this, trimmed));
            }
        }
        None
    })
}

/// Where the line that `bytes` begin with ends: at a line feed that is not within the text of a field.
fn line_end(bytes: &[u8]) -> usize {
    let feed = |from: usize| {
        bytes[from..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| from + at)
    };
    let first = feed(0).unwrap_or(bytes.len());
    if bytes.trim_ascii_start().starts_with(b"#") || !bytes[..first].contains(&b'"') {
        return first;
    }
    // leading blanks do not begin the fields
    let mut at = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (mut in_fields, mut in_text, mut begins_value) = (false, false, false);
    while let Some(&byte) = bytes.get(at) {
        let may_begin_text = std::mem::take(&mut begins_value);
        match byte {
            // what is escaped stands for itself; a line feed outside of text cannot be
            b'\\' if bytes.get(at + 1).is_some_and(|next| in_text || *next != b'\n') => at += 1,
            b'\n' if !in_text => return at,
            b' ' if !in_text => in_fields = true,
            b'=' if !in_text => begins_value = in_fields,
            b'"' if in_text => in_text = false,
            b'"' => in_text = may_begin_text,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

impl<'a> Line<'a> {
    /// Takes a line apart.
    ///
    /// # Errors
    /// [`LineError`] with what is missing or wrong.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotText)?;
        let mut cursor = Cursor { rest: line };
        let measurement = cursor.name(&[',', ' '], &[',', ' ']);
        if measurement.is_empty() {
            return Err(LineError::Missing("measurement"));
        }
        let mut tags: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        while cursor.skip(',') {
            let name = cursor.name(&[',', '=', ' '], &[',', '=', ' ']);
            if name.is_empty() {
                return Err(LineError::Missing("tag key"));
            }
            let value = if cursor.skip('=') {
                cursor.name(&[',', '=', ' '], &[',', '=', ' '])
            } else {
                Cow::Borrowed("")
            };
            if value.is_empty() || cursor.rest.starts_with('=') {
                return Err(LineError::Missing("tag value"));
            }
            if tags.iter().any(|(other, _)| *other == name) {
                return Err(LineError::TagTwice(short(&name)));
            }
            tags.push((name, value));
        }
        let fields = cursor.fields()?;
        let timestamp = cursor.timestamp()?;
        Ok(Self {
            measurement,
            tags,
            fields,
            timestamp,
        })
    }
}

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) -> bool {
        let rest = self.rest.trim_start_matches(' ');
        let skipped = rest.len() < self.rest.len();
        self.rest = rest;
        skipped
    }

    /// Takes what comes before one of `ends`; a backslash before one of `escaped` takes its meaning away.
    fn name(&mut self, ends: &[char], escaped: &[char]) -> Cow<'a, str> {
        let text = self.rest;
        let mut owned = String::new();
        let mut copied = 0;
        let mut chars = text.char_indices().peekable();
        let end = loop {
            let Some((at, found)) = chars.next() else {
                break text.len();
            };
            if ends.contains(&found) {
                break at;
            }
            if found == '\\'
                && let Some((next_at, _)) = chars.next_if(|(_, next)| escaped.contains(next))
            {
                owned.push_str(&text[copied..at]);
                copied = next_at;
            }
        };
        self.rest = &text[end..];
        if copied == 0 {
            return Cow::Borrowed(&text[..end]);
        }
        owned.push_str(&text[copied..end]);
        Cow::Owned(owned)
    }

    fn fields(&mut self) -> Result<Vec<(Cow<'a, str>, FieldValue<'a>)>, LineError> {
        if !self.skip_blanks() || self.rest.is_empty() {
            return Err(LineError::Missing("fields"));
        }
        let mut fields = Vec::new();
        loop {
            let name = self.name(&[',', '=', ' '], &[',', '=', ' ']);
            if name.is_empty() {
                return Err(LineError::Missing("field key"));
            }
            if !self.skip('=') {
                return Err(LineError::Missing("field value"));
            }
            let value = self.value(&name)?;
            fields.push((name, value));
            if !self.skip(',') {
                return Ok(fields);
            }
        }
    }

    fn value(&mut self, field: &str) -> Result<FieldValue<'a>, LineError> {
        if self.skip('"') {
            return self.text(field).map(FieldValue::Text);
        }
        let end = self.rest.find([',', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() {
            return Err(LineError::Missing("field value"));
        }
        plain_value(word).ok_or_else(|| LineError::Value {
            field: short(field),
            value: short(word),
        })
    }

    /// Takes a text up to its closing quote; only quotes and backslashes are escaped in it.
    fn text(&mut self, field: &str) -> Result<Cow<'a, str>, LineError> {
        let mut close = None;
        let mut is_escaped = false;
        for (at, found) in self.rest.char_indices() {
            if found == '"' && !is_escaped {
                close = Some(at);
                break;
            }
            is_escaped = found == '\\' && !is_escaped;
        }
        let close = close.ok_or_else(|| LineError::Unclosed(short(field)))?;
        let mut inner = Cursor {
            rest: &self.rest[..close],
        };
        self.rest = &self.rest[close + 1..];
        if !(self.rest.is_empty() || self.rest.starts_with([',', ' '])) {
            return Err(LineError::Missing("comma after the text of a field"));
        }
        Ok(inner.name(&[], &['"', '\\']))
    }

    fn timestamp(&mut self) -> Result<Option<i64>, LineError> {
        self.skip_blanks();
        let word = self.rest.trim_end_matches(' ');
        if word.is_empty() {
            return Ok(None);
        }
        let is_number = word
            .strip_prefix('-')
            .unwrap_or(word)
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        let number = word.parse().ok().filter(|_| is_number);
        number.map(Some).ok_or_else(|| LineError::Timestamp(short(word)))
    }
}

fn plain_value(word: &str) -> Option<FieldValue<'static>> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match word {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(FieldValue::Boolean(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(FieldValue::Boolean(false)),
        _ => {}
    }
    if let Some(number) = word.strip_suffix('i') {
        let digits = number.strip_prefix('-').unwrap_or(number);
        return number
            .parse()
            .ok()
            .filter(|_| is_digits(digits))
            .map(FieldValue::Integer);
    }
    if let Some(number) = word.strip_suffix('u') {
        return number
            .parse()
            .ok()
            .filter(|_| is_digits(number))
            .map(FieldValue::Unsigned);
    }
    // neither nan nor inf, which Rust would take
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let number: f64 = word.parse().ok().filter(|_| word.bytes().all(is_number))?;
    number.is_finite().then_some(FieldValue::Float(number))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(line: &str, expected: Expect) {
        let shown = match Line::parse(line.as_bytes()) {
            Ok(Line {
                measurement,
                tags,
                fields,
                timestamp,
            }) => {
                format!("{measurement:?} {tags:?} {fields:?} {timestamp:?}")
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_line_has_a_measurement_tags_fields_and_a_time() {
        check(
            "wind_turbine,location=site1 LV_ActivePower_kW=380.04,Wind_Speed_ms=5.31 1514764800000000000",
            expect![[
                r#""wind_turbine" [("location", "site1")] [("LV_ActivePower_kW", Float(380.04)), ("Wind_Speed_ms", Float(5.31))] Some(1514764800000000000)"#
            ]],
        );
        check("m f=1", expect![[r#""m" [] [("f", Float(1.0))] None"#]]);
        check("m  f=1  -5 ", expect![[r#""m" [] [("f", Float(1.0))] Some(-5)"#]]);
        check(
            r#"m a=8i,b=8u,c="x",d=t,e=-1.5e+3,f=FALSE,g="""#,
            expect![[
                r#""m" [] [("a", Integer(8)), ("b", Unsigned(8)), ("c", Text("x")), ("d", Boolean(true)), ("e", Float(-1500.0)), ("f", Boolean(false)), ("g", Text(""))] None"#
            ]],
        );
    }

    #[test]
    fn what_has_a_meaning_can_be_escaped() {
        check(
            r"a\,b\ c=d,t\=1=v\,\ 2 f\=\,\ =1",
            expect![[r#""a,b c=d" [("t=1", "v, 2")] [("f=, ", Float(1.0))] None"#]],
        );
        check(
            r#"m s="a \"b\" \\ \n, c=1" 7"#,
            expect![[r#""m" [] [("s", Text("a \"b\" \\ \\n, c=1"))] Some(7)"#]],
        );
        check(
            r"m\x,t=C:\dir f=1",
            expect![[r#""m\\x" [("t", "C:\\dir")] [("f", Float(1.0))] None"#]],
        );
    }

    #[test]
    fn what_is_no_line_says_why() {
        check(",t=1 f=1", expect!["missing measurement"]);
        check("m", expect!["missing fields"]);
        check("m,t=1", expect!["missing fields"]);
        check("m,t f=1", expect!["missing tag value"]);
        check("m,t= f=1", expect!["missing tag value"]);
        check("m,t=a=b f=1", expect!["missing tag value"]);
        check("m,=1 f=1", expect!["missing tag key"]);
        check("m,t=1,t=2 f=1", expect!["tag 't' comes twice"]);
        check("m =1", expect!["missing field key"]);
        check("m f", expect!["missing field value"]);
        check("m f=", expect!["missing field value"]);
        check("m f=1,", expect!["missing field key"]);
        check(
            "m f=abc",
            expect![[
                r#"field 'f' has the value abc, wanted is a number, 8i, 8u, "text" in double quotes, true or false"#
            ]],
        );
        for value in [
            "nan", "NaN", "inf", "1e999", "0x10", "1.5i", "-1u", "i", "+1i", "1_0", "--1",
        ] {
            let line = format!("m f={value}");
            assert!(
                matches!(Line::parse(line.as_bytes()), Err(LineError::Value { .. })),
                "{value}"
            );
        }
        check(
            r#"m f="open"#,
            expect!["the text of field 'f' has no closing quote"],
        );
        check(r#"m f="a"b"#, expect!["missing comma after the text of a field"]);
        check(
            "m f=1 2024",
            expect![[r#""m" [] [("f", Float(1.0))] Some(2024)"#]],
        );
        check(
            "m f=1 now",
            expect!["the timestamp is now, wanted is a whole number"],
        );
        check(
            "m f=1 1 2",
            expect!["the timestamp is 1 2, wanted is a whole number"],
        );
        assert_eq!(Line::parse(b"m f=\xff"), Err(LineError::NotText));
    }

    #[test]
    fn lines_are_numbered_as_a_person_counts_them() {
        let split = |body: &str| {
            let lines = lines(body.as_bytes());
            lines
                .map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned()))
                .collect::<Vec<_>>()
        };
        let line = |number: usize, text: &str| (number, text.to_owned());
        assert_eq!(
            split("a f=1\n\n# no, \"this\n  b f=2\r\n"),
            [line(1, "a f=1"), line(4, "b f=2")]
        );
        assert_eq!(
            split("a f=\"x\ny\" 1\nb f=2"),
            [line(1, "a f=\"x\ny\" 1"), line(3, "b f=2")],
            "a text may have several lines"
        );
        assert_eq!(
            split("a f=\"x\\\"\ny\"\nb f=2"),
            [line(1, "a f=\"x\\\"\ny\""), line(3, "b f=2")]
        );
        assert_eq!(
            split("a f=\"x\nb f=2"),
            [line(1, "a f=\"x\nb f=2")],
            "what is not closed is one line"
        );
        assert_eq!(
            split("a\"b,t=\"q\" f=1\nb f=2"),
            [line(1, "a\"b,t=\"q\" f=1"), line(2, "b f=2")],
            "quotes mean nothing before the fields"
        );
        assert_eq!(
            split("a\\\nb f=2"),
            [line(1, "a\\"), line(2, "b f=2")],
            "no line feed is escaped"
        );
    }

    /// Writes a line as InfluxDB's clients do.
    fn written(line: &Line<'_>) -> String {
        let escape = |text: &str, what: &[char]| {
            text.chars()
                .flat_map(|c| what.contains(&c).then_some('\\').into_iter().chain([c]))
                .collect::<String>()
        };
        let key = |text: &str| escape(text, &[',', '=', ' ']);
        let mut text = escape(&line.measurement, &[',', ' ']);
        for (name, value) in &line.tags {
            text += &format!(",{}={}", key(name), key(value));
        }
        for (at, (name, value)) in line.fields.iter().enumerate() {
            text += if at == 0 { " " } else { "," };
            text += &key(name);
            text += &match value {
                FieldValue::Float(value) => format!("={value:?}"),
                FieldValue::Integer(value) => format!("={value}i"),
                FieldValue::Unsigned(value) => format!("={value}u"),
                FieldValue::Boolean(value) => format!("={value}"),
                FieldValue::Text(value) => format!("=\"{}\"", escape(value, &['"', '\\'])),
            };
        }
        line.timestamp
            .map_or(text.clone(), |time| format!("{text} {time}"))
    }

    /// A name as clients may have them: a backslash at its end, or before what has a meaning, cannot be told.
    fn name() -> impl Strategy<Value = Cow<'static, str>> {
        "[a-zA-Z#é_,= \"]{0,5}[a-zA-Z]".prop_map(Cow::Owned)
    }

    fn value() -> impl Strategy<Value = FieldValue<'static>> {
        prop_oneof![
            any::<f64>()
                .prop_filter("finite", |v| v.is_finite())
                .prop_map(FieldValue::Float),
            any::<i64>().prop_map(FieldValue::Integer),
            any::<u64>().prop_map(FieldValue::Unsigned),
            any::<bool>().prop_map(FieldValue::Boolean),
            "[a-z \"\\\\,=\n#é]{0,8}".prop_map(|text| FieldValue::Text(Cow::Owned(text))),
        ]
    }

    prop_compose! {
        fn line()(
            measurement in "[a-zA-Zé_, \"][a-zA-Zé_,= \"]{0,4}[a-z]",
            tags in prop::collection::btree_map(name(), name(), 0..3),
            fields in prop::collection::vec((name(), value()), 1..4),
            timestamp in any::<Option<i64>>(),
        ) -> Line<'static> {
            Line { measurement: Cow::Owned(measurement), tags: tags.into_iter().collect(), fields, timestamp }
        }
    }

    proptest! {
        #[test]
        fn what_clients_write_is_read_as_it_was_meant(wanted in prop::collection::vec(line(), 1..4)) {
            let body = wanted.iter().map(written).collect::<Vec<_>>().join("\n");
            let read: Result<Vec<_>, _> = lines(body.as_bytes()).map(|(_, line)| Line::parse(line)).collect();
            prop_assert_eq!(read, Ok(wanted), "{}", body);
        }

        #[test]
        fn no_bytes_make_it_panic_and_none_are_lost(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for (_, line) in lines(&bytes) {
                let _ = Line::parse(line);
            }
        }

        #[test]
        fn nothing_that_looks_like_lines_makes_it_panic(body in "[a,=\\\\ \"\n#i1.-]{0,60}") {
            for (_, line) in lines(body.as_bytes()) {
                let _ = Line::parse(line);
            }
        }
    }
}

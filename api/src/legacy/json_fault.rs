//! Why text is no JSON, in the words and at the place of Python's `json` module, which the old clients know.

use super::Detail;

/// Deeper than that nobody nests, and nobody shall make us recurse.
const DEEPEST: usize = 100;

/// What Python would say of `body`, which is no JSON. What Python takes and we do not (NaN, or nesting without end)
/// is no value.
pub(super) fn json_fault(body: &str) -> Detail {
    let text: Vec<char> = body.chars().collect();
    let scanner = Scanner { text: &text };
    let fault = scanner.document().err().unwrap_or(Fault {
        at: 0,
        reason: "Expecting value",
    });
    Detail::json_invalid(fault.at, fault.reason)
}

struct Fault {
    at: usize,
    reason: &'static str,
}

/// Walks through JSON without keeping anything of it. Each method takes the place where to begin and gives the place
/// where to go on.
struct Scanner<'t> {
    text: &'t [char],
}

type Walk = Result<usize, Fault>;

const fn fault<T>(at: usize, reason: &'static str) -> Result<T, Fault> {
    Err(Fault { at, reason })
}

impl Scanner<'_> {
    fn document(&self) -> Walk {
        let end = self.value(self.blank(0), 0)?;
        let end = self.blank(end);
        if end < self.text.len() {
            fault(end, "Extra data")
        } else {
            Ok(end)
        }
    }

    fn value(&self, at: usize, depth: usize) -> Walk {
        match self.peek(at) {
            Some('"') => self.string(at),
            Some('{') if depth < DEEPEST => self.object(at, depth + 1),
            Some('[') if depth < DEEPEST => self.array(at, depth + 1),
            Some('-' | '0'..='9') => self.number(at),
            _ => {
                let words = ["null", "true", "false"];
                let word = words.into_iter().find(|word| self.starts_with(at, word));
                word.map_or_else(|| fault(at, "Expecting value"), |word| Ok(at + word.len()))
            }
        }
    }

    fn object(&self, open: usize, depth: usize) -> Walk {
        let mut at = self.blank(open + 1);
        if self.peek(at) == Some('}') {
            return Ok(at + 1);
        }
        loop {
            if self.peek(at) != Some('"') {
                return fault(at, "Expecting property name enclosed in double quotes");
            }
            at = self.blank(self.string(at)?);
            if self.peek(at) != Some(':') {
                return fault(at, "Expecting ':' delimiter");
            }
            at = self.blank(self.value(self.blank(at + 1), depth)?);
            match self.peek(at) {
                Some('}') => return Ok(at + 1),
                Some(',') => at = self.blank(at + 1),
                _ => return fault(at, "Expecting ',' delimiter"),
            }
        }
    }

    fn array(&self, open: usize, depth: usize) -> Walk {
        let mut at = self.blank(open + 1);
        if self.peek(at) == Some(']') {
            return Ok(at + 1);
        }
        loop {
            at = self.blank(self.value(at, depth)?);
            match self.peek(at) {
                Some(']') => return Ok(at + 1),
                Some(',') => at = self.blank(at + 1),
                _ => return fault(at, "Expecting ',' delimiter"),
            }
        }
    }

    fn string(&self, open: usize) -> Walk {
        let mut at = open + 1;
        loop {
            match self.peek(at) {
                None => return fault(open, "Unterminated string starting at"),
                Some('"') => return Ok(at + 1),
                Some('\\') => match self.peek(at + 1) {
                    None => return fault(open, "Unterminated string starting at"),
                    Some('u') if self.digits(at + 2, 4, |c| c.is_ascii_hexdigit()) == at + 6 => at += 6,
                    Some('u') => return fault(at + 1, "Invalid \\uXXXX escape"),
                    Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => at += 2,
                    Some(_) => return fault(at, "Invalid \\escape"),
                },
                Some(c) if c < ' ' => return fault(at, "Invalid control character at"),
                Some(_) => at += 1,
            }
        }
    }

    fn number(&self, at: usize) -> Walk {
        let digits = |at| self.digits(at, usize::MAX, |c| c.is_ascii_digit());
        let first = at + usize::from(self.peek(at) == Some('-'));
        let mut end = if self.peek(first) == Some('0') {
            first + 1
        } else {
            digits(first)
        };
        if end == first {
            return fault(at, "Expecting value");
        }
        if self.peek(end) == Some('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if matches!(self.peek(end), Some('e' | 'E')) {
            let power = end + 1 + usize::from(matches!(self.peek(end + 1), Some('+' | '-')));
            end = if digits(power) > power { digits(power) } else { end };
        }
        Ok(end)
    }

    /// Goes on over at most `most` characters that are digits.
    fn digits(&self, at: usize, most: usize, is_digit: fn(char) -> bool) -> usize {
        let rest = self.text.iter().skip(at).take(most);
        at + rest.take_while(|c| is_digit(**c)).count()
    }

    fn blank(&self, at: usize) -> usize {
        self.digits(at, usize::MAX, |c| matches!(c, ' ' | '\t' | '\n' | '\r'))
    }

    fn peek(&self, at: usize) -> Option<char> {
        self.text.get(at).copied()
    }

    fn starts_with(&self, at: usize, word: &str) -> bool {
        word.chars()
            .enumerate()
            .all(|(i, c)| self.peek(at + i) == Some(c))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What FastAPI 0.165 on Python 3.11 answered.
    #[test]
    fn faults_are_told_as_python_tells_them() {
        let name = "Expecting property name enclosed in double quotes";
        let cases = [
            ("{", 1, name),
            (r#"{"a":}"#, 5, "Expecting value"),
            (r#"{"a":1,}"#, 7, name),
            ("{'a':1}", 1, name),
            ("nope", 0, "Expecting value"),
            (r#"{"a":1} x"#, 8, "Extra data"),
            ("[1 2]", 3, "Expecting ',' delimiter"),
            (r#""abc"#, 0, "Unterminated string starting at"),
            (r#"{"a" 1}"#, 5, "Expecting ':' delimiter"),
            ("{\"a\":\"\n\"}", 6, "Invalid control character at"),
            (r#"{"a":"\x"}"#, 6, "Invalid \\escape"),
            (r#"{"é":1,}"#, 7, name),
            (r#"{"a":1"#, 6, "Expecting ',' delimiter"),
            ("[1", 2, "Expecting ',' delimiter"),
            ("[1,", 3, "Expecting value"),
            (r#"{"a""#, 4, "Expecting ':' delimiter"),
            (r#"{"a":"#, 5, "Expecting value"),
            ("  ", 2, "Expecting value"),
            ("{1:2}", 1, name),
            (r#"{"a":1 "b":2}"#, 7, "Expecting ',' delimiter"),
            ("01", 1, "Extra data"),
            ("-", 0, "Expecting value"),
            (r#""\u12""#, 2, "Invalid \\uXXXX escape"),
            ("tru", 0, "Expecting value"),
            (r#"{"a":1,"b""#, 10, "Expecting ':' delimiter"),
            (r#"{"a":1,"#, 7, name),
            ("{,}", 1, name),
            ("[,]", 1, "Expecting value"),
            ("[1,]", 3, "Expecting value"),
        ];
        for (body, at, reason) in cases {
            assert_eq!(json_fault(body), Detail::json_invalid(at, reason), "{body}");
        }
        assert_eq!(
            serde_json::to_value(json_fault("{")).unwrap(),
            json!({"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error", "input": {},
                   "ctx": {"error": name}})
        );
    }

    #[test]
    fn nesting_without_end_is_no_value() {
        assert_eq!(
            json_fault(&"[".repeat(1_000_000)),
            Detail::json_invalid(DEEPEST, "Expecting value")
        );
    }

    proptest! {
        #[test]
        fn what_is_json_has_no_fault(value in "[a-z\"\\\\\n é]{0,12}", number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let text = json!([{ "a": value, "b": [number, null, true] }, {}, [], -0.5e-7]).to_string();
            let text: Vec<char> = text.chars().collect();
            let scanner = Scanner { text: &text };
            prop_assert!(scanner.document().is_ok());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:0-9eE.+ntfu\\\\ -]{0,40}") {
            let _ = json_fault(&text);
        }
    }
}

//! The fields of one line.

use csv::StringRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Splits lines into fields, quoted ones too. No field goes on in the next line, so that a stray quote spoils one
/// line, not the rest of the file, and every line has the number that an editor shows.
#[derive(Debug)]
pub struct Splitter {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: StringRecord,
}

impl Splitter {
    /// For fields between `delimiter`s.
    pub fn new(delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            text: Vec::new(),
            ends: Vec::new(),
            fields: StringRecord::new(),
        }
    }

    /// The fields of `line`.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn split(&mut self, line: &[u8]) -> Result<&StringRecord, String> {
        // a line has no more text than bytes, and no more fields than bytes and one
        self.text.resize(line.len(), 0);
        self.ends.resize(line.len() + 1, 0);
        self.reader.reset();
        let (result, _, mut text_length, mut field_count) =
            self.reader.read_record(line, &mut self.text, &mut self.ends);
        if result == ReadRecordResult::InputEmpty {
            // the line has no end: the file's last one, or one with a quote that is not closed
            let (text, ends) = (&mut self.text[text_length..], &mut self.ends[field_count..]);
            let (_, _, more_text, more_fields) = self.reader.read_record(&[], text, ends);
            text_length += more_text;
            field_count += more_fields;
        }
        self.fields.clear();
        let mut start = 0;
        for &end in &self.ends[..field_count] {
            let field = self.text[..text_length].get(start..end).unwrap_or_default();
            let field = std::str::from_utf8(field).map_err(|error| format!("is no UTF-8: {error}"))?;
            self.fields.push_field(field);
            start = end;
        }
        Ok(&self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let mut splitter = Splitter::new(b',');
        splitter.split(b"what,was,before").unwrap();
        assert_eq!(
            splitter
                .split(line.as_bytes())
                .unwrap()
                .iter()
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn lines_end_as_they_like() {
        for end in ["", "\n", "\r\n"] {
            check(&format!("a,,b{end}"), &["a", "", "b"]);
            check(&format!("a,{end}"), &["a", ""]);
            check(&format!("\u{feff}a,\"b,\"\"c\"{end}"), &["a", "b,\"c"]);
        }
        check("", &[]);
    }

    #[test]
    fn a_stray_quote_stays_in_its_line() {
        check("a,\"b,c\n", &["a", "b,c\n"]);
        check("a,b\"c\n", &["a", "b\"c"]);
    }
}

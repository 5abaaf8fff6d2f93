//! CSV as RFC 4180 has it: a line of names, CRLF, quotes where they are needed. Nothing between two commas is null.

use std::io::Write;

use super::{Cell, EncodeError, Encoder, Tabular};

/// Writes rows as lines.
#[derive(Debug, Default)]
pub struct CsvWriter;

impl<T: Tabular> Encoder<T> for CsvWriter {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let columns = T::columns();
        let names = columns.iter().map(|column| Cell::from(&*column.name));
        line(names, out);
        Ok(())
    }

    fn row(&mut self, row: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        line(row.cells(), out);
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }
}

fn line<'a>(cells: impl IntoIterator<Item = Cell<'a>>, out: &mut Vec<u8>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let written = match cell {
            Cell::Null => Ok(()),
            Cell::Text(text) => {
                put_text(&text, out);
                Ok(())
            }
            Cell::Time(time) => write!(out, "{time}"),
            Cell::Integer(number) => write!(out, "{number}"),
            Cell::Float(number) => write!(out, "{number}"),
        };
        written.expect("memory takes everything");
    }
    out.extend_from_slice(b"\r\n");
}

/// An empty text is quoted, so that it is not taken for nothing.
fn put_text(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(cells: Vec<Cell<'_>>) -> String {
        let mut out = Vec::new();
        line(cells, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_written_so_that_they_can_be_read_again() {
        let time = domain::Timestamp::from_micros(1_764_000_000_500_000);
        assert_eq!(
            written(vec![
                Cell::from("T1"),
                Cell::Null,
                Cell::from(""),
                Cell::from("a \"b\", c"),
                Cell::from(time),
                Cell::from(0.1 + 0.2),
                Cell::from(-3_i64),
            ]),
            "T1,,\"\",\"a \"\"b\"\", c\",2025-11-24T16:00:00.5Z,0.30000000000000004,-3\r\n"
        );
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_went(texts in prop::collection::vec(".*", 1..5), number in any::<f64>()) {
            let cells = std::iter::once(Cell::Float(number)).chain(texts.iter().map(Cell::from));
            let written = written(cells.collect());
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let read: Vec<_> = record.iter().collect();
            prop_assert_eq!(&read[1..], &texts[..]);
            let read: f64 = read[0].parse().unwrap();
            prop_assert!(read == number || number.is_nan());
        }
    }
}

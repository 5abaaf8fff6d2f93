//! Rows in PostgreSQL's binary COPY format, written as they come: a batch is one buffer for each table, which can be
//! sent as it is, and sent again.
//!
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>.

use std::ops::Range;

use domain::Timestamp;

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Says that no row follows.
const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// A missing value.
const NULL: &[u8] = &(-1_i32).to_be_bytes();

/// PostgreSQL's number of the type `text`.
const TEXT: i32 = 25;

/// The version that PostgreSQL's binary jsonb begins with.
const JSONB_VERSION: u8 = 1;

/// PostgreSQL counts from 2000-01-01; microseconds since the Unix epoch.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// What PostgreSQL, and every calendar that it is read with, can hold for sure: the years 1 to 9999 but for the last two
/// days; microseconds since the Unix epoch. Only what a foreign client claims can lie outside.
const RANGE_MICROS: (i64, i64) = (-62_135_596_800_000_000, 253_402_128_000_000_000);

/// Rows of one table.
#[derive(Debug, Clone, Default)]
pub struct CopyBuffer {
    bytes: Vec<u8>,
    /// Where each row begins.
    starts: Vec<usize>,
}

impl CopyBuffer {
    /// Begins a row; as many fields must be put as `fields` says.
    pub fn row(&mut self, fields: usize) -> RowWriter<'_> {
        self.starts.push(self.bytes.len());
        let fields = i16::try_from(fields).expect("a table has fewer than 1,600 columns");
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        RowWriter {
            bytes: &mut self.bytes,
        }
    }

    /// How many rows there are.
    pub const fn rows(&self) -> u64 {
        self.starts.len() as u64
    }

    /// The numbers of all rows.
    pub const fn all(&self) -> Range<usize> {
        0..self.starts.len()
    }

    /// How much memory it takes, bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len() + self.starts.len() * size_of::<usize>()
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// What is to be sent of the rows of these buffers, which are of one table, in pieces.
    pub fn pieces<'a>(buffers: &[&'a Self]) -> Vec<&'a [u8]> {
        let rows = buffers.iter().map(|buffer| buffer.bytes.as_slice());
        [HEADER].into_iter().chain(rows).chain([TRAILER]).collect()
    }

    /// What is to be sent of some rows only, by their numbers from 0.
    pub fn pieces_of(&self, rows: Range<usize>) -> [&[u8]; 3] {
        [
            HEADER,
            &self.bytes[self.start(rows.start)..self.start(rows.end)],
            TRAILER,
        ]
    }

    /// Puts the rows in the order of their ranks, those of one rank in the order in which they are; what they were goes into
    /// `unsorted`, whose memory is used.
    pub fn sort(&mut self, ranks: &[usize], unsorted: &mut Self) {
        debug_assert_eq!(ranks.len(), self.starts.len(), "each row has a rank");
        if ranks.is_sorted() {
            return;
        }
        let mut order: Vec<_> = (0..ranks.len()).collect();
        order.sort_by_key(|&row| ranks[row]);
        std::mem::swap(self, unsorted);
        self.clear();
        for row in order {
            self.starts.push(self.bytes.len());
            self.bytes
                .extend_from_slice(&unsorted.bytes[unsorted.start(row)..unsorted.start(row + 1)]);
        }
    }

    /// The fields of a row, by its number from 0; none is NULL.
    pub fn fields(&self, row: usize) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = &self.bytes[self.start(row) + size_of::<i16>()..self.start(row + 1)];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                rest = after;
                return Some(None);
            };
            let field;
            (field, rest) = after.split_at(length);
            Some(Some(field))
        })
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    fn start(&self, row: usize) -> usize {
        self.starts.get(row).copied().unwrap_or(self.bytes.len())
    }
}

/// An `integer` out of its field.
pub fn read_integer(field: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(field.try_into().ok()?))
}

/// A `bigint` out of its field.
pub fn read_bigint(field: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(field.try_into().ok()?))
}

/// A `timestamptz` out of its field.
pub fn read_timestamptz(field: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_micros(
        read_bigint(field)? + POSTGRES_EPOCH_MICROS,
    ))
}

/// Puts the fields of one row, in the order of the table's column list.
#[derive(Debug)]
pub struct RowWriter<'a> {
    bytes: &'a mut Vec<u8>,
}

impl RowWriter<'_> {
    /// SQL's NULL.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(NULL);
    }

    /// Something, or NULL.
    pub fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => put(self, value),
            None => self.null(),
        }
    }

    /// `integer`.
    pub fn integer(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// `bigint`.
    pub fn bigint(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A count, as `bigint`.
    pub fn count(&mut self, value: u64) {
        self.bigint(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// `float8`.
    pub fn float8(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    /// `timestamptz`; what lies outside the years 1 to 9999 becomes their first or last time.
    pub fn timestamptz(&mut self, value: Timestamp) {
        let micros = value.as_micros().clamp(RANGE_MICROS.0, RANGE_MICROS.1);
        self.bigint(micros - POSTGRES_EPOCH_MICROS);
    }

    /// `text`, or the label of an enum, that is known to hold no NUL.
    pub fn plain(&mut self, value: &str) {
        self.raw(value.as_bytes());
    }

    /// `text` of anybody's; NUL, which PostgreSQL cannot hold, becomes U+FFFD.
    pub fn text(&mut self, value: &str) {
        if value.contains('\0') {
            self.raw(value.replace('\0', "\u{fffd}").as_bytes());
        } else {
            self.plain(value);
        }
    }

    /// `text[]` of what is known to hold no NUL.
    pub fn plain_array<'t>(&mut self, values: impl ExactSizeIterator<Item = &'t str> + Clone) {
        let size: usize = values.clone().map(|value| size_of::<i32>() + value.len()).sum();
        let count = i32::try_from(values.len()).expect("a field has less than 2 GiB");
        // dimensions, no NULL within, the type of an element; then of the one dimension its length and lower bound
        let head: &[i32] = match count {
            0 => &[0, 0, TEXT],
            _ => &[1, 0, TEXT, count, 1],
        };
        self.length(size_of_val(head) + size);
        head.iter()
            .for_each(|part| self.bytes.extend_from_slice(&part.to_be_bytes()));
        values.for_each(|value| self.plain(value));
    }

    /// `bytea`.
    pub fn bytea(&mut self, value: &[u8]) {
        self.raw(value);
    }

    /// `jsonb`; no text in `value` holds NUL.
    pub fn jsonb(&mut self, value: &serde_json::Value) {
        let json = value.to_string();
        self.length(json.len() + 1);
        self.bytes.push(JSONB_VERSION);
        self.bytes.extend_from_slice(json.as_bytes());
    }

    fn raw(&mut self, value: &[u8]) {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
    }

    fn length(&mut self, length: usize) {
        // Kafka's own limit on a record is far below
        let length = i32::try_from(length).expect("a field has less than 2 GiB");
        self.bytes.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(put: impl FnOnce(&mut RowWriter<'_>)) -> Vec<u8> {
        let mut buffer = CopyBuffer::default();
        put(&mut buffer.row(1));
        assert_eq!(buffer.rows(), 1);
        buffer.bytes[size_of::<i16>()..].to_vec()
    }

    #[test]
    fn fields_look_as_postgresql_wants_them() {
        assert_eq!(fields(|row| row.integer(-2)), [0, 0, 0, 4, 255, 255, 255, 254]);
        assert_eq!(fields(|row| row.optional(None, RowWriter::integer)), [255; 4]);
        assert_eq!(fields(|row| row.plain("ab")), [0, 0, 0, 2, b'a', b'b']);
        assert_eq!(
            fields(|row| row.text("a\0")),
            [0, 0, 0, 4, b'a', 0xef, 0xbf, 0xbd]
        );
        assert_eq!(
            fields(|row| row.jsonb(&serde_json::json!({}))),
            [0, 0, 0, 3, 1, b'{', b'}']
        );
        assert_eq!(
            fields(|row| row.plain_array([].into_iter())),
            [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]
        );
        let array = fields(|row| row.plain_array(["a", "bc"].into_iter()));
        assert_eq!(
            array,
            [
                &[0, 0, 0, 31, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25][..],
                &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 2, b'b', b'c']
            ]
            .concat()
        );
        let epoch = Timestamp::from_micros(POSTGRES_EPOCH_MICROS + 1);
        assert_eq!(
            fields(|row| row.timestamptz(epoch)),
            [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]
        );
    }

    #[test]
    fn no_time_is_beyond_what_postgresql_holds() {
        let late = fields(|row| row.timestamptz(Timestamp::from_micros(i64::MAX)));
        let last: Timestamp = "9999-12-30T00:00:00Z".parse().unwrap();
        assert_eq!(late, fields(|row| row.timestamptz(last)));
        let early = fields(|row| row.timestamptz(Timestamp::MIN));
        let first: Timestamp = "0001-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(early, fields(|row| row.timestamptz(first)));
    }

    #[test]
    fn rows_can_be_read_back_and_sent_in_parts() {
        let mut buffer = CopyBuffer::default();
        for number in 0..3 {
            let mut row = buffer.row(4);
            row.integer(number);
            row.null();
            row.plain("ab");
            row.timestamptz(Timestamp::from_micros(number.into()));
        }
        let fields: Vec<_> = buffer.fields(1).collect();
        assert_eq!(fields[0].and_then(read_integer), Some(1));
        assert_eq!(fields[1..3], [None, Some(&b"ab"[..])]);
        assert_eq!(
            fields[3].and_then(read_timestamptz),
            Some(Timestamp::from_micros(1))
        );
        assert_eq!(fields.len(), 4);

        let whole = CopyBuffer::pieces(&[&buffer]).concat();
        assert_eq!(buffer.pieces_of(0..3).concat(), whole);
        let parts = [buffer.pieces_of(0..1)[1], buffer.pieces_of(1..3)[1]].concat();
        assert_eq!(parts, buffer.pieces_of(0..3)[1]);
        assert_eq!(buffer.pieces_of(3..3)[1], b"");
        let twice = CopyBuffer::pieces(&[&buffer, &buffer]).concat();
        assert_eq!(twice.len(), whole.len() + buffer.bytes.len());
    }

    #[test]
    fn rows_of_one_rank_stay_in_their_order() {
        let mut buffer = CopyBuffer::default();
        for number in 0..5 {
            buffer.row(1).integer(number);
        }
        buffer.sort(&[2, 0, 2, 1, 0], &mut CopyBuffer::default());
        let numbers = buffer
            .all()
            .map(|row| buffer.fields(row).next().flatten().and_then(read_integer));
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 4, 3, 0, 2].map(Some));
    }

    #[test]
    fn a_cleared_buffer_is_as_new() {
        let mut buffer = CopyBuffer::default();
        buffer.row(1).integer(1);
        buffer.clear();
        assert_eq!(
            CopyBuffer::pieces(&[&buffer]),
            CopyBuffer::pieces(&[&CopyBuffer::default()])
        );
        assert!(buffer.is_empty());
    }
}

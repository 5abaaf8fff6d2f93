//! Avro's binary encoding of the few types that our records are made of.

use domain::Timestamp;

use crate::{DecodeError, Fault};

/// Reads a record from its first byte to its last. Every method names the field that it reads, for the error.
///
/// What every reading passes through is inlined by force: without, each field costs a call and a copy of its result.
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            left: bytes,
            length: bytes.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn long(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        match self.left {
            // most are unions' branches, lengths and small counts
            [byte @ 0..0x80, left @ ..] => {
                self.left = left;
                Ok(unzigzag(u64::from(*byte)))
            }
            _ => self.long_of_eight(field),
        }
    }

    /// Of up to eight bytes, looked at together: times take that many.
    #[inline(never)]
    fn long_of_eight(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let Some(bytes) = self.left.first_chunk() else {
            return self.long_of_many(field);
        };
        let bits = u64::from_le_bytes(*bytes);
        let ends = !bits & 0x8080_8080_8080_8080;
        if ends == 0 {
            return self.long_of_many(field);
        }
        self.left = &self.left[ends.trailing_zeros() as usize / 8 + 1..];
        // of the bytes up to the first end the lower seven bits each, moved together: pairs of bytes, then pairs of those
        let sevens = bits & (ends ^ (ends - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
        let pairs = (sevens & 0x007f_007f_007f_007f) | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
        let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
        Ok(unzigzag((fours & 0x0fff_ffff) | (fours >> 32) << 28))
    }

    #[cold]
    fn long_of_many(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let (mut bits, mut shift) = (0, 0);
        for (place, &byte) in self.left.iter().enumerate() {
            // the tenth byte has room for one bit more
            if shift == 63 && byte > 1 {
                return Err(self.fault(field, Fault::Overflow));
            }
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                self.left = &self.left[place + 1..];
                return Ok(unzigzag(bits));
            }
            shift += 7;
        }
        let left = self.left.len();
        Err(self.fault(
            field,
            Fault::Truncated {
                wanted: left + 1,
                left,
            },
        ))
    }

    pub(crate) fn int(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        let start = self.at();
        let number = self.long(field)?;
        i32::try_from(number).map_err(|_| fault_at(field, start, Fault::Overflow))
    }

    /// A long that is at least `least`.
    pub(crate) fn count(&mut self, field: &'static str, least: i64) -> Result<u64, DecodeError> {
        let start = self.at();
        let found = self.long(field)?;
        u64::try_from(found)
            .ok()
            .filter(|_| found >= least)
            .ok_or_else(|| fault_at(field, start, Fault::TooSmall { found, least }))
    }

    #[inline(always)]
    pub(crate) fn timestamp(&mut self, field: &'static str) -> Result<Timestamp, DecodeError> {
        self.long(field).map(Timestamp::from_micros)
    }

    #[inline(always)]
    pub(crate) fn double(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        match self.left.split_first_chunk() {
            Some((bytes, left)) => {
                self.left = left;
                Ok(f64::from_le_bytes(*bytes))
            }
            None => Err(self.fault(
                field,
                Fault::Truncated {
                    wanted: 8,
                    left: self.left.len(),
                },
            )),
        }
    }

    #[inline(always)]
    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let start = self.at();
        let found = self.long(field)?;
        let parts = usize::try_from(found)
            .ok()
            .and_then(|length| self.left.split_at_checked(length));
        let Some((bytes, left)) = parts else {
            let left = self.left.len();
            return Err(fault_at(field, start, Fault::Length { found, left }));
        };
        let text = std::str::from_utf8(bytes).map_err(|_| fault_at(field, start, Fault::Utf8))?;
        self.left = left;
        Ok(text)
    }

    /// Text that `parse` takes as the name of a farm or a turbine.
    pub(crate) fn id<T>(
        &mut self,
        field: &'static str,
        parse: fn(&str) -> Result<T, domain::IdError>,
    ) -> Result<T, DecodeError> {
        let start = self.at();
        parse(self.string(field)?).map_err(|error| fault_at(field, start, error.into()))
    }

    /// The branch of a union or the symbol of an enum.
    #[inline(always)]
    pub(crate) fn choice(&mut self, field: &'static str, choices: usize) -> Result<usize, DecodeError> {
        let start = self.at();
        let found = self.long(field)?;
        match usize::try_from(found) {
            Ok(choice) if choice < choices => Ok(choice),
            _ => Err(fault_at(field, start, Fault::Choice { found, choices })),
        }
    }

    /// A union of null and what `value` reads.
    #[inline(always)]
    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        value: impl FnOnce(&mut Self, &'static str) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.choice(field, 2)? {
            0 => Ok(None),
            _ => value(self, field).map(Some),
        }
    }

    /// A union of null and a double: nine bytes at once when there is one.
    #[inline(always)]
    pub(crate) fn optional_double(&mut self, field: &'static str) -> Result<Option<f64>, DecodeError> {
        match self.left.split_first_chunk::<9>() {
            Some(([2, bytes @ ..], left)) => {
                self.left = left;
                Ok(Some(f64::from_le_bytes(*bytes)))
            }
            _ => self.optional(field, Self::double),
        }
    }

    /// An array of what `item` reads, each of at least one byte.
    pub(crate) fn array<T>(
        &mut self,
        field: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::new();
        loop {
            let start = self.at();
            let found = self.long(field)?;
            if found == 0 {
                return Ok(items);
            }
            if found < 0 {
                // a negative count is followed by the block's size, for those who want to skip it
                self.long(field)?;
            }
            let left = self.left.len();
            let length = usize::try_from(found.unsigned_abs()).unwrap_or(usize::MAX);
            if length > left {
                return Err(fault_at(field, start, Fault::Length { found, left }));
            }
            for _ in 0..length {
                items.push(item(self)?);
            }
        }
    }

    /// Says that the record is at its end.
    #[inline]
    pub(crate) fn finish(self, record: &'static str) -> Result<(), DecodeError> {
        match self.left.len() {
            0 => Ok(()),
            length => Err(self.fault(record, Fault::Trailing { length })),
        }
    }

    const fn at(&self) -> usize {
        self.length - self.left.len()
    }

    #[cold]
    #[inline(never)]
    const fn fault(&self, field: &'static str, fault: Fault) -> DecodeError {
        fault_at(field, self.at(), fault)
    }
}

#[cold]
#[inline(never)]
const fn fault_at(field: &'static str, at: usize, fault: Fault) -> DecodeError {
    DecodeError::Malformed { field, at, fault }
}

/// Avro's numbers have their sign in the lowest bit, so that small negative ones are short too.
const fn unzigzag(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}

#[inline]
pub(crate) fn put_long(number: i64, out: &mut Vec<u8>) {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    if bits < 0x80 {
        return out.push(bits as u8);
    }
    // ten groups of seven bits hold every number
    let (mut bytes, mut length) = ([0; 10], 0);
    while bits >= 0x80 {
        bytes[length] = bits as u8 | 0x80;
        bits >>= 7;
        length += 1;
    }
    bytes[length] = bits as u8;
    out.extend_from_slice(&bytes[..=length]);
}

/// A count is a long; what no count ever reaches is written as the greatest.
pub(crate) fn put_count(count: u64, out: &mut Vec<u8>) {
    put_long(i64::try_from(count).unwrap_or(i64::MAX), out);
}

#[inline]
pub(crate) fn put_timestamp(time: Timestamp, out: &mut Vec<u8>) {
    put_long(time.as_micros(), out);
}

#[inline]
pub(crate) fn put_double(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[inline]
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) {
    put_long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

#[inline]
pub(crate) fn put_optional<T>(value: Option<T>, put: impl FnOnce(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    put_long(i64::from(value.is_some()), out);
    if let Some(value) = value {
        put(value, out);
    }
}

/// As [`Reader::optional_double`]: nine bytes at once.
#[inline]
pub(crate) fn put_optional_double(number: Option<f64>, out: &mut Vec<u8>) {
    match number {
        None => out.push(0),
        Some(number) => {
            let mut bytes = [2; 9];
            bytes[1..].copy_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_as_they_were_written_whatever_follows() {
        let powers = (0..64).map(|bits| 1_i64 << bits);
        let numbers = powers.flat_map(|power| (-2..=2).map(move |near| power.wrapping_add(near)));
        for number in numbers.flat_map(|number| [number, number.wrapping_neg()]) {
            let mut bytes = Vec::new();
            put_long(number, &mut bytes);
            let length = bytes.len();
            for end in 0..length {
                let read = Reader::new(&bytes[..end]).long("n");
                assert!(read.is_err(), "{number} of {end} bytes: {read:?}");
            }
            for behind in 0..10 {
                bytes.resize(length + behind, 0xff);
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.long("n"), Ok(number));
                assert_eq!(reader.left.len(), behind, "behind {number}");
            }
        }
    }
}

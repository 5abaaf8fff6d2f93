//! Confluent's framing: byte 0, the schema's id in four bytes (big-endian), then the record in Avro's binary encoding.

use crate::{DecodeError, SchemaId};

/// What a framed payload starts with.
const MAGIC: u8 = 0;

/// Writes the header; the record follows.
pub fn frame(id: SchemaId, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// The schema's id, and the record in Avro's binary encoding.
///
/// # Errors
/// [`DecodeError::TooShort`] and [`DecodeError::NotFramed`].
#[inline]
pub fn split(payload: &[u8]) -> Result<(SchemaId, &[u8]), DecodeError> {
    match payload {
        [MAGIC, a, b, c, d, body @ ..] => Ok((SchemaId::from_be_bytes([*a, *b, *c, *d]), body)),
        [MAGIC, ..] | [] => Err(DecodeError::TooShort {
            length: payload.len(),
        }),
        &[found, ..] => Err(DecodeError::NotFramed { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_where_it_was_joined() {
        for id in [0, 1, 0x0102_0304, SchemaId::MAX] {
            let mut payload = Vec::new();
            frame(id, &mut payload);
            assert_eq!(split(&payload), Ok((id, &[][..])));
            payload.extend_from_slice(b"body");
            assert_eq!(split(&payload), Ok((id, &b"body"[..])));
        }
        let mut payload = Vec::new();
        frame(0x0102_0304, &mut payload);
        assert_eq!(payload, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_frame_says_why() {
        let message = |payload: &[u8]| split(payload).unwrap_err().to_string();
        assert_eq!(
            message(b""),
            "the payload has 0 bytes, a framed record has at least 5"
        );
        assert_eq!(
            message(&[0, 0, 0, 1]),
            "the payload has 4 bytes, a framed record has at least 5"
        );
        assert_eq!(
            message(b"{\"a\":1}"),
            "byte 0 is 0x7b, a framed record starts with 0x00"
        );
    }
}

//! Bodies as they come, unpacked piece by piece and never beyond a limit: a kilobyte of gzip can hold a megabyte.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use crate::error::ApiError;

/// Gathers the pieces of a body.
#[derive(Debug)]
pub struct Unpacker {
    packed_bytes: usize,
    limit_bytes: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Unpacker {
    /// For a body with this content-encoding, which may hold `limit_bytes` and no more, packed and unpacked.
    ///
    /// # Errors
    /// [`ApiError::Encoding`] for another encoding than gzip.
    pub fn new(encoding: &str, limit_bytes: usize) -> Result<Self, ApiError> {
        let target = Bounded {
            bytes: Vec::new(),
            limit_bytes,
            is_over: false,
        };
        let form = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Form::Plain(target),
            "gzip" | "x-gzip" => Form::Gzip(Box::new(MultiGzDecoder::new(target))),
            other => return Err(ApiError::Encoding(other.chars().take(80).collect())),
        };
        Ok(Self {
            packed_bytes: 0,
            limit_bytes,
            form,
        })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`] beyond the limit, [`ApiError::Body`] for what is no gzip.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        self.packed_bytes = self.packed_bytes.saturating_add(piece.len());
        if self.packed_bytes > self.limit_bytes {
            return Err(too_large(self.limit_bytes));
        }
        let written = match &mut self.form {
            Form::Plain(target) => target.write_all(piece),
            Form::Gzip(decoder) => decoder.write_all(piece),
        };
        written.map_err(|error| self.told(&error))
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`ApiError::Body`] when the gzip ends too early, [`ApiError::TooLarge`] beyond the limit.
    pub fn finish(mut self) -> Result<Bytes, ApiError> {
        if let Form::Gzip(decoder) = &mut self.form
            && self.packed_bytes > 0
            && let Err(error) = decoder.try_finish()
        {
            return Err(self.told(&error));
        }
        let target = match &mut self.form {
            Form::Plain(target) => target,
            Form::Gzip(decoder) => decoder.get_mut(),
        };
        Ok(Bytes::from(std::mem::take(&mut target.bytes)))
    }

    fn told(&self, error: &io::Error) -> ApiError {
        let target = match &self.form {
            Form::Plain(target) => target,
            Form::Gzip(decoder) => decoder.get_ref(),
        };
        if target.is_over {
            return too_large(self.limit_bytes);
        }
        ApiError::Body(format!("the body is not gzip: {error}"))
    }
}

fn too_large(limit_bytes: usize) -> ApiError {
    ApiError::TooLarge {
        what: "the body",
        limit_bytes,
    }
}

/// Bytes up to a limit.
#[derive(Debug)]
struct Bounded {
    bytes: Vec<u8>,
    limit_bytes: usize,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > self.limit_bytes {
            self.is_over = true;
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1_000;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks in pieces of `size`.
    fn unpack(encoding: &str, packed: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let mut unpacker = Unpacker::new(encoding, LIMIT).map_err(|error| error.to_string())?;
        for piece in packed.chunks(size) {
            unpacker.push(piece).map_err(|error| error.to_string())?;
        }
        let whole = unpacker.finish().map_err(|error| error.to_string())?;
        Ok(whole.to_vec())
    }

    #[test]
    fn a_body_larger_than_the_limit_is_refused_packed_or_not() {
        let over = Err(format!("the body is over the limit of {LIMIT} bytes"));
        assert_eq!(unpack("", &[7; LIMIT], 100), Ok(vec![7; LIMIT]));
        assert_eq!(unpack("identity", &[7; LIMIT + 1], 100), over);
        assert_eq!(unpack("gzip", &gzip(&[7; LIMIT]), 3), Ok(vec![7; LIMIT]));
        let bomb = gzip(&vec![7; 100 * LIMIT]);
        assert!(bomb.len() < LIMIT, "{}", bomb.len());
        assert_eq!(unpack("gzip", &bomb, 3), over);
        assert_eq!(unpack("gzip", &bomb, LIMIT), over);
    }

    #[test]
    fn what_is_no_gzip_is_said_to_be_none() {
        for bad in [&b"hello there, this is text"[..], &gzip(b"cut off")[..15]] {
            let refusal = unpack("gzip", bad, 4).unwrap_err();
            assert!(refusal.starts_with("the body is not gzip: "), "{refusal}");
        }
        assert_eq!(
            unpack("gzip", b"", 1),
            Ok(Vec::new()),
            "nothing is nothing in every encoding"
        );
        assert_eq!(
            unpack("br", b"", 1).unwrap_err(),
            "a body with content-encoding 'br' is not understood, wanted is gzip or identity"
        );
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_whatever_the_pieces(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4),
            size in 1_usize..50,
        ) {
            let packed: Vec<u8> = bodies.iter().flat_map(|body| gzip(body)).collect();
            prop_assert_eq!(unpack("gzip", &packed, size), Ok(bodies.concat()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = unpack("gzip", &bytes, 7);
        }
    }
}

//! Why bytes are no record.

use crate::SchemaId;

/// Why a payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short for the frame's header.
    #[error("the payload has {length} bytes, a framed record has at least 5")]
    TooShort {
        /// Its length, bytes.
        length: usize,
    },
    /// Not in Confluent's framing.
    #[error("byte 0 is {found:#04x}, a framed record starts with 0x00")]
    NotFramed {
        /// What it starts with.
        found: u8,
    },
    /// The schema's id must be resolved first; this says nothing about the record.
    #[error("schema id {0} has not been looked up yet")]
    UnknownSchema(SchemaId),
    /// The record does not follow its schema.
    #[error("{field}: {fault} at byte {at} of the record")]
    Malformed {
        /// The field, or the record's name when it is about its end.
        field: &'static str,
        /// Position behind the frame's header, from 0.
        at: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// Written with another schema, and what it says has no place in ours, or does not follow that schema.
    #[error("not readable with schema id {schema}: {cause}")]
    Unresolvable {
        /// The writer's schema.
        schema: SchemaId,
        /// In the words of the Avro library.
        cause: String,
    },
}

/// What is wrong at one place of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The record ends too early.
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated {
        /// How many bytes it needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A number of more than 64 bits.
    #[error("number of more than 64 bits")]
    Overflow,
    /// A length or count that cannot be.
    #[error("length {found}, but {left} bytes are left")]
    Length {
        /// The length.
        found: i64,
        /// How many bytes there are.
        left: usize,
    },
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// The branch of a union or the symbol of an enum that the schema does not have.
    #[error("choice {found} out of {choices}, counted from 0,")]
    Choice {
        /// Its number, from 0.
        found: i64,
        /// How many there are.
        choices: usize,
    },
    /// A number that the schema allows and the field does not.
    #[error("number {found}, at least {least} is wanted")]
    TooSmall {
        /// The number.
        found: i64,
        /// The least that is allowed.
        least: i64,
    },
    /// Text that names no farm or turbine.
    #[error("{0}")]
    Id(#[from] domain::IdError),
    /// More bytes than the record has.
    #[error("{length} bytes left over")]
    Trailing {
        /// How many are left over.
        length: usize,
    },
}

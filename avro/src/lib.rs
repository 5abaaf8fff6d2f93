//! The wire contract: the `.avsc` files of this folder, their codec, Confluent's framing and the schema registry.
//!
//! A record that was written with the schema that is compiled in is read by straight code over [`domain`] types; a
//! [`domain::RawReading`] borrows from the payload and costs no allocation. Any other writer schema goes through
//! apache-avro's schema resolution, and from there through the same straight code, so that what a field means is
//! written down once. Properties hold both to the same answer.
//!
//! **Invariant.** No bytes make a decoder panic, and none that are left over are accepted.
#![warn(missing_docs)]

mod bytes;
mod cache;
mod checkpoint;
mod decoder;
mod error;
mod guard;
mod reading;
mod record;
mod registry;
mod registry_error;
mod schema;
mod stats;
mod window;
pub mod wire;

pub use checkpoint::{PartitionCheckpoint, decode_checkpoint, encode_checkpoint};
pub use decoder::Decoder;
pub use error::{DecodeError, Fault};
pub use reading::{decode_reading, encode_reading};
pub use record::RecordType;
pub use registry::{Registry, RegistryConfig};
pub use registry_error::RegistryError;
pub use schema::WriterSchema;
pub use window::{decode_farm_window, decode_turbine_window, encode_farm_window, encode_turbine_window};

/// The number under which a registry knows a schema.
pub type SchemaId = u32;

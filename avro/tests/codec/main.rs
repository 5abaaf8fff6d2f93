//! The codec against the Avro library: what one writes the other reads, whatever the writer's schema, and no bytes
//! get past either that should not.
#![expect(clippy::unwrap_used, reason = "what helps a test may panic as the test may")]

mod evolution;
mod hostile;
mod oracle;
mod straight;
mod values;

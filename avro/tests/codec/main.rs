//! The codec against the Avro library: what one writes the other reads, whatever the writer's schema, and no bytes
//! get past either that should not.

mod evolution;
mod hostile;
mod oracle;
mod straight;
mod values;

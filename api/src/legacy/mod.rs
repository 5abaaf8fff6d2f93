//! The words of the university system that this one grew out of (FastAPI with pydantic 2): its bodies, and its
//! errors to the letter, so that its clients work on.

mod detail;
mod error;
mod generator;
mod json_fault;
mod measurement;
mod minute;
mod moment;
mod query;

pub use detail::Detail;
pub use error::LegacyError;
pub use generator::{GeneratorReading, Generators};
pub use measurement::{Measurement, measurement_of};
pub use minute::Minute;
pub use moment::Moment;
pub use query::LegacyQuery;

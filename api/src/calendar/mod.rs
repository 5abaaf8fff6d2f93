//! How time is divided into windows of a resolution, by the clocks of a time zone, and what stored windows each of
//! them is made of. Pure: it reads no clock.

mod chunks;
mod division;
mod expected;
mod merging;

pub use chunks::{Chunk, Chunks};
pub use division::{Division, Span};
pub use expected::Expected;
pub use merging::{Merged, Merging};

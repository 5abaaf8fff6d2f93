//! The live stream: what arrives on Kafka, told to everybody who listens.
//!
//! One consumer per process (`tail`, without a group) runs while somebody listens, and puts what it reads into one
//! bounded `Ring`. A [`Listener`] is a place in that ring and nothing else: it costs no memory of its own, nobody
//! waits for it, and one who is so slow that the ring has moved past its place is told so and let go.
//!
//! The id of an event is a [`Position`]: the next offset of every partition. So a client that comes back, to this
//! process or another, goes on exactly after what it has seen, in whatever order partitions were read meanwhile:
//! from the ring, which also holds the last minutes before the consumer began; what is older is read from the log
//! again; and what the log has forgotten comes from the database. The log goes first because it alone has the very
//! records, in their order, up to now: the sink may be behind, and no index of the database leads to an offset as
//! quickly.
//!
//! A window that late readings changed has no record of its own: the late reading's record stands for it, and is told
//! of when the sink has made the window anew (`revisions`).
//!
//! **Invariant.** A position never moves past a record whose event was not sent, and no record below it is sent.

mod chapter;
mod event;
mod feed;
mod filter;
mod history;
mod listener;
mod position;
mod revisions;
mod ring;
mod source;
mod tail;
mod translate;

pub use feed::{Feed, FeedSettings};
pub use filter::{Farms, Filter};
pub use listener::{KeyCheck, Listener};
pub use position::{NoPosition, Position};
pub use source::EventKind;

use event::Event;
use ring::Ring;
use source::Source;

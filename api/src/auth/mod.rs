//! Who may ask what: keys, their scopes and farms.

mod access;
mod cache;
mod caller;
mod secret;

pub use access::{Access, Door, Read, Write, authenticate, key_of};
pub use cache::Keys;
pub use caller::{Caller, Scope, UnknownScope};
pub use secret::{KeyHash, Secret};

//! Who may ask what: keys, their scopes and farms.

mod access;
mod cache;
mod caller;
mod lifetime;
mod quota;
mod secret;

pub use access::{Access, Admin, Door, Read, Write, admit, any_key_of, authenticate, key_of};
pub use cache::Keys;
pub use caller::{Caller, CallerId, Scope, UnknownScope};
pub use lifetime::lifetime;
pub use quota::{Quota, Quotas};
pub use secret::{KeyHash, Secret};

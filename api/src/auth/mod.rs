//! Who may ask what: keys, tokens, their scopes and farms.

mod access;
mod cache;
mod caller;
mod claims;
mod key_set;
mod lifetime;
mod quota;
mod secret;
mod tokens;

pub use access::{Access, Admin, Door, Read, Write, admit, any_key_of, authenticate, key_of};
pub use cache::Keys;
pub use caller::{Caller, CallerId, Scope, UnknownScope};
pub use claims::ClaimNames;
pub use lifetime::lifetime;
pub use quota::{Quota, Quotas};
pub use secret::{KeyHash, Secret};
pub use tokens::{KeySource, TokenRules, Tokens};

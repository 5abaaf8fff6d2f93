//! What happens to every request, whatever it asks for.

mod cors;
mod observe;
mod protect;
mod validate;

pub use cors::{Origin, cors};
pub use observe::{RequestSpan, observe};
pub use protect::{Protection, protect};
pub use validate::validate;

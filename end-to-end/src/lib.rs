//! The real programs together on real servers, as an operator would run them; the judge is `verify`.

pub mod chaos;
mod data;
mod servers;
mod system;

pub use data::private_data;
pub use servers::Servers;
pub use system::{API_KEY, System};

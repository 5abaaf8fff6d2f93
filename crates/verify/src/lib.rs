//! crates/verify

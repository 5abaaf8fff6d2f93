//! crates/platform

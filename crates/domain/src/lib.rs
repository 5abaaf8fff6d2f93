//! crates/domain

//! crates/windowing

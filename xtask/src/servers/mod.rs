//! What is not ours: how each server is set up and started.

pub(crate) mod kafka;
pub(crate) mod postgres;
pub(crate) mod registry;

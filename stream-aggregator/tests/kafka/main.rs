//! The real program on the real broker and registry.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod kills;
mod limits;
mod oracle;
mod restarts;
mod rig;
mod schemas;
mod windows;

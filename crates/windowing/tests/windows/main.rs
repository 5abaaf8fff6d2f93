//! Windows from outside: drawn scripts, and laws held against a naive model.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod clocks;
mod closing;
mod idle;
mod log;
mod naive;
mod properties;
mod rejected;
mod restart;
mod script;

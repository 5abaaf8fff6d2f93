//! Where a program can listen that is about to be started.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};

/// A port of this machine that is free now.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?)
}

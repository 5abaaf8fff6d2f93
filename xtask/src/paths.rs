//! Where things lie: everything that xtask fetches, writes or runs is under `.dev/`, apart from cargo's own folder.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in a folder of the workspace")
}

/// `.dev`, which git ignores.
pub(crate) fn dot_dev() -> PathBuf {
    root().join(".dev")
}

/// The fetched servers, shared by all stacks and never written to after fetching.
pub(crate) fn tools() -> PathBuf {
    dot_dev().join("tools")
}

/// One folder per stack.
pub(crate) fn runs() -> PathBuf {
    dot_dev().join("run")
}

/// The stack of `up`.
pub(crate) fn dev_stack() -> PathBuf {
    runs().join("dev")
}

/// This very binary, for the processes that xtask starts of itself.
pub(crate) fn own_binary() -> Result<PathBuf> {
    let path = env::current_exe().context("cannot find xtask's own binary")?;
    // A build that replaced the file while it ran makes Linux append this; the new file does as well.
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or_else(|| path.clone(), PathBuf::from))
}

/// Cargo's target folder, found from where cargo put this binary (`<target>/<profile>/xtask`).
pub(crate) fn target() -> Result<PathBuf> {
    let own = own_binary()?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .context("xtask does not run from a target folder")?;
    Ok(target.to_owned())
}

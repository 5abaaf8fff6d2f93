//! Cargo, called by a program that cargo itself has started.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::paths;

/// What `cargo run` tells a program about its own package; to another cargo it would look like a changed setting and
/// make it build again.
const PACKAGE_VARIABLES: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_PRIMARY_PACKAGE",
];

/// Cargo in the workspace's root.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(paths::root());
    for (name, _) in env::vars_os() {
        if PACKAGE_VARIABLES
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

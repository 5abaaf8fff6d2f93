//! Files that the project may not contain.

use std::path::{Path, PathBuf};

/// The file of that name in the folder that `VELETA_TEST_DATA` names (by default `../shared/data` beside the
/// project), if it is there: its licence does not allow us to bring it along.
#[expect(
    clippy::print_stderr,
    reason = "a test that cannot be made must be seen to be missing"
)]
pub fn private_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("VELETA_TEST_DATA")
        .map_or_else(beside, PathBuf::from)
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {name} is not in the folder of VELETA_TEST_DATA");
    None
}

//! Whether `/openapi.json` is a good document: for that there is a tool of other people, in Python.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long the tool may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The interpreter that has the tool, which `cargo xtask test` tells.
fn python() -> OsString {
    std::env::var_os("VELETA_SPECIFICATION_PYTHON")
        .expect("`cargo xtask test` sets VELETA_SPECIFICATION_PYTHON")
}

/// What it says goes the way of the test's own output.
async fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .expect("it ends in time")
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_a_valid_one() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.json");
    std::fs::write(&document, api::openapi_document().to_json().unwrap()).unwrap();
    let mut command = Command::new(python());
    run(command
        .args(["-m", "openapi_spec_validator", "--errors", "all"])
        .arg(&document))
    .await;
}

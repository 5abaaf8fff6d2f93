//! Whether every crate may be used: its licence is permissive and its source is the registry or this workspace.
//! `deny.toml` says the same to cargo-deny, which looks closer, where it is installed.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::cargo;

/// The same as in `deny.toml`.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// # Errors
/// Naming every crate that may not be used, and why.
pub(crate) fn check() -> Result<()> {
    let output = cargo::command()
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read cargo's metadata")?;
    let refused: Vec<String> = metadata.packages.iter().filter_map(refusal).collect();
    ensure!(
        refused.is_empty(),
        "crates that may not be used:\n  {}",
        refused.join("\n  ")
    );
    say!(
        "{} packages, all with permissive licences",
        metadata.packages.len()
    );
    Ok(())
}

fn refusal(package: &Package) -> Option<String> {
    let Package {
        name,
        version,
        license,
        source,
    } = package;
    if let Some(source) = source.as_ref().filter(|source| !source.starts_with("registry+")) {
        return Some(format!("{name} {version} comes from {source}"));
    }
    match license {
        None => Some(format!("{name} {version} names no licence")),
        Some(license) if is_allowed(license) => None,
        Some(license) => Some(format!("{name} {version} has licence {license}")),
    }
}

/// Some crates still separate alternatives by a slash, hence the lax mode.
fn is_allowed(license: &str) -> bool {
    Expression::parse_mode(license, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|requirement: &LicenseReq| ALLOWED.contains(&&*requirement.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternative_is_enough_and_a_conjunction_is_not() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("GPL-3.0-only OR MIT"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(!is_allowed("MIT AND GPL-3.0-only"));
        assert!(!is_allowed("AGPL-3.0-only"));
        assert!(!is_allowed("not a licence"));
    }

    #[test]
    fn a_crate_from_elsewhere_is_refused() {
        let package = |source: &str| Package {
            name: "x".into(),
            version: "1.0.0".into(),
            license: Some("MIT".into()),
            source: Some(source.into()),
        };
        assert_eq!(refusal(&package("registry+https://example.org/index")), None);
        assert!(
            refusal(&package("git+https://example.org/x"))
                .unwrap()
                .contains("comes from git+")
        );
    }
}

//! What the machine must have beside Rust. As root on Debian and its kin it is installed without a question; elsewhere
//! it is named, with the command to type.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

use crate::java;

/// Kafka 4 needs it.
const JAVA: u32 = 17;

/// What Vite and Playwright need; Debian 12 has it.
const NODE: u32 = 18;

/// Something that must be there.
struct Requirement {
    what: &'static str,
    is_there: fn() -> bool,
    /// Debian's packages, of which the first that exists is taken.
    packages: &'static [&'static str],
}

const REQUIREMENTS: [Requirement; 9] = [
    Requirement {
        what: "Java 17 or later",
        is_there: || java_version().is_some_and(|version| version >= JAVA),
        packages: &[
            "openjdk-17-jre-headless",
            "openjdk-21-jre-headless",
            "openjdk-25-jre-headless",
        ],
    },
    Requirement {
        what: "Maven",
        is_there: || on_path("mvn"),
        packages: &["maven"],
    },
    Requirement {
        what: "xz",
        is_there: || on_path("xz"),
        packages: &["xz-utils"],
    },
    Requirement {
        what: "gcc",
        is_there: || on_path("gcc"),
        packages: &["gcc"],
    },
    Requirement {
        what: "g++",
        is_there: || on_path("g++"),
        packages: &["g++"],
    },
    Requirement {
        what: "make",
        is_there: || on_path("make"),
        packages: &["make"],
    },
    Requirement {
        what: "pkg-config",
        is_there: || on_path("pkg-config"),
        packages: &["pkg-config"],
    },
    Requirement {
        what: "OpenSSL's headers",
        is_there: || has_library("openssl"),
        packages: &["libssl-dev"],
    },
    Requirement {
        what: "zlib's headers",
        is_there: || has_library("zlib"),
        packages: &["zlib1g-dev"],
    },
];

/// What the page is built and tested with; who only runs the programs needs none of it.
const FOR_THE_PAGE: [Requirement; 3] = [
    Requirement {
        what: "Node.js 18 or later",
        is_there: || node_version().is_some_and(|version| version >= NODE),
        packages: &["nodejs"],
    },
    Requirement {
        what: "npm",
        is_there: || on_path("npm"),
        packages: &["npm"],
    },
    Requirement {
        what: "Chromium",
        is_there: || {
            env::var_os("CHROMIUM").is_some()
                || ["chromium", "chromium-browser", "google-chrome"]
                    .into_iter()
                    .any(on_path)
        },
        packages: &["chromium"],
    },
];

/// What clients written in Python are tested with.
const FOR_PYTHON: [Requirement; 1] = [Requirement {
    what: "Python 3 with venv and pip",
    is_there: has_venv,
    packages: &["python3-venv"],
}];

/// What the way in from MQTT is tested with.
const FOR_MQTT: [Requirement; 2] = [
    Requirement {
        what: "mosquitto",
        is_there: || on_path("mosquitto") || Path::new("/usr/sbin/mosquitto").is_file(),
        packages: &["mosquitto"],
    },
    Requirement {
        what: "openssl",
        is_there: || on_path("openssl"),
        packages: &["openssl"],
    },
];

/// # Errors
/// If something is missing that cannot be installed without a question, naming it and the command to type.
pub(crate) fn ensure_met() -> Result<()> {
    ensure_all(&REQUIREMENTS)
}

/// What the page takes, besides.
///
/// # Errors
/// As [`ensure_met`].
pub(crate) fn ensure_met_for_the_page() -> Result<()> {
    ensure_all(&FOR_THE_PAGE)
}

/// What tests with clients written in Python take, besides.
///
/// # Errors
/// As [`ensure_met`].
pub(crate) fn ensure_met_for_python() -> Result<()> {
    ensure_all(&FOR_PYTHON)
}

/// What tests with an MQTT broker take, besides.
///
/// # Errors
/// As [`ensure_met`].
pub(crate) fn ensure_met_for_mqtt() -> Result<()> {
    ensure_all(&FOR_MQTT)
}

fn ensure_all(all: &'static [Requirement]) -> Result<()> {
    let missing = missing(all);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|one| one.what).collect::<Vec<_>>().join(", ");
    if !on_path("apt-get") {
        bail!("missing on this machine: {names}; please install them with its package manager");
    }
    if !geteuid().is_root() {
        let packages = missing
            .iter()
            .map(|one| one.packages[0])
            .collect::<Vec<_>>()
            .join(" ");
        bail!("missing on this machine: {names}; please type: sudo apt-get install -y {packages}");
    }
    say!("installing what is missing: {names}");
    install(&missing)?;
    ensure!(
        self::missing(all).is_empty(),
        "still missing after installing: {names}"
    );
    Ok(())
}

fn missing(all: &'static [Requirement]) -> Vec<&'static Requirement> {
    all.iter().filter(|one| !(one.is_there)()).collect()
}

fn install(missing: &[&Requirement]) -> Result<()> {
    apt_get(&["-qq", "update"])?;
    let packages = missing
        .iter()
        .map(|one| one.packages.iter().copied().find(|package| exists(package)));
    let packages = packages
        .collect::<Option<Vec<_>>>()
        .context("apt does not know a package that is needed")?;
    apt_get(
        &[
            &["-qq", "install", "-y", "--no-install-recommends"],
            packages.as_slice(),
        ]
        .concat(),
    )
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}

fn exists(package: &str) -> bool {
    Command::new("apt-cache")
        .args(["show", package])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

/// Debian's `python3` alone has `venv`, but not the pip to put into it.
fn has_venv() -> bool {
    Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn has_library(name: &str) -> bool {
    Command::new("pkg-config")
        .args(["--exists", name])
        .status()
        .is_ok_and(|status| status.success())
}

fn java_version() -> Option<u32> {
    let output = Command::new(java::program())
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_java_version(&String::from_utf8_lossy(&output.stderr))
}

fn node_version() -> Option<u32> {
    let output = Command::new("node")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_node_version(&String::from_utf8_lossy(&output.stdout))
}

/// The number before the first dot of `v20.20.2`.
fn parse_node_version(text: &str) -> Option<u32> {
    text.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The number before the first dot of `openjdk version "17.0.15" 2025-04-15`; of `"1.8.0"` it is 1, and too low too.
fn parse_java_version(text: &str) -> Option<u32> {
    let (_, quoted) = text.split_once('"')?;
    let digits = quoted
        .split(|character: char| !character.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_are_understood() {
        assert_eq!(
            parse_java_version("openjdk version \"17.0.15\" 2025-04-15\n"),
            Some(17)
        );
        assert_eq!(
            parse_java_version("openjdk version \"21\" 2023-09-19\n"),
            Some(21)
        );
        assert_eq!(parse_java_version("java version \"1.8.0_401\"\n"), Some(1));
        assert_eq!(parse_java_version("sh: java: not found"), None);
    }

    #[test]
    fn node_versions_are_understood() {
        assert_eq!(parse_node_version("v20.20.2\n"), Some(20));
        assert_eq!(parse_node_version("v18.20.4\n"), Some(18));
        assert_eq!(parse_node_version("command not found"), None);
    }

    #[test]
    fn what_no_machine_has_is_not_found() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-of-veleta"));
    }
}

//! Java, for Kafka, its tools and the registry.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::paths;

/// Kafka's jars, for a class path.
pub(crate) fn kafka_jars() -> String {
    paths::tools().join("kafka").join("*").display().to_string()
}

/// A virtual machine for development: starts quickly and takes little memory.
pub(crate) fn command() -> Command {
    let mut command = measured();
    command.arg("-XX:+UseSerialGC");
    command
}

/// A virtual machine for what is measured beside it. Its quick compiler alone: the other one is at work for minutes after a
/// start, and takes a seventh of two processors from the program that is measured.
pub(crate) fn measured() -> Command {
    let mut command = Command::new(program());
    // What is wrong goes to standard error; the rest of Kafka's log is of no use here.
    command.args([
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-XX:TieredStopAtLevel=1",
    ]);
    command
}

/// `JAVA_HOME`'s, else the one on the path.
pub(crate) fn program() -> PathBuf {
    match env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home).join("bin/java"),
        None => PathBuf::from("java"),
    }
}

//! `consume`: kafka-console-consumer on the stack of `up`, with a deserializer that turns Avro into JSON.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::java;
use crate::paths;
use crate::programs;
use crate::settings::Settings;
use crate::stack::Stack;

/// What a short name of a topic lacks.
const PREFIX: &str = "windfarm.";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A topic, such as `readings` or `windfarm.readings`
    topic: String,
    /// Further arguments of kafka-console-consumer, such as --from-beginning --max-messages 5
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// # Errors
/// If nothing is up, or Java cannot be run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let stack = Stack::running(paths::dev_stack())?;
    // Replaces xtask, so that Ctrl-C and exit code are the consumer's own.
    Err(command(args, &stack.settings).exec()).context("cannot run Java")
}

fn command(args: &Args, settings: &Settings) -> Command {
    let topic = full_name(&args.topic);
    let mut command = java::command();
    // It warns of how Apicurio's own defaults read.
    command.arg("-Dorg.slf4j.simpleLogger.log.io.apicurio=error");
    let serde = paths::tools().join("serde").join("*");
    command
        .arg("-cp")
        .arg(format!("{}:{}", java::kafka_jars(), serde.display()));
    command.arg("org.apache.kafka.tools.consumer.ConsoleConsumer");
    command.args([
        "--bootstrap-server",
        &programs::kafka(settings),
        "--topic",
        &topic,
    ]);
    for property in formatter_properties(&topic, settings) {
        command.args(["--formatter-property", &property]);
    }
    if !args
        .arguments
        .iter()
        .any(|argument| argument.starts_with("--isolation-level"))
    {
        command.args(["--isolation-level", "read_committed"]);
    }
    command.args(&args.arguments);
    command
}

fn full_name(topic: &str) -> String {
    if topic.contains('.') {
        topic.to_owned()
    } else {
        format!("{PREFIX}{topic}")
    }
}

fn formatter_properties(topic: &str, settings: &Settings) -> Vec<String> {
    let mut properties = vec!["print.key=true".to_owned()];
    if topic.ends_with("dead-letters") || topic.ends_with("late-readings") {
        properties.push("print.headers=true".to_owned());
    }
    // A dead letter may be anything at all, and a deserializer that fails ends the consumer.
    if !topic.ends_with("dead-letters") {
        let deserializer = "value.deserializer";
        let registry = format!("http://127.0.0.1:{}/apis/registry/v2", settings.ports.registry);
        properties.push(format!(
            "{deserializer}=io.apicurio.registry.serde.avro.AvroKafkaDeserializer"
        ));
        properties.push(format!("{deserializer}.apicurio.registry.url={registry}"));
        properties.push(format!("{deserializer}.apicurio.registry.as-confluent=true"));
        properties.push(format!("{deserializer}.apicurio.registry.use-id=contentId"));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_gets_the_prefix() {
        assert_eq!(full_name("readings"), "windfarm.readings");
        assert_eq!(full_name("windfarm.readings"), "windfarm.readings");
        assert_eq!(full_name("other.readings"), "other.readings");
    }
}

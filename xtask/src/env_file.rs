//! `.dev/env`: what a person, a script or another of our commands needs to reach the stack, for a shell to source.

use std::path::PathBuf;

use anyhow::Result;

use crate::api_key;
use crate::paths;
use crate::programs;
use crate::servers::{postgres, registry};
use crate::stack::Stack;

/// Where it lies.
pub(crate) fn path() -> PathBuf {
    paths::dot_dev().join("env")
}

/// # Errors
/// If it cannot be written.
pub(crate) fn write(stack: &Stack) -> Result<()> {
    api_key::write_private(&path(), &render(&variables(stack)?))
}

/// Names and values.
///
/// # Errors
/// If there is no API key and none can be made.
pub(crate) fn variables(stack: &Stack) -> Result<Vec<(&'static str, String)>> {
    let settings = &stack.settings;
    Ok(vec![
        ("API_URL", format!("http://127.0.0.1:{}", settings.ports.api)),
        ("API_KEY", api_key::of(&stack.dir)?),
        ("KAFKA_BOOTSTRAP_SERVERS", programs::kafka(settings)),
        ("SCHEMA_REGISTRY_URL", registry::url(settings)),
        (
            "DATABASE_URL",
            postgres::url(settings, "windfarm_owner", postgres::DATABASE),
        ),
    ])
}

fn render(variables: &[(&str, String)]) -> String {
    variables
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
        .collect()
}

/// Within single quotes a shell changes nothing, and a single quote itself is written `'\''`.
fn quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-./:@".contains(character);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let variables = [
            (
                "DATABASE_URL",
                "postgres://windfarm_owner@127.0.0.1:5432/windfarm".to_owned(),
            ),
            ("ODD", "a b'c$(d)\"e".to_owned()),
            ("EMPTY", String::new()),
        ];
        let text = render(&variables);
        assert!(text.starts_with("export DATABASE_URL=postgres://windfarm_owner@127.0.0.1:5432/windfarm\n"));
        let script = format!("{text}printf '%s|%s|%s' \"$DATABASE_URL\" \"$ODD\" \"$EMPTY\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let values: Vec<&str> = variables.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), values.join("|"));
    }
}

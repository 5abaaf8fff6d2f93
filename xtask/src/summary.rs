//! What `up` says when everything is ready: where it is, and two lines to copy.

use anyhow::Result;

use crate::api_key;
use crate::programs;
use crate::servers::{postgres, registry};
use crate::settings::Settings;
use crate::stack::Stack;

/// # Errors
/// If the API key cannot be read.
pub(crate) fn print(stack: &Stack) -> Result<()> {
    say!("{}", render(&stack.settings, &api_key::of(&stack.dir)?));
    Ok(())
}

fn render(settings: &Settings, key: &str) -> String {
    let api = format!("http://127.0.0.1:{}", settings.ports.api);
    let kafka = programs::kafka(settings);
    let registry = registry::url(settings);
    let database = postgres::url(settings, "windfarm_owner", postgres::DATABASE);
    format!(
        "
API         {api}   (the live page; documentation: {api}/docs)
API key     {key}
Kafka       {kafka}
registry    {registry}
PostgreSQL  {database}
All of these as variables:  . .dev/env

  curl -H 'X-API-Key: {key}' '{api}/v1/farms'
  cargo xtask consume farm-windows --from-beginning --max-messages 3    # kafka-console-consumer, values as JSON
"
    )
}

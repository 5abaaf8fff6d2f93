//! How to reach the schema registry.

use std::path::PathBuf;

use avro::{Registry, RegistryConfig};

use crate::program::UsageError;

/// Where the schema registry is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Schema registry")]
pub struct RegistryArgs {
    /// Confluent-compatible API of the schema registry
    #[arg(
        long = "schema-registry-url",
        env = "SCHEMA_REGISTRY_URL",
        default_value = "http://localhost:8081/apis/ccompat/v7"
    )]
    pub url: String,

    /// File that keeps what the registry has told, so that a start does not need the registry; none by default
    #[arg(long = "schema-cache", env = "SCHEMA_CACHE")]
    pub cache: Option<PathBuf>,
}

impl RegistryArgs {
    /// The client; it connects when it is first asked.
    ///
    /// # Errors
    /// [`UsageError`] when the URL is none.
    pub fn registry(&self) -> Result<Registry, UsageError> {
        let config = RegistryConfig {
            url: self.url.clone(),
            cache_file: self.cache.clone(),
        };
        Registry::new(config).map_err(|error| UsageError(format!("--schema-registry-url: {error}")))
    }
}

//! What can go wrong with a registry, and whether waiting helps.

use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

use crate::SchemaId;

/// Why a schema could not be looked up or registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be reached, or answers with an error of its own; that may pass.
    #[error("the schema registry is not available: {0}")]
    Unavailable(String),
    /// It says that it has no such schema.
    #[error("the schema registry has no schema id {0}")]
    NoSuchSchema(SchemaId),
    /// The schema is there, but no record of it can be read.
    #[error("schema id {id} is unusable: {cause}")]
    Unusable {
        /// The id.
        id: SchemaId,
        /// Why.
        cause: String,
    },
    /// It does not take our schema: an incompatible one is there, or we may not.
    #[error("the schema registry refuses {subject}: {cause}")]
    Refused {
        /// Where the schema was to go.
        subject: String,
        /// In the registry's words.
        cause: String,
    },
    /// What was set about the registry cannot work.
    #[error("schema registry: {0}")]
    Settings(String),
}

impl RegistryError {
    /// Whether the same question may be answered later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Only the registry's own word, or a schema that was read and does not parse, makes an answer definite: behind a
/// wrong path or a failing proxy every id would be "not found", and good records would be thrown away.
pub(crate) fn lookup_error(id: SchemaId, error: &SRCError) -> RegistryError {
    let definite = match cause_of::<RawError>(error) {
        Some(answer) if is_not_found(answer.error_code) => return RegistryError::NoSuchSchema(id),
        Some(_) => false,
        None => is_about_the_schema(error),
    };
    if definite && !error.retriable {
        return RegistryError::Unusable {
            id,
            cause: words(error),
        };
    }
    RegistryError::Unavailable(words(error))
}

pub(crate) fn registration_error(subject: &str, error: &SRCError) -> RegistryError {
    match cause_of::<RawError>(error) {
        Some(answer) if is_refusal(answer.error_code) => RegistryError::Refused {
            subject: subject.to_owned(),
            cause: words(error),
        },
        Some(_) | None => RegistryError::Unavailable(words(error)),
    }
}

/// Subject, version or schema not found. A plain 404 is somebody else's.
const fn is_not_found(error_code: u32) -> bool {
    matches!(error_code, 40401..=40499)
}

/// Unauthorised, forbidden, incompatible or invalid; with or without the registry's two digits more.
const fn is_refusal(error_code: u32) -> bool {
    let status = if error_code >= 10_000 {
        error_code / 100
    } else {
        error_code
    };
    matches!(status, 401 | 403 | 409 | 422)
}

/// The schema came, and is no Avro or no valid Avro.
fn is_about_the_schema(error: &SRCError) -> bool {
    error.cause.is_none()
        || cause_of::<apache_avro::Error>(error).is_some()
        || cause_of::<serde_json::Error>(error).is_some()
}

fn cause_of<T: std::error::Error + 'static>(error: &SRCError) -> Option<&T> {
    std::error::Error::source(error)?.downcast_ref()
}

/// The cause's own words: the converter's sentence around it says nothing more.
fn words(error: &SRCError) -> String {
    let mut words = error.error.chars().take(300).collect::<String>();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

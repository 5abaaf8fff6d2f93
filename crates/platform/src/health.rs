//! Whether a program can do its work just now, and if not, why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a program needs to be ready, by name. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Option<String>>>>);

/// Reports on one of the things that a program needs.
#[derive(Debug, Clone)]
pub struct HealthHandle {
    health: Health,
    name: String,
}

impl Health {
    /// Names a thing that must be ready; it is not until its handle says so.
    pub fn component(&self, name: impl Into<String>) -> HealthHandle {
        let handle = HealthHandle {
            health: self.clone(),
            name: name.into(),
        };
        handle.not_ready("starting");
        handle
    }

    /// What is not ready, with the reason; empty when all is well. A program that has named nothing yet is starting.
    pub fn not_ready(&self) -> BTreeMap<String, String> {
        let components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if components.is_empty() {
            return [("program".to_owned(), "starting".to_owned())].into();
        }
        components
            .iter()
            .filter_map(|(name, why)| Some((name.clone(), why.clone()?)))
            .collect()
    }

    fn set(&self, name: &str, why: Option<String>) {
        let mut components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        components.insert(name.to_owned(), why);
    }
}

impl HealthHandle {
    /// It works.
    pub fn ready(&self) {
        self.health.set(&self.name, None);
    }

    /// It does not, and why.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.health.set(&self.name, Some(why.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_every_component_is() {
        let health = Health::default();
        assert!(!health.not_ready().is_empty(), "nothing is known yet");
        let (kafka, database) = (health.component("kafka"), health.component("database"));
        kafka.ready();
        database.not_ready("connection refused");
        assert_eq!(
            health.not_ready(),
            [("database".to_owned(), "connection refused".to_owned())].into()
        );
        database.ready();
        assert!(health.not_ready().is_empty());
    }
}

//! What has been learnt from a registry, kept in a file so that programs start while it is down.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SchemaId;

/// The file's contents. It is a convenience: when it cannot be read or written, that is logged, and the registry asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Learnt {
    /// Ids mean something in this registry only.
    registry: String,
    /// The id that each subject's registration got.
    pub(crate) subjects: BTreeMap<String, SchemaId>,
    /// The schema of each id.
    pub(crate) schemas: BTreeMap<SchemaId, String>,
}

impl Learnt {
    /// Of a registry that nothing is known of.
    pub(crate) fn nothing(registry: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            subjects: BTreeMap::new(),
            schemas: BTreeMap::new(),
        }
    }

    /// What the file says of `registry`: nothing if it is of another one, damaged or not there.
    pub(crate) fn load(file: &Path, registry: &str) -> Self {
        match read(file) {
            Ok(learnt) if learnt.registry == registry => learnt,
            Ok(learnt) => {
                tracing::warn!(file = %file.display(), of = learnt.registry, registry, "schema cache is of another registry, ignored");
                Self::nothing(registry)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %file.display(), %error, "schema cache is not readable, ignored");
                }
                Self::nothing(registry)
            }
        }
    }

    /// Forgets everything but whose it is.
    pub(crate) fn clear(&mut self) {
        *self = Self::nothing(&self.registry);
    }

    /// Replaces the file in one step, so that whoever reads it meanwhile has the old one or the new one.
    pub(crate) fn save(&self, file: &Path) {
        if let Err(error) = self.write(file) {
            tracing::warn!(file = %file.display(), %error, "schema cache cannot be written");
        }
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let mut part = file.as_os_str().to_owned();
        // containers that share the folder may all have the same process id
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        part.push(format!(".{}.{}.part", std::process::id(), now.as_nanos()));
        let part = PathBuf::from(part);
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&part, file)
    }
}

fn read(file: &Path) -> io::Result<Learnt> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_speaks_of_its_own_registry_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schemas.json");
        assert_eq!(Learnt::load(&file, "http://a"), Learnt::nothing("http://a"));

        let mut learnt = Learnt::nothing("http://a");
        learnt.subjects.insert("windfarm.readings-value".to_owned(), 7);
        learnt.schemas.insert(7, "\"string\"".to_owned());
        learnt.save(&file);
        assert_eq!(Learnt::load(&file, "http://a"), learnt);
        assert_eq!(Learnt::load(&file, "http://b"), Learnt::nothing("http://b"));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no part is left behind"
        );

        fs::write(&file, "{").unwrap();
        assert_eq!(Learnt::load(&file, "http://a"), Learnt::nothing("http://a"));
    }
}

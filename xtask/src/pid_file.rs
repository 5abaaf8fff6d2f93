//! The files by which processes of a stack are found again, by another xtask or after a crash.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::identity::Identity;

/// `DIR/pids/NAME`.
pub(crate) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        Self {
            path: dir.join("pids").join(name),
        }
    }

    /// The process that the file names, if it still runs.
    pub(crate) fn alive(&self) -> Option<Identity> {
        self.recorded().filter(|identity| identity.is_alive())
    }

    /// The process that the file names, running or not.
    pub(crate) fn recorded(&self) -> Option<Identity> {
        fs::read_to_string(&self.path).ok()?.parse().ok()
    }

    pub(crate) fn write(&self, identity: Identity) -> Result<()> {
        let folder = self.path.parent().expect("a pid file lies in `pids`");
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Renamed into place, so that nobody reads half a file.
        let draft = self.path.with_extension("draft");
        fs::write(&draft, identity.to_string())
            .with_context(|| format!("cannot write {}", draft.display()))?;
        fs::rename(&draft, &self.path).with_context(|| format!("cannot write {}", self.path.display()))
    }

    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

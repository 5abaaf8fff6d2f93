//! The first API key of a stack: made once, kept beside its data, given to the api when it has no key yet.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Bytes of randomness.
const LENGTH: usize = 32;

/// # Errors
/// If it can be neither read nor made.
pub(crate) fn of(dir: &Path) -> Result<String> {
    let path = dir.join("api-key");
    if let Ok(key) = fs::read_to_string(&path) {
        return Ok(key.trim().to_owned());
    }
    let key = generate()?;
    write_private(&path, &key)?;
    Ok(key)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn generate() -> Result<String> {
    let mut bytes = [0_u8; LENGTH];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once() {
        let dir = std::env::temp_dir().join(format!("xtask-key-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let key = of(&dir).unwrap();
        assert_eq!(key.len(), 2 * LENGTH);
        assert_eq!(of(&dir).unwrap(), key);
        assert_ne!(generate().unwrap(), key);
        fs::remove_dir_all(dir).unwrap();
    }
}

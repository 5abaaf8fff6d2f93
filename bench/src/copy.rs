//! Rows in files, and back: by psql's `\copy`, the yardstick; by the driver's own COPY where there is no psql.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// A piece of a file on its way, bytes.
const PIECE: usize = 64 * 1_024;

/// What puts a file's rows into a table.
#[derive(Debug, Clone)]
pub enum CopyIn {
    /// psql, with its version.
    Psql(String),
    /// COPY by the driver that the programs use, with nothing else to do.
    Driver,
}

impl CopyIn {
    /// psql if it is there.
    pub fn of_this_machine() -> Self {
        match Command::new("psql").arg("--version").output() {
            Ok(output) if output.status.success() => {
                Self::Psql(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            Ok(_) | Err(_) => Self::Driver,
        }
    }

    /// What it is.
    pub fn describe(&self) -> String {
        match self {
            Self::Psql(version) => format!("\\copy by {version}"),
            Self::Driver => "COPY by sqlx, there being no psql".to_owned(),
        }
    }

    /// Copies a file in PostgreSQL's binary format into a table.
    ///
    /// # Errors
    /// When it fails.
    pub async fn load(&self, url: &str, table: &str, file: &Path) -> Result<()> {
        match self {
            Self::Psql(_) => {
                let command = format!("\\copy {table} from '{}' with (format binary)", file.display());
                let mut psql = Command::new("psql");
                psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command"])
                    .arg(command)
                    .arg(url)
                    .stdin(Stdio::null());
                let output = spawn_blocking(move || psql.output())
                    .await?
                    .context("running psql")?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "psql: {}", said.trim());
                Ok(())
            }
            Self::Driver => load(url, table, file).await,
        }
    }
}

async fn load(url: &str, table: &str, path: &Path) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let mut file = File::open(path).await?;
    let mut copy = connection
        .copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        copy.send(&piece[..read]).await?;
    }
    copy.finish().await?;
    Ok(connection.close().await?)
}

/// Writes what a query gives into a file in PostgreSQL's binary format.
///
/// # Errors
/// When it fails.
pub async fn save(connection: &mut PgConnection, query: &str, path: PathBuf) -> Result<PathBuf> {
    let statement = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let mut file = File::create(&path)
        .await
        .with_context(|| format!("making {}", path.display()))?;
    let mut rows = connection.copy_out_raw(&statement).await?;
    while let Some(bytes) = rows.try_next().await? {
        file.write_all(&bytes).await?;
    }
    file.flush().await?;
    Ok(path)
}

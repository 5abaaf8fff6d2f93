//! A small second process that stops the stack when xtask ends without having done so, even by SIGKILL: it reads from
//! a pipe whose other end only xtask holds, and the kernel closes that one whatever happens.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use rustix::process::setsid;

use crate::paths;
use crate::stack::Stack;

/// What xtask writes when the stack is to live on without it.
const RELEASE: &[u8] = b"release";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dir: PathBuf,
    /// Remove the folder as well
    #[arg(long)]
    wipe: bool,
}

/// Xtask's end of the pipe. Dropping it has the stack stopped.
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(dir: &Path, wipe: bool) -> Result<Self> {
        let mut command = Command::new(paths::own_binary()?);
        command.arg("watchdog").arg("--dir").arg(dir);
        if wipe {
            command.arg("--wipe");
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the watchdog")?;
        Ok(Self { child })
    }

    /// Lets the stack live on.
    ///
    /// # Errors
    /// If the watchdog is gone.
    pub(crate) fn release(mut self) -> Result<()> {
        let mut pipe = self.child.stdin.take().expect("taken only here");
        pipe.write_all(RELEASE).context("the watchdog is gone")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Until it has nothing left to do; it cannot outlast the stopping of the stack.
        let _ = self.child.wait();
    }
}

/// The watchdog's own side.
///
/// # Errors
/// If something could not be stopped.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    // Out of reach of what the terminal or a job control sends to xtask's session.
    setsid().context("cannot leave the session")?;
    let mut said = Vec::new();
    // An error is as good as the end of the pipe: nobody is there any more.
    let _ = io::stdin().read_to_end(&mut said);
    if said != RELEASE {
        Stack::stop_all(&args.dir, |_, _| ())?;
        if args.wipe && args.dir.exists() {
            fs::remove_dir_all(&args.dir).with_context(|| format!("cannot remove {}", args.dir.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! A stack of its own for one command (tests, benchmarks, chaos), on free ports, gone afterwards however that ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::fetch;
use crate::interrupt::Interrupt;
use crate::lock::Lock;
use crate::paths;
use crate::ports::Detour;
use crate::process;
use crate::programs;
use crate::requirements;
use crate::servers::{postgres, registry};
use crate::service::Service;
use crate::settings::Settings;
use crate::stack::{CARGO, Stack};
use crate::watchdog::Watchdog;

/// What a stack is for, and so what its folder's name begins with.
const PURPOSES: [&str; 3] = ["test", "bench", "chaos"];

/// Does `work` in the folder of a stack of its own; what runs there afterwards is stopped, and the folder removed.
///
/// # Errors
/// Those of `work`, and if something does not want to stop.
pub(crate) fn with_folder<T>(
    purpose: &'static str,
    work: impl FnOnce(&Path, &Interrupt) -> Result<T>,
) -> Result<T> {
    requirements::ensure_met()?;
    let dir = paths::runs().join(format!("{purpose}-{}", std_process::id()));
    let _lock =
        Lock::try_take(&lock_file(&dir))?.context("another xtask uses the folder of this one's pid")?;
    let interrupt = Interrupt::install()?;
    let watchdog = Watchdog::start(&dir, true)?;
    remove_leftovers(&dir);
    let outcome = work(&dir, &interrupt);
    let stopped = Stack::stop_all(&dir, |_, _| ());
    // It has nothing left to stop, and removes the folder.
    drop(watchdog);
    let outcome = outcome?;
    stopped.map(|()| outcome)
}

/// Starts these servers while cargo builds what will run on them.
///
/// # Errors
/// If a server does not start, or something does not build.
pub(crate) fn start(
    dir: &Path,
    settings: Settings,
    servers: &[Service],
    mut build: Command,
    interrupt: &Interrupt,
) -> Result<Stack> {
    let stack = Stack::create(dir.to_owned(), settings)?;
    thread::scope(|scope| {
        let starting = scope.spawn(|| {
            fetch::ensure_tools(dir, interrupt)?;
            stack.start_all(servers, interrupt)
        });
        let built = process::spawn(dir, CARGO, &mut build)
            .and_then(|mut child| process::finish(dir, CARGO, &mut child, interrupt))
            .and_then(|status| {
                ensure!(status.success(), "the workspace does not build");
                Ok(())
            });
        starting
            .join()
            .expect("starting servers does not panic")
            .and(built)
    })?;
    Ok(stack)
}

/// Where what runs on the stack finds its servers, and the programs that were built with this cargo profile.
///
/// # Errors
/// If xtask does not run from a target folder.
pub(crate) fn environment(stack: &Stack, profile: &str) -> Result<Vec<(&'static str, String)>> {
    let settings = &stack.settings;
    let own = paths::own_binary()?;
    let detour = settings.ports.detour.map(|detour| {
        let Detour { broker, proxy } = detour;
        (
            "VELETA_KAFKA_DETOUR",
            format!("127.0.0.1:{proxy}>127.0.0.1:{broker}"),
        )
    });
    let always = vec![
        ("KAFKA_BOOTSTRAP_SERVERS", programs::kafka(settings)),
        ("SCHEMA_REGISTRY_URL", registry::url(settings)),
        (
            "TEST_DATABASE_URL",
            postgres::url(settings, postgres::SUPERUSER, "postgres"),
        ),
        (
            "VELETA_BIN_DIR",
            paths::target()?.join(profile).display().to_string(),
        ),
        (
            "VELETA_SERVERS_CTL",
            format!("{} server --dir {}", own.display(), stack.dir.display()),
        ),
    ];
    Ok(always.into_iter().chain(detour).collect())
}

/// Removes the folders of stacks that ended with their machine. One whose owner lives is locked.
fn remove_leftovers(own: &Path) {
    let folders = fs::read_dir(paths::runs())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let is_ours = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str()?.split_once('-'))
            .is_some_and(|(purpose, _)| PURPOSES.contains(&purpose))
    };
    for dir in folders.filter(|path| path != own && is_ours(path)) {
        // What cannot be removed now is left to the next run.
        if let Ok(Some(_lock)) = Lock::try_take(&lock_file(&dir)) {
            let _ = Stack::stop_all(&dir, |_, _| ()).and_then(|()| Ok(fs::remove_dir_all(&dir)?));
        }
    }
}

fn lock_file(dir: &Path) -> PathBuf {
    dir.join("lock")
}

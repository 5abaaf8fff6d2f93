//! PostgreSQL, from relocatable binaries. It refuses to run as root, so for root it runs in a user namespace in which
//! it is nobody while its files stay root's; where namespaces are forbidden it becomes nobody for real.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

use crate::identity::Identity;
use crate::interrupt::Interrupt;
use crate::paths;
use crate::process;
use crate::settings::Settings;

/// The superuser, who needs no password from this machine.
pub(crate) const SUPERUSER: &str = "windfarm";

/// The database of the programs.
pub(crate) const DATABASE: &str = "windfarm";

/// For measuring: as a machine of this kind would be set up for much writing, and no checkpoint by the clock, which would
/// fall into one measurement and not into the other.
const MEASURED: [&str; 5] = [
    "shared_buffers=2GB",
    "max_wal_size=16GB",
    "checkpoint_timeout=1h",
    "maintenance_work_mem=256MB",
    "wal_buffers=64MB",
];

/// The uid and gid of nobody.
const NOBODY: &str = "65534";

/// The address of a database for one of its roles.
pub(crate) fn url(settings: &Settings, role: &str, database: &str) -> String {
    format!(
        "postgres://{role}@127.0.0.1:{}/{database}",
        settings.ports.postgres
    )
}

/// Makes the data directory the first time, and waits for a server that was killed to be gone for good.
///
/// # Errors
/// If `initdb` fails.
pub(crate) fn prepare(dir: &Path, interrupt: &Interrupt) -> Result<()> {
    let data = data(dir);
    if data.join("PG_VERSION").exists() {
        return wait_for_predecessor(&data, interrupt);
    }
    let folder = data.parent().expect("the data directory has a parent");
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let user = User::of_this_process();
    user.own(folder)?;
    let log = process::open_log(dir, "postgres")?;
    let status = user
        .command("initdb")
        .arg("-D")
        .arg(&data)
        .args([
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log)
        .status()
        .context("cannot run initdb")?;
    ensure!(
        status.success(),
        "cannot create a database cluster:\n{}",
        process::log_tail(dir, "postgres", 10)
    );
    Ok(())
}

pub(crate) fn command(dir: &Path, settings: &Settings) -> Command {
    let mut command = User::of_this_process().command("postgres");
    command.arg("-D").arg(data(dir));
    let port = format!("port={}", settings.ports.postgres);
    for setting in [
        "listen_addresses=127.0.0.1",
        &port,
        "unix_socket_directories=",
        "max_connections=300",
    ] {
        command.args(["-c", setting]);
    }
    if !settings.durable {
        command.args(["-c", "fsync=off"]);
    }
    if settings.measured {
        command.args(MEASURED.iter().flat_map(|setting| ["-c", setting]));
    }
    command
}

/// Its own word, as `pg_ctl --wait` takes it: the port opens before the database is ready.
///
/// # Errors
/// Why it is not ready.
pub(crate) fn check(dir: &Path, identity: Identity) -> Result<()> {
    let text = fs::read_to_string(postmaster_file(&data(dir))).unwrap_or_default();
    let mut lines = text.lines();
    // A server that was killed leaves its file behind.
    if lines.next().and_then(|pid| pid.parse().ok()) != Some(identity.pid) {
        bail!("starting");
    }
    let state = lines.nth(6).unwrap_or("starting").trim();
    if state == "ready" {
        Ok(())
    } else {
        bail!("{state}")
    }
}

/// After a kill, PostgreSQL will not start while the pid in its lock file is still known to the kernel, a corpse that
/// nobody has buried included.
fn wait_for_predecessor(data: &Path, interrupt: &Interrupt) -> Result<()> {
    let file = postmaster_file(data);
    let Some(pid) = fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.lines().next()?.parse::<i32>().ok())
    else {
        return Ok(());
    };
    let gone = interrupt.wait_for(
        "the previous PostgreSQL is not gone",
        Duration::from_secs(5),
        || Ok((!Path::new(&format!("/proc/{pid}")).exists()).then_some(())),
    );
    match gone {
        // PostgreSQL still guards against survivors by its shared memory segment.
        Err(_) if !interrupt.is_raised() && Identity::of(pid).is_none() => {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
        }
        // Somebody else has that pid now; PostgreSQL can tell.
        Ok(()) | Err(_) => interrupt.check(),
    }
}

fn data(dir: &Path) -> PathBuf {
    dir.join("postgres").join("data")
}

fn postmaster_file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// As whom PostgreSQL runs.
#[derive(Clone, Copy)]
enum User {
    Same,
    NobodyInNamespace,
    Nobody,
}

impl User {
    fn of_this_process() -> Self {
        if !geteuid().is_root() {
            return Self::Same;
        }
        let allowed = Self::NobodyInNamespace
            .wrap(Path::new("true"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if allowed.is_ok_and(|status| status.success()) {
            Self::NobodyInNamespace
        } else {
            Self::Nobody
        }
    }

    /// One of PostgreSQL's own programs.
    fn command(self, program: &str) -> Command {
        self.wrap(&paths::tools().join("postgres").join("bin").join(program))
    }

    fn wrap(self, program: &Path) -> Command {
        let wrapper: &[&str] = match self {
            Self::Same => return Command::new(program),
            Self::NobodyInNamespace => &["unshare", "--user", "--map-user=65534", "--map-group=65534"],
            Self::Nobody => &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        };
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(program);
        command
    }

    /// Gives it the folder of its data.
    fn own(self, folder: &Path) -> Result<()> {
        if !matches!(self, Self::Nobody) {
            return Ok(());
        }
        let status = Command::new("chown")
            .arg(format!("{NOBODY}:{NOBODY}"))
            .arg(folder)
            .status();
        ensure!(
            status.context("cannot run chown")?.success(),
            "cannot give {} to nobody",
            folder.display()
        );
        let reachable = self
            .wrap(Path::new("test"))
            .arg("-w")
            .arg(folder)
            .status()
            .context("cannot run setpriv")?;
        ensure!(
            reachable.success(),
            "PostgreSQL does not run as root, and nobody cannot reach {}: run this as another user, or from a checkout \
             that others can enter",
            folder.display()
        );
        Ok(())
    }
}

//! A mosquitto of one test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::Program;

const LIMIT: Duration = Duration::from_secs(30);

/// A broker on a free port, which keeps sessions over a restart.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    folder: TempDir,
    running: Option<Program>,
}

impl Mosquitto {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| "allow_anonymous true\n".to_owned())
    }

    /// With further settings, which may name files in the folder.
    pub(crate) fn start_with(settings: impl FnOnce(&Path) -> String) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "listener {port} 127.0.0.1\npersistence true\npersistence_location {path}/\nuser root\n\
             log_dest file {path}/log\nmax_queued_messages 0\n{}",
            settings(folder.path())
        );
        fs::write(folder.path().join("conf"), config).unwrap();
        let mut broker = Self {
            port,
            folder,
            running: None,
        };
        broker.resume();
        broker
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it again where it was stopped.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(program());
        command
            .arg("-c")
            .arg(self.folder.path().join("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let program = Program::start(&mut command);
        self.running = Some(program);
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it so that it writes down its sessions.
    pub(crate) fn stop(&mut self) {
        self.running.take().unwrap().terminate(LIMIT);
    }
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    if Path::new("/usr/sbin/mosquitto").exists() {
        "/usr/sbin/mosquitto"
    } else {
        "mosquitto"
    }
}

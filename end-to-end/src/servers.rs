//! The servers of the test run, to be stopped and started by tests of outages.

use std::process::Command;

/// Stops and starts the servers that `cargo xtask test` has started.
#[derive(Debug, Clone)]
pub struct Servers {
    control: Vec<String>,
}

impl Servers {
    /// The servers of this test run.
    ///
    /// # Panics
    /// When the test was not started by `cargo xtask test`.
    pub fn of_this_run() -> Self {
        let control = std::env::var("VELETA_SERVERS_CTL").expect("`cargo xtask test` starts the servers");
        Self {
            control: control.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Stops `registry`, `postgres`, `kafka` or, of a cluster, `kafka-2` or `kafka-3` in good order.
    pub fn stop(&self, server: &str) {
        self.run("stop", server);
    }

    /// Stops it by SIGQUIT, with nothing put in order: PostgreSQL's immediate shutdown.
    pub fn quit(&self, server: &str) {
        self.run("quit", server);
    }

    /// Kills it.
    pub fn kill(&self, server: &str) {
        self.run("kill", server);
    }

    /// Starts it again, and returns when it answers.
    pub fn start(&self, server: &str) {
        self.run("start", server);
    }

    fn run(&self, action: &str, server: &str) {
        let status = Command::new(&self.control[0])
            .args(&self.control[1..])
            .args([action, server])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot {action} {server}"
        );
    }
}

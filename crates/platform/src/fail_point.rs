//! Places where a test may let the process die or freeze, so that what was half done is seen to be harmless. In a release
//! build there is nothing here.

/// Ends the process at once, as `kill -9` would, if `FAIL_POINT` is `name` or `name:n` and this is the n-th
/// time that it comes here. If `FAIL_ACTION` is `stop`, it is frozen instead, until it gets SIGCONT.
#[cfg(debug_assertions)]
pub fn reach(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let wanted = std::env::var("FAIL_POINT").ok()?;
        let (name, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), times.parse().ok()?))
    });
    static REACHED: AtomicU32 = AtomicU32::new(0);

    if let Some((wanted, times)) = &*WANTED
        && wanted == name
        && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *times
    {
        if std::env::var("FAIL_ACTION").is_ok_and(|action| action == "stop") {
            stop();
        } else {
            std::process::abort();
        }
    }
}

/// Sends SIGSTOP to this process.
#[cfg(debug_assertions)]
fn stop() {
    let own = std::process::id().to_string();
    let status = std::process::Command::new("kill").args(["-STOP", &own]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot stop {own}");
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub const fn reach(_name: &str) {}

//! How a member leaves its consumer group without hanging in it.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;

/// A poll that has run for so long has found nothing to serve.
const POLL: Duration = Duration::from_millis(50);

/// How long closing may take when there is nothing left to give back.
const CLOSE: Duration = Duration::from_secs(5);

/// Unsubscribes, and serves rebalances until every partition is given back and no rebalance waits to be served. One
/// that still waited would be served while the consumer closes, and librdkafka 2.12 may then never answer the call that
/// takes or returns its partitions. Records that still come are dropped.
///
/// False if that took longer than `limit`.
///
/// # Errors
/// When the consumer cannot tell its partitions.
pub fn leave<C: ConsumerContext>(consumer: &BaseConsumer<C>, limit: Duration) -> KafkaResult<bool> {
    consumer.unsubscribe();
    let deadline = Instant::now() + limit;
    loop {
        let begun = Instant::now();
        let _ = consumer.poll(POLL);
        let is_idle = begun.elapsed() >= POLL;
        if is_idle && consumer.assignment()?.count() == 0 {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
    }
}

/// Serves the rebalances that wait to be served, of a paused consumer that closes without leaving its group: a static
/// member, which keeps its partitions until it is back. Records that still come are dropped.
///
/// False if that took longer than `limit`.
pub fn stay<C: ConsumerContext>(consumer: &BaseConsumer<C>, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        let begun = Instant::now();
        let _ = consumer.poll(POLL);
        if begun.elapsed() >= POLL {
            return true;
        }
    }
    false
}

/// Drops a consumer whose work is done. A rebalance may begin in the very moment of closing; so a close that hangs is
/// left alone after some seconds, with a warning: nothing is lost by it, the group notices by the session's end.
pub fn close<C: ConsumerContext + 'static>(consumer: BaseConsumer<C>) {
    let (closed, is_closed) = channel();
    let close = move || {
        drop(consumer);
        let _ = closed.send(());
    };
    let closing = std::thread::Builder::new()
        .name("closing".to_owned())
        .spawn(close);
    if closing.is_ok() && is_closed.recv_timeout(CLOSE) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!(
            limit_s = CLOSE.as_secs(),
            "the consumer does not close; its group will notice by the end of the session"
        );
    }
}

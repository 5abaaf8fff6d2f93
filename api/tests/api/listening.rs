//! A client of the live stream.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::app::{PATIENCE, TestApi};

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

/// Somebody who listens.
pub(crate) struct Ears {
    response: Response,
    unread: Vec<u8>,
    /// The last id, also of blocks that are no event.
    pub(crate) id: String,
}

impl Ears {
    pub(crate) async fn open(api: &TestApi, query: &str, key: &str, last_id: Option<&str>) -> Self {
        let mut request = api
            .request(Method::GET, &format!("/v1/events{query}"))
            .header("x-api-key", key);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut ears = Self {
            response,
            unread: Vec::new(),
            id: String::new(),
        };
        assert!(ears.block().await.unwrap().starts_with("retry: "));
        ears
    }

    /// The next event that is none of our own making; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(str::to_owned)
            };
            if let Some(data) = field("data: ") {
                return Some(Heard {
                    id: field("id: ").unwrap_or_default(),
                    event: field("event: ").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }

    /// The next `count` events.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.push(self.next().await.expect("the stream does not end"));
        }
        heard
    }

    /// Waits for a sign of life, and so for all events before it.
    pub(crate) async fn heartbeat(&mut self) {
        while !self.block().await.unwrap().starts_with(": heartbeat") {}
    }

    /// The text up to the next empty line.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    id.clone_into(&mut self.id);
                }
                return Some(block);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            match chunk.expect("something comes in time").ok()? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }
}

/// How often a listener of a test hears from us.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

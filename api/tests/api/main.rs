//! The API on real servers: each test has a database and a topic prefix of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod app;
mod audit;
mod auth;
mod conformance;
mod dead_letters;
mod documentation;
mod events;
mod exports;
mod extremes;
mod farms;
mod fixtures;
mod generators;
mod group_by;
mod ingestion;
mod keys;
mod line_protocol;
mod listening;
mod measurements;
mod outages;
mod paging;
mod provisional;
mod roll_ups;
mod slow_clients;
mod tls;
mod tokens;
mod windows;

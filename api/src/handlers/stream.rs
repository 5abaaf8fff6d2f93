//! Long answers, written while they are read: page after page from the database, so that neither side holds all of
//! it, and no connection waits for a slow reader.

use std::future::{Future, ready};

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use domain::Timestamp;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::params::{Order, TimePage, TimeRange};

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;

/// Rows on their way into an answer.
struct Writing<F> {
    fetch: F,
    page: TimePage,
    /// How many may still come.
    remaining: u64,
    is_first: bool,
    suffix: &'static str,
    is_done: bool,
}

/// Answers `prefix`, then the rows that `fetch` gives page by page with commas between them, at most `limit`, then
/// `suffix`. `fetch` returns the rows of a page, and one more if there is one, each with its time.
///
/// # Errors
/// Those of the first page; a later one breaks the answer off, which clients see as such.
pub(super) async fn stream_rows<T, E, F, R>(
    prefix: String,
    suffix: &'static str,
    limit: Option<u64>,
    range: TimeRange,
    fetch: F,
) -> Result<HttpResponse, E>
where
    T: Serialize,
    E: std::error::Error + 'static,
    F: Fn(TimePage) -> R + 'static,
    R: Future<Output = Result<Vec<(Timestamp, T)>, E>>,
{
    let page = TimePage {
        limit: PAGE_ROWS,
        order: Order::Desc,
        range,
    };
    let remaining = limit.unwrap_or(u64::MAX);
    let mut writing = Writing {
        fetch,
        page,
        remaining,
        is_first: true,
        suffix,
        is_done: false,
    };
    let mut beginning = prefix.into_bytes();
    writing.write_page(&mut beginning).await?;
    let rest = stream::unfold(writing, |mut writing| async move {
        if writing.is_done {
            return None;
        }
        let mut chunk = Vec::new();
        let written = writing.write_page(&mut chunk).await;
        writing.is_done |= written.is_err();
        Some((written.map(|()| Bytes::from(chunk)), writing))
    });
    let beginning = stream::once(ready(Ok(Bytes::from(beginning))));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .streaming(beginning.chain(rest)))
}

impl<F> Writing<F> {
    async fn write_page<T, E, R>(&mut self, out: &mut Vec<u8>) -> Result<(), E>
    where
        T: Serialize,
        F: Fn(TimePage) -> R,
        R: Future<Output = Result<Vec<(Timestamp, T)>, E>>,
    {
        let wanted = u64::from(PAGE_ROWS).min(self.remaining);
        self.page.limit = u32::try_from(wanted).unwrap_or(PAGE_ROWS);
        let mut rows = (self.fetch)(self.page).await?;
        let has_more = rows.len() as u64 > wanted;
        rows.truncate(self.page.limit as usize);
        self.remaining -= rows.len() as u64;
        for (_, row) in &rows {
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, row).expect("a row is text and finite numbers");
        }
        match rows.last() {
            Some((time, _)) if has_more && self.remaining > 0 => self.page = self.page.after(*time),
            _ => {
                out.extend_from_slice(self.suffix.as_bytes());
                self.is_done = true;
            }
        }
        Ok(())
    }
}

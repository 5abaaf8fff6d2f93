//! Long answers, written while they are read: page after page from the database, so that neither side holds all of
//! it, and no connection waits for a slow reader.

use std::future::{Future, ready};

use actix_web::http::header::ACCEPT;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use domain::Timestamp;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::export::{CsvWriter, EncodeError, Encoder, Format, ParquetWriter, Tabular};
use crate::model::Page;
use crate::params::{Cursor, KeyPage, Output, TimePage};
use crate::tag::Tag;

/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;

/// A page that another one can follow.
pub(super) trait Paged: Clone {
    /// What the page after is found by.
    type Key;

    /// How many rows it has at most.
    fn limit(&self) -> u32;

    /// The same page with at most `rows` rows.
    fn limited(&self, rows: u32) -> Self;

    /// The page that follows the one that ended with `last`.
    fn after(self, last: Self::Key) -> Self;

    /// The key as clients hand it back.
    fn cursor(last: &Self::Key) -> String;
}

impl Paged for TimePage {
    type Key = Timestamp;

    fn limit(&self) -> u32 {
        self.limit
    }

    fn limited(&self, rows: u32) -> Self {
        Self { limit: rows, ..*self }
    }

    fn after(self, last: Timestamp) -> Self {
        Self::after(self, last)
    }

    fn cursor(last: &Timestamp) -> String {
        Cursor(last.as_micros()).encode()
    }
}

impl<K: Clone + Serialize + DeserializeOwned> Paged for KeyPage<K> {
    type Key = K;

    fn limit(&self) -> u32 {
        self.limit
    }

    fn limited(&self, rows: u32) -> Self {
        Self {
            limit: rows,
            ..self.clone()
        }
    }

    fn after(self, last: K) -> Self {
        Self {
            after: Some(last),
            ..self
        }
    }

    fn cursor(last: &K) -> String {
        Cursor(last).encode()
    }
}

/// Answers a list as it is wanted: a page of it in JSON, or the whole of it as a file. `fetch` returns the rows of a
/// page, and one more if there is one; `key` is what the page after a row is found by.
///
/// # Errors
/// Those of `fetch`; of a file only those of its first page, a later one breaks the answer off, which clients see as
/// such.
pub(super) async fn answer<T, P, F, R, E>(
    output: Output,
    page: P,
    key: fn(&T) -> P::Key,
    fetch: F,
) -> Result<HttpResponse, ApiError>
where
    T: Serialize + Tabular + 'static,
    P: Paged + 'static,
    P::Key: 'static,
    F: Fn(P) -> R + 'static,
    R: Future<Output = Result<Vec<T>, E>> + 'static,
    E: Into<ApiError>,
{
    let Output::File { format, rows } = output else {
        let limit = page.limit();
        let items = fetch(page).await.map_err(Into::into)?;
        let page = Page::cut(items, limit, |last| P::cursor(&key(last)));
        return Ok(HttpResponse::Ok().json(page));
    };
    let fetch = move |page| {
        let rows = fetch(page);
        async move { Ok(keyed(rows.await.map_err(Into::into)?, key)) }
    };
    match format {
        Format::Parquet => stream_rows(ParquetWriter::default(), format, rows, page, fetch).await,
        Format::Csv | Format::Json => stream_rows(CsvWriter, Format::Csv, rows, page, fetch).await,
    }
}

/// Answers a file that changes when `content` does: with its tag, or with nothing but that if the client has it.
/// `answer` is not awaited then.
///
/// # Errors
/// Those of `answer`.
pub(super) async fn tagged(
    request: &HttpRequest,
    content: &impl std::fmt::Debug,
    answer: impl Future<Output = Result<HttpResponse, ApiError>>,
) -> Result<HttpResponse, ApiError> {
    // the same rows come in many forms, by another version of ours perhaps in another one
    let form = (
        env!("CARGO_PKG_VERSION"),
        request.uri(),
        request.headers().get(ACCEPT),
    );
    let tag = Tag::of(format!("{form:?} {content:?}").as_bytes());
    let mut answer = if tag.is_known(request.headers()) {
        HttpResponse::NotModified().finish()
    } else {
        answer.await?
    };
    tag.put(answer.headers_mut());
    Ok(answer)
}

/// Rows with what the page after them is found by.
pub(super) fn keyed<T, K>(rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<(K, T)> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

/// Rows on their way into an answer.
struct Writing<C, P, F> {
    encoder: C,
    fetch: F,
    page: P,
    /// How many may still come.
    remaining: u64,
    is_done: bool,
}

/// Answers the rows that `fetch` gives page by page, at most `rows`, as `encoder` writes them. `fetch` returns the rows
/// of a page, and one more if there is one, each with its key.
///
/// # Errors
/// Those of the first page; a later one breaks the answer off, which clients see as such.
pub(super) async fn stream_rows<T, E, C, P, F, R>(
    encoder: C,
    format: Format,
    rows: Option<u64>,
    page: P,
    fetch: F,
) -> Result<HttpResponse, E>
where
    T: 'static,
    E: std::error::Error + From<EncodeError> + 'static,
    C: Encoder<T> + 'static,
    P: Paged + 'static,
    F: Fn(P) -> R + 'static,
    R: Future<Output = Result<Vec<(P::Key, T)>, E>>,
{
    let mut writing = Writing {
        encoder,
        fetch,
        page,
        remaining: rows.unwrap_or(u64::MAX),
        is_done: false,
    };
    let mut beginning = Vec::new();
    writing.encoder.begin(&mut beginning)?;
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
        .content_type(format.content_type())
        .streaming(beginning.chain(rest)))
}

impl<C, P, F> Writing<C, P, F> {
    async fn write_page<T, E, R>(&mut self, out: &mut Vec<u8>) -> Result<(), E>
    where
        E: From<EncodeError>,
        C: Encoder<T>,
        P: Paged,
        F: Fn(P) -> R,
        R: Future<Output = Result<Vec<(P::Key, T)>, E>>,
    {
        let wanted = u32::try_from(self.remaining).map_or(PAGE_ROWS, |rows| rows.min(PAGE_ROWS));
        let mut rows = (self.fetch)(self.page.limited(wanted)).await?;
        let has_more = rows.len() > wanted as usize;
        rows.truncate(wanted as usize);
        self.remaining -= rows.len() as u64;
        for (_, row) in &rows {
            self.encoder.row(row, out)?;
        }
        match rows.pop() {
            Some((last, _)) if has_more && self.remaining > 0 => self.page = self.page.clone().after(last),
            _ => {
                self.encoder.finish(out)?;
                self.is_done = true;
            }
        }
        Ok(())
    }
}

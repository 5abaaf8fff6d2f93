//! Query parameters: what came → typed values, with every fault named at once, unknown names included.

mod cursor;
mod dead_letters;
mod docs;
mod events;
mod extremes;
mod keys;
mod listing;
mod page;
mod windows;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

pub use cursor::Cursor;
pub use dead_letters::DeadLetterPage;
pub use docs::{
    Backwards, Between, DeadLetterParams, EventParams, ExtremesParams, FormatParam, KeyLogParams,
    LegacyParams, LetterCursor, NameCursor, NumberCursor, Upwards, WindowParams, ZoneParam,
};
pub use events::EventsQuery;
pub use extremes::ExtremesPage;
pub use keys::{KeyLogPage, MAX_RATE_LIMIT, NewKeyBody, RotationBody};
pub use listing::{Listing, Output};
pub use page::{KeyPage, Order, TimePage, TimeRange};
pub use windows::WindowPage;

use crate::error::{ApiError, ParameterError};

/// What a request's query string says, while it is taken apart.
#[derive(Debug, Default)]
pub struct QueryReader {
    values: BTreeMap<String, String>,
    errors: Vec<ParameterError>,
    names: Vec<&'static str>,
    /// Whether a file is wanted, which has as many rows as one likes.
    is_file: bool,
    /// How many rows the file may have.
    rows: Option<u64>,
}

/// Query parameters as a type.
pub trait FromQuery: Sized {
    /// Takes its parameters out of `query`. What it returns counts only if no fault was noted.
    fn read(query: &mut QueryReader) -> Self;
}

/// The query parameters of a request; a fault in them is a 400 that names all of them.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl QueryReader {
    /// Splits a query string.
    fn parse(query: &str) -> Self {
        let mut reader = Self::default();
        let Ok(pairs) = web::Query::<Vec<(String, String)>>::from_query(query) else {
            reader.fault("query", query, "name=value&name=value, percent-encoded");
            return reader;
        };
        for (name, value) in pairs.into_inner() {
            match reader.values.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let name = entry.key().clone();
                    reader.fault(&name, &value, "to be given once");
                }
            }
        }
        reader
    }

    /// Takes the value of `name`, if it was given and `parse` understands it; otherwise notes what is wanted.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.names.push(name);
        let value = self.values.remove(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.fault(name, &value, wanted);
        }
        parsed
    }

    /// Notes that the value of a parameter is not what is wanted.
    pub fn fault(&mut self, name: &str, value: &str, wanted: &str) {
        self.errors.push(ParameterError::new(name, value, wanted));
    }

    /// What is left is unknown.
    fn finish(mut self) -> Result<(), ApiError> {
        let known = match self.names.as_slice() {
            [] => "no parameter at all".to_owned(),
            names => format!("one of the parameters {}", names.join(", ")),
        };
        for (name, value) in std::mem::take(&mut self.values) {
            self.errors.push(ParameterError {
                message: format!("there is no parameter '{name}' here, wanted is {known}"),
                ..ParameterError::new(&name, &value, known.clone())
            });
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Parameters(self.errors))
        }
    }
}

impl<T: FromQuery> Parameters<T> {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut reader = QueryReader::parse(query);
        let parsed = T::read(&mut reader);
        reader.finish().map(|()| Self(parsed))
    }
}

impl<T: FromQuery> FromRequest for Parameters<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

/// No parameters at all.
#[derive(Debug)]
pub struct NoParams;

impl FromQuery for NoParams {
    fn read(_: &mut QueryReader) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(query: &str, expected: Expect) {
        let shown = match Parameters::<TimePage>::parse(query) {
            Ok(Parameters(page)) => format!("{page:?}"),
            Err(error) => error.to_string().replace("; ", "\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn faults_are_named_all_at_once() {
        check(
            "limit=0&order=up&from=yesterday&colour=red",
            expect![[r#"
                limit is '0', wanted is a number from 1 to 10000
                order is 'up', wanted is asc or desc
                from is 'yesterday', wanted is an RFC 3339 time such as 2026-11-23T10:00:00Z
                there is no parameter 'colour' here, wanted is one of the parameters limit, order, from, to, cursor"#]],
        );
        check(
            "limit=1&limit=2",
            expect!["limit is '2', wanted is to be given once"],
        );
        check(
            "from=2026-11-23T10:00:00Z&to=2026-11-23T09:00:00Z",
            expect!["to is '2026-11-23T09:00:00Z', wanted is a time not before from, 2026-11-23T10:00:00Z"],
        );
        check(
            "cursor=nonsense",
            expect!["cursor is 'nonsense', wanted is the next_cursor of the page before"],
        );
    }

    #[test]
    fn what_is_not_said_is_a_hundred_of_the_newest() {
        check(
            "",
            expect![
                "TimePage { limit: 100, order: Desc, range: TimeRange { from: Timestamp(631152000000000), to: Timestamp(253402300799999999) } }"
            ],
        );
    }
}

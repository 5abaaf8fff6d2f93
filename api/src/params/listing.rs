//! Lists that are given as pages in JSON, or whole as files.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::ACCEPT;
use actix_web::{FromRequest, HttpRequest};

use super::{FromQuery, QueryReader};
use crate::error::ApiError;
use crate::export::Format;

/// The query parameters of a list, and in which format it is wanted; a fault in them is a 400 that names all of them.
#[derive(Debug)]
pub struct Listing<T> {
    /// Which rows.
    pub asked: T,
    /// How.
    pub output: Output,
}

/// How a list is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A page of it.
    Page,
    /// The whole of it, as it is read.
    File {
        /// In which format.
        format: Format,
        /// How many rows at most; none for all.
        rows: Option<u64>,
    },
}

impl<T: FromQuery> Listing<T> {
    fn parse(query: &str, accepted: Format) -> Result<Self, ApiError> {
        let mut reader = QueryReader::parse(query);
        let words = Format::ALL.map(Format::as_str).join(", ");
        let asked_for = reader.take("format", &format!("one of {words}"), |text| {
            Format::ALL.into_iter().find(|format| format.as_str() == text)
        });
        let format = asked_for.unwrap_or(accepted);
        reader.is_file = format != Format::Json;
        let asked = T::read(&mut reader);
        let output = if reader.is_file {
            let rows = reader.rows;
            Output::File { format, rows }
        } else {
            Output::Page
        };
        reader.finish().map(|()| Self { asked, output })
    }
}

impl<T: FromQuery> FromRequest for Listing<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let accepted = Format::accepted(request.headers().get(ACCEPT));
        ready(Self::parse(request.query_string(), accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::TimePage;

    fn parsed(query: &str, accepted: Format) -> (u32, Output) {
        let listing = Listing::<TimePage>::parse(query, accepted).unwrap();
        (listing.asked.limit, listing.output)
    }

    fn file(format: Format, rows: Option<u64>) -> Output {
        Output::File { format, rows }
    }

    #[test]
    fn a_file_has_all_rows_unless_fewer_are_wanted() {
        assert_eq!(parsed("", Format::Json), (100, Output::Page));
        assert_eq!(parsed("limit=7", Format::Json), (7, Output::Page));
        assert_eq!(parsed("", Format::Csv).1, file(Format::Csv, None));
        assert_eq!(
            parsed("limit=1000000", Format::Csv).1,
            file(Format::Csv, Some(1_000_000))
        );
        assert_eq!(
            parsed("format=parquet", Format::Csv).1,
            file(Format::Parquet, None)
        );
        assert_eq!(parsed("format=json&limit=7", Format::Csv), (7, Output::Page));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let refusal = |query: &str, accepted| {
            Listing::<TimePage>::parse(query, accepted)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refusal("format=xml", Format::Json),
            "format is 'xml', wanted is one of json, csv, parquet"
        );
        assert_eq!(
            refusal("limit=0", Format::Csv),
            "limit is '0', wanted is a number from 1 up"
        );
        assert_eq!(
            refusal("limit=1000000", Format::Json),
            "limit is '1000000', wanted is a number from 1 to 10000"
        );
    }
}

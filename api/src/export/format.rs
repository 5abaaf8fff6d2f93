//! In which format a list is wanted.

use actix_web::http::header::HeaderValue;

/// A format of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page.
    Json,
    /// All rows, as lines.
    Csv,
    /// All rows, by columns.
    Parquet,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Parquet];

    /// Its word in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What a client would rather have, by its header `Accept`; of what it likes as much, the first. JSON is for
    /// those who say nothing that we know.
    pub fn accepted(accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (Self::Json, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            let format = match media_type.as_str() {
                "application/json" | "application/*" | "*/*" => Self::Json,
                "text/csv" => Self::Csv,
                "application/vnd.apache.parquet" => Self::Parquet,
                _ => continue,
            };
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_a_client_likes_best() {
        let accepted = |accept: &'static str| Format::accepted(Some(&HeaderValue::from_static(accept)));
        assert_eq!(Format::accepted(None), Format::Json);
        assert_eq!(accepted("text/csv"), Format::Csv);
        assert_eq!(accepted("application/vnd.apache.parquet"), Format::Parquet);
        assert_eq!(accepted("application/json;q=0.5, text/csv"), Format::Csv);
        assert_eq!(accepted("text/csv;q=0.2, */*;q=0.1"), Format::Csv);
        assert_eq!(accepted("text/html, */*;q=0.8"), Format::Json);
        assert_eq!(accepted("image/png"), Format::Json);
        assert_eq!(accepted("text/csv;q=0"), Format::Json);
    }
}

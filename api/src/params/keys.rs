//! What a key is to be, as a request says it, and the parameters of lists about keys.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::{FarmId, TimeDelta, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{FromQuery, KeyPage, Order, QueryReader};
use crate::auth::{Scope, lifetime};
use crate::clock;
use crate::error::{ApiError, ParameterError};
use crate::queries::keys::Rotation;

/// The longest name, characters.
const MAX_NAME_CHARS: usize = 100;

/// The greatest number of a key.
const MOST_NUMBER: i64 = 2_000_000_000;

/// There are no more scopes.
const MOST_SCOPES: usize = 3;

/// How long an old key is good beside its successor, unless somebody says otherwise.
const OVERLAP: Duration = Duration::from_secs(86_400);

/// The longest overlap.
const MAX_OVERLAP: Duration = Duration::from_secs(90 * 86_400);

/// The greatest rate limit, requests per second.
pub const MAX_RATE_LIMIT: u32 = 1_000_000;

/// The name of a farm.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "north")]
#[expect(dead_code, reason = "only documents")]
struct FarmName(String);

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub struct NewKeyBody {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
    /// What it is good for; admin may do everything.
    #[schema(min_items = 1, max_items = 3)]
    pub scopes: Vec<Scope>,
    /// The only farms that it opens; all if none are named.
    #[schema(value_type = Option<Vec<FarmName>>)]
    pub farms: Option<Vec<FarmId>>,
    /// How long it is good for, such as 90d or 12h; for ever by default.
    #[schema(example = "90d", pattern = "^[1-9][0-9]{0,2}(s|m|h|d|w)$")]
    expires_in: Option<String>,
    /// From when on it opens nothing, instead of `expires_in`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// How many requests a second it may make, and as many at once; by default the limit of all.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub rate_limit_per_second: Option<NonZeroU32>,
}

impl NewKeyBody {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ApiError::Body`] for what is no such thing, [`ApiError::Parameters`] for what makes no sense.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut wanted: Self = read(body, "a new key")?;
        let mut errors = Vec::new();
        let name_chars = wanted.name.chars().count();
        let is_blank = wanted.name.is_empty() || wanted.name.starts_with(char::is_whitespace);
        if is_blank || name_chars > MAX_NAME_CHARS || wanted.name.chars().any(char::is_control) {
            let bound = format!("1 to {MAX_NAME_CHARS} characters");
            errors.push(ParameterError::new("name", &wanted.name, bound));
        }
        if !(1..=MOST_SCOPES).contains(&wanted.scopes.len()) {
            let told: Vec<_> = wanted.scopes.iter().map(|scope| scope.as_str()).collect();
            let bound = "one or more of read, write, admin";
            errors.push(ParameterError::new("scopes", &told.join(", "), bound));
        }
        if let Some(limit) = wanted
            .rate_limit_per_second
            .filter(|limit| limit.get() > MAX_RATE_LIMIT)
        {
            let bound = format!("1 to {MAX_RATE_LIMIT}");
            errors.push(ParameterError::new(
                "rate_limit_per_second",
                &limit.to_string(),
                bound,
            ));
        }
        let now = clock::now();
        if let Some(text) = &wanted.expires_in {
            match positive_lifetime("expires_in", text) {
                Ok(_) if wanted.expires_at.is_some() => {
                    errors.push(ParameterError::new(
                        "expires_in",
                        text,
                        "nothing beside expires_at",
                    ));
                }
                Ok(lifetime) => wanted.expires_at = Some(now + TimeDelta::from(lifetime)),
                Err(error) => errors.push(error),
            }
        } else if let Some(end) = wanted.expires_at.filter(|end| *end <= now) {
            errors.push(ParameterError::new(
                "expires_at",
                &end.to_string(),
                "a time to come",
            ));
        }
        if errors.is_empty() {
            Ok(wanted)
        } else {
            Err(ApiError::Parameters(errors))
        }
    }
}

/// How a key takes over from another one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
pub struct RotationBody {
    /// How long the old key is still good, 0s to 90d; 24h by default.
    #[schema(example = "24h", pattern = "^([0-9]|[1-8][0-9]|90)(s|m|h|d)$")]
    overlap: Option<String>,
    /// How long the new key is good; by default for as long as the old one was made for.
    #[schema(example = "90d", pattern = "^[1-9][0-9]{0,2}(s|m|h|d|w)$")]
    expires_in: Option<String>,
}

impl RotationBody {
    /// Reads a body; an empty one, and null, is one without fields.
    ///
    /// # Errors
    /// [`ApiError::Body`] for what is no such thing, [`ApiError::Parameters`] for what makes no sense.
    pub fn parse(body: &[u8]) -> Result<Rotation, ApiError> {
        let wanted = if matches!(body.trim_ascii(), b"" | b"null") {
            Self::default()
        } else {
            read(body, "a rotation")?
        };
        let overlap = wanted.overlap.as_deref().map(overlap).transpose();
        let lifetime = wanted.expires_in.as_deref();
        let lifetime = lifetime
            .map(|text| positive_lifetime("expires_in", text))
            .transpose();
        match (overlap, lifetime) {
            (Ok(overlap), Ok(lifetime)) => Ok(Rotation {
                overlap: overlap.unwrap_or(OVERLAP),
                lifetime,
            }),
            (overlap, lifetime) => {
                let errors = overlap.err().into_iter().chain(lifetime.err());
                Err(ApiError::Parameters(errors.collect()))
            }
        }
    }
}

fn overlap(text: &str) -> Result<Duration, ParameterError> {
    let overlap = lifetime(text).ok().filter(|overlap| *overlap <= MAX_OVERLAP);
    overlap.ok_or_else(|| ParameterError::new("overlap", text, "a duration of 0s to 90d, such as 24h"))
}

fn positive_lifetime(name: &str, text: &str) -> Result<Duration, ParameterError> {
    let lifetime = lifetime(text).ok().filter(|lifetime| !lifetime.is_zero());
    lifetime
        .ok_or_else(|| ParameterError::new(name, text, "a duration such as 90d or 12h, of up to 100 years"))
}

fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, ApiError> {
    // serde would take a list of the fields' values too
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::Body(format!("the body is not {what}: it is a list")));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::Body(format!("the body is not {what}: {error}")))
}

/// A list of keys runs from the oldest to the newest.
impl FromQuery for KeyPage<i64> {
    fn read(query: &mut QueryReader) -> Self {
        Self::take(query, Order::Asc)
    }
}

/// A page of the log of keys.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyLogPage {
    /// Only of this key.
    pub key: Option<i64>,
    /// Which of it.
    pub page: KeyPage<i64>,
}

impl FromQuery for KeyLogPage {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            key: query.take("key", "the number of a key", |text| {
                text.parse()
                    .ok()
                    .filter(|number| (1..=MOST_NUMBER).contains(number))
            }),
            page: KeyPage::take(query, Order::Desc),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(body: &str, expected: Expect) {
        let shown = match NewKeyBody::parse(body.as_bytes()) {
            Ok(key) => format!("{:?} {:?} {:?}", key.name, key.scopes, key.farms),
            Err(error) => error.to_string().replace("; ", "\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_key_is_what_the_body_says() {
        check(
            r#"{"name":"a","scopes":["read","write"],"farms":["north"]}"#,
            expect![[r#""a" [Read, Write] Some([FarmId("north")])"#]],
        );
        check(
            r#"{"name":" ","scopes":[],"expires_in":"0s","rate_limit_per_second":1000001}"#,
            expect![[r#"
                name is ' ', wanted is 1 to 100 characters
                scopes is '', wanted is one or more of read, write, admin
                rate_limit_per_second is '1000001', wanted is 1 to 1000000
                expires_in is '0s', wanted is a duration such as 90d or 12h, of up to 100 years"#]],
        );
        check(
            r#"{"name":"a","scopes":["root"]}"#,
            expect![
                "the body is not a new key: unknown variant `root`, expected one of `read`, `write`, `admin` at line 1 column 28"
            ],
        );
        check(
            r#"{"name":"a","scopes":["read"],"farm":["north"]}"#,
            expect![
                "the body is not a new key: unknown field `farm`, expected one of `name`, `scopes`, `farms`, `expires_in`, `expires_at`, `rate_limit_per_second` at line 1 column 36"
            ],
        );
        check(
            r#"{"name":"a","scopes":["read"],"farms":["a b"]}"#,
            expect![
                "the body is not a new key: 'a b' is not an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : - are wanted at line 1 column 45"
            ],
        );
        check(
            r#"{"name":"a","scopes":["read"],"expires_in":"1d","expires_at":"2100-01-01T00:00:00Z"}"#,
            expect!["expires_in is '1d', wanted is nothing beside expires_at"],
        );
        check(
            r#"{"name":"a","scopes":["read"],"expires_at":"2001-01-01T00:00:00Z"}"#,
            expect!["expires_at is '2001-01-01T00:00:00Z', wanted is a time to come"],
        );
        check(
            r#"{"name":"a","scopes":["read"],"rate_limit_per_second":0}"#,
            expect![
                "the body is not a new key: invalid value: integer `0`, expected a nonzero u32 at line 1 column 55"
            ],
        );
    }

    #[test]
    fn a_rotation_overlaps_by_a_day_unless_told_otherwise() {
        let parse = |body: &str| RotationBody::parse(body.as_bytes()).map_err(|error| error.to_string());
        let day = Rotation {
            overlap: OVERLAP,
            lifetime: None,
        };
        assert_eq!(parse(""), Ok(day));
        assert_eq!(parse("{}"), Ok(day));
        assert_eq!(
            parse(r#"{"overlap":"0s","expires_in":"2d"}"#),
            Ok(Rotation {
                overlap: Duration::ZERO,
                lifetime: Some(Duration::from_secs(2 * 86_400))
            })
        );
        assert_eq!(
            parse(r#"{"overlap":"91d","expires_in":"soon"}"#).unwrap_err(),
            "overlap is '91d', wanted is a duration of 0s to 90d, such as 24h; \
             expires_in is 'soon', wanted is a duration such as 90d or 12h, of up to 100 years"
        );
    }
}

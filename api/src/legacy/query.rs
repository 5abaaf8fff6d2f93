//! `limit`, `from` and `to` of the old endpoints, checked as FastAPI checks them. What it does not know it ignores.

use actix_web::web;
use domain::Timestamp;
use serde_json::Value;

use super::{Detail, Moment};
use crate::params::TimeRange;

/// Which rows are wanted.
#[derive(Debug, PartialEq, Eq)]
pub struct LegacyQuery {
    /// How many at most; none for all.
    pub limit: Option<u64>,
    /// Between which times.
    pub range: TimeRange,
}

impl LegacyQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// One entry for each parameter that is wrong.
    pub fn parse(query: &str) -> Result<Self, Vec<Detail>> {
        let pairs: Vec<(String, String)> = web::Query::from_query(query)
            .map(web::Query::into_inner)
            .unwrap_or_default();
        let value = |name: &str| {
            let pair = pairs.iter().rev().find(|(key, _)| key == name)?;
            Some(pair.1.as_str())
        };
        let mut faults = Vec::new();
        let limit = value("limit").map(limit).transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let mut time = |name| {
            let moment = Moment::parse(&["query", name], &Value::from(value(name)?));
            moment.map_err(|fault| faults.push(fault)).ok()?.at()
        };
        let (from, to): (Option<Timestamp>, Option<Timestamp>) = (time("from"), time("to"));
        if !faults.is_empty() {
            return Err(faults);
        }
        let range = TimeRange::ALL.and(
            from.unwrap_or(TimeRange::ALL.from),
            to.unwrap_or(TimeRange::ALL.to),
        );
        Ok(Self { limit, range })
    }
}

fn limit(text: &str) -> Result<u64, Detail> {
    let loc = ["query", "limit"];
    let input = Value::from(text);
    let Ok(number) = text.trim().parse::<i128>() else {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        return Err(Detail::new("int_parsing", &loc, msg, input));
    };
    // more than can be is all
    u64::try_from(number.min(i128::from(u64::MAX)))
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| {
            Detail::new(
                "greater_than_equal",
                &loc,
                "Input should be greater than or equal to 1",
                input,
            )
            .with("ge", 1)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_is_wanted_unless_said_otherwise() {
        assert_eq!(
            LegacyQuery::parse("colour=red"),
            Ok(LegacyQuery {
                limit: None,
                range: TimeRange::ALL
            })
        );
        let query = LegacyQuery::parse("limit=5&from=2026-11-23T10:00:00&to=1763892000").unwrap();
        assert_eq!(query.limit, Some(5));
        assert_eq!(query.range.from.to_string(), "2026-11-23T10:00:00Z");
        assert_eq!(query.range.to.to_string(), "2025-11-23T10:00:00Z");
    }

    #[test]
    fn every_fault_has_an_entry() {
        let faults = LegacyQuery::parse("limit=x&from=nope").unwrap_err();
        assert_eq!(
            serde_json::to_value(faults).unwrap(),
            json!([
                {"type": "int_parsing", "loc": ["query", "limit"], "input": "x",
                 "msg": "Input should be a valid integer, unable to parse string as an integer"},
                {"type": "datetime_from_date_parsing", "loc": ["query", "from"], "input": "nope",
                 "msg": "Input should be a valid datetime or date, input is too short",
                 "ctx": {"error": "input is too short"}}
            ])
        );
        assert!(LegacyQuery::parse("limit=0").is_err());
    }
}

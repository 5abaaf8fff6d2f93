//! What a token claims, once its signature has been verified, and what it opens by it.

use domain::{FarmId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Caller, CallerId, Scope};

/// A longer name of somebody is none, characters.
const MOST_SUBJECT_CHARS: usize = 200;

/// Which claims say what.
#[derive(Debug, Clone)]
pub struct ClaimNames {
    /// The claim with the scopes.
    pub scopes: String,
    /// What our scopes begin with there.
    pub scope_prefix: String,
    /// The claim with the only farms.
    pub farms: String,
}

/// What a token claims. Issuer, audience and times have been checked with the signature.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    exp: u64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// When the token ends.
    pub(super) fn expires_at(&self) -> Timestamp {
        let micros = i64::try_from(self.exp)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000));
        Timestamp::from_micros(micros.unwrap_or(i64::MAX))
    }

    /// Whose it is, and what it opens; none if that makes no sense. Scopes of others are left out; without the claim
    /// of farms it opens all of them.
    pub(super) fn caller(&self, names: &ClaimNames) -> Option<Caller> {
        let is_name = (1..=MOST_SUBJECT_CHARS).contains(&self.sub.chars().count());
        if !is_name || self.sub.chars().any(char::is_control) {
            return None;
        }
        let scopes = self.others.get(&names.scopes).map_or(Some(Vec::new()), words)?;
        let ours = |word: &&str| word.strip_prefix(&names.scope_prefix)?.parse::<Scope>().ok();
        let farms = match self.others.get(&names.farms) {
            None => None,
            Some(farms) => {
                let farms = words(farms)?.into_iter().map(|farm| FarmId::parse(farm).ok());
                Some(farms.collect::<Option<Vec<_>>>()?)
            }
        };
        Some(Caller {
            id: CallerId::Token(self.sub.clone()),
            scopes: scopes.iter().filter_map(ours).collect(),
            farms,
            rate_limit_per_second: None,
        })
    }
}

/// Words with spaces between them (RFC 8693), or a list of them; none for something else.
fn words(claim: &Value) -> Option<Vec<&str>> {
    match claim {
        Value::String(text) => Some(text.split_ascii_whitespace().collect()),
        Value::Array(words) => words.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(claims: &Value) -> Option<Caller> {
        let names = ClaimNames {
            scopes: "scope".to_owned(),
            scope_prefix: "wind:".to_owned(),
            farms: "farms".to_owned(),
        };
        let mut all = json!({"sub": "ana", "exp": 1_764_000_000});
        all.as_object_mut()
            .unwrap()
            .append(&mut claims.as_object().unwrap().clone());
        serde_json::from_value::<Claims>(all).unwrap().caller(&names)
    }

    #[test]
    fn scopes_and_farms_are_words_or_lists() {
        let opened =
            |claims: Value| caller(&claims).map(|caller| (caller.scopes.clone(), caller.farm_filter()));
        assert_eq!(
            opened(json!({"scope": "openid wind:read wind:fly write"})),
            Some((vec![Scope::Read], None))
        );
        let of_north = Some(vec!["north".to_owned()]);
        assert_eq!(
            opened(json!({"scope": ["wind:write", "wind:read"], "farms": ["north"]})),
            Some((vec![Scope::Write, Scope::Read], of_north.clone()))
        );
        assert_eq!(opened(json!({"farms": "north"})), Some((Vec::new(), of_north)));
        assert_eq!(
            opened(json!({"farms": []})),
            Some((Vec::new(), Some(Vec::new()))),
            "no farm at all"
        );
    }

    #[test]
    fn what_makes_no_sense_opens_nothing() {
        for bad in [
            json!({"farms": ["no farm"]}),
            json!({"farms": null}),
            json!({"farms": [7]}),
            json!({"scope": 7}),
            json!({"sub": ""}),
            json!({"sub": "a\nb"}),
            json!({"sub": "a".repeat(201)}),
        ] {
            assert_eq!(caller(&bad), None, "{bad}");
        }
    }
}

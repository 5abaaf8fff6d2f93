//! What a verified key opens.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use domain::FarmId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at data.
    Read,
    /// Send readings.
    Write,
    /// Everything, keys included.
    Admin,
}

/// A word that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a scope: read, write or admin is wanted")]
pub struct UnknownScope(String);

impl Scope {
    /// Its word in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        [Self::Read, Self::Write, Self::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.chars().take(40).collect()))
    }
}

/// Who somebody is; shown as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// The owner of the key of that number.
    Key(i64),
    /// Whom the issuer of tokens calls so.
    Token(String),
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key {id}"),
            Self::Token(subject) => write!(f, "token of {subject}"),
        }
    }
}

/// Somebody whose key was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who that is.
    pub id: CallerId,
    /// What the key is good for.
    pub scopes: Vec<Scope>,
    /// The only farms that it opens; none for all.
    pub farms: Option<Vec<FarmId>>,
    /// How many requests a second it may make; none for the limit of all.
    pub rate_limit_per_second: Option<NonZeroU32>,
}

impl Caller {
    /// Whether the key is good for `wanted`; an admin's is good for everything.
    pub fn may(&self, wanted: Scope) -> bool {
        self.scopes.contains(&wanted) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether the key opens `farm`.
    pub fn opens(&self, farm: &str) -> bool {
        self.farms
            .as_ref()
            .is_none_or(|farms| farms.iter().any(|open| open.as_str() == farm))
    }

    /// Whether the key opens all of `farms`, which are all that there are if none are named.
    pub fn opens_all(&self, farms: Option<&[FarmId]>) -> bool {
        match farms {
            None => self.farms.is_none(),
            Some(farms) => farms.iter().all(|farm| self.opens(farm.as_str())),
        }
    }

    /// The only farms that it opens, as a parameter of a query; null for all.
    pub fn farm_filter(&self) -> Option<Vec<String>> {
        let farms = self.farms.as_ref()?;
        Some(farms.iter().map(FarmId::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: &[Scope], farms: Option<&[&str]>) -> Caller {
        Caller {
            id: CallerId::Key(1),
            scopes: scopes.to_vec(),
            farms: farms.map(|farms| farms.iter().map(|farm| FarmId::parse(farm).unwrap()).collect()),
            rate_limit_per_second: None,
        }
    }

    #[test]
    fn a_scope_opens_itself_and_admin_opens_all() {
        let reader = caller(&[Scope::Read], None);
        assert!(reader.may(Scope::Read) && !reader.may(Scope::Write) && !reader.may(Scope::Admin));
        let admin = caller(&[Scope::Admin], None);
        assert!(admin.may(Scope::Read) && admin.may(Scope::Write) && admin.may(Scope::Admin));
    }

    #[test]
    fn a_list_of_farms_is_a_limit_and_none_is_not() {
        assert!(caller(&[Scope::Read], None).opens("anything"));
        let limited = caller(&[Scope::Admin], Some(&["north"]));
        assert!(limited.opens("north") && !limited.opens("south"));
        assert!(!caller(&[Scope::Read], Some(&[])).opens("north"));
        let farms = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
        assert!(limited.opens_all(Some(&farms(&["north"]))) && !limited.opens_all(None));
        assert!(!limited.opens_all(Some(&farms(&["north", "south"]))));
        assert!(caller(&[Scope::Read], None).opens_all(None));
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in [Scope::Read, Scope::Write, Scope::Admin] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("root".parse::<Scope>().is_err());
    }
}

//! What a listener wants, and may have.

use domain::FarmId;

use super::{Event, EventKind, Source};

/// Whose events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farms {
    /// Everybody's, and those of no farm.
    All,
    /// Those of these farms only.
    Only(Vec<FarmId>),
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Of these kinds.
    pub kinds: Vec<EventKind>,
    /// Of these farms.
    pub farms: Farms,
}

impl Filter {
    pub(super) fn wants(&self, event: &Event) -> bool {
        self.wants_source(event.source) && self.farms.include(event.farm.as_ref())
    }

    pub(super) fn wants_source(&self, source: Source) -> bool {
        self.kinds.contains(&source.kind())
    }
}

impl Farms {
    pub(super) fn include(&self, farm: Option<&FarmId>) -> bool {
        match self {
            Self::All => true,
            Self::Only(farms) => farm.is_some_and(|farm| farms.contains(farm)),
        }
    }

    /// As a parameter of a query; null for all.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Only(farms) => Some(farms.iter().map(FarmId::to_string).collect()),
        }
    }
}

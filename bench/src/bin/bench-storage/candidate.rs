//! What a table could be like.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

/// A table's keys and indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// Whether a turbine is a number instead of two texts.
    pub(crate) has_number: bool,
    /// The columns of the primary key, and its settings; none for the table as the migrations make it.
    pub(crate) primary_key: Option<(&'static str, &'static str)>,
    /// An index that is there from the beginning, as `CREATE INDEX ON table` goes on.
    pub(crate) index: Option<&'static str>,
    /// An index that a day gets when it is over.
    pub(crate) index_of_closed_days: Option<&'static str>,
}

/// The table as it is.
const AS_IT_IS: Candidate = Candidate {
    name: "as it is: (farm, turbine, time)",
    has_number: false,
    primary_key: None,
    index: None,
    index_of_closed_days: None,
};

const BY_TURBINE: &str = "farm_id, turbine_id, event_time";
const BY_TIME: &str = "event_time, farm_id, turbine_id";
const BY_TURBINE_INDEX: &str = "(farm_id, turbine_id, event_time)";

/// For `readings`; the first is the table as it is.
pub(crate) const READINGS: [Candidate; 7] = [
    AS_IT_IS,
    Candidate {
        name: "its key filled to 100 %",
        primary_key: Some((BY_TURBINE, "WITH (fillfactor = 100)")),
        ..AS_IT_IS
    },
    Candidate {
        name: "with BRIN (time) besides",
        index: Some("USING brin (event_time)"),
        ..AS_IT_IS
    },
    Candidate {
        name: "(time, farm, turbine)",
        primary_key: Some((BY_TIME, "")),
        index_of_closed_days: Some(BY_TURBINE_INDEX),
        ..AS_IT_IS
    },
    Candidate {
        name: "both at once",
        primary_key: Some((BY_TIME, "")),
        index: Some(BY_TURBINE_INDEX),
        ..AS_IT_IS
    },
    Candidate {
        name: "integer key: (turbine, time)",
        has_number: true,
        primary_key: Some(("turbine_number, event_time", "")),
        ..AS_IT_IS
    },
    Candidate {
        name: "integer key: (time, turbine)",
        has_number: true,
        primary_key: Some(("event_time, turbine_number", "")),
        index_of_closed_days: Some("(turbine_number, event_time)"),
        ..AS_IT_IS
    },
];

/// For `turbine_windows`; the first is the table as it is.
pub(crate) const TURBINE_WINDOWS: [Candidate; 2] = [
    AS_IT_IS,
    Candidate {
        name: "(time, farm, turbine)",
        primary_key: Some(("window_start, farm_id, turbine_id", "")),
        index_of_closed_days: Some("(farm_id, turbine_id, window_start)"),
        ..AS_IT_IS
    },
];

/// For `farm_windows`; the first is the table as it is.
pub(crate) const FARM_WINDOWS: [Candidate; 2] = [
    Candidate {
        name: "as it is: (farm, time)",
        ..AS_IT_IS
    },
    Candidate {
        name: "(time, farm)",
        primary_key: Some(("window_start, farm_id", "")),
        index_of_closed_days: Some("(farm_id, window_start)"),
        ..AS_IT_IS
    },
];

impl Candidate {
    /// Makes the empty table of a fresh installation like this.
    pub(crate) async fn apply(&self, connection: &mut PgConnection, table: &str) -> Result<()> {
        let mut statements = Vec::new();
        if self.has_number {
            statements.push(format!(
                "ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, DROP COLUMN farm_id, DROP COLUMN turbine_id, \
                 ADD COLUMN turbine_number integer NOT NULL"
            ));
            statements.push("ALTER TABLE turbines ADD COLUMN turbine_number integer UNIQUE".to_owned());
        }
        if let Some((columns, settings)) = self.primary_key {
            if !self.has_number {
                statements.push(format!("ALTER TABLE {table} DROP CONSTRAINT {table}_pkey"));
            }
            statements.push(format!(
                "ALTER TABLE {table} ADD PRIMARY KEY ({columns}) {settings}"
            ));
        }
        if let Some(index) = self.index {
            statements.push(format!("CREATE INDEX ON {table} {index}"));
        }
        for statement in statements {
            connection
                .execute(AssertSqlSafe(statement))
                .await
                .with_context(|| format!("making {table} {}", self.name))?;
        }
        Ok(())
    }
}

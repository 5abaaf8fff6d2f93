//! A database of one test.

use crate::stack::{Stack, unique_name};

/// A freshly migrated database; it goes with the stack.
#[derive(Debug, Clone)]
pub struct Database {
    /// As a superuser, who may do everything.
    pub admin_url: String,
    /// As the sink's role.
    pub sink_url: String,
    /// As the API's role.
    pub api_url: String,
}

impl Stack {
    /// Makes a database that nobody else uses.
    ///
    /// # Panics
    /// When PostgreSQL does not let us.
    pub async fn database(&self) -> Database {
        let name = unique_name();
        let (server, _) = self
            .admin_database_url
            .rsplit_once('/')
            .expect("the URL names a database");
        let admin_url = format!("{server}/{name}");
        migrations::migrate(&admin_url, &migrations::Passwords::default())
            .await
            .expect("the schema can be made");
        Database {
            sink_url: as_role(&admin_url, "windfarm_sink"),
            api_url: as_role(&admin_url, "windfarm_api"),
            admin_url,
        }
    }
}

fn as_role(url: &str, role: &str) -> String {
    let (_, rest) = url.split_once('@').expect("the URL names a user");
    format!("postgres://{role}@{rest}")
}

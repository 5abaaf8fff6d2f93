//! On a real PostgreSQL: `TEST_DATABASE_URL` is a superuser's address of any database of the server.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use migrations::{Passwords, migrate};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

struct Database {
    name: String,
    server: String,
}

impl Database {
    fn new(test: &str) -> Self {
        let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a PostgreSQL server");
        let (server, _) = url.rsplit_once('/').unwrap();
        Self {
            name: format!("migrations_{test}_{}", std::process::id()),
            server: server.to_owned(),
        }
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    async fn drop(self) {
        let mut server = PgConnection::connect(&format!("{}/postgres", self.server))
            .await
            .unwrap();
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        server.execute(AssertSqlSafe(sql)).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_can_be_made_twice_at_once_and_again() {
    let database = Database::new("twice");
    let (url, passwords) = (database.url(), Passwords::default());
    let (first, second) = tokio::join!(migrate(&url, &passwords), migrate(&url, &passwords));
    first.unwrap();
    second.unwrap();
    migrate(&url, &passwords).await.unwrap();

    let mut connection = database.connect().await;
    let owners: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'windfarm'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(owners, ["windfarm_owner"]);
    connection
        .execute("SELECT farm_id FROM readings")
        .await
        .expect("the schema is on the search path");
    connection.close().await.unwrap();
    database.drop().await;
}

#[tokio::test]
async fn each_role_may_do_its_work_and_no_more() {
    let database = Database::new("rights");
    migrate(&database.url(), &Passwords::default()).await.unwrap();
    let mut connection = database.connect().await;
    let cases = [
        (
            "windfarm_sink",
            "INSERT INTO kafka_offsets VALUES ('t', 0, 0)",
            true,
        ),
        (
            "windfarm_sink",
            "SELECT ensure_days('readings', ARRAY['2026-11-23'::date])",
            true,
        ),
        ("windfarm_sink", "SELECT key_hash FROM api_keys", false),
        ("windfarm_sink", "DELETE FROM readings", false),
        ("windfarm_sink", "DROP TABLE readings", false),
        ("windfarm_sink", "CREATE TABLE mine ()", false),
        ("windfarm_api", "SELECT * FROM readings", true),
        ("windfarm_api", "SELECT * FROM turbine_windows", true),
        (
            "windfarm_api",
            "INSERT INTO api_keys (name, key_hash, scopes) VALUES ('n', sha256('k'), '{read}')",
            true,
        ),
        ("windfarm_api", "SELECT * FROM key_log", true),
        ("windfarm_api", "DELETE FROM key_log", false),
        (
            "windfarm_api",
            "INSERT INTO key_log (key_id, action, actor, changes) VALUES (1, 'create', 'nobody', '{}')",
            false,
        ),
        (
            "windfarm_api",
            "INSERT INTO farms VALUES ('f', now(), now())",
            false,
        ),
        (
            "windfarm_api",
            "SELECT ensure_days('readings', ARRAY['2026-11-24'::date])",
            false,
        ),
    ];
    for (role, sql, allowed) in cases {
        connection
            .execute(AssertSqlSafe(format!("SET ROLE {role}")))
            .await
            .unwrap();
        let result = connection.execute(sql).await;
        assert_eq!(result.is_ok(), allowed, "{role}: {sql}: {result:?}");
        connection.execute("RESET ROLE").await.unwrap();
    }
    connection.close().await.unwrap();
    database.drop().await;
}

#[tokio::test]
async fn the_partition_of_a_day_is_a_day_of_utc_whoever_asks() {
    let database = Database::new("days");
    migrate(&database.url(), &Passwords::default()).await.unwrap();
    let (mut one, mut two) = (database.connect().await, database.connect().await);
    for (connection, zone) in [(&mut one, "Asia/Tokyo"), (&mut two, "America/Lima")] {
        let sql = format!("SET timezone = '{zone}'; SET datestyle = 'German'");
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let make = "SELECT ensure_days('farm_windows', ARRAY['2026-11-23', '2026-11-24']::date[])";
    let (first, second) = tokio::join!(one.execute(make), two.execute(make));
    first.unwrap();
    second.unwrap();

    one.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'")
        .await
        .unwrap();
    let bounds = "SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c \
                  JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'farm_windows'::regclass ORDER BY 1";
    let rows = one.fetch_all(bounds).await.unwrap();
    let parts: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let day = |name: &str, from: &str, to: &str| {
        (
            name.to_owned(),
            format!("FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')"),
        )
    };
    assert_eq!(
        parts,
        [
            day("farm_windows_20261123", "2026-11-23", "2026-11-24"),
            day("farm_windows_20261124", "2026-11-24", "2026-11-25"),
        ]
    );
    let other = one
        .execute("SELECT ensure_days('farms', ARRAY['2026-11-23'::date])")
        .await;
    assert!(other.unwrap_err().to_string().contains("no partitions of days"));
    one.close().await.unwrap();
    two.close().await.unwrap();
    database.drop().await;
}

//! Servers of one test: topics, a database, and sinks of its own.

use std::process::Command;
use std::time::Duration;

use avro::{RecordType, Registry, SchemaId, encode_farm_window, encode_reading, encode_turbine_window, wire};
use clap::Parser;
use domain::{Closed, FarmWindow, RawReading, TurbineWindow};
use platform::{Health, Topics, topics};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use sink::Args;
use sink::lane::Topic;
use sink::store::Store;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::{Database, Program, Stack, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// After this a test gives up.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) database: Database,
    pub(crate) topics: Topics,
    registry: Registry,
    producer: BaseProducer,
}

/// A sink in this process.
pub(crate) struct RunningSink {
    pub(crate) health: Health,
    /// Stops it with the test, for nobody waits for a thread that does not end.
    stop: DropGuard,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let stack = Stack::for_test();
        let database = stack.database().await;
        let kafka = stack.kafka();
        topics::ensure(&kafka, &CancellationToken::new()).await.unwrap();
        Self {
            topics: kafka.topics(),
            registry: stack.registry().registry().unwrap(),
            producer: kafka.producer_config("rig").create().unwrap(),
            stack,
            database,
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.options(), self.topics.clone())
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.database.sink_url.parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.database.admin_url).await.unwrap()
    }

    /// One number out of the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let number: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        number.unwrap_or_default()
    }

    /// Waits until the number is as it should be.
    pub(crate) async fn until(&self, sql: &str, wanted: i64) {
        let what = format!("{sql} = {wanted}");
        eventually(&what, LIMIT, async || {
            (self.number(sql).await == wanted).then_some(())
        })
        .await;
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Runs SQL in which `{database}` stands for this test's, from outside of it.
    pub(crate) async fn administrate(&self, sql: &str) {
        let (_, name) = self.database.admin_url.rsplit_once('/').unwrap();
        let is_inside = sql.contains("ON readings");
        let url = if is_inside {
            &self.database.admin_url
        } else {
            &self.stack.admin_database_url
        };
        let sql = sql.replace("{database}", name);
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Who owns what in the group of the sinks, by client id; bytes as the group has them.
    pub(crate) fn assignments(&self) -> Vec<(String, Vec<u8>)> {
        let consumer: BaseConsumer = self.stack.kafka().client_config("looker-on").create().unwrap();
        let group = format!("{}sink", self.stack.topic_prefix);
        let groups = consumer.fetch_group_list(Some(&group), LIMIT).unwrap();
        let members = groups.groups().iter().flat_map(|group| group.members());
        let mut assignments: Vec<_> = members
            .map(|member| {
                let assignment = member.assignment().unwrap_or_default().to_vec();
                (member.client_id().to_owned(), assignment)
            })
            .collect();
        assignments.sort();
        assignments
    }

    /// A sink as a process of its own, which dies at this point.
    pub(crate) fn spawn(&self, fail_point: Option<&str>) -> Program {
        let point = fail_point.map(|point| ("FAIL_POINT", point));
        let own = [("INSTANCE_ID", "killed"), ("BATCH_ROWS", "20")];
        self.spawn_with(&own.into_iter().chain(point).collect::<Vec<_>>())
    }

    /// A sink as a process of its own whom the group and the database give up soon after it has fallen silent.
    pub(crate) fn spawn_mortal(&self, environment: &[(&str, &str)]) -> Program {
        let own = [("BATCH_ROWS", "50"), ("SESSION_TIMEOUT", "6s")];
        self.spawn_with(&own.iter().chain(environment).copied().collect::<Vec<_>>())
    }

    /// A sink as a process of its own with these settings.
    pub(crate) fn spawn_with(&self, environment: &[(&str, &str)]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sink"));
        command
            .envs(self.stack.environment())
            .env("DATABASE_URL", &self.database.sink_url)
            .envs(environment.iter().copied());
        Program::start(&mut command)
    }

    /// A sink in this process, with these further options.
    pub(crate) fn start(&self, options: &[&str]) -> RunningSink {
        RunningSink::start(self.args(options))
    }

    pub(crate) fn args(&self, options: &[&str]) -> Args {
        let mut arguments = vec!["sink".to_owned()];
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let mut args = Args::parse_from(arguments);
        args.kafka = self.stack.kafka();
        args.registry = self.stack.registry();
        args.management.management_address = Some("none".to_owned());
        args.database.database_url.clone_from(&self.database.sink_url);
        args
    }

    pub(crate) async fn schema(&self, topic: Topic, record: RecordType) -> SchemaId {
        let topic = topic.name(&self.topics);
        self.registry.register(topic, record).await.unwrap()
    }

    pub(crate) async fn send_readings(&self, readings: &[RawReading<'_>]) {
        let id = self.schema(Topic::Readings, RecordType::Reading).await;
        let records = readings.iter().map(|reading| {
            let payload = framed(id, |out| encode_reading(reading, out));
            (reading.farm_id.as_bytes(), payload, OwnedHeaders::new())
        });
        self.send(Topic::Readings, records);
    }

    pub(crate) async fn send_windows(&self, farm: &Closed<FarmWindow>, turbines: &[Closed<TurbineWindow>]) {
        let key = farm.window.farm_id.as_str().as_bytes();
        let id = self.schema(Topic::FarmWindows, RecordType::FarmWindow).await;
        let payload = framed(id, |out| encode_farm_window(farm, out));
        self.send(Topic::FarmWindows, [(key, payload, OwnedHeaders::new())]);
        let id = self
            .schema(Topic::TurbineWindows, RecordType::TurbineWindow)
            .await;
        let records = turbines.iter().map(|turbine| {
            (
                key,
                framed(id, |out| encode_turbine_window(turbine, out)),
                OwnedHeaders::new(),
            )
        });
        self.send(Topic::TurbineWindows, records);
    }

    /// As Kafka's own retention would.
    pub(crate) async fn remove_records_below(&self, topic: Topic, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> =
            self.stack.kafka().client_config("rig").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic.name(&self.topics), partition, Offset::Offset(offset))
            .unwrap();
        admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    }

    /// Sends records and waits until all are acknowledged.
    pub(crate) fn send<'a>(
        &self,
        topic: Topic,
        records: impl IntoIterator<Item = (&'a [u8], Vec<u8>, OwnedHeaders)>,
    ) {
        for (key, payload, headers) in records {
            let record = BaseRecord::to(topic.name(&self.topics))
                .key(key)
                .payload(&payload)
                .headers(headers);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(LIMIT).unwrap();
    }
}

impl RunningSink {
    pub(crate) fn start(args: Args) -> Self {
        let stop = CancellationToken::new();
        let health = Health::default();
        let (stopped, told) = (stop.clone(), health.clone());
        let task = tokio::spawn(async move { sink::store_until(stopped, args, &told).await });
        Self {
            health,
            stop: stop.drop_guard(),
            task,
        }
    }

    /// Waits until exactly these are not ready.
    pub(crate) async fn until_not_ready(&self, components: &[&str]) {
        let what = format!("not ready are {components:?}");
        let is_it = || {
            self.health
                .not_ready()
                .keys()
                .map(String::as_str)
                .eq(components.iter().copied())
        };
        eventually(&what, LIMIT, async || is_it().then_some(())).await;
    }

    pub(crate) async fn stop(self) {
        let Self { stop, task, .. } = self;
        drop(stop);
        end_of(task).await.unwrap();
    }

    pub(crate) async fn ended(self) -> anyhow::Result<()> {
        end_of(self.task).await
    }
}

async fn end_of(task: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap()
}

fn framed(id: SchemaId, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::new();
    wire::frame(id, &mut payload);
    encode(&mut payload);
    payload
}

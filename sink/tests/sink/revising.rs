//! Windows that late readings have changed, and what they said before.

use domain::{Metric, RawReading, Timestamp};
use serde_json::Value;
use sink::batch::Taken;
use sink::lane::Topic;
use sink::store::{RevisionLimits, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::make::{ALL_AT_ONCE, MINUTE, batch, lane, noon, push, push_late, push_reading, raw, windows};
use crate::rig::Rig;

/// What is stored of one farm, record by record.
struct Storing {
    store: Store,
    /// The next offsets of the readings, of the farm's and of the turbines' windows, and of the late readings.
    next: [i64; 4],
}

impl Storing {
    async fn of(rig: &Rig) -> Self {
        let mut store = rig.store();
        for topic in Topic::ALL {
            store.enter(lane(topic), 0).await.unwrap();
        }
        Self { store, next: [0; 4] }
    }

    /// Stores readings and the windows that they make as they close.
    async fn in_time(&mut self, readings: &[RawReading<'static>]) {
        let (farm, turbines) = windows(readings);
        let mut batch = self.batch();
        self.put(&mut batch, readings);
        push(
            &mut batch,
            Topic::FarmWindows,
            self.next[1],
            Taken::FarmWindow(&farm),
        );
        self.next[1] += 1;
        for turbine in &turbines {
            let taken = Taken::TurbineWindow(turbine);
            push(&mut batch, Topic::TurbineWindows, self.next[2], taken);
            self.next[2] += 1;
        }
        self.store.commit(&batch.seal()).await.unwrap();
    }

    /// Stores readings of windows that have closed, and their marks.
    async fn late(&mut self, readings: &[RawReading<'static>]) {
        let mut batch = self.batch();
        let sources = self.next[0]..;
        self.put(&mut batch, readings);
        for (source, reading) in sources.zip(readings) {
            let start = reading.event_time.floor_to(MINUTE);
            push_late(&mut batch, self.next[3], start, source);
            self.next[3] += 1;
        }
        self.store.commit(&batch.seal()).await.unwrap();
    }

    fn put(&mut self, batch: &mut sink::batch::Batch, readings: &[RawReading<'static>]) {
        for reading in readings {
            push_reading(batch, self.next[0], reading.clone());
            self.next[0] += 1;
        }
    }

    fn batch(&self) -> sink::batch::Batch {
        let mut batch = batch(0);
        let topics = [
            Topic::Readings,
            Topic::FarmWindows,
            Topic::TurbineWindows,
            Topic::LateReadings,
        ];
        for (topic, next) in topics.into_iter().zip(self.next) {
            batch.own(lane(topic), next);
        }
        batch
    }
}

/// Rows as JSON without these columns, in order.
async fn rows(connection: &mut PgConnection, from: &str, without: &[&str]) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t) AS row FROM {from}");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .unwrap();
    let row = |row: &sqlx::postgres::PgRow| {
        let mut row: Value = row.get("row");
        for column in without {
            row.as_object_mut().unwrap().remove(*column).unwrap();
        }
        row
    };
    rows.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_window_said_before_is_kept_whole() {
    let rig = Rig::new().await;
    let mut storing = Storing::of(&rig).await;
    let with_direction = |turbine, second, wind_mps, direction_deg| {
        let mut reading = raw("north", turbine, noon(second), wind_mps);
        reading.metrics.set(Metric::WindDirection, Some(direction_deg));
        reading
    };
    let mut api = PgConnection::connect(&rig.database.api_url).await.unwrap();
    storing
        .in_time(&[
            with_direction("T1", 1, 5.0, 350.0),
            with_direction("T2", 2, 7.0, 10.0),
        ])
        .await;
    let farm = "farm_windows t";
    let turbine = "turbine_windows t WHERE turbine_id = 'T1'";
    let mut farms = rows(&mut api, farm, &[]).await;
    let mut turbines = rows(&mut api, turbine, &[]).await;

    // two of one turbine at once, then one of another
    storing
        .late(&[
            with_direction("T1", 3, 9.0, 20.0),
            with_direction("T1", 4, 1.0, 20.0),
        ])
        .await;
    let revised = storing.store.revise(MINUTE, ALL_AT_ONCE).await.unwrap();
    assert_eq!((revised.minutes, revised.changed, revised.is_part), (1, 1, false));
    farms.extend(rows(&mut api, farm, &[]).await);
    storing.late(&[with_direction("T3", 5, 2.0, 20.0)]).await;
    storing.store.revise(MINUTE, ALL_AT_ONCE).await.unwrap();

    let of_farm = "window_revisions t WHERE turbine_id IS NULL ORDER BY revision";
    let kept = rows(&mut api, of_farm, &["turbine_id", "replaced_at"]).await;
    assert_eq!(kept, farms, "revisions 0 and 1 of the farm, as they were");
    let counts: Vec<_> = kept
        .iter()
        .map(|row| (row["revision"].as_i64(), row["reading_count"].as_i64()))
        .collect();
    assert_eq!(counts, [(Some(0), Some(2)), (Some(1), Some(4))]);
    let of_turbines = "window_revisions t WHERE turbine_id IS NOT NULL";
    let kept = rows(&mut api, of_turbines, &["replaced_at"]).await;
    assert_eq!(kept, turbines.split_off(0), "T1 has changed once, T3 is new");
    let since = "SELECT count(*) FROM window_revisions WHERE replaced_at > now() - interval '1 hour'";
    assert_eq!(rig.number(since).await, 3);
}

/// A window of one turbine's readings for each minute, in time and as many late.
async fn minutes(storing: &mut Storing, count: i64) {
    for minute in 0..count {
        let at = |second: i64| -> Timestamp { noon(60 * minute + second) };
        storing
            .in_time(&[1, 2, 3, 4, 5].map(|second| raw("north", "T1", at(second), 5.0)))
            .await;
        storing
            .late(&[11, 12, 13, 14, 15].map(|second| raw("north", "T1", at(second), 6.0)))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_readings_are_loaded_at_once_than_wanted_but_for_those_of_one_window() {
    let rig = Rig::new().await;
    let mut storing = Storing::of(&rig).await;
    minutes(&mut storing, 4).await;
    let limits = RevisionLimits {
        marks: 100,
        readings: 15,
    };
    let mut rounds = Vec::new();
    while let revised = storing.store.revise(MINUTE, limits).await.unwrap()
        && revised.minutes > 0
    {
        rounds.push((revised.minutes, revised.is_part));
    }
    assert_eq!(rounds, [(2, true), (2, false)]);
    let few_marks = RevisionLimits {
        marks: 7,
        readings: 1_000,
    };
    storing
        .late(
            &(20..30)
                .map(|second| raw("north", "T2", noon(second), 1.0))
                .collect::<Vec<_>>(),
        )
        .await;
    storing
        .late(
            &(20..30)
                .map(|second| raw("north", "T2", noon(60 + second), 1.0))
                .collect::<Vec<_>>(),
        )
        .await;
    let revised = storing.store.revise(MINUTE, few_marks).await.unwrap();
    assert_eq!(
        (revised.minutes, revised.is_part),
        (2, false),
        "a window has one mark"
    );
    let right = "SELECT count(*) FROM farm_windows WHERE (revision, reading_count) IN ((1, 10), (2, 20))";
    assert_eq!(rig.number(right).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_revise_at_once_make_one_revision_of_each_window() {
    let rig = Rig::new().await;
    let mut storing = Storing::of(&rig).await;
    minutes(&mut storing, 12).await;
    let few = RevisionLimits {
        marks: 2,
        readings: 1_000,
    };
    let all = async |mut store: Store| {
        let mut changed = 0;
        loop {
            changed += store.revise(MINUTE, few).await.unwrap().changed;
            if rig.number("SELECT count(*) FROM late_marks").await == 0 {
                return changed;
            }
        }
    };
    let (first, second) = tokio::join!(all(rig.store()), all(rig.store()));
    assert_eq!(first + second, 12);
    let once = "SELECT count(*) FROM farm_windows WHERE revision = 1 AND reading_count = 10";
    assert_eq!(rig.number(once).await, 12);
    let kept = "SELECT count(*) FROM window_revisions WHERE revision = 0 AND reading_count = 5";
    assert_eq!(rig.number(kept).await, 2 * 12, "of the farm and of its turbine");
}

//! Minutes put together to ten minutes and hours.

use std::time::Duration;

use domain::{
    FarmId, FarmWindow, Metric, MetricStats, RawReading, RollUp, TimeDelta, Timestamp, TurbineId,
    WindowSummary,
};
use sink::batch::{Batch, Taken};
use sink::lane::Topic;
use sink::store::Store;
use sqlx::{AssertSqlSafe, Connection};
use stored::{Length, Of, StoredWindow, Table};

use crate::make::{ALL_AT_ONCE, MINUTE, batch, lane, noon, push, push_reading, raw, windows};
use crate::rig::Rig;
use crate::storing::mark;
use crate::verified::{differences, verify};

const AT_ONCE: Duration = Duration::ZERO;

/// Readings of two hours from noon on, of four turbines that are not always there, and of few different values.
fn readings() -> Vec<RawReading<'static>> {
    let mut readings = Vec::new();
    for (n, second) in (0..7_200).step_by(41).enumerate() {
        for turbine in (1..5).filter(|turbine| (n / 7 + turbine) % 4 != 0) {
            let mut reading = raw(
                "north",
                &format!("T{turbine}"),
                noon(second),
                ((n * turbine) % 5) as f64,
            );
            let direction = (n * 37 % 24 * 15) as f64;
            reading.metrics.set(Metric::WindDirection, Some(direction));
            let power = (turbine != 2).then_some((n % 11) as f64 * 100.0);
            reading.metrics.set(Metric::ActivePower, power);
            readings.push(reading);
        }
    }
    readings
}

/// The window over these readings from `start` on, of a turbine or of the farm.
fn whole(readings: &[RawReading<'_>], turbine: Option<&str>, start: Timestamp, length: Length) -> FarmWindow {
    let end = start + length.as_delta();
    let mut summary = WindowSummary::default();
    for reading in readings {
        if (start..end).contains(&reading.event_time) && turbine.is_none_or(|id| id == reading.turbine_id) {
            summary.add(&reading.turbine_id, reading.event_time, &reading.metrics);
        }
    }
    summary.finish(&FarmId::parse("north").unwrap(), start, end).0
}

fn windows_batch(readings: &[RawReading<'static>]) -> Batch {
    let mut batch = batch(0);
    let (mut farm_offset, mut turbine_offset) = (0, 0);
    for minute in readings.chunk_by(|a, b| a.event_time.floor_to(MINUTE) == b.event_time.floor_to(MINUTE)) {
        let (farm, turbines) = windows(minute);
        push(
            &mut batch,
            Topic::FarmWindows,
            farm_offset,
            Taken::FarmWindow(&farm),
        );
        farm_offset += 1;
        for turbine in &turbines {
            push(
                &mut batch,
                Topic::TurbineWindows,
                turbine_offset,
                Taken::TurbineWindow(turbine),
            );
            turbine_offset += 1;
        }
    }
    batch
}

async fn store_with_windows(rig: &Rig, readings: &[RawReading<'static>]) -> Store {
    let mut store = rig.store();
    for topic in Topic::ALL {
        store.enter(lane(topic), 0).await.unwrap();
    }
    store.commit(&windows_batch(readings).seal()).await.unwrap();
    store
}

async fn stored_windows(rig: &Rig, turbine: Option<&TurbineId>, length: Length) -> Vec<StoredWindow> {
    let of = if turbine.is_some() { Of::Turbine } else { Of::Farm };
    let table = Table::new(of, length);
    let wanted = turbine.map_or_else(String::new, |turbine| format!("WHERE turbine_id = '{turbine}'"));
    let (selection, name) = (table.selection(), table.name());
    let sql = format!("SELECT {selection} FROM {name} {wanted} ORDER BY window_start");
    let mut connection = rig.connect().await;
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let windows = rows
        .iter()
        .map(|row| stored::read(row, 0, turbine).unwrap())
        .collect();
    connection.close().await.unwrap();
    windows
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1.0)
}

fn same_figures(put_together: &RollUp, whole: &FarmWindow) -> bool {
    Metric::ALL.into_iter().all(|metric| {
        match (put_together.metrics.get(metric), whole.metrics.get(metric)) {
            (None, None) => true,
            (Some(MetricStats::Scalar(a)), Some(MetricStats::Scalar(b))) => {
                (a.count, &a.min, &a.max) == (b.count, &b.min, &b.max)
                    && close(a.mean, b.mean)
                    && close(a.m2, b.m2)
            }
            (Some(MetricStats::Direction(a)), Some(MetricStats::Direction(b))) => {
                (a.count, &a.min, &a.max) == (b.count, &b.min, &b.max)
                    && close(a.sum_sin, b.sum_sin)
                    && close(a.sum_cos, b.sum_cos)
            }
            _ => false,
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_together_is_the_window_over_all_readings() {
    let rig = Rig::new().await;
    let readings = readings();
    let mut store = store_with_windows(&rig, &readings).await;
    assert_eq!(rig.number("SELECT count(*) FROM roll_up_marks").await, 2);
    assert_eq!(
        store.roll_up(Duration::from_secs(60)).await.unwrap(),
        0,
        "it may still change"
    );
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 2);
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 0);

    let turbines: Vec<_> = (1..5)
        .map(|n| TurbineId::parse(&format!("T{n}")).unwrap())
        .collect();
    for (length, count) in [(Length::TenMinutes, 12), (Length::Hour, 2)] {
        for turbine in std::iter::once(None).chain(turbines.iter().map(Some)) {
            let found = stored_windows(&rig, turbine, length).await;
            assert_eq!(found.len(), count, "{turbine:?} {length:?}");
            for window in found {
                let whole = whole(&readings, turbine.map(TurbineId::as_str), window.start, length);
                assert!(same_figures(&window.figures, &whole), "{window:?}\n{whole:?}");
                assert_eq!(window.figures.reading_count, whole.reading_count);
                assert_eq!(window.turbine_count, whole.turbine_count);
                let minutes = whole_minutes(&readings, turbine, window.start, length);
                let turbine_minutes: u64 = minutes.iter().map(|minute| minute.turbine_count).sum();
                assert_eq!(
                    window.figures.turbine_time,
                    TimeDelta::from_secs(60 * turbine_minutes as i64)
                );
                let energy_kwh = minutes
                    .iter()
                    .filter_map(|minute| minute.energy_kwh)
                    .reduce(|a, b| a + b);
                let (a, b) = (window.figures.energy_kwh, energy_kwh);
                assert!(a.zip(b).map_or(a == b, |(a, b)| close(a, b)), "{a:?} {b:?}");
            }
        }
    }
}

fn whole_minutes(
    readings: &[RawReading<'_>],
    turbine: Option<&TurbineId>,
    start: Timestamp,
    length: Length,
) -> Vec<FarmWindow> {
    let minutes = length.as_delta().as_micros() / MINUTE.as_micros();
    let minute = |n: i64| start + TimeDelta::from_secs(60 * n);
    let turbine = turbine.map(TurbineId::as_str);
    (0..minutes)
        .map(|n| whole(readings, turbine, minute(n), Length::Minute))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revised_minute_has_its_hour_put_together_anew() {
    let rig = Rig::new().await;
    let first = [
        raw("north", "T1", noon(5), 4.0),
        raw("north", "T1", noon(700), 6.0),
    ];
    let mut store = store_with_windows(&rig, &first).await;
    store.roll_up(AT_ONCE).await.unwrap();

    let late = raw("north", "T2", noon(8), 9.0);
    let mut batch = batch(0);
    push_reading(&mut batch, 0, first[0].clone());
    push_reading(&mut batch, 1, first[1].clone());
    push_reading(&mut batch, 2, late);
    mark(&mut batch, 0, 2);
    store.commit(&batch.seal()).await.unwrap();
    assert_eq!(
        store.roll_up(AT_ONCE).await.unwrap(),
        0,
        "nothing has changed yet"
    );
    assert_eq!(store.revise(MINUTE, ALL_AT_ONCE).await.unwrap().changed, 1);
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 1);

    let hour = &stored_windows(&rig, None, Length::Hour).await[0];
    let told = (
        hour.figures.revision,
        hour.figures.reading_count,
        hour.turbine_count,
    );
    assert_eq!(told, (1, 3, 2));
    let revisions: Vec<_> = stored_windows(&rig, None, Length::TenMinutes)
        .await
        .iter()
        .map(|window| window.figures.revision)
        .collect();
    assert_eq!(revisions, [1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_is_just_being_changed_is_left_alone_until_that_is_done() {
    let rig = Rig::new().await;
    let mut store = store_with_windows(&rig, &[raw("north", "T1", noon(5), 4.0)]).await;
    let mut other = rig.connect().await;
    let mut change = other.begin().await.unwrap();
    for sql in [
        "UPDATE farm_windows SET reading_count = 7",
        "UPDATE roll_up_marks SET marked_at = now()",
    ] {
        sqlx::query(sql).execute(&mut *change).await.unwrap();
    }
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 0);
    change.commit().await.unwrap();
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 1);
    let hour = &stored_windows(&rig, None, Length::Hour).await[0];
    assert_eq!(hour.figures.reading_count, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_together_outlives_its_minutes() {
    let rig = Rig::new().await;
    let mut store = store_with_windows(&rig, &[raw("north", "T1", noon(5), 4.0)]).await;
    store.roll_up(AT_ONCE).await.unwrap();
    rig.execute(
        "TRUNCATE farm_windows; TRUNCATE turbine_windows;
         INSERT INTO roll_up_marks (farm_id, hour) VALUES ('north', '2025-11-23 12:00Z')",
    )
    .await;
    assert_eq!(store.roll_up(AT_ONCE).await.unwrap(), 1);
    assert_eq!(rig.number("SELECT count(*) FROM roll_up_marks").await, 0);
    assert_eq!(stored_windows(&rig, None, Length::Hour).await.len(), 1);
}

/// What is wrong in each is told, and nothing of hours that are still to be put together.
#[tokio::test(flavor = "multi_thread")]
async fn hours_that_are_not_their_minutes_are_named_by_verify() {
    const CLAIM: &str = "ten minutes and hours are their minutes put together";
    let rig = Rig::new().await;
    let mut store = store_with_windows(&rig, &readings()).await;
    // there are no records of these windows to look for
    rig.execute("DELETE FROM kafka_offsets").await;
    let report = verify(&rig, Duration::ZERO).await;
    assert!(differences(&report, CLAIM).is_empty(), "all is marked\n{report}");
    store.roll_up(AT_ONCE).await.unwrap();
    let report = verify(&rig, Duration::ZERO).await;
    assert!(differences(&report, CLAIM).is_empty(), "{report}");

    // each in a window of its own
    let changes = [
        (
            "hourly_farm",
            0,
            "reading_count = reading_count + 1",
            "reading_count (",
        ),
        (
            "hourly_farm",
            60,
            "wind_speed_mps_m2 = wind_speed_mps_m2 * (1 + 1e-6)",
            "wind_speed_mps",
        ),
        (
            "hourly_turbine",
            0,
            "wind_direction_deg_sum_cos = NULL",
            "wind_direction_deg",
        ),
        (
            "hourly_turbine",
            60,
            "energy_kwh = energy_kwh + 1e-6",
            "energy_kwh",
        ),
        (
            "ten_minute_farm",
            10,
            "wind_speed_mps_max_turbine_id = 'T9'",
            "wind_speed_mps",
        ),
        (
            "ten_minute_farm",
            20,
            "revision = 1, turbine_seconds = 0",
            "revision, turbine_seconds",
        ),
        (
            "ten_minute_turbine",
            30,
            "active_power_kw_mean = active_power_kw_mean + 1e-5",
            "active_power_kw",
        ),
        (
            "ten_minute_turbine",
            40,
            "wind_speed_mps_min_time = wind_speed_mps_min_time + '1 us'",
            "wind_speed_mps",
        ),
        (
            "ten_minute_turbine",
            50,
            "gap_count = gap_count + 1",
            "counts of odd readings",
        ),
    ];
    for (table, minute, change, _) in changes {
        let start = noon(minute * 60);
        rig.execute(&format!(
            "UPDATE {table}_windows SET {change} WHERE window_start = '{start}'"
        ))
        .await;
    }
    let missing = noon(70 * 60);
    rig.execute(&format!(
        "DELETE FROM ten_minute_farm_windows WHERE window_start = '{missing}'"
    ))
    .await;
    let report = verify(&rig, Duration::ZERO).await;
    let found = differences(&report, CLAIM);
    let missing = [("ten_minute_farm", 70, "DELETE", "it is missing")];
    for (table, minute, change, named) in changes.into_iter().chain(missing) {
        let time = format!("{:02}:{:02}:00", 12 + minute / 60, minute % 60);
        let is_it = |difference: &&String| {
            difference.contains(&time)
                && difference.contains(&format!("in {table}_windows: "))
                && difference.contains(named)
        };
        assert!(
            found.iter().any(|difference| is_it(&difference)),
            "{change}\n{found:#?}"
        );
    }

    // whoever has changed the minutes has marked their hours
    rig.execute("INSERT INTO roll_up_marks (farm_id, hour) VALUES ('north', '2025-11-23 12:00Z'), ('north', '2025-11-23 13:00Z')")
        .await;
    let report = verify(&rig, Duration::ZERO).await;
    assert!(differences(&report, CLAIM).is_empty(), "{report}");
    store.roll_up(AT_ONCE).await.unwrap();
    let report = verify(&rig, Duration::ZERO).await;
    assert!(differences(&report, CLAIM).is_empty(), "{report}");
}

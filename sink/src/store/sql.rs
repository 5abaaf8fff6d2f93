//! All statements. Those with a column for each metric are put together once, from the rows' own column lists.

use std::sync::LazyLock;
use std::time::Duration;

use domain::Metric;

use crate::lane::Topic;
use crate::rows::window::{self, Of};
use crate::rows::{dead_letter, reading};

/// Next offsets of all lanes of these topics.
pub(super) const OFFSETS: &str = "
    SELECT topic, partition, next_offset FROM kafka_offsets
    WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]))";

/// The first offset of a lane that the database has never seen.
pub(super) const FIRST_OFFSET: &str = "
    INSERT INTO kafka_offsets (topic, partition, first_offset, next_offset) VALUES ($1, $2, $3, $3)
    ON CONFLICT DO NOTHING";

/// Compare and set. Whatever lane is not where it is expected stays where it is, and is missing among the affected.
pub(super) const CLAIM: &str = "
    UPDATE kafka_offsets AS o
    SET next_offset = m.next_offset, stored = o.stored + m.stored, refused = o.refused + m.refused
    FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS m (topic, partition, expected, next_offset, stored, refused)
    WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected";

/// Of what a lane was said to have stored, this much was there already, and that much was refused.
pub(super) const RECOUNT: &str = "
    UPDATE kafka_offsets
    SET stored = stored - $3 - $4, duplicates = duplicates + $3, refused = refused + $4
    WHERE topic = $1 AND partition = $2";

/// Enters records whose dead letters are to be sent.
pub(super) const REFUSE: &str = "
    INSERT INTO refusals (topic, partition, kafka_offset, rule, reason, field, value, bound)
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])";

/// Records of these lanes whose dead letters are to be sent.
pub(super) const UNSENT_REFUSALS: &str = "
    SELECT topic, partition, kafka_offset, rule, reason, field, value, bound FROM refusals
    WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
    ORDER BY topic, partition, kafka_offset
    LIMIT $3";

/// Their dead letters are sent.
pub(super) const SENT_REFUSALS: &str = "
    DELETE FROM refusals
    WHERE (topic, partition, kafka_offset) IN (SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]))";

/// Makes the partitions of days.
pub(super) const ENSURE_DAYS: &str = "SELECT ensure_days($1, $2)";

/// Widens what is known of turbines.
pub(super) const TURBINES: &str = "
    INSERT INTO turbines AS t (farm_id, turbine_id, first_event_time, last_event_time)
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
    ON CONFLICT (farm_id, turbine_id) DO UPDATE
    SET first_event_time = least(t.first_event_time, excluded.first_event_time),
        last_event_time = greatest(t.last_event_time, excluded.last_event_time)
    WHERE excluded.first_event_time < t.first_event_time OR excluded.last_event_time > t.last_event_time";

/// Widens what is known of farms.
pub(super) const FARMS: &str = "
    INSERT INTO farms AS f (farm_id, first_event_time, last_event_time)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
    ON CONFLICT (farm_id) DO UPDATE
    SET first_event_time = least(f.first_event_time, excluded.first_event_time),
        last_event_time = greatest(f.last_event_time, excluded.last_event_time)
    WHERE excluded.first_event_time < f.first_event_time OR excluded.last_event_time > f.last_event_time";

/// Marks windows that are to be made anew.
pub(super) const MARK: &str = "
    INSERT INTO late_marks AS m (farm_id, window_start, kafka_partition, kafka_offset)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::integer[], $4::bigint[])
    ON CONFLICT (farm_id, window_start, kafka_partition) DO UPDATE
    SET kafka_offset = greatest(m.kafka_offset, excluded.kafka_offset)";

/// The days of the first marks whose reading is stored: the question that is asked every second.
pub(super) const READY_DAYS: &str = "
    SELECT DISTINCT (window_start AT TIME ZONE 'UTC')::date AS day
    FROM (
        SELECT m.window_start
        FROM late_marks m
        JOIN kafka_offsets o ON o.topic = $1 AND o.partition = m.kafka_partition AND o.next_offset > m.kafka_offset
        ORDER BY m.window_start, m.farm_id
        LIMIT $2
    ) AS ready";

/// Such marks of these days, neighbours in time. Whoever else looks meanwhile gets others.
pub(super) const READY_MARKS: &str = "
    SELECT m.farm_id, m.window_start, m.kafka_partition
    FROM late_marks m
    JOIN kafka_offsets o ON o.topic = $1 AND o.partition = m.kafka_partition AND o.next_offset > m.kafka_offset
    WHERE (m.window_start AT TIME ZONE 'UTC')::date = ANY ($3)
    ORDER BY m.window_start, m.farm_id
    LIMIT $2
    FOR UPDATE OF m SKIP LOCKED";

/// The ends of windows that are there. The first and the last start keep other days out of the plan.
pub(super) const WINDOW_ENDS: &str = "
    SELECT farm_id, window_start, window_end FROM farm_windows
    WHERE (farm_id, window_start) IN (SELECT * FROM unnest($1::text[], $2::timestamptz[]))
        AND window_start >= $3 AND window_start <= $4";

/// The marks have been seen to.
pub(super) const UNMARK: &str = "
    DELETE FROM late_marks
    WHERE (farm_id, window_start, kafka_partition) IN (SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::integer[]))";

/// Whether everything is there that will be needed.
pub(super) const CHECK: &str = "
    SELECT (SELECT count(*) FROM kafka_offsets) + (SELECT count(*) FROM late_marks) + (SELECT count(*) FROM refusals)";

/// What was dropped, while nobody drops anything until the transaction ends.
pub(super) const HOLD: &str =
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('windfarm.retention', 0))";

/// The first day that each table still takes.
pub(super) const KEPT: &str = "SELECT table_name, kept_from FROM retention";

/// What a session begins with: limits for a statement, and for waiting between two of them and for a lock.
pub(super) fn begin_session(statement: Duration, patience: Duration) -> String {
    let (statement_ms, patience_ms) = (statement.as_millis(), patience.as_millis());
    format!(
        "SET statement_timeout = {statement_ms}; SET lock_timeout = {patience_ms};
         SET idle_in_transaction_session_timeout = {patience_ms}"
    )
}

/// Ends the sessions of our own role that have held lanes for so many seconds and wait for their clients.
pub(super) const END_IDLERS: &str = "
    SELECT count(pg_terminate_backend(a.pid))
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
        AND a.wait_event = 'ClientRead' AND a.xact_start < now() - make_interval(secs => $1)
        AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation = 'kafka_offsets'::regclass
            AND l.mode = 'RowExclusiveLock' AND l.granted)";

/// A table that rows of records are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `readings`.
    Readings,
    /// `farm_windows`.
    FarmWindows,
    /// `turbine_windows`.
    TurbineWindows,
    /// `dead_letters`.
    DeadLetters,
}

impl Target {
    /// All of them, in the order in which they are written.
    pub(super) const ALL: [Self; 4] = [
        Self::Readings,
        Self::FarmWindows,
        Self::TurbineWindows,
        Self::DeadLetters,
    ];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::FarmWindows => "farm_windows",
            Self::TurbineWindows => "turbine_windows",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// Where its records come from.
    pub(super) const fn topic(self) -> Topic {
        match self {
            Self::Readings => Topic::Readings,
            Self::FarmWindows => Topic::FarmWindows,
            Self::TurbineWindows => Topic::TurbineWindows,
            Self::DeadLetters => Topic::DeadLetters,
        }
    }

    /// Its statements.
    pub(super) fn table(self) -> &'static Table {
        &TABLES[self as usize]
    }
}

/// The statements of a table.
#[derive(Debug)]
pub(super) struct Table {
    /// Makes a table of the session for rows on their way to it: the copied columns, and no key.
    pub(super) make_incoming: String,
    /// Copies rows straight into the table.
    pub(super) copy: String,
    /// Copies rows into the session's own table.
    pub(super) copy_incoming: String,
    /// Takes rows out of the session's own table whose key is new, and counts the others by partition of their records.
    pub(super) take: String,
    /// Empties the session's own table.
    pub(super) empty_incoming: String,
    /// The columns, counted from 0, that tell partition and offset of a row's record.
    pub(super) place: [usize; 2],
}

static TABLES: LazyLock<[Table; 4]> = LazyLock::new(|| {
    Target::ALL.map(|target| match target {
        Target::Readings => Table::new(target, &reading::COLUMNS, take_readings()),
        Target::FarmWindows => Table::new(target, &window::FARM_COLUMNS, take_windows(Of::Farm)),
        Target::TurbineWindows => Table::new(target, &window::TURBINE_COLUMNS, take_windows(Of::Turbine)),
        Target::DeadLetters => Table::new(target, &dead_letter::COLUMNS, take_dead_letters()),
    })
});

impl Table {
    fn new(target: Target, columns: &[impl AsRef<str>], take: String) -> Self {
        let name = target.name();
        let columns: Vec<_> = columns.iter().map(AsRef::as_ref).collect();
        let place = ["kafka_partition", "kafka_offset"].map(|wanted| {
            let place = columns.iter().position(|&column| column == wanted);
            place.expect("every table tells the place of its records")
        });
        let columns = columns.join(", ");
        let incoming = format!("incoming_{name}");
        Self {
            make_incoming: format!(
                "CREATE TEMPORARY TABLE {incoming} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {name} WITH NO DATA"
            ),
            copy: format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)"),
            copy_incoming: format!("COPY {incoming} ({columns}) FROM STDIN (FORMAT binary)"),
            take,
            empty_incoming: format!("TRUNCATE {incoming}"),
            place,
        }
    }
}

/// Where [`READINGS_OF`] tells the turbine.
pub(super) const TURBINE_ID: usize = 0;
/// Where it tells the event time.
pub(super) const EVENT_TIME: usize = 1;
/// Where the metrics begin.
pub(super) const FIRST_METRIC: usize = 2;

/// The stored readings of one window of a farm. By way of the turbines, so that each is found by the whole key.
pub(super) static READINGS_OF: LazyLock<String> = LazyLock::new(|| {
    let metrics = Metric::ALL.map(|metric| format!("r.{}", metric.name()));
    format!(
        "SELECT r.turbine_id, r.event_time, {}
        FROM turbines t
        JOIN readings r ON r.farm_id = t.farm_id AND r.turbine_id = t.turbine_id
            AND r.event_time >= $2 AND r.event_time < $3
        WHERE t.farm_id = $1
        ORDER BY r.turbine_id, r.event_time",
        metrics.join(", ")
    )
});

/// Takes the readings whose key is new, the first of each key in the log; counts the others by farm, day and
/// partition; tells how many they are by partition.
fn take_readings() -> String {
    let columns = reading::COLUMNS.join(", ");
    format!(
        "WITH inserted AS (
            INSERT INTO readings ({columns})
            SELECT {columns} FROM incoming_readings ORDER BY kafka_partition, kafka_offset
            ON CONFLICT DO NOTHING
            RETURNING farm_id, event_time, kafka_partition
        ), difference AS (
            SELECT farm_id, event_time, kafka_partition, 1 AS n FROM incoming_readings
            UNION ALL
            SELECT farm_id, event_time, kafka_partition, -1 FROM inserted
        ), counted AS (
            INSERT INTO duplicates AS d (farm_id, day, kafka_partition, count)
            SELECT farm_id, (event_time AT TIME ZONE 'UTC')::date, kafka_partition, sum(n)
            FROM difference
            GROUP BY 1, 2, 3 HAVING sum(n) > 0 ORDER BY 1, 2, 3
            ON CONFLICT (farm_id, day, kafka_partition) DO UPDATE SET count = d.count + excluded.count
        )
        SELECT kafka_partition, sum(n)::bigint AS count FROM difference GROUP BY kafka_partition HAVING sum(n) > 0"
    )
}

/// Takes windows as they closed. One that only late readings have made so far gets what only the record knows; one
/// that is there already stays, and is told by partition.
fn take_windows(of: Of) -> String {
    let (table, key, columns) = window_table(of);
    let columns = columns.join(", ");
    let known: Vec<_> = window::known_by_record()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let known = known.join(", ");
    format!(
        "WITH taken AS (
            INSERT INTO {table} AS w ({columns})
            SELECT DISTINCT ON ({key}) {columns} FROM incoming_{table} ORDER BY {key}, kafka_partition, kafka_offset
            ON CONFLICT ({key}) DO UPDATE
            SET {known}, kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset
            WHERE w.kafka_offset IS NULL
            RETURNING w.kafka_partition
        ), difference AS (
            SELECT kafka_partition, 1 AS n FROM incoming_{table}
            UNION ALL
            SELECT kafka_partition, -1 FROM taken
        )
        SELECT kafka_partition, sum(n)::bigint AS count FROM difference GROUP BY kafka_partition HAVING sum(n) > 0"
    )
}

/// Takes dead letters but for those of our own that are there already, sent twice: the same source tells.
fn take_dead_letters() -> String {
    let columns = dead_letter::COLUMNS.join(", ");
    format!(
        "WITH inserted AS (
            INSERT INTO dead_letters ({columns})
            SELECT {columns} FROM incoming_dead_letters ORDER BY kafka_partition, kafka_offset
            ON CONFLICT DO NOTHING
            RETURNING kafka_partition
        ), difference AS (
            SELECT kafka_partition, 1 AS n FROM incoming_dead_letters
            UNION ALL
            SELECT kafka_partition, -1 FROM inserted
        )
        SELECT kafka_partition, sum(n)::bigint AS count FROM difference GROUP BY kafka_partition HAVING sum(n) > 0"
    )
}

/// Takes windows that were made anew: more readings are one more revision, and what the window said before is kept; as
/// many change nothing. Tells how many have changed.
pub(super) fn revise_windows(of: Of) -> String {
    let (table, key, columns) = window_table(of);
    let columns = columns.join(", ");
    let figures: Vec<_> = window::figures(of)
        .into_iter()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    // a turbine's window has the columns of a farm's too, some of them computed
    let before = window::FARM_COLUMNS.join(", ");
    let turbine_id = match of {
        Of::Farm => "NULL",
        Of::Turbine => "turbine_id",
    };
    format!(
        "WITH changed AS (
            INSERT INTO {table} AS w ({columns}) SELECT {columns} FROM incoming_{table} ORDER BY {key}
            ON CONFLICT ({key}) DO UPDATE SET revision = w.revision + 1, {}
            WHERE w.reading_count < excluded.reading_count
            RETURNING old.*
        ), kept AS (
            INSERT INTO window_revisions (turbine_id, {before})
            SELECT {turbine_id}, {before} FROM changed WHERE farm_id IS NOT NULL
        )
        SELECT count(*) FROM changed",
        figures.join(", ")
    )
}

fn window_table(of: Of) -> (&'static str, &'static str, &'static [String]) {
    match of {
        Of::Farm => ("farm_windows", "farm_id, window_start", &window::FARM_COLUMNS),
        Of::Turbine => (
            "turbine_windows",
            "farm_id, turbine_id, window_start",
            &window::TURBINE_COLUMNS,
        ),
    }
}

//! Closing by stream time: grace, late, duplicates, farms apart.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_window_closes_once_stream_time_has_passed_its_end_and_grace() {
    check(
        "
        read A/T1 10:00:05 wind=8
        read A/T2 10:00:35 wind=11
        read A/T1 10:00:59.999999 wind=7
        read A/T1 10:01:00 wind=30
        read A/T1 10:01:09.999999
        read A/T1 10:01:10
        state
        ",
        &expect![[r#"
            read A/T1 10:00:05 wind=8           accepted
            read A/T2 10:00:35 wind=11          accepted
            read A/T1 10:00:59.999999 wind=7    accepted
            read A/T1 10:01:00 wind=30          accepted
            read A/T1 10:01:09.999999           accepted
            read A/T1 10:01:10                  accepted
                A 10:00 |·1·····2···1| 10:01 STREAM_TIME: 3 read, wind 7 T1 to 11 T2
            state                               1 open, needs 3 of 6, closed: A until 10:01
        "#]],
    );
}

#[test]
fn readings_out_of_order_are_taken_within_grace_and_late_beyond_it() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:02
        read A/T2 10:00:20 wind=9
        read A/T2 10:01:09
        read A/T1 10:00:00
        read A/T3 10:01:13
        read A/T2 10:00:59
        read A/T2 09:57:30
        read A/T2 10:01:00
        tick +57s
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:02                  accepted
            read A/T2 10:00:20 wind=9           accepted
            read A/T2 10:01:09                  accepted
            read A/T1 10:00:00                  accepted
            read A/T3 10:01:13                  accepted
                A 10:00 |1···2·····1·| 10:01 STREAM_TIME: 3 read, wind 8 T1 to 9 T2
            read A/T2 10:00:59                  late for 10:00 by 3 s
            read A/T2 09:57:30                  late for 09:57 by 183 s
            read A/T2 10:01:00                  accepted
            tick +57s                           log time 57 s
                A 10:01 |*23·········| 10:02 IDLE: 4 read, wind 8 T2 to 8 T2
        "#]],
    );
}

#[test]
fn the_first_of_a_turbine_and_event_time_wins() {
    check(
        "
        read A/T1 10:00:05 wind=8
        read A/T1 10:00:05 wind=20
        read A/T2 10:00:05 wind=9
        read A/T1 10:00:10 wind=7
        read A/T1 10:00:05 wind=1
        read A/T1 10:01:10
        read A/T1 10:00:05
        ",
        &expect![[r#"
            read A/T1 10:00:05 wind=8           accepted
            read A/T1 10:00:05 wind=20          duplicate
            read A/T2 10:00:05 wind=9           accepted
            read A/T1 10:00:10 wind=7           accepted
            read A/T1 10:00:05 wind=1           duplicate
            read A/T1 10:01:10                  accepted
                A 10:00 |·*1·········| 10:01 STREAM_TIME: 3 read, 2 duplicate, wind 7 T1 to 9 T2
            read A/T1 10:00:05                  late for 10:00 by 0 s
        "#]],
    );
}

#[test]
fn among_equal_values_the_earliest_then_the_smallest_turbine_is_named() {
    check(
        "
        read A/T3 10:00:20 wind=9
        read A/T2 10:00:10 wind=9
        read A/T1 10:00:10 wind=9
        read A/T1 10:00:30 wind=9
        read A/T4 10:01:10
        ",
        &expect![[r#"
            read A/T3 10:00:20 wind=9           accepted
            read A/T2 10:00:10 wind=9           accepted
            read A/T1 10:00:10 wind=9           accepted
            read A/T1 10:00:30 wind=9           accepted
            read A/T4 10:01:10                  accepted
                A 10:00 |··*·3·1·····| 10:01 STREAM_TIME: 4 read, wind 9 T1 to 9 T1
        "#]],
    );
}

#[test]
fn farms_have_stream_times_of_their_own() {
    check(
        "
        read A/T1 10:00:05
        read B/T1 10:00:30
        read A/T1 10:01:10
        read B/T1 10:00:59
        read B/T1 10:00:40
        read A/T1 10:00:59
        read B/T1 10:01:12
        ",
        &expect![[r#"
            read A/T1 10:00:05                  accepted
            read B/T1 10:00:30                  accepted
            read A/T1 10:01:10                  accepted
                A 10:00 |·1··········| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read B/T1 10:00:59                  accepted
            read B/T1 10:00:40                  accepted
            read A/T1 10:00:59                  late for 10:00 by 0 s
            read B/T1 10:01:12                  accepted
                B 10:00 |······1·1··1| 10:01 STREAM_TIME: 3 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn last_years_readings_beside_live_ones_harm_nobody() {
    check(
        "
        read live/T1 10:00:05
        read old/T1 2025-11-23T10:00:05Z
        read live/T2 10:00:06
        read old/T1 2025-11-23T10:01:05Z
        read old/T1 2025-11-23T10:02:05Z
        read live/T1 10:00:07
        read old/T1 2025-11-23T10:03:15Z
        read live/T1 10:00:08
        read live/T1 10:01:10
        ",
        &expect![[r#"
            read live/T1 10:00:05               accepted
            read old/T1 2025-11-23T10:00:05Z    accepted
            read live/T2 10:00:06               accepted
            read old/T1 2025-11-23T10:01:05Z    accepted
            read old/T1 2025-11-23T10:02:05Z    accepted
                old 2025-11-23T10:00:00Z |·1··········| 2025-11-23T10:01:00Z STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read live/T1 10:00:07               accepted
            read old/T1 2025-11-23T10:03:15Z    accepted
                old 2025-11-23T10:01:00Z |·1··········| 2025-11-23T10:02:00Z STREAM_TIME: 1 read, wind 8 T1 to 8 T1
                old 2025-11-23T10:02:00Z |·1··········| 2025-11-23T10:03:00Z STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read live/T1 10:00:08               accepted
            read live/T1 10:01:10               accepted
                live 10:00 |·*··········| 10:01 STREAM_TIME: 4 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn minutes_without_readings_have_no_windows() {
    check(
        "
        read A/T1 10:00:05
        read A/T1 10:07:30
        read A/T1 10:04:00
        read A/T1 10:08:10
        ",
        &expect![[r#"
            read A/T1 10:00:05                  accepted
            read A/T1 10:07:30                  accepted
                A 10:00 |·1··········| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read A/T1 10:04:00                  late for 10:04 by 140 s
            read A/T1 10:08:10                  accepted
                A 10:07 |······1·····| 10:08 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn several_windows_that_close_at_once_come_in_the_order_of_end_then_farm() {
    check(
        "
        read B/T1 10:00:55
        read B/T1 10:01:04
        read A/T1 10:00:55
        read A/T1 10:01:04
        tick +300s
        ",
        &expect![[r#"
            read B/T1 10:00:55                  accepted
            read B/T1 10:01:04                  accepted
            read A/T1 10:00:55                  accepted
            read A/T1 10:01:04                  accepted
            tick +300s                          log time 300 s
                A 10:00 |···········1| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
                B 10:00 |···········1| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
                A 10:01 |1···········| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
                B 10:01 |1···········| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

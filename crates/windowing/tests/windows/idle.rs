//! Closing by log time: quiet farms.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_quiet_farm_is_closed_by_log_time_and_costs_nothing_more() {
    check(
        "
        read A/T1 10:00:05
        read A/T1 10:00:06
        tick +4s
        tick +59s
        tick +1s
        state
        tick +600s
        state
        ",
        &expect![[r#"
            read A/T1 10:00:05                  accepted
            read A/T1 10:00:06                  accepted
            tick +4s                            log time 4 s
            tick +59s                           log time 63 s
            tick +1s                            log time 64 s
                A 10:00 |·*··········| 10:01 IDLE: 2 read, wind 8 T1 to 8 T1
            state                               0 open, needs 2 of 2, closed: A until 10:01
            tick +600s                          log time 664 s
            state                               0 open, needs 2 of 2, closed: A until 10:01
        "#]],
    );
}

#[test]
fn another_farms_record_moves_log_time_as_a_tick_does() {
    check(
        "
        read A/T1 10:00:06
        log +64s
        read B/T1 10:00:30
        log +40s
        other
        ",
        &expect![[r#"
            read A/T1 10:00:06                  accepted
            log +64s                            log time 64 s
            read B/T1 10:00:30                  accepted
                A 10:00 |·1··········| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
            log +40s                            log time 104 s
            other
                B 10:00 |······1·····| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn stream_time_stands_still_until_a_farm_is_quiet() {
    check(
        "
        read A/T1 10:00:59
        read A/T1 10:01:08
        tick +4s
        read A/T1 10:01:05
        tick +4s
        read A/T1 10:01:06
        tick +4s
        tick +1s
        ",
        &expect![[r#"
            read A/T1 10:00:59                  accepted
            read A/T1 10:01:08                  accepted
            tick +4s                            log time 4 s
            read A/T1 10:01:05                  accepted
            tick +4s                            log time 8 s
            read A/T1 10:01:06                  accepted
            tick +4s                            log time 12 s
            tick +1s                            log time 13 s
                A 10:00 |···········1| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn what_a_quiet_farm_has_closed_stays_closed_when_it_speaks_again() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:05
        log +30s
        read A/T1 10:01:06
        read A/T1 10:00:55
        tick +4s
        state
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:05                  accepted
            log +30s                            log time 30 s
            read A/T1 10:01:06                  accepted
                A 10:00 |··········1·| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
            read A/T1 10:00:55                  late for 10:00 by 0 s
            tick +4s                            log time 34 s
            state                               1 open, needs 1 of 4, closed: A until 10:01
        "#]],
    );
}

#[test]
fn windows_that_a_quiet_farm_never_opened_are_closed_too() {
    check(
        "
        read A/T1 10:01:05
        log +40s
        read A/T1 10:00:59
        read A/T2 10:01:00
        tick +90s
        state
        ",
        &expect![[r#"
            read A/T1 10:01:05                  accepted
            log +40s                            log time 40 s
            read A/T1 10:00:59                  late for 10:00 by 35 s
            read A/T2 10:01:00                  accepted
            tick +90s                           log time 130 s
                A 10:01 |21··········| 10:02 IDLE: 2 read, wind 8 T2 to 8 T2
            state                               0 open, needs 3 of 3, closed: A until 10:02
        "#]],
    );
}

#[test]
fn after_an_idle_close_newer_readings_go_on_and_older_ones_are_late() {
    check(
        "
        read A/T1 10:00:30
        tick +40s
        tick +600s
        read A/T1 10:00:45
        read A/T1 10:01:15
        read A/T1 10:01:16
        tick +60s
        state
        ",
        &expect![[r#"
            read A/T1 10:00:30                  accepted
            tick +40s                           log time 40 s
                A 10:00 |······1·····| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
            tick +600s                          log time 640 s
            read A/T1 10:00:45                  late for 10:00 by 0 s
            read A/T1 10:01:15                  accepted
            read A/T1 10:01:16                  accepted
            tick +60s                           log time 700 s
                A 10:01 |···*········| 10:02 IDLE: 2 read, wind 8 T1 to 8 T1
            state                               0 open, needs 4 of 4, closed: A until 10:02
        "#]],
    );
}

#[test]
fn a_late_reading_keeps_a_farm_awake() {
    check(
        "
        read A/T1 10:00:30
        read A/T1 10:01:10
        tick +4s
        read A/T2 10:00:31
        tick +4s
        read A/T2 10:00:32
        tick +59s
        tick +1s
        ",
        &expect![[r#"
            read A/T1 10:00:30                  accepted
            read A/T1 10:01:10                  accepted
                A 10:00 |······1·····| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            tick +4s                            log time 4 s
            read A/T2 10:00:31                  late for 10:00 by 0 s
            tick +4s                            log time 8 s
            read A/T2 10:00:32                  late for 10:00 by 0 s
            tick +59s                           log time 67 s
            tick +1s                            log time 68 s
                A 10:01 |··1·········| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

//! The process is killed and another one goes on.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_restart_with_less_grace_loses_nothing_that_was_counted() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:05
        read A/T1 10:00:58
        recover grace=1s
        state
        read A/T1 10:00:59
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:05                  accepted
            read A/T1 10:00:58                  accepted
            recover grace=1s                    from offset 0 to 3
            state                               2 open, needs 0 of 3, closed: A until 10:00
            read A/T1 10:00:59                  late for 10:00 by 4 s
                A 10:00 |··········11| 10:01 STREAM_TIME: 2 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn a_restart_with_longer_windows_goes_on_where_the_former_ones_end() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:20
        read A/T1 10:01:21
        recover size=300s
        read A/T1 10:00:59
        read A/T1 10:05:10
        state
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:20                  accepted
                A 10:00 |··········1·| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read A/T1 10:01:21                  accepted
            recover size=300s                   from offset 1 to 3
            read A/T1 10:00:59                  late for 10:00 by 0 s
            read A/T1 10:05:10                  accepted
                A 10:01 |····*·······| 10:05 STREAM_TIME: 2 read, wind 8 T1 to 8 T1
            state                               1 open, needs 4 of 5, closed: A until 10:05
        "#]],
    );
}

#[test]
fn a_restart_with_shorter_windows_splits_what_is_open() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:20
        read A/T1 10:01:21
        recover size=20s
        tick +0s
        state
        tick +60s
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:20                  accepted
                A 10:00 |··········1·| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            read A/T1 10:01:21                  accepted
            recover size=20s                    from offset 1 to 3
            tick +0s                            log time 0 s
            state                               1 open, needs 1 of 3, closed: A until 10:01
            tick +60s                           log time 60 s
                A 10:01:20 || 10:01:40 IDLE: 2 read, wind 8 T1 to 8 T1
        "#]],
    );
}

#[test]
fn a_restart_reads_on_from_the_first_record_that_changed_an_open_window() {
    check(
        "
        read A/T1 10:00:50
        reject A/T2 10:01:01
        read A/T1 10:01:02 wind=5
        read A/T1 10:01:02 wind=6
        read A/T1 10:01:10 wind=7
        state
        recover
        state
        read A/T1 10:00:51
        read A/T1 10:02:10
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            reject A/T2 10:01:01
            read A/T1 10:01:02 wind=5           accepted
            read A/T1 10:01:02 wind=6           duplicate
            read A/T1 10:01:10 wind=7           accepted
                A 10:00 |··········1·| 10:01 STREAM_TIME: 1 read, wind 8 T1 to 8 T1
            state                               1 open, needs 1 of 5, closed: A until 10:01
            recover                             from offset 1 to 5
            state                               1 open, needs 1 of 5, closed: A until 10:01
            read A/T1 10:00:51                  late for 10:00 by 0 s
            read A/T1 10:02:10                  accepted
                A 10:01 |1·1·········| 10:02 STREAM_TIME: 2 read, 1 duplicate, 1 rejected, wind 5 T1 to 7 T1
        "#]],
    );
}

#[test]
fn a_restart_repeats_no_idle_close_though_the_log_does_not_tell_of_it() {
    check(
        "
        read B/T1 10:00:40
        read A/T1 10:00:50
        tick +20s
        state
        recover
        read A/T1 10:00:52
        read A/T1 10:01:15
        recover
        tick +10s
        state
        recover
        tick +60s
        state
        recover
        tick +60s
        ",
        &expect![[r#"
            read B/T1 10:00:40                  accepted
            read A/T1 10:00:50                  accepted
            tick +20s                           log time 20 s
                A 10:00 |··········1·| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
            state                               1 open, needs 0 of 2, closed: A until 10:01
            recover                             from offset 0 to 2
            read A/T1 10:00:52                  late for 10:00 by 0 s
            read A/T1 10:01:15                  accepted
            recover                             from offset 0 to 4
            tick +10s                           log time 30 s
                B 10:00 |········1···| 10:01 IDLE: 1 read, wind 8 T1 to 8 T1
            state                               1 open, needs 3 of 4, closed: A until 10:01, B until 10:01
            recover                             from offset 3 to 4
            tick +60s                           log time 90 s
                A 10:01 |···1········| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
            state                               0 open, needs 4 of 4, closed: A until 10:02, B until 10:01
            recover                             from offset 4 to 4
            tick +60s                           log time 150 s
        "#]],
    );
}

#[test]
fn a_restart_amid_the_quiet_closes_at_the_same_time() {
    check(
        "
        read A/T1 10:00:50
        read A/T1 10:01:05
        read A/T1 10:00:58
        tick +4s
        recover
        tick +1s
        recover
        log +15s
        read B/T1 10:01:20
        recover
        tick +44s
        recover
        tick +1s
        recover
        tick +5s
        ",
        &expect![[r#"
            read A/T1 10:00:50                  accepted
            read A/T1 10:01:05                  accepted
            read A/T1 10:00:58                  accepted
            tick +4s                            log time 4 s
            recover                             from offset 0 to 3
            tick +1s                            log time 5 s
                A 10:00 |··········11| 10:01 IDLE: 2 read, wind 8 T1 to 8 T1
            recover                             from offset 1 to 3
            log +15s                            log time 20 s
            read B/T1 10:01:20                  accepted
            recover                             from offset 1 to 4
            tick +44s                           log time 64 s
            recover                             from offset 1 to 4
            tick +1s                            log time 65 s
                A 10:01 |·1··········| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
            recover                             from offset 3 to 4
            tick +5s                            log time 70 s
                B 10:01 |····1·······| 10:02 IDLE: 1 read, wind 8 T1 to 8 T1
        "#]],
    );
}

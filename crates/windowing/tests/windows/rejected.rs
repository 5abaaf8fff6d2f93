//! Readings that broke a rule.

use expect_test::expect;

use crate::script::check;

#[test]
fn rejected_readings_are_counted_even_before_the_first_accepted_one() {
    check(
        "
        reject A/T1 10:00:01
        reject A/T2 10:00:02
        state
        read A/T1 10:00:05
        reject A/T2 10:00:06
        reject A/T2 10:01:06
        read A/T1 10:01:10
        reject A/T2 10:00:07
        state
        ",
        &expect![[r#"
            reject A/T1 10:00:01
            reject A/T2 10:00:02
            state                               0 open, needs 0 of 2, closed:
            read A/T1 10:00:05                  accepted
            reject A/T2 10:00:06
            reject A/T2 10:01:06
            read A/T1 10:01:10                  accepted
                A 10:00 |·1··········| 10:01 STREAM_TIME: 1 read, 3 rejected, wind 8 T1 to 8 T1
            reject A/T2 10:00:07
            state                               1 open, needs 4 of 7, closed: A until 10:01
        "#]],
    );
}

#[test]
fn a_farm_that_sends_only_rubbish_is_quiet() {
    check(
        "
        read A/T1 10:00:30
        log +20s
        reject A/T1 10:00:50
        log +10s
        reject A/T1 10:01:00
        log +10s
        reject A/T1 10:01:10
        state
        ",
        &expect![[r#"
            read A/T1 10:00:30                  accepted
            log +20s                            log time 20 s
            reject A/T1 10:00:50
            log +10s                            log time 30 s
            reject A/T1 10:01:00
            log +10s                            log time 40 s
            reject A/T1 10:01:10
                A 10:00 |······1·····| 10:01 IDLE: 1 read, 1 rejected, wind 8 T1 to 8 T1
            state                               0 open, needs 2 of 4, closed: A until 10:01
        "#]],
    );
}

#[test]
fn windows_of_rejected_readings_alone_are_forgotten_unseen() {
    check(
        "
        reject A/T1 10:00:01
        reject A/T1 10:00:02
        reject B/T1 10:00:03
        tick +149s
        state
        tick +1s
        state
        read A/T1 10:00:05
        ",
        &expect![[r#"
            reject A/T1 10:00:01
            reject A/T1 10:00:02
            reject B/T1 10:00:03
            tick +149s                          log time 149 s
            state                               0 open, needs 0 of 3, closed:
            tick +1s                            log time 150 s
            state                               0 open, needs 3 of 3, closed:
            read A/T1 10:00:05                  accepted
        "#]],
    );
}

#[test]
fn a_year_of_rubbish_within_a_second_leaves_a_few_notes_not_a_year_of_them() {
    check(
        "
        reject A/T1 2025-01-01T00:00:00Z
        reject A/T1 2025-01-01T00:01:00Z
        reject A/T1 2025-01-01T00:02:00Z
        reject A/T1 2025-01-01T00:03:00Z
        reject A/T1 2025-01-01T00:04:00Z
        state
        reject A/T1 2024-01-01T00:00:00Z
        state
        ",
        &expect![[r#"
            reject A/T1 2025-01-01T00:00:00Z
            reject A/T1 2025-01-01T00:01:00Z
            reject A/T1 2025-01-01T00:02:00Z
            reject A/T1 2025-01-01T00:03:00Z
            reject A/T1 2025-01-01T00:04:00Z
            state                               0 open, needs 3 of 5, closed:
            reject A/T1 2024-01-01T00:00:00Z
            state                               0 open, needs 5 of 6, closed:
        "#]],
    );
}

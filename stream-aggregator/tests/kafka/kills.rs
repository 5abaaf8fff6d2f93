//! Processes killed, frozen and stopped at random moments while readings come in.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use domain::RawReading;
use testkit::Program;

use crate::rig::Rig;

/// How many times something is done to a process; `AGGREGATOR_KILLS` makes it more.
const KILLS: u32 = 8;

/// A small pseudo-random sequence, so that a failure can be told by its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Readings of 30 farms, as they would come live, until nobody wants them any more.
fn produce_until(rig: &Rig, is_over: &Receiver<()>) -> Vec<RawReading<'static>> {
    let mut sent = Vec::new();
    for step in 0.. {
        let more: Vec<_> = (0..60)
            .map(|n| {
                rig.reading(
                    &format!("farm-{}", n / 2),
                    &format!("T{}", n % 2),
                    step * 200,
                    (step % 91) as f64,
                )
            })
            .collect();
        rig.send(&more);
        sent.extend(more);
        // the pace of the readings
        if is_over.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_each_window_is_there_once() {
    let rig = Rig::new().await;
    let kills = std::env::var("AGGREGATOR_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let rig = &rig;
    let (sent, _programs) = std::thread::scope(|scope| {
        let (still_wanted, is_over) = channel();
        let producing = scope.spawn(move || produce_until(rig, &is_over));
        let programs = torment(rig, kills);
        drop(still_wanted);
        (producing.join().unwrap(), programs)
    });
    rig.until_settled().await;
    rig.check(&sent);
}

/// Two processes, one of which is done something to every few seconds; both run at the end.
fn torment(rig: &Rig, kills: u32) -> Vec<Program> {
    let mut dice = Dice(42);
    let mut programs: Vec<Program> = ["a", "b"].map(|instance| rig.start(instance)).into();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(1_000 + dice.below(2_000)));
        let place = dice.below(2) as usize;
        match dice.below(4) {
            0 => {
                // longer than its transaction may take
                programs[place].signal("STOP");
                std::thread::sleep(Duration::from_millis(3_500 + dice.below(4_000)));
                programs[place].signal("CONT");
            }
            1 => assert!(
                programs[place].terminate(Duration::from_secs(20)).success(),
                "{}",
                rig.log()
            ),
            _ => programs[place].kill(),
        }
        if !programs[place].is_running() {
            programs[place] = rig.start(["a", "b"][place]);
        }
    }
    programs
}

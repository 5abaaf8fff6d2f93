//! What is done, and how long output stops.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bench::{Ratio, Series, Table, Target};
use domain::{Metric, RawReading, TimeDelta, Timestamp};

use crate::args::{Args, Event};
use crate::group::{Group, Member, Membership};
use crate::probes::Probes;

/// Processes in a group that is rolled.
const MEMBERS: usize = 3;

/// Between two things that are done, at least, so that none is in the other.
const REST: Duration = Duration::from_secs(1);

/// Heartbeats come each second: what waits for one is to begin anywhere between two.
const ANY_OF: Duration = Duration::from_secs(1);

/// One figure of every round.
struct Outcome {
    name: String,
    seconds: Series,
    target: Target,
}

pub(crate) async fn measure(args: &Args) -> Result<()> {
    let mut outcomes = Vec::new();
    for &event in &args.only {
        match event {
            Event::Farms => outcomes.extend(many_farms(args).await?),
            Event::Restart | Event::HandOver | Event::Rolling => {
                for membership in Membership::ALL {
                    outcomes.extend(moving(args, event, membership).await?);
                }
            }
        }
    }
    tell(outcomes);
    Ok(())
}

fn tell(outcomes: Vec<Outcome>) {
    let mut table = Table::new(&["seconds", "median", "least", "most", "target"]);
    for Outcome {
        name,
        seconds,
        target,
    } in &outcomes
    {
        let shown = |figure: f64| format!("{figure:.2}");
        table.row([
            name.clone(),
            shown(seconds.median()),
            shown(seconds.least()),
            shown(seconds.most()),
            target.to_string(),
        ]);
    }
    println!("{table}");
    for outcome in outcomes {
        let ratio = Ratio {
            benchmark: "recovery",
            name: outcome.name,
            rounds: outcome.seconds,
            target: outcome.target,
        };
        println!("{}", ratio.json());
    }
}

/// A kill makes sense to measure of members that are known again, and a hand-over of those that are not: otherwise
/// everybody waits until the session has run out, whatever else is done. By the broker's own protocol nobody who was
/// killed is known again: until then it refuses the name.
async fn moving(args: &Args, event: Event, membership: Membership) -> Result<Option<Outcome>> {
    let (what, target) = match event {
        Event::Restart if membership == Membership::of("classic", true) => {
            ("kill -9 and restart", Target::AtMost(1.5))
        }
        Event::HandOver if !membership.is_static => ("SIGTERM, others take over", Target::AtMost(0.5)),
        Event::Rolling => ("rolling restart of 3, longest stop", Target::AtMost(3.0)),
        Event::Restart | Event::HandOver | Event::Farms => return Ok(None),
    };
    let name = format!("{what} ({})", membership.name());
    let group = Group::new(membership).await?;
    let probes = Probes::start(&group)?;
    let mut seconds = Series::default();
    for round in 1..=args.rounds {
        let stop = match event {
            Event::Restart => kill_and_restart(&group, &probes).await,
            Event::HandOver => hand_over(&group, &probes).await,
            Event::Rolling | Event::Farms => roll(&group, &probes).await,
        };
        let stop = stop.with_context(|| group.said())?;
        eprintln!("{name}, round {round}: {stop:.2} s");
        seconds.push(stop);
    }
    Ok(Some(Outcome {
        name,
        seconds,
        target,
    }))
}

/// From the start of the process to output of every partition.
async fn kill_and_restart(group: &Group, probes: &Probes) -> Result<f64> {
    let mut member = group.start("member-0")?;
    probes.until_all_since(Instant::now()).await?;
    rest().await;
    member.kill();
    let restarted = Instant::now();
    let mut member = group.start("member-0")?;
    let stop = probes.until_all_since(restarted).await?;
    end(&mut member)?;
    Ok(stop.as_secs_f64())
}

/// From the signal to output of every partition.
async fn hand_over(group: &Group, probes: &Probes) -> Result<f64> {
    let mut first = group.start("member-0")?;
    let mut second = group.start("member-1")?;
    for member in [&first, &second] {
        member.until_ready().await?;
    }
    probes.until_all_since(Instant::now()).await?;
    rest().await;
    let signalled = Instant::now();
    first.tell_to_end();
    let stop = probes.until_all_since(signalled).await?;
    first.wait()?;
    end(&mut second)?;
    Ok(stop.as_secs_f64())
}

/// The longest stop of any partition while one process after the other is ended and started again.
async fn roll(group: &Group, probes: &Probes) -> Result<f64> {
    let name = |place: usize| format!("member-{place}");
    let mut members = Vec::new();
    for place in 0..MEMBERS {
        members.push(group.start(&name(place))?);
    }
    for member in &members {
        member.until_ready().await?;
    }
    probes.until_all_since(Instant::now()).await?;
    rest().await;
    probes.until_all_since(Instant::now()).await?;
    probes.longest_stop(); // that of the start
    for (place, member) in members.iter_mut().enumerate() {
        end(member)?;
        *member = group.start(&name(place))?;
        member.until_ready().await?;
        probes.until_all_since(Instant::now()).await?;
        rest().await;
    }
    let stop = probes.longest_stop();
    for member in &mut members {
        end(member)?;
    }
    Ok(stop.as_secs_f64())
}

async fn rest() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let by_chance = f64::from(now.subsec_micros() % 1_000) / 1_000.0;
    tokio::time::sleep(REST + ANY_OF.mul_f64(by_chance)).await;
}

fn end(member: &mut Member) -> Result<()> {
    member.tell_to_end();
    member.wait()
}

/// From the start of a process, after another one was killed, until it is ready, and until output goes on: with every
/// farm's window open.
async fn many_farms(args: &Args) -> Result<[Outcome; 2]> {
    let [mut ready, mut goes_on] = [Series::default(), Series::default()];
    for round in 1..=args.rounds {
        let group = Group::new(Membership::of("classic", true)).await?;
        let mut member = group.start("member-0")?;
        member.until_ready().await?;
        fill(&group, args.farms);
        let probes = Probes::start(&group)?;
        probes.until_all_since(Instant::now()).await?; // what was sent before is processed and committed
        member.kill();
        let begun = Instant::now();
        let mut member = group.start("member-0")?;
        member.until_ready().await.with_context(|| group.said())?;
        let until_ready = begun.elapsed().as_secs_f64();
        let until_all = probes
            .until_all_since(begun)
            .await
            .with_context(|| group.said())?;
        let until_all = until_all.as_secs_f64();
        eprintln!("many farms, round {round}: ready after {until_ready:.2} s, output after {until_all:.2} s");
        ready.push(until_ready);
        goes_on.push(until_all);
        end(&mut member)?;
    }
    let outcome = |what: &str, seconds| Outcome {
        name: format!("{what} after kill -9 and restart, {} farms open", args.farms),
        seconds,
        target: Target::AtMost(5.0),
    };
    Ok([outcome("ready", ready), outcome("output", goes_on)])
}

/// Closes a window of each farm, so that all are in the checkpoint, and opens the next one.
fn fill(group: &Group, farms: u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_micros(i64::try_from(now.as_micros()).unwrap_or_default());
    for before_s in [120, 0] {
        let payloads: Vec<_> = (0..farms)
            .map(|farm| {
                let mut reading = RawReading {
                    farm_id: Cow::Owned(format!("farm-{farm}")),
                    turbine_id: Cow::Borrowed("T1"),
                    event_time: now - TimeDelta::from_secs(before_s),
                    ..RawReading::default()
                };
                reading
                    .metrics
                    .set(Metric::ActivePower, Some(f64::from(farm % 1_000)));
                let mut payload = Vec::new();
                avro::wire::frame(group.schema, &mut payload);
                avro::encode_reading(&reading, &mut payload);
                (reading.farm_id.into_owned(), payload)
            })
            .collect();
        let records = payloads
            .iter()
            .map(|(farm, payload)| (farm.as_bytes(), payload.as_slice()));
        testkit::produce(
            &group.stack.kafka(),
            &group.stack.kafka().topics().readings,
            None,
            records,
        );
    }
}

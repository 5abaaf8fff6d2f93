//! What a person would ask the running containers, through the published ports and inside.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::engine::{docker, output};
use super::project::{API_KEY, Project};
use super::timed;
use crate::http;
use crate::interrupt::Interrupt;

/// A minute, its grace, and what a loaded machine adds.
const PATIENCE: Duration = Duration::from_secs(150);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A generator of the system before this one.
const GENERATOR: &str = "G7";

/// # Errors
/// The first answer that is not as it should be.
pub(super) fn ask_all(project: &Project, interrupt: &Interrupt) -> Result<()> {
    let turbines = turbines(project)?;
    timed("farm-1 has ten turbines", || farms(project, interrupt))?;
    timed("POST /medidas", || measurements(project))?;
    timed("consume readings, values as JSON", || {
        consume(project, "readings", 3, "turbine_id", &turbines)
    })?;
    timed("a closed minute of ten turbines", || {
        closed_window(project, interrupt, &turbines)
    })?;
    timed("GET /agregados/minuto", || minutes(project, interrupt))?;
    let farms = ["farm-1", "windpark"].map(str::to_owned);
    timed("consume farm-windows, values as JSON", || {
        consume(project, "farm-windows", 1, "farm_id", &farms)
    })?;
    timed("kafka-console-consumer, keys and headers", || headers(project))?;
    timed("sink killed and back", || kill_sink(project, interrupt))?;
    timed("the kill lost nothing", || audit(project, interrupt))
}

/// The names of the producers' hosts.
fn turbines(project: &Project) -> Result<Vec<String>> {
    let containers = project.containers("producer")?;
    ensure!(
        containers.len() == 10,
        "{} producers run, 10 are wanted",
        containers.len()
    );
    let format = ["inspect", "--format", "{{.Config.Hostname}}"];
    let names = output(docker(
        format.into_iter().chain(containers.iter().map(String::as_str)),
    ))?;
    Ok(names.lines().map(str::to_owned).collect())
}

fn farms(project: &Project, interrupt: &Interrupt) -> Result<()> {
    wait_for(interrupt, "farm-1 does not have ten turbines", || {
        let farms = get(project, "/v1/farms")?;
        Ok(items(&farms).any(|farm| farm["farm_id"] == "farm-1" && farm["turbine_count"] == 10))
    })
}

/// As the first system's generators did.
fn measurements(project: &Project) -> Result<()> {
    let mut measurement = json!({
        "generator_id": GENERATOR, "wind_speed": 8.5, "wind_direction": 350.0, "rotor_speed": 12.1,
        "temperature": 14.2, "timestamp": now()?,
    });
    let key = ("x-api-key", API_KEY);
    post(project, &[key], &measurement, 200)?;
    post(project, &[("x-api-key", "wrong")], &measurement, 401)?;
    post(project, &[], &measurement, 422)?;
    measurement["wind_speed"] = json!(-3.0);
    post(project, &[key], &measurement, 422)
}

fn closed_window(project: &Project, interrupt: &Interrupt, turbines: &[String]) -> Result<()> {
    wait_for(interrupt, "no closed minute of ten turbines", || {
        let windows = get(project, "/v1/farms/farm-1/windows?resolution=1m&limit=10")?;
        Ok(items(&windows).any(|window| {
            let wind = &window["metrics"]["wind_speed_mps"];
            let names = |extreme: &str| {
                turbines
                    .iter()
                    .any(|turbine| wind[extreme]["turbine_id"] == **turbine)
            };
            window["turbine_count"] == 10 && names("min") && names("max")
        }))
    })
}

fn minutes(project: &Project, interrupt: &Interrupt) -> Result<()> {
    wait_for(interrupt, "no minute names the generator", || {
        let minutes = get(project, "/agregados/minuto")?;
        let minutes = minutes.as_array().context("/agregados/minuto is no array")?;
        Ok(minutes
            .iter()
            .any(|minute| minute["wind_speed"]["max"]["generator"] == GENERATOR))
    })
}

/// The first records of a topic, each of whose `field` is one of `wanted`.
fn consume(project: &Project, topic: &str, count: usize, field: &str, wanted: &[String]) -> Result<()> {
    let limit = count.to_string();
    let text = project.consume(&[
        topic,
        "--from-beginning",
        "--max-messages",
        &limit,
        "--timeout-ms",
        "60000",
    ])?;
    let records: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.split_once('\t')?.1).ok())
        .collect();
    ensure!(
        records.len() == count,
        "{} records as JSON, {count} are wanted, in: {text}",
        records.len()
    );
    for record in records {
        ensure!(
            wanted.iter().any(|wanted| record[field] == **wanted),
            "{record} has another {field}"
        );
    }
    Ok(())
}

fn headers(project: &Project) -> Result<()> {
    let script = "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --from-beginning \
                  --topic windfarm.dead-letters --max-messages 1 --timeout-ms 60000 --formatter-property print.key=true \
                  --formatter-property print.headers=true --formatter-property print.value=false";
    let text = project.exec("kafka", &script.split_whitespace().collect::<Vec<_>>())?;
    ensure!(
        text.contains("dlq.rule:medidas"),
        "no dlq.rule:medidas in: {text}"
    );
    Ok(())
}

/// kill -9 of the sink inside its container, which Docker then starts again.
fn kill_sink(project: &Project, interrupt: &Interrupt) -> Result<()> {
    let containers = project.containers("sink")?;
    let container = containers.first().context("no sink runs")?;
    // The container ends, this shell with it, maybe before it can answer; what counts is the restart.
    let _ = project.exec("sink", &["sh", "-c", "kill -9 -1"]);
    wait_for(interrupt, "the sink is not back", || {
        let format = "{{.RestartCount}} {{.State.Health.Status}}";
        let state = output(docker(["inspect", "--format", format, container]))?;
        Ok(state.trim() == "1 healthy")
    })
}

/// All readings that were in the log when asked are stored, and everything adds up.
fn audit(project: &Project, interrupt: &Interrupt) -> Result<()> {
    let goal = offsets_of_readings(&get(project, "/v1/audit")?, "log_end")?;
    wait_for(interrupt, "the sink does not catch up, balanced", || {
        let audit = get(project, "/v1/audit")?;
        let stored = offsets_of_readings(&audit, "next_offset")?;
        let has_caught_up = goal.iter().zip(&stored).all(|(goal, stored)| stored >= goal);
        Ok(has_caught_up && audit["balanced"] == true)
    })
}

/// An offset of each partition of the readings, in the partitions' order.
fn offsets_of_readings(audit: &Value, name: &str) -> Result<Vec<i64>> {
    let offsets: Option<Vec<_>> = items(audit)
        .filter(|partition| partition["topic"] == "windfarm.readings")
        .map(|partition| partition[name].as_i64())
        .collect();
    let offsets = offsets.with_context(|| format!("the audit does not know every {name}"))?;
    ensure!(!offsets.is_empty(), "the audit has no readings");
    Ok(offsets)
}

fn now() -> Result<String> {
    let date = Command::new("date")
        .args(["-u", "+%FT%TZ"])
        .output()
        .context("cannot run date")?;
    Ok(String::from_utf8(date.stdout)?.trim().to_owned())
}

fn wait_for(interrupt: &Interrupt, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    interrupt.wait_for(what, PATIENCE, || {
        if is_so()? {
            return Ok(Some(()));
        }
        interrupt.sleep(LOOK);
        Ok(None)
    })
}

fn get(project: &Project, path: &str) -> Result<Value> {
    let answer = http::get(&project.url(path), &[("x-api-key", API_KEY)])?;
    ensure!(
        answer.status == 200,
        "GET {path} answered {}: {}",
        answer.status,
        answer.body
    );
    serde_json::from_str(&answer.body).with_context(|| format!("GET {path} is no JSON"))
}

fn post(project: &Project, headers: &[(&str, &str)], body: &Value, status: u16) -> Result<()> {
    let answer = http::post_json(&project.url("/medidas"), headers, &body.to_string())?;
    ensure!(
        answer.status == status,
        "POST {body} answered {}, not {status}: {}",
        answer.status,
        answer.body
    );
    Ok(())
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

//! `compose-test`: docker-compose.yml for real. Where no Docker engine runs it brings one of its own, and where no image
//! registry answers it builds stand-ins; then it asks the running containers what a person would, kills one, takes
//! everything down, and looks whether anything is left.

mod engine;
mod project;
mod questions;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::interrupt::Interrupt;

use engine::Engine;
use project::Project;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Put the programs that cargo builds here into the images, instead of building them inside again
    #[arg(long)]
    prebuilt: bool,
}

/// # Errors
/// What did not work; everything is taken down all the same.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let begin = Instant::now();
    let interrupt = Interrupt::install()?;
    let engine = timed("engine", Engine::find_or_start)?;
    let outcome = test(args, &interrupt);
    let stopped = timed("engine stopped", || engine.stop());
    outcome.and(stopped)?;
    println!("compose-test passed after {:.0} s", begin.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn test(args: &Args, interrupt: &Interrupt) -> Result<()> {
    timed("images to build on", engine::ensure_base_images)?;
    if args.prebuilt {
        timed("programs built here", build_programs)?;
    }
    let project = Project::new(args.prebuilt)?;
    let outcome = use_project(&project, interrupt);
    if outcome.is_err() {
        project.keep_logs();
    }
    outcome.and(timed("down, nothing left", || project.down()))
}

fn use_project(project: &Project, interrupt: &Interrupt) -> Result<()> {
    timed("images built", || project.build())?;
    timed("up, all healthy", || project.up())?;
    questions::ask_all(project, interrupt)
}

fn build_programs() -> Result<()> {
    let mut cargo = cargo::command();
    cargo.args(["build", "--release", "--locked"]);
    for program in ["producer", "stream-aggregator", "sink", "api"] {
        cargo.args(["--package", program]);
    }
    ensure!(
        cargo.status().context("cannot run cargo")?.success(),
        "cargo build failed"
    );
    Ok(())
}

/// Does one step and prints how long it took.
fn timed<T>(step: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let outcome = act().with_context(|| format!("step '{step}'"));
    let mark = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("{:>7.1} s  {step}: {mark}", begin.elapsed().as_secs_f64());
    outcome
}

//! The program `verify`.

use std::process::ExitCode;

use clap::Parser;
use verify::{Args, verify};

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the report is the program's answer to a person"
)]
async fn main() -> ExitCode {
    match verify(&Args::parse()).await {
        Ok(report) => {
            print!("{report}");
            if report.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("cannot verify: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The few HTTP requests that xtask makes, all to processes on this machine.

use anyhow::{Context, Result, ensure};

/// A process on this machine that takes longer is not well, and is asked again anyway.
const TIMEOUT_S: u64 = 3;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// # Errors
/// If nobody answers.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    send(minreq::get(url).with_headers(headers.iter().copied()), url)
}

/// # Errors
/// If nobody answers, or not with success.
pub(crate) fn put_json(url: &str, body: &str) -> Result<()> {
    let answer = send(
        minreq::put(url)
            .with_header("Content-Type", "application/json")
            .with_body(body),
        url,
    )?;
    ensure!(
        answer.status == 200,
        "PUT {url} answered {}: {}",
        answer.status,
        answer.body
    );
    Ok(())
}

/// # Errors
/// If nobody answers.
pub(crate) fn post_json(url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    let request = minreq::post(url)
        .with_headers(headers.iter().copied())
        .with_header("Content-Type", "application/json")
        .with_body(body);
    send(request, url)
}

fn send(request: minreq::Request, url: &str) -> Result<Answer> {
    let response = request
        .with_timeout(TIMEOUT_S)
        .send()
        .with_context(|| format!("no answer from {url}"))?;
    let body = response
        .as_str()
        .with_context(|| format!("{url} did not answer with text"))?
        .to_owned();
    Ok(Answer {
        status: response.status_code,
        body,
    })
}

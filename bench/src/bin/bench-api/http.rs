//! HTTP/1.1 over one connection, as little of it as a load needs: a client that works hard takes from the server what it
//! is to measure.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

/// What came back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the body.
    pub(crate) bytes: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, stream)))
    }

    /// Sends a request and reads the whole answer, whose body is handed to `see` piece by piece.
    pub(crate) async fn ask(&mut self, request: &[u8], mut see: impl FnMut(&[u8])) -> Result<Answer> {
        self.0.get_mut().write_all(request).await.context("sending")?;
        let mut line = String::new();
        self.line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no answer of HTTP: {line:?}"))?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            self.line(&mut line).await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("the length of the answer")?;
            }
            is_chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        }
        let mut bytes = 0;
        if is_chunked {
            loop {
                self.line(&mut line).await?;
                let chunk = usize::from_str_radix(line.trim(), 16).context("the length of a chunk")?;
                self.body(chunk, &mut see).await?;
                bytes += chunk;
                self.line(&mut line).await?;
                if chunk == 0 {
                    break;
                }
            }
        } else {
            self.body(length, &mut see).await?;
            bytes = length;
        }
        Ok(Answer { status, bytes })
    }

    async fn line(&mut self, line: &mut String) -> Result<()> {
        line.clear();
        let read = self.0.read_line(line).await.context("reading")?;
        ensure!(read > 0, "the server has closed the connection");
        Ok(())
    }

    async fn body(&mut self, mut length: usize, see: &mut impl FnMut(&[u8])) -> Result<()> {
        while length > 0 {
            let piece = self.0.fill_buf().await.context("reading")?;
            let piece = &piece[..piece.len().min(length)];
            if piece.is_empty() {
                bail!("the server has closed the connection within an answer");
            }
            see(piece);
            let seen = piece.len();
            length -= seen;
            self.0.consume(seen);
        }
        Ok(())
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    [head.as_bytes(), body].concat()
}

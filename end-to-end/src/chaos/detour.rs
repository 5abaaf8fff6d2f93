//! A way to Kafka that can be blocked: the broker's second listener is advertised at the port of a proxy of our own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// A proxy before the broker; its connections end with it.
#[derive(Debug)]
pub struct Detour {
    address: SocketAddr,
    blocked: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

impl Detour {
    /// The proxy of this test run. There can be one at a time.
    ///
    /// # Errors
    /// When its port is taken, or the run was not started by `cargo xtask`.
    pub async fn open() -> Result<Self> {
        let ports = std::env::var("VELETA_KAFKA_DETOUR").context("`cargo xtask` starts the servers")?;
        let (proxy, broker) = ports
            .split_once('>')
            .with_context(|| format!("VELETA_KAFKA_DETOUR is '{ports}', wanted is PROXY>BROKER"))?;
        let (proxy, broker): (SocketAddr, SocketAddr) = (proxy.parse()?, broker.parse()?);
        let listener = TcpListener::bind(proxy)
            .await
            .with_context(|| format!("listening on {proxy}"))?;
        let blocked = watch::Sender::new(false);
        let gate = blocked.subscribe();
        Ok(Self {
            address: proxy,
            blocked,
            listener: tokio::spawn(accept(listener, broker, gate)),
        })
    }

    /// Where it listens: the bootstrap server of those who are to take this way.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Lets nothing pass for so long: connections stay, and hear nothing, as when a cable is pulled.
    pub fn block(&self, duration: Duration) {
        let blocked = self.blocked.clone();
        blocked.send_replace(true);
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            blocked.send_replace(false);
        });
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, broker: SocketAddr, gate: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let gate = gate.clone();
        tokio::spawn(async move {
            // a broker that is away shows as a connection that ends at once
            if let Ok(server) = TcpStream::connect(broker).await {
                join(client, server, gate).await;
            }
        });
    }
}

/// Carries bytes both ways until one side ends.
async fn join(client: TcpStream, server: TcpStream, gate: watch::Receiver<bool>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = carry(from_client, to_server, gate.clone()) => {}
        () = carry(from_server, to_client, gate) => {}
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let is_open = gate.wait_for(|blocked| !blocked).await.is_ok();
        if !is_open || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

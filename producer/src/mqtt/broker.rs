//! Where an MQTT broker is.

use std::fmt;
use std::str::FromStr;

/// A broker's address: `mqtt://host[:1883]`, or `mqtts://host[:8883]` with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is talked to by TLS.
    pub tls: bool,
}

/// Text that is no address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no broker, wanted is mqtt://host:1883 or, with TLS, mqtts://host:8883")]
pub struct BrokerError(String);

impl FromStr for Broker {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let wrong = || BrokerError(text.to_owned());
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let default_port = if tls { 8883 } else { 1883 };
        // of an IPv6 address the colons are within brackets
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, default_port),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() || host.contains(['/', '@', ' ', '[', ']']) || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
        })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_be_left_out() {
        for (text, told) in [
            ("localhost", "mqtt://localhost:1883"),
            ("10.0.0.7:2000", "mqtt://10.0.0.7:2000"),
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker.example", "mqtts://broker.example:8883"),
            ("mqtts://broker.example:443", "mqtts://broker.example:443"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
            ("mqtt://[::1]:2000", "mqtt://[::1]:2000"),
        ] {
            assert_eq!(text.parse::<Broker>().unwrap().to_string(), told);
        }
        for bad in [
            "",
            "mqtt://",
            "http://broker",
            "broker:",
            "broker:0",
            "broker:70000",
            "me@broker",
            "broker/x",
        ] {
            assert_eq!(bad.parse::<Broker>(), Err(BrokerError(bad.to_owned())));
        }
    }
}

//! Where tools reach polyllama, and whether it runs there now.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use secrecy::ExposeSecret as _;

use crate::config::{Config, Port};
use crate::json::Json;

/// The gateway that tools shall use.
#[derive(Debug)]
pub(super) struct Gateway {
    address: SocketAddr,
    /// It answers.
    pub(super) is_running: bool,
    /// It asks for a key.
    pub(super) has_keys: bool,
    key: Option<String>,
}

/// How long this machine may take to connect and to answer.
const WAIT: Duration = Duration::from_secs(2);

/// An answer longer than that is no list of models.
const ANSWER_MAX: u64 = 64 << 20;

impl Gateway {
    /// The gateway of this configuration. With the default port it is the one that runs, on Ollama's port or on the second.
    pub(super) fn find(config: &Config) -> anyhow::Result<Gateway> {
        let host = match config.listen.host {
            IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            host => host,
        };
        let is_polyllama = |port: u16| is_polyllama(SocketAddr::from((host, port)));
        let (port, is_running) = match config.listen.port {
            Port::Set(0) => bail!("port 0 means any free one: say by --port where polyllama listens"),
            Port::Set(port) => (port, is_polyllama(port)),
            Port::Default if is_polyllama(Port::OLLAMA) => (Port::OLLAMA, true),
            Port::Default if is_polyllama(Port::SECOND) => (Port::SECOND, true),
            // As `serve` would choose.
            Port::Default if connect(SocketAddr::from((host, Port::OLLAMA))).is_some() => (Port::SECOND, false),
            Port::Default => (Port::OLLAMA, false),
        };
        let key = config.access.keys.first().map(|key| key.expose_secret().to_owned());
        Ok(Gateway { address: SocketAddr::from((host, port)), is_running, has_keys: key.is_some(), key })
    }

    /// `http://127.0.0.1:11434`
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The text with its places for the address filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        text.replace("{url}", &self.url()).replace("{host}", &host).replace("{port}", &port)
    }

    /// The names of the models that it lists now and that can chat.
    pub(super) fn models(&self) -> Vec<String> {
        let Some(body) = get(self.address, "/api/tags", self.key.as_deref()) else { return Vec::new() };
        let Ok(json) = Json::parse(Bytes::from(body)) else { return Vec::new() };
        let Some(models) = json.value().get("models") else { return Vec::new() };
        let can_chat = |model: &crate::json::Value<'_>| {
            let Some(list) = model.get("capabilities") else { return true };
            list.items().any(|one| one.string().as_deref() == Some("completion"))
        };
        let name = |model: crate::json::Value<'_>| Some(model.get("name")?.string()?.into_owned());
        models.items().filter(can_chat).filter_map(name).collect()
    }
}

/// A real Ollama has no `/healthz`.
fn is_polyllama(address: SocketAddr) -> bool {
    get(address, "/healthz", None).as_deref() == Some(b"ok".as_slice())
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    TcpStream::connect_timeout(&address, WAIT).ok()
}

/// The body of a good answer, in HTTP/1.0, which ends with the connection.
fn get(address: SocketAddr, path: &str, key: Option<&str>) -> Option<Vec<u8>> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{key}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).ok()?;
    let head = memchr::memmem::find(&answer, b"\r\n\r\n")?;
    let is_good = answer.get(..head)?.split(|byte| *byte == b' ').nth(1) == Some(b"200");
    is_good.then(|| answer.split_off(head + 4))
}

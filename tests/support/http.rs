//! As much HTTP/1.1 as both ends of the tests need, over blocking sockets.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// Names in lower case, in their order.
pub type Headers = Vec<(String, String)>;

/// A request to the gateway, built up and then sent.
#[derive(Debug, Clone)]
pub struct Asked {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Asked {
        Asked { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Asked {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these bytes, as they are.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Asked {
        self.body = body.into();
        self
    }

    /// The bytes on the wire, for a connection that stays open.
    pub fn to_bytes(&self, port: u16) -> Vec<u8> {
        [self.head(port).as_bytes(), b"\r\n", &self.body].concat()
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn head(&self, port: u16) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.has("host") {
            head += &format!("host: 127.0.0.1:{port}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.has("content-length") && (!self.body.is_empty() || self.method == "POST") {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        head
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// After chunk decoding.
    pub body: Vec<u8>,
    /// The body reached its end by the rules of HTTP.
    pub is_complete: bool,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: status {} body {:?}", self.status, self.text()))
    }

    /// The lines of NDJSON.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let parsed = text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}: {text:?}"))
    }

    /// The JSON of an SSE stream's data lines, `[DONE]` left out.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let parsed = data.filter(|data| *data != "[DONE]").map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}: {text:?}"))
    }

    /// An SSE stream said `[DONE]`.
    pub fn is_done(&self) -> bool {
        self.text().lines().any(|line| line.strip_prefix("data:").map(str::trim) == Some("[DONE]"))
    }

    /// All that left the gateway with it: status, headers, body.
    pub fn everything(&self) -> String {
        format!("{} {:?} {}", self.status, self.headers, self.text())
    }
}

/// Asks whoever listens on `port` of this machine.
pub fn send(port: u16, asked: &Asked) -> io::Result<Answer> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(super::PATIENCE))?;
    socket.set_nodelay(true)?;
    let bytes = asked.clone().header("connection", "close").to_bytes(port);
    // A server may refuse a large body before it has read it all: what it answered counts.
    let sent = socket.write_all(&bytes);
    let answer = read_answer(&mut BufReader::new(socket), asked.method == "HEAD");
    match (sent, answer) {
        (Err(unsent), Err(_)) => Err(unsent),
        (_, answer) => answer,
    }
}

/// The next answer on a connection; one to HEAD has no body.
pub fn read_answer(reader: &mut impl BufRead, is_to_head: bool) -> io::Result<Answer> {
    let (status, headers) = read_answer_head(reader)?;
    let no_body = is_to_head || status < 200 || status == 204 || status == 304;
    let (body, is_complete) = if no_body { (Vec::new(), true) } else { read_answer_body(reader, &headers) };
    Ok(Answer { status, headers, body, is_complete })
}

/// Status and headers of the next answer on a connection.
pub fn read_answer_head(reader: &mut impl BufRead) -> io::Result<(u16, Headers)> {
    let Some((start, headers)) = read_head(reader)? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    Ok((start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0), headers))
}

/// First line and headers, names in lower case; `None` where the peer closed before them.
pub(super) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut start = String::new();
    if reader.read_line(&mut start)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some((start.trim_end().to_owned(), headers)))
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// The body of a request: by length, by chunks, or none.
pub(super) fn read_request_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if value(headers, "transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        read_chunks(reader, &mut body)?;
    } else if let Some(length) = value(headers, "content-length").and_then(|v| v.parse().ok()) {
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    }
    Ok(body)
}

fn read_answer_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let is_complete = if value(headers, "transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        read_chunks(reader, &mut body).is_ok()
    } else if let Some(length) = value(headers, "content-length").and_then(|v| v.parse::<u64>().ok()) {
        reader.take(length).read_to_end(&mut body).is_ok_and(|n| n as u64 == length)
    } else {
        reader.read_to_end(&mut body).is_ok()
    };
    (body, is_complete)
}

/// Reads chunks up to the last one; what came before a cut stays in `body`.
fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim().split(';').next().unwrap_or(""), 16)
            .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let got = reader.by_ref().take(size).read_to_end(body)?;
        if (got as u64) < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if size == 0 {
            return Ok(());
        }
    }
}

//! A scripted provider: it answers as the story says and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{read_head, read_request_body};

/// A request as the provider saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Such as `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
    /// So many requests came over the same connection before.
    pub before_on_connection: usize,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The key, wherever it stood.
    pub fn key(&self) -> Option<&str> {
        let bearer = self.header("authorization").map(|v| v.strip_prefix("Bearer ").unwrap_or(v));
        bearer.or_else(|| self.header("x-goog-api-key")).or_else(|| self.header("x-api-key"))
    }

    /// A stream was asked for, in whatever way the dialect has for it. Ollama streams unless told not to.
    pub fn wants_stream(&self) -> bool {
        let flag = self.json().get("stream").and_then(Value::as_bool);
        flag.unwrap_or(self.path.starts_with("/api/")) || self.path.contains(":streamGenerateContent")
    }
}

/// What the provider does with one request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers with a whole body.
    Whole {
        /// HTTP status.
        status: u16,
        /// Beside content type and length.
        headers: Vec<(String, String)>,
        /// Of the body; empty for none.
        content_type: String,
        /// As it goes out.
        body: Vec<u8>,
    },
    /// Answers 200 and a chunked body.
    Stream {
        /// Of the body.
        content_type: String,
        /// One HTTP chunk each.
        chunks: Vec<Vec<u8>>,
        /// The connection breaks after the last chunk, without the end that HTTP wants.
        is_cut: bool,
    },
    /// Answers 200 and the first part of a chunked body; the rest follows when the gate opens.
    Held {
        /// Of the body.
        content_type: String,
        /// Goes out at once.
        before: Vec<u8>,
        /// What the rest waits for.
        gate: Gate,
        /// The rest.
        after: Vec<u8>,
    },
    /// Reads the request and never answers.
    Hang,
    /// Closes the connection without an answer.
    Close,
}

/// What a held stream waits for.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Lets all streams go on that wait for it.
    pub fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that stops in the middle until the gate opens.
pub fn held(before: &str, gate: &Gate, after: &str) -> Step {
    let content_type = if before.starts_with('{') { "application/x-ndjson" } else { "text/event-stream" };
    let (before, after) = (before.as_bytes().to_vec(), after.as_bytes().to_vec());
    Step::Held { content_type: content_type.to_owned(), before, gate: gate.clone(), after }
}

/// A 200 with JSON.
pub fn reply(body: Value) -> Step {
    status(200, body)
}

/// Any status with JSON.
pub fn status(status: u16, body: Value) -> Step {
    text(status, "application/json", &body.to_string())
}

/// Any status with any text.
pub fn text(status: u16, content_type: &str, body: &str) -> Step {
    Step::Whole { status, headers: Vec::new(), content_type: content_type.to_owned(), body: body.as_bytes().to_vec() }
}

/// A stream, one chunk for all of it. The content type is told by its first byte: NDJSON begins with a brace.
pub fn stream(body: impl Into<Vec<u8>>) -> Step {
    let body = body.into();
    let content_type = if body.first() == Some(&b'{') { "application/x-ndjson" } else { "text/event-stream" };
    Step::Stream { content_type: content_type.to_owned(), chunks: vec![body], is_cut: false }
}

/// Never an answer.
pub fn hang() -> Step {
    Step::Hang
}

/// The connection closed instead of an answer.
pub fn close() -> Step {
    Step::Close
}

impl Step {
    /// The same stream in chunks of `size` bytes.
    pub fn split_every(self, size: usize) -> Step {
        match self {
            Step::Stream { content_type, chunks, is_cut } => {
                let chunks = chunks.concat().chunks(size.max(1)).map(<[u8]>::to_vec).collect();
                Step::Stream { content_type, chunks, is_cut }
            }
            other => other,
        }
    }

    /// The same stream, broken off after so many bytes.
    pub fn cut_after(self, bytes: usize) -> Step {
        match self {
            Step::Stream { content_type, chunks, .. } => {
                let mut body = chunks.concat();
                body.truncate(bytes);
                Step::Stream { content_type, chunks: vec![body], is_cut: true }
            }
            other => other,
        }
    }

    /// The same answer with a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Step {
        if let Step::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = Box<dyn Fn(&Seen) -> Step + Send + Sync>;

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    left: usize,
    steps: VecDeque<Step>,
    script: Option<Arc<Script>>,
    /// Answers looks at lists too.
    part: Option<Arc<Script>>,
    models: Vec<String>,
    list: Option<Step>,
    tags: Option<Step>,
    show: Option<Step>,
    running: Option<Step>,
}

/// A provider on a port of its own, until it is dropped.
pub struct Upstream {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// A provider that lists no model and knows no answer yet.
pub fn upstream() -> Upstream {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = Arc::new(Mutex::new(State::default()));
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let state = Arc::clone(&shared);
            std::thread::spawn(move || serve(socket, &state));
        }
    });
    Upstream { port, state }
}

impl Upstream {
    /// The models that its list shows, in whichever dialect the list is asked for.
    pub fn models(self, ids: &[&str]) -> Upstream {
        self.now_lists(ids);
        self
    }

    /// The list shows these from now on.
    pub fn now_lists(&self, ids: &[&str]) {
        let mut state = self.state.lock().unwrap();
        state.models = ids.iter().map(|&id| id.to_owned()).collect();
        state.list = None;
    }

    /// The list is answered so from now on.
    pub fn now_lists_with(&self, step: Step) {
        self.state.lock().unwrap().list = Some(step);
    }

    /// `/api/tags` alone is answered so from now on.
    pub fn now_tags(&self, step: Step) {
        self.state.lock().unwrap().tags = Some(step);
    }

    /// `/api/ps` alone is answered so from now on.
    pub fn now_running(&self, step: Step) {
        self.state.lock().unwrap().running = Some(step);
    }

    /// Every question from now on, and every look at a model's details, gets this.
    pub fn now_answers(&self, step: Step) {
        let mut state = self.state.lock().unwrap();
        state.script = None;
        state.show = Some(step.clone());
        state.steps = VecDeque::from([step]);
    }

    /// The next request that is no look at a list gets this; steps are taken in order, and the last one stays.
    pub fn then(self, step: Step) -> Upstream {
        self.state.lock().unwrap().steps.push_back(step);
        self
    }

    /// Every request that is no look at a list gets what this says.
    pub fn answers(self, script: impl Fn(&Seen) -> Step + Send + Sync + 'static) -> Upstream {
        self.state.lock().unwrap().script = Some(Arc::new(Box::new(script)));
        self
    }

    /// Every request, looks at lists and details too, gets what this says.
    pub fn plays(self, part: impl Fn(&Seen) -> Step + Send + Sync + 'static) -> Upstream {
        self.state.lock().unwrap().part = Some(Arc::new(Box::new(part)));
        self
    }

    /// `http://127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far, looks at lists too.
    pub fn seen_all(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The requests so far that were no looks at lists.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen_all().into_iter().filter(|seen| !is_look(seen)).collect()
    }

    /// The last request that was no look at a list.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the provider was asked nothing")
    }

    /// So many requests were given up by whoever sent them while the provider still held its answer.
    pub fn left(&self) -> usize {
        self.state.lock().unwrap().left
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The keys of [`Upstream::seen`], in order.
    pub fn keys_seen(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.key().unwrap_or("").to_owned()).collect()
    }

    /// Fails when any request, looks at lists too, came with a key that is not one of these.
    pub fn assert_only_keys(&self, keys: &[&str]) {
        for seen in self.seen_all() {
            let key = seen.key();
            assert!(key.is_none_or(|key| keys.contains(&key)), "{} came with a key of another: {key:?}", seen.path);
        }
    }
}

/// A look at a model list or at the server, not a question to a model.
fn is_look(seen: &Seen) -> bool {
    let is_managing = seen.path.starts_with("/api/blobs/") || seen.path.starts_with("/api/experimental/");
    (seen.method == "GET" || seen.method == "HEAD" || seen.path == "/api/show") && !is_managing
}

fn serve(socket: TcpStream, state: &Mutex<State>) {
    let _ = socket.set_nodelay(true);
    let Ok(mut writer) = socket.try_clone() else { return };
    let mut reader = BufReader::new(socket);
    for before_on_connection in 0.. {
        let Ok(Some((start, headers))) = read_head(&mut reader) else { return };
        let Ok(body) = read_request_body(&mut reader, &headers) else { return };
        let mut words = start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let seen = Seen { method, path, headers, body, before_on_connection };
        let mut step = next_step(&seen, state);
        if let Step::Whole { body, .. } = &mut step
            && seen.method == "HEAD"
        {
            body.clear();
        }
        if !perform(&mut writer, &step, state).unwrap_or(false) {
            let _ = writer.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn next_step(seen: &Seen, state: &Mutex<State>) -> Step {
    let mut state = state.lock().unwrap();
    state.seen.push(seen.clone());
    if let Some(part) = state.part.clone() {
        drop(state);
        return part(seen);
    }
    if is_look(seen) {
        if let Some(running) = state.running.clone().filter(|_| seen.path == "/api/ps") {
            return running;
        }
        if let Some(show) = state.show.clone().filter(|_| seen.path == "/api/show") {
            return show;
        }
        if let Some(tags) = state.tags.clone().filter(|_| seen.path == "/api/tags") {
            return tags;
        }
        return state.list.clone().unwrap_or_else(|| list(seen, &state.models));
    }
    if let Some(script) = state.script.clone() {
        drop(state);
        return script(seen);
    }
    let step = if state.steps.len() > 1 { state.steps.pop_front() } else { state.steps.front().cloned() };
    step.unwrap_or_else(|| status(500, json!({"error": {"message": "the story has no step for this request"}})))
}

/// Does it; `false` when the connection is over.
fn perform(out: &mut TcpStream, step: &Step, state: &Mutex<State>) -> io::Result<bool> {
    match step {
        Step::Whole { status, headers, content_type, body } => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
            if !content_type.is_empty() {
                head += &format!("content-type: {content_type}\r\n");
            }
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            head += &format!("content-length: {}\r\n\r\n", body.len());
            out.write_all(&[head.as_bytes(), body].concat())?;
            Ok(true)
        }
        Step::Stream { content_type, chunks, is_cut } => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
            out.write_all(head.as_bytes())?;
            for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
                out.write_all(&framed)?;
            }
            if *is_cut {
                return Ok(false);
            }
            out.write_all(b"0\r\n\r\n")?;
            Ok(true)
        }
        Step::Held { content_type, before, gate, after } => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
            out.write_all(&[head.as_bytes(), format!("{:x}\r\n", before.len()).as_bytes(), before, b"\r\n"].concat())?;
            if !waits(out, gate)? {
                state.lock().unwrap().left += 1;
                return Ok(false);
            }
            out.write_all(&[format!("{:x}\r\n", after.len()).as_bytes(), after, b"\r\n0\r\n\r\n"].concat())?;
            Ok(true)
        }
        Step::Hang => {
            // Until the gateway gives up and closes: a read then ends.
            let _ = io::Read::read(out, &mut [0; 1]);
            state.lock().unwrap().left += 1;
            Ok(false)
        }
        Step::Close => Ok(false),
    }
}

/// Waits until the gate is open; `false` when the peer closed before.
fn waits(socket: &mut TcpStream, gate: &Gate) -> io::Result<bool> {
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    while !gate.0.load(Ordering::Relaxed) {
        match io::Read::read(socket, &mut [0; 1]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            _ => return Ok(false),
        }
    }
    socket.set_read_timeout(None)?;
    Ok(true)
}

/// The list of models in the dialect whose path was asked for.
fn list(seen: &Seen, models: &[String]) -> Step {
    let path = seen.path.split('?').next().unwrap_or_default();
    match path {
        "/api/version" => reply(json!({"version": "0.33.0"})),
        "/api/ps" => reply(json!({"models": []})),
        "/api/tags" => reply(json!({"models": models.iter().map(|id| tag(id)).collect::<Vec<_>>()})),
        "/api/show" => reply(json!({
            "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                        "parameter_size": "1B", "quantization_level": "Q4_K_M"},
            "model_info": {"general.architecture": "llama", "llama.context_length": 131_072},
            "capabilities": ["completion", "tools"], "modified_at": "2026-01-01T00:00:00Z",
        })),
        "/" | "/api" => text(200, "text/plain; charset=utf-8", "Ollama is running"),
        "/v1beta/models" => {
            let row = |id: &String| {
                json!({"name": format!("models/{id}"), "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                       "supportedGenerationMethods": ["generateContent", "countTokens"]})
            };
            reply(json!({"models": models.iter().map(row).collect::<Vec<_>>()}))
        }
        path if path.ends_with("/models") => {
            let row = |id: &String| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "x"});
            reply(json!({"object": "list", "data": models.iter().map(row).collect::<Vec<_>>()}))
        }
        _ => status(404, json!({"error": {"message": "no such page"}})),
    }
}

fn tag(id: &str) -> Value {
    json!({"name": id, "model": id, "modified_at": "2026-01-01T00:00:00.123456789+01:00", "size": 1000,
           "digest": "a".repeat(64), "capabilities": ["completion", "tools"],
           "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                       "parameter_size": "1B", "quantization_level": "Q4_K_M"}})
}

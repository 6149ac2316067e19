//! Promise: what real providers were recorded to answer reaches every client: through the running binary, over sockets,
//! whole and streamed, in each dialect.
//!
//! The recordings lie beside the checkout and are no part of it: without them these tests say that they skip. What a
//! recording says is read by `support::reading`, which shares nothing with the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::reading::{self, Said};
use support::{Answer, Client, Gateway, Step, Told, Upstream, gateway, recorded, upstream};

/// Recordings whose answer is told otherwise than a plain reading of it says, and what of it is; the reason stands above each.
const INTENDED: [(&str, &str); 3] = [
    // A key that is no good is a 401 for every client, whatever the provider's status.
    ("constructed/gemini-400-key-expired", "status"),
    // What a provider leaves of a masked key is hidden, too.
    ("deepseek/chat-error_401-01", "words"),
    // Nobody counted the tokens of the answer; Ollama's clients divide by them, so that they get 1.
    ("gemini/gen-filtered-01", "usage"),
];

/// One recorded answer.
struct Exchange {
    name: String,
    dialect: String,
    /// What it answers to: the end of the request's path.
    asked_at: &'static str,
    model: String,
    status: u16,
    content_type: String,
    headers: Vec<(String, String)>,
    body: String,
    is_stream: bool,
    said: Said,
}

impl Exchange {
    fn read(name: &str, file: &Value) -> Option<Exchange> {
        let (request, response) = (&file["request"], &file["response"]);
        let path = request["path"].as_str()?;
        let dialect = file["dialect"].as_str()?.to_owned();
        let asked_at = match dialect.as_str() {
            "openai" => "/chat/completions",
            "openai-completions" => "/v1/completions",
            "gemini" if path.contains("enerateContent") => "enerateContent",
            "anthropic" if path.ends_with("/messages") => "/v1/messages",
            "ollama" if path.ends_with("chat") => "/api/chat",
            "ollama" => "/api/generate",
            _ => return None,
        };
        let body = match (&response["body"], &response["chunks"]) {
            (_, Value::Array(chunks)) => chunks.iter().filter_map(Value::as_str).collect(),
            (Value::String(text), _) => text.clone(),
            (body, _) => body.to_string(),
        };
        let is_stream = response["chunks"].is_array();
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in response["headers"].as_object().into_iter().flatten() {
            headers.extend(value.as_str().map(|value| (name.to_lowercase(), value.to_owned())));
        }
        let default = if is_stream { "text/event-stream" } else { "application/json" };
        let told = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
        headers.retain(|(name, _)| name != "content-type");
        let status = response["status"].as_u64()? as u16;
        Some(Exchange {
            name: name.to_owned(),
            asked_at,
            model: request["body"]["model"].as_str().unwrap_or("some-model").to_owned(),
            status,
            content_type: told.unwrap_or_else(|| default.to_owned()),
            headers,
            said: reading::read(&dialect, status, &body),
            dialect,
            body,
            is_stream,
        })
    }

    /// The answer as the provider gives it, a stream in pieces of an odd size.
    fn step(&self, size: usize) -> Step {
        let body = self.body.clone().into_bytes();
        if !self.is_stream {
            let (content_type, headers) = (self.content_type.clone(), self.headers.clone());
            return Step::Whole { status: self.status, headers, content_type, body };
        }
        let size = size.max(body.len() / 200);
        Step::Stream { content_type: self.content_type.clone(), chunks: vec![body], is_cut: false }.split_every(size)
    }

    fn clients(&self) -> &'static [Client] {
        match self.asked_at {
            "/v1/completions" => &[Client::OpenAiCompletions, Client::OllamaGenerate],
            "/api/chat" => &[Client::OllamaChat, Client::OpenAiChat],
            "/api/generate" => &[Client::OllamaGenerate, Client::OpenAiCompletions],
            _ => &Client::ALL,
        }
    }

    /// The client speaks the wire of the recording, whose bytes then pass.
    fn passes(&self, client: Client) -> bool {
        self.dialect != "gemini" && client.path().ends_with(self.asked_at)
    }

    /// Is this told otherwise on purpose?
    fn is_intended(&self, what: &str) -> bool {
        INTENDED.contains(&(self.name.as_str(), what))
    }

    fn told(&self) -> &Told {
        match &self.said {
            Said::Answer(told) | Said::Failure(_, told) => told,
        }
    }
}

/// Recordings by the provider that plays them.
type Groups = BTreeMap<&'static str, Vec<Exchange>>;

/// All recordings in wires that providers speak here.
fn exchanges() -> Groups {
    let mut groups = Groups::new();
    for (name, file) in recorded::all_exchanges("fixtures") {
        let (provider, dialect) = (file["provider"].as_str().unwrap(), file["dialect"].as_str().unwrap());
        for prefix in recorded::players(provider, dialect) {
            groups.entry(prefix).or_default().extend(Exchange::read(&name, &file));
        }
    }
    groups
}

/// A provider that plays its recordings one after the other.
struct Bench<'a> {
    gateway: &'a Gateway,
    prefix: &'a str,
    upstream: &'a Upstream,
    /// So many of its copies were used up by failures: a key that rests for one must not spoil the next.
    copies_used: usize,
    checks: usize,
    wrong: Vec<String>,
}

/// Every recorded answer, by every client that can have it.
#[test]
fn recorded_answers_reach_every_client() {
    let groups = exchanges();
    let wrong = play_all(&groups, |bench, exchange| bench.play(exchange));
    let played: usize = groups.values().map(Vec::len).sum();
    let names: BTreeSet<&str> = groups.values().flatten().map(|exchange| exchange.name.as_str()).collect();
    let (count, pass, intended) = (names.len(), played - failed(&wrong), INTENDED.len());
    eprintln!("{played} exchanges replayed, {pass} pass ({count} recordings; {intended} told otherwise on purpose)");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A recorded stream that ends in its middle is a failure to every client, whatever it was cut into.
#[test]
fn a_recorded_stream_cut_short_is_never_a_finished_answer() {
    let groups = exchanges();
    let wrong = play_all(&groups, |bench, exchange| bench.play_cut(exchange));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All providers at one gateway, each playing its recordings in a thread of its own; gives what went wrong.
fn play_all(groups: &Groups, each: fn(&mut Bench<'_>, &Exchange)) -> Vec<String> {
    let upstreams: Vec<Upstream> = groups.keys().map(|_| upstream()).collect();
    let entries = groups.iter().zip(&upstreams).map(|((prefix, exchanges), up)| entry(prefix, exchanges, up));
    let setup = gateway().file("polyllama.toml", &entries.collect::<String>()).env("GCP_ACCESS_TOKEN", "ya29.token");
    // A variable goes before the file, and every test has this one.
    let mut ollama = groups.iter().zip(&upstreams).filter(|((prefix, _), _)| **prefix == "ollama");
    let Some(((_, exchanges), up)) = ollama.next() else { return Vec::new() };
    let gateway = setup.env("OLLAMA_BASE_URL", &addresses("", exchanges, up)).start();
    let play = |((prefix, exchanges), upstream): ((&&str, &Vec<Exchange>), &Upstream)| {
        let mut bench = Bench { gateway: &gateway, prefix, upstream, copies_used: 1, checks: 0, wrong: Vec::new() };
        exchanges.iter().for_each(|exchange| each(&mut bench, exchange));
        let wrong = bench.wrong.len();
        eprintln!("{prefix}: {} exchanges, {} checks, {wrong} wrong", exchanges.len(), bench.checks);
        bench.wrong
    };
    std::thread::scope(|scope| {
        let played = groups.iter().zip(&upstreams).map(|pair| scope.spawn(move || play(pair)));
        played.collect::<Vec<_>>().into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn failed(wrong: &[String]) -> usize {
    wrong.iter().filter_map(|line| line.split(' ').next()).collect::<BTreeSet<_>>().len()
}

/// The provider's entry in the configuration: at its own address, and copies of it for what fails.
fn entry(prefix: &str, exchanges: &[Exchange], up: &Upstream) -> String {
    let path = match prefix {
        "google" => "/v1beta",
        "ollama" => "",
        _ => "/v1",
    };
    let addresses = addresses(path, exchanges, up);
    let keys = if matches!(prefix, "google" | "ollama") { "" } else { "keys = [\"key-of-a-test\"]\n" };
    format!("[provider.{prefix}]\nbase_url = \"{addresses}\"\n{keys}")
}

/// Its address, once more for each request that will fail.
fn addresses(path: &str, exchanges: &[Exchange], up: &Upstream) -> String {
    let failures = exchanges.iter().filter(|exchange| matches!(exchange.said, Said::Failure(..))).count();
    vec![format!("{}{path}", up.address()); 1 + failures * 2 * Client::ALL.len()].join(",")
}

impl Bench<'_> {
    fn play(&mut self, exchange: &Exchange) {
        let before = self.checks;
        for &client in exchange.clients() {
            for is_streamed in [false, true] {
                // Nobody answers with a stream that was not asked for; where it is decoded, it doesn't matter.
                if exchange.is_stream && !is_streamed && exchange.passes(client) {
                    continue;
                }
                // A prompt to complete is not answered with a call.
                if !client.is_chat() && !exchange.told().calls.is_empty() {
                    continue;
                }
                if let Some(Err(why)) = self.check(exchange, client, is_streamed) {
                    let prefix = self.prefix;
                    self.wrong.push(format!("{prefix}/{} {client:?} streamed={is_streamed}: {why}", exchange.name));
                }
            }
        }
        if self.checks == before {
            self.wrong.push(format!("{}/{} was not checked at all", self.prefix, exchange.name));
        }
    }

    /// Cuts a stream at two places; one that is finished by then is none.
    fn play_cut(&mut self, exchange: &Exchange) {
        let is_good = exchange.is_stream && matches!(exchange.said, Said::Answer(_));
        for tenths in [6, 9].into_iter().filter(|_| is_good) {
            let start = String::from_utf8_lossy(&exchange.body.as_bytes()[..exchange.body.len() * tenths / 10]);
            if matches!(reading::read(&exchange.dialect, 200, start.trim_end_matches('\u{fffd}')), Said::Answer(_)) {
                continue;
            }
            for &client in exchange.clients() {
                // By a broken connection, or by an end that is none to the dialect alone.
                let (content_type, chunks) = (exchange.content_type.clone(), vec![start.as_bytes().to_vec()]);
                self.upstream.now_answers(Step::Stream { content_type, chunks, is_cut: tenths != 6 });
                let model = format!("{}:{}", self.prefix, exchange.model);
                let answer = self.gateway.send(&client.ask(&model, "Hello?", true, &json!({})));
                if !self.took_the_way_of(exchange) {
                    continue;
                }
                self.checks += 1;
                if client.read_error(&answer).is_none() || client.is_ended(&answer) {
                    let (prefix, name) = (self.prefix, &exchange.name);
                    self.wrong.push(format!("{prefix}/{name} {client:?} at {tenths}/10: {}", answer.text()));
                }
            }
        }
    }

    /// The last request went to the path that the recorded one went to.
    fn took_the_way_of(&self, exchange: &Exchange) -> bool {
        let seen = self.upstream.seen();
        seen.last().and_then(|seen| seen.path.split('?').next()).is_some_and(|path| path.contains(exchange.asked_at))
    }

    /// `None` where the request took another way than the recorded one.
    fn check(&mut self, exchange: &Exchange, client: Client, is_streamed: bool) -> Option<Result<(), String>> {
        let size = [5, 17, 64, 331][self.checks % 4];
        self.upstream.now_answers(exchange.step(size));
        let mut more = json!({});
        if client.is_ollama() && !exchange.told().thinking.is_empty() {
            more["think"] = json!(true);
        }
        if exchange.asked_at == "/v1/completions" && client.is_ollama() {
            more["raw"] = json!(true);
        }
        let model = format!("{}:{}", self.prefix_for(exchange), exchange.model);
        let answer = self.gateway.send(&client.ask(&model, "Hello?", is_streamed, &more));
        if !self.took_the_way_of(exchange) {
            return None;
        }
        self.checks += 1;
        Some(match &exchange.said {
            Said::Answer(_) if exchange.passes(client) => check_same(exchange, &answer),
            Said::Answer(told) => check_told(exchange, told, client, is_streamed, &answer),
            Said::Failure(words, told) => check_failure(exchange, words, told, client, &answer),
        })
    }

    fn prefix_for(&mut self, exchange: &Exchange) -> String {
        if matches!(exchange.said, Said::Answer(_)) {
            return self.prefix.to_owned();
        }
        self.copies_used += 1;
        format!("{}{}", self.prefix, self.copies_used)
    }
}

fn check_same(exchange: &Exchange, answer: &Answer) -> Result<(), String> {
    if answer.status != exchange.status || !answer.is_complete {
        return Err(format!("status {} {}", answer.status, answer.text()));
    }
    if answer.body != exchange.body.as_bytes() {
        return Err(format!("other bytes: {:?}", answer.text()));
    }
    match answer.header("content-type") {
        Some(found) if found == exchange.content_type => Ok(()),
        found => Err(format!("content type {found:?}, not {}", exchange.content_type)),
    }
}

fn check_told(
    exchange: &Exchange,
    said: &Told,
    client: Client,
    is_streamed: bool,
    answer: &Answer,
) -> Result<(), String> {
    if answer.status != 200 || !answer.is_complete {
        return Err(format!("status {} {}", answer.status, answer.text()));
    }
    if client.read_error(answer).is_some() || (is_streamed && !client.is_ended(answer)) {
        return Err(format!("ends badly: {}", answer.text()));
    }
    let kind = match (is_streamed, client.is_ollama()) {
        (false, _) => "application/json",
        (true, true) => "application/x-ndjson",
        (true, false) => "text/event-stream",
    };
    if !answer.header("content-type").is_some_and(|found| found.starts_with(kind)) {
        return Err(format!("content type {:?}", answer.header("content-type")));
    }
    let mut expected = said.clone();
    let mut told = client.read(answer, is_streamed);
    if exchange.body.contains("executableCode") {
        told.text = without_fences(&told.text);
        expected.text = without_fences(&expected.text);
    }
    if client.is_ollama() && ["tools", "filter"].contains(&expected.finish.as_str()) {
        expected.finish = "stop".to_owned();
    }
    // A refusal in words of its own is a reason to end at Anthropic alone.
    if client == Client::Messages && exchange.body.contains("\"refusal\":\"I") {
        expected.finish = "filter".to_owned();
    }
    if client == Client::OpenAiCompletions {
        expected.thinking.clear();
    }
    if expected.usage.is_none() || exchange.is_intended("usage") {
        expected.usage = told.usage;
    }
    if told != expected {
        return Err(format!("told {told:?}\n    expected {expected:?}"));
    }
    if client == Client::OpenAiChat { check_details(exchange, is_streamed, answer) } else { Ok(()) }
}

/// Google's counts of thoughts and of what came from a cache have places of their own at OpenAI.
fn check_details(exchange: &Exchange, is_streamed: bool, answer: &Answer) -> Result<(), String> {
    let bodies = if is_streamed { answer.events() } else { vec![answer.json()] };
    let usage = bodies.iter().rev().map(|body| body["usage"].clone()).find(Value::is_object).unwrap_or_default();
    let told = [
        ("thoughtsTokenCount", &usage["completion_tokens_details"]["reasoning_tokens"]),
        ("cachedContentTokenCount", &usage["prompt_tokens_details"]["cached_tokens"]),
    ];
    for (name, found) in told {
        let expected = last_number(&exchange.body, name);
        if expected.is_some() && found.as_u64() != expected {
            return Err(format!("{name} {expected:?}, told {found}"));
        }
    }
    Ok(())
}

/// The last number under that name in a body.
fn last_number(body: &str, name: &str) -> Option<u64> {
    let (_, rest) = body.rsplit_once(&format!("\"{name}\":"))?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// How code that the provider ran is set off from the text is ours to choose: only what is in it counts.
fn without_fences(text: &str) -> String {
    let is_ours = |line: &&str| line.trim().is_empty() || line.starts_with("```") || line.starts_with("OUTCOME_");
    text.lines().filter(|line| !is_ours(line)).collect::<Vec<_>>().join("\n")
}

fn check_failure(exchange: &Exchange, words: &str, said: &Told, client: Client, answer: &Answer) -> Result<(), String> {
    let Some(error) = client.read_error(answer) else {
        return Err(format!("no error in {}", answer.everything()));
    };
    let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !shown(&error).contains(&shown(words)) && !exchange.is_intended("words") {
        return Err(format!("says {error:?}, not {words:?}"));
    }
    let has_content = !(said.text.is_empty() && said.thinking.is_empty() && said.calls.is_empty());
    if exchange.status < 400 && has_content && exchange.is_stream {
        let is_kept = answer.status >= 400 || !exchange.passes(client) || answer.text().starts_with(&exchange.body);
        return if is_kept { Ok(()) } else { Err(format!("not the recorded start: {}", answer.text())) };
    }
    // Clients of Anthropic's dialect would take these for their own key's.
    let is_masked = client == Client::Messages && matches!(exchange.status, 401 | 403);
    let shown = if is_masked { 502 } else { exchange.status };
    let fits = if exchange.status < 400 { answer.status >= 400 } else { answer.status == shown };
    if fits || exchange.is_intended("status") {
        Ok(())
    } else {
        Err(format!("status {} for {}: {error}", answer.status, exchange.status))
    }
}

//! Promise: models are managed through the gateway as by a real Ollama: each request reaches the server that it is about and comes
//! back as that said it, a list asked for afterwards shows what was done, and files of any size go through without being held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{
    Answer, Asked, Gate, Gateway, Step, Upstream, close, gateway, held, read_answer, read_answer_head, reply, status,
    stream, text, upstream, wait_for,
};

/// An empty 200, as copy and delete are answered.
fn done() -> Step {
    text(200, "", "")
}

fn delete(gw: &Gateway, body: &Value) -> Answer {
    gw.send(&Asked::new("DELETE", "/api/delete").body(body.to_string()))
}

fn two_servers(first: &Upstream, second: &Upstream) -> Gateway {
    gateway().env("OLLAMA_BASE_URL", &format!("{},{}", first.address(), second.address())).start()
}

fn names_in_tags(gw: &Gateway) -> Vec<String> {
    let rows = gw.get("/api/tags").json()["models"].as_array().cloned().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// How many requests to manage a model a server has seen, and the body of the last one.
fn last(up: &Upstream) -> (usize, Value) {
    let seen = up.seen();
    (seen.len(), seen.last().map_or(Value::Null, support::Seen::json))
}

#[test]
fn a_request_goes_to_the_server_that_it_is_about() {
    let first = upstream().models(&["here:latest"]).then(done());
    let second = upstream().models(&["there:latest"]).then(done());
    let gw = two_servers(&first, &second);
    let stays = |body: Value| (body.clone(), body);
    let rows = [
        // What is asked, its body, the server that gets it, and what that is told.
        ("/api/copy", stays(json!({"source": "here", "destination": "x"})), &first),
        ("/api/copy", stays(json!({"source": "THERE:latest", "destination": "x"})), &second),
        ("/api/create", stays(json!({"model": "x", "from": "there", "system": "Be <brief>."})), &second),
        ("/api/push", stays(json!({"model": "there"})), &second),
        ("/api/pull", stays(json!({"name": "there"})), &second),
        // Nobody has it: the first server's business.
        ("/api/pull", stays(json!({"model": "new:7b"})), &first),
        ("/api/create", stays(json!({"model": "x", "from": "new"})), &first),
        ("/api/copy", stays(json!({"source": "new", "destination": "x"})), &first),
        // A prefix says which server.
        ("/api/pull", (json!({"model": "ollama2:new:7b"}), json!({"model": "new:7b"})), &second),
        (
            "/api/copy",
            (
                json!({"source": "ollama2:there", "destination": "ollama2:x"}),
                json!({"source": "there:latest", "destination": "x"}),
            ),
            &second,
        ),
        (
            "/api/create",
            (json!({"model": "ollama2:x", "from": "ollama2:there"}), json!({"model": "x", "from": "there:latest"})),
            &second,
        ),
        ("/api/create", stays(json!({"model": "x", "from": "there", "remote_host": "http://far"})), &first),
        // What can't be read is refused by a server.
        ("/api/pull", stays(json!({"model": 5})), &first),
    ];
    for (path, (asked, told), server) in rows {
        let before = (last(&first).0, last(&second).0);
        let answer = gw.post(path, &asked);
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{asked}");
        let after = last(server);
        assert_eq!(after.1, told, "{path} {asked}");
        assert_eq!(
            last(&first).0 + last(&second).0,
            before.0 + before.1 + 1,
            "{path} {asked}: one server is told once"
        );
    }
    assert_eq!(delete(&gw, &json!({"model": "there"})).status, 200);
    assert_eq!(second.last().method, "DELETE");
    assert_eq!(gw.post("/api/copy", &json!({"source": "here"})).header("x-polyllama-provider"), Some("ollama"));
}

#[test]
fn the_first_server_that_answers_stands_in_for_one_that_is_away() {
    let away = upstream();
    away.now_lists_with(close());
    let there = upstream().models(&["tiny:latest"]).then(done());
    let gw = two_servers(&away, &there);
    assert_eq!(gw.post("/api/pull", &json!({"model": "new"})).status, 200);
    assert_eq!(last(&there), (1, json!({"model": "new"})));
}

/// What another tool did a moment ago, past the gateway, counts.
#[test]
fn lists_are_looked_at_anew_before_a_model_is_managed() {
    let (first, second) = (upstream().then(done()), upstream().then(done()));
    let gw = two_servers(&first, &second);
    assert!(names_in_tags(&gw).is_empty());
    second.now_lists(&["new:latest"]);
    assert_eq!(gw.post("/api/copy", &json!({"source": "new", "destination": "x"})).status, 200);
    assert_eq!((last(&first).0, last(&second).0), (0, 1));
    first.now_lists_with(close());
    assert_eq!(gw.post("/api/pull", &json!({"model": "other"})).status, 200);
    assert_eq!((last(&first).0, last(&second).0), (0, 2), "the first went away");
}

#[test]
fn a_model_is_deleted_wherever_it_is() {
    let gate = Gate::default();
    let first = upstream().models(&["both:latest"]).then(held(" ", &gate, " "));
    let second = upstream().models(&["both:latest", "other:latest"]).then(held(" ", &gate, " "));
    let gw = two_servers(&first, &second);
    assert_eq!(names_in_tags(&gw), ["both:latest", "other:latest"]);
    std::thread::scope(|scope| {
        let deleted = scope.spawn(|| delete(&gw, &json!({"name": "both"})).status);
        wait_for("both servers to be told", || (last(&second).0 == 1).then_some(()));
        first.now_lists(&[]);
        second.now_lists(&["other:latest"]);
        gate.open();
        assert_eq!(deleted.join().unwrap(), 200);
    });
    assert_eq!(last(&first), (1, json!({"name": "both"})));
    assert_eq!(names_in_tags(&gw), ["other:latest"]);
}

#[test]
fn status_and_error_of_a_server_are_handed_on() {
    let up = upstream().models(&["tiny:latest"]).then(status(418, json!({"error": "no <tea>", "more": [1.0]})));
    let gw = gateway().provider("ollama", &up, &[]).start();
    for path in ["/api/pull", "/api/push", "/api/create", "/api/copy", "/api/me", "/api/experimental/web_search"] {
        let answer = gw.post(path, &json!({"model": "tiny", "source": "tiny", "from": "tiny"}));
        assert_eq!((answer.status, answer.text().as_str()), (418, r#"{"error":"no <tea>","more":[1.0]}"#), "{path}");
    }
}

/// Lines leave as they come, and the list that is asked for after the last one has the new model.
#[test]
fn a_pull_is_told_line_by_line_and_then_listed() {
    let up = upstream().models(&["old:latest"]);
    let gw = gateway().provider("ollama", &up, &[]).start();
    assert_eq!(names_in_tags(&gw), ["old:latest"]);
    let gate = Gate::default();
    let lines = ["{\"status\":\"pulling manifest\"}\n", "{\"status\":\"success\"}\n"];
    up.now_answers(held(lines[0], &gate, lines[1]));
    let mut socket = gw.connect();
    let asked = Asked::new("POST", "//api/pull/").body(r#"{"model":"new"}"#);
    socket.write_all(&asked.to_bytes(gw.port)).unwrap();
    let mut reader = BufReader::new(socket);
    let (status, headers) = read_answer_head(&mut reader).unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-type".to_owned(), "application/x-ndjson".to_owned())), "{headers:?}");
    let mut size = String::new();
    reader.read_line(&mut size).unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, lines[0], "before the server has said more");
    up.now_lists(&["old:latest", "new:latest"]);
    gate.open();
    while !line.contains("success") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    assert_eq!(names_in_tags(&gw), ["old:latest", "new:latest"], "the line of success is enough");
}

#[test]
fn a_server_that_breaks_off_is_told_as_an_error() {
    let lines = "{\"status\":\"pulling manifest\"}\n{\"status\":\"pulling 0123\"}\n";
    let up = upstream();
    let gw = gateway().provider("ollama", &up, &[]).start();
    for bytes in [lines.len(), lines.len() - 9] {
        up.now_answers(stream(lines).cut_after(bytes));
        let answer = gw.post("/api/pull", &json!({"model": "new"}));
        let last = answer.text().lines().last().unwrap().to_owned();
        assert_eq!(last, r#"{"error":"the Ollama server broke off before the end"}"#, "{}", answer.text());
        assert!(!answer.text().contains("\n\n"), "no empty line: clients read each");
    }
}

#[test]
fn a_client_that_goes_away_ends_its_pull() {
    let up = upstream().then(held("{\"status\":\"pulling manifest\"}\n", &Gate::default(), ""));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let mut socket = gw.connect();
    socket.write_all(&Asked::new("POST", "/api/pull").body(r#"{"model":"new"}"#).to_bytes(gw.port)).unwrap();
    let mut reader = BufReader::new(socket);
    read_answer_head(&mut reader).unwrap();
    drop(reader);
    wait_for("the pull to end", || (up.left() == 1).then_some(()));
}

#[test]
fn a_pull_of_a_cloud_model_is_done_at_once() {
    let cloud = upstream().models(&["gpt-4o", "gpt-4-turbo"]);
    let gw = gateway()
        .provider("openai", &cloud, &["k"])
        .file("polyllama.toml", "[aliases]\nfast = \"openai:gpt-4o\"\n")
        .start();
    let told = "{\"status\":\"pulling manifest\"}\n{\"status\":\"verifying sha256 digest\"}\n\
                {\"status\":\"writing manifest\"}\n{\"status\":\"success\"}\n";
    for name in ["openai:gpt-4o", "gpt-4o", "fast", "gpt4", "openai:newer-than-the-list", "openai/gpt-4o"] {
        let answer = gw.post("/api/pull", &json!({"model": name}));
        assert_eq!((answer.status, answer.text().as_str()), (200, told), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    }
    let whole = gw.post("/api/pull", &json!({"name": "gpt-4o", "stream": false}));
    assert_eq!((whole.status, whole.text().as_str()), (200, r#"{"status":"success"}"#));
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert!(cloud.seen().is_empty(), "nobody has to be asked");
}

/// A provider's prefix, or a short name, is also how Ollama's library calls models.
#[test]
fn what_nobody_lists_is_pulled_by_the_ollama_at_hand() {
    let cloud = upstream().models(&["qwen-plus", "qwen2.5-coder"]);
    let local = upstream().then(done());
    let gw = gateway().provider("qwen", &cloud, &["k"]).provider("ollama", &local, &[]).start();
    for (place, name) in ["qwen:7b", "qwen2.5coder", "llama3.2"].into_iter().enumerate() {
        assert_eq!(gw.post("/api/pull", &json!({"model": name})).status, 200, "{name}");
        assert_eq!(last(&local), (place + 1, json!({"model": name})));
    }
    assert_eq!(gw.post("/api/pull", &json!({"model": "qwen-plus"})).lines().len(), 4, "listed by a cloud provider");
    assert_eq!(last(&local).0, 3);
}

/// … and where the library has none of that name, it was the cloud model that was meant.
#[test]
fn a_guess_is_a_cloud_model_where_ollamas_library_has_none() {
    let cloud = upstream().models(&["gpt-4-turbo"]);
    let local = upstream();
    let gw = gateway().provider("openai", &cloud, &["k"]).provider("ollama", &local, &[]).start();
    let unknown = "{\"status\":\"pulling manifest\"}\n{\"error\":\"pull model manifest: file does not exist\"}\n";
    let last_line = |body: Value| gw.post("/api/pull", &body).lines().pop().unwrap();
    local.now_answers(stream(unknown).split_every(7));
    for name in ["gpt4", "openai:gpt-new"] {
        assert_eq!(last_line(json!({"model": name})), json!({"status": "success"}), "{name}");
    }
    assert_eq!(last_line(json!({"model": "nosuch"}))["error"], "pull model manifest: file does not exist");
    local.now_answers(status(500, json!({"error": "pull model manifest: file does not exist"})));
    assert_eq!(last_line(json!({"model": "gpt4", "stream": false})), json!({"status": "success"}));
    // Any other trouble is told, and an answer that goes on is handed on whole.
    let pulling = "{\"status\":\"pulling manifest\"}\n{\"status\":\"pulling 0123\"}\n{\"error\":\"disk full\"}\n";
    local.now_answers(stream(pulling));
    assert_eq!(gw.post("/api/pull", &json!({"model": "gpt4"})).text(), pulling);
    local.now_answers(close());
    assert_eq!(last_line(json!({"model": "gpt4"})), json!({"status": "success"}));
}

#[test]
fn nothing_else_can_be_done_to_a_cloud_model() {
    let cloud = upstream().models(&["gpt-4o"]);
    let gw = gateway().provider("openai", &cloud, &["k"]).start();
    let says = |answer: &Answer, part: &str| {
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("served by 'openai'") && error.contains(part), "{error}");
        assert_eq!(answer.status, 400, "{error}");
    };
    says(&delete(&gw, &json!({"model": "openai:gpt-4o"})), "can't be deleted");
    says(&gw.post("/api/copy", &json!({"source": "gpt-4o", "destination": "x"})), "an alias in polyllama.toml");
    says(&gw.post("/api/create", &json!({"model": "x", "from": "openai:gpt-4o"})), "nothing can be built on it");
    let pushed = gw.post("/api/push", &json!({"model": "gpt-4o"}));
    assert_eq!((pushed.status, &pushed.lines()[0]), (200, &json!({"status": "retrieving manifest"})));
    assert!(pushed.lines()[1]["error"].as_str().unwrap().contains("can't be pushed"));
}

/// It would be listed beside the cloud's, and neither answer nor be deleted.
#[test]
fn no_model_is_made_by_the_name_of_a_listed_cloud_model() {
    let cloud = upstream().models(&["gpt-4o"]);
    let local = upstream().models(&["tiny:latest"]).then(done());
    let gw = gateway().provider("openai", &cloud, &["k"]).provider("ollama", &local, &[]).start();
    let taken = "openai:gpt-4o";
    for (path, body) in [
        ("/api/copy", json!({"source": "tiny", "destination": taken})),
        ("/api/create", json!({"model": taken, "from": "tiny"})),
    ] {
        let answer = gw.post(path, &body);
        let want = "'openai:gpt-4o' is the name of a model that is served by 'openai': choose another";
        assert_eq!((answer.status, answer.json()), (400, json!({"error": want})), "{path}");
    }
    assert_eq!(last(&local).0, 0, "the server was told nothing");
    for free in ["gpt-4o", "openai:mine"] {
        assert_eq!(gw.post("/api/copy", &json!({"source": "tiny", "destination": free})).status, 200, "{free}");
    }
}

/// Ollama's own forms, and what to do; the `ollama` command shows the text as it is.
#[test]
fn without_an_ollama_the_answer_says_what_to_do() {
    let cloud = upstream().models(&["gpt-4o"]);
    let gw = gateway().provider("openai", &cloud, &["k"]).start();
    let pulled = gw.post("/api/pull", &json!({"model": "llama3.2"}));
    assert_eq!((pulled.status, &pulled.lines()[0]), (200, &json!({"status": "pulling manifest"})));
    let error = |body: &Value| body["error"].as_str().unwrap_or_default().to_owned();
    let told = error(&pulled.lines()[1]);
    assert!(told.contains("could not be reached at 127.0.0.1:1") && told.contains("set OLLAMA_BASE_URL"), "{told}");
    let whole = gw.post("/api/pull", &json!({"model": "llama3.2", "stream": false}));
    assert_eq!((whole.status, error(&whole.json())), (500, told));
    let digest = format!("/api/blobs/sha256:{}", "0".repeat(64));
    for answer in [
        gw.post("/api/create", &json!({"model": "x", "from": "llama3.2"})),
        gw.post("/api/copy", &json!({"source": "llama3.2", "destination": "x"})),
        delete(&gw, &json!({"model": "llama3.2"})),
        gw.post_text(&digest, "x"),
        gw.post("/api/experimental/web_search", &json!({"query": "x"})),
    ] {
        assert!(
            answer.status >= 500 && error(&answer.json()).contains("set OLLAMA_BASE_URL"),
            "{}",
            answer.everything()
        );
    }
    let me = gw.post_text("/api/me", "");
    assert_eq!((me.status, &me.json()["name"]), (200, &json!("polyllama")));
    let out = gw.post_text("/api/signout", "");
    assert_eq!((out.status, out.text().as_str()), (401, r#"{"error":"you are not currently signed in"}"#));
    assert_eq!(gw.get("/api/experimental/model-recommendations").text(), r#"{"recommendations":[]}"#);
}

#[test]
fn an_unknown_pull_without_any_server_reads_as_ollamas_own() {
    let cloud = upstream().models(&["gpt-4o"]);
    let config = "[provider.ollama]\nenabled = false\n";
    let gw = gateway().provider("openai", &cloud, &["k"]).file("polyllama.toml", config).start();
    let told = gw.post("/api/pull", &json!({"model": "gpt-4p"})).lines()[1]["error"].as_str().unwrap().to_owned();
    assert!(told.starts_with("pull model manifest: file does not exist: model 'gpt-4p' not found"), "{told}");
    assert!(told.contains("gpt-4o") && told.contains("no Ollama server answers: start one"), "{told}");
    let no_key = gw.post("/api/pull", &json!({"model": "groq:x"})).lines()[1]["error"].as_str().unwrap().to_owned();
    assert!(no_key.contains("GROQ_API_KEY"), "{no_key}");
    let copied = gw.post("/api/copy", &json!({"source": "gpt-4p", "destination": "x"}));
    assert_eq!((copied.status, copied.text().as_str()), (404, r#"{"error":"model \"gpt-4p\" not found"}"#));
}

#[test]
fn a_listed_model_is_shown_while_its_server_is_away() {
    let up = upstream().models(&["tiny:latest"]);
    let gw = gateway().provider("ollama", &up, &[]).start();
    let asked =
        Asked::new("POST", "/api/show").header("user-agent", "GitHubCopilotChat/1.0").body(r#"{"model":"tiny"}"#);
    assert_eq!(gw.send(&asked).status, 200);
    let seen = up.seen_all().into_iter().find(|seen| seen.path == "/api/show").unwrap();
    assert_eq!(seen.header("user-agent"), Some("GitHubCopilotChat/1.0"), "by which Ollama words its answer");
    for away in [close(), status(502, json!({"error": "gone"}))] {
        up.now_answers(away);
        let shown = gw.send(&asked);
        assert_eq!(shown.status, 200, "{}", shown.everything());
        assert_eq!(shown.json()["details"]["family"], "llama");
        assert_eq!(shown.json()["capabilities"], json!(["completion", "tools"]));
    }
    up.now_answers(status(404, json!({"error": "model 'tiny:latest' not found"})));
    assert_eq!(gw.send(&asked).status, 404, "a server that has lost it says so");
}

/// `:cloud` is Ollama's word for a model that an Ollama server fetches the answers of from ollama.com.
#[test]
fn ollamas_own_cloud_models_go_to_the_ollama_server() {
    let line = json!({"model": "gpt-oss:120b-cloud", "message": {"role": "assistant", "content": "hi"}, "done": true});
    let up = upstream().models(&["tiny:latest"]).then(stream(format!("{line}\n")));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let chat = json!({"model": "gpt-oss:120b-cloud", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(gw.post("/api/chat", &chat).status, 200);
    assert_eq!(up.last().json()["model"], "gpt-oss:120b-cloud");
    let nested = gw.post("/api/chat", &json!({"model": "x:cloud:local", "messages": []}));
    assert_eq!(nested.json()["error"], "use either :local or :cloud, not both: \"x:cloud:local\"");
}

#[test]
fn http_asks_for_one_host() {
    let gw = gateway().start();
    for (head, want) in [
        ("GET /api/version HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"),
        ("GET /api/version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
        ("GET /api/version HTTP/1.1\r\nHost: a@b\r\n\r\n", "400 Bad Request: malformed Host header"),
        ("GET /api/version HTTP/1.0\r\n\r\n", "{\"version\":"),
    ] {
        let mut socket = gw.connect();
        socket.write_all(head.as_bytes()).unwrap();
        let mut all = String::new();
        socket.read_to_string(&mut all).unwrap();
        let body = all.split("\r\n\r\n").nth(1).unwrap();
        assert!(body.starts_with(want), "{all}");
        assert!(all.contains("\r\nContent-Type: "), "spelled as Ollama spells it: {all}");
    }
}

/// What a server that takes files does with one.
#[derive(Clone, Copy, PartialEq)]
enum Taking {
    /// It reads it and says 201.
    All,
    /// It has it already, and says so to HEAD too.
    There,
    /// It answers 200 after the first bytes, and reads no more.
    Early,
}

/// A server that takes files without holding them.
struct Store {
    port: u16,
    bytes: Arc<AtomicU64>,
    /// First lines and headers of the requests to its blobs.
    heads: Arc<Mutex<Vec<String>>>,
    /// So many files broke off.
    broken: Arc<AtomicU64>,
}

fn store(taking: Taking) -> Store {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = Store { port, bytes: Arc::default(), heads: Arc::default(), broken: Arc::default() };
    let (bytes, heads, broken) = (Arc::clone(&store.bytes), Arc::clone(&store.heads), Arc::clone(&store.broken));
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (bytes, heads, broken) = (Arc::clone(&bytes), Arc::clone(&heads), Arc::clone(&broken));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(socket.try_clone().unwrap());
                while let Some(head) = head_of(&mut reader) {
                    if head.contains("/api/blobs/") {
                        heads.lock().unwrap().push(head.clone());
                    }
                    if !store_one(&mut reader, &socket, &head, taking, &bytes) {
                        broken.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    store
}

fn head_of(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head.to_ascii_lowercase())
}

/// Answers one request; `false` when it broke off.
fn store_one(reader: &mut impl BufRead, mut out: &TcpStream, head: &str, taking: Taking, bytes: &AtomicU64) -> bool {
    let mut say = |status: &str, body: &str| {
        let length = body.len();
        let _ = out.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes());
    };
    if head.starts_with("get ") {
        say("200 OK", r#"{"models":[]}"#);
        return true;
    }
    if head.starts_with("head ") {
        say(if taking == Taking::There { "200 OK" } else { "404 Not Found" }, "");
        return true;
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<u64>().ok());
    let mut left = length.expect("the length goes up with the file");
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap());
        let Ok(count @ 1..) = reader.read(&mut buffer[..most]) else { return false };
        bytes.fetch_add(count as u64, Ordering::Relaxed);
        left -= count as u64;
        if taking == Taking::Early {
            say("200 OK", "");
            return true;
        }
    }
    say("201 Created", "");
    true
}

const MIB: u64 = 1 << 20;

fn digest_path() -> String {
    format!("/api/blobs/sha256:{}", "ab".repeat(32))
}

fn upload_head(gw: &Gateway, length: u64, more: &str) -> String {
    format!("POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {length}\r\n{more}\r\n", digest_path(), gw.port)
}

/// The most memory that the gateway has had, in bytes; `None` where the system does not tell.
fn peak_memory(gw: &Gateway) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gw.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn with_store(store: &Store) -> Gateway {
    // A limit of bodies is no limit of files.
    let config = "[limits]\nbody_bytes_max = 1048576\n";
    gateway().env("OLLAMA_BASE_URL", &format!("http://127.0.0.1:{}", store.port)).file("polyllama.toml", config).start()
}

#[test]
fn a_file_of_any_size_goes_through_without_being_held() {
    let store = store(Taking::All);
    let gw = with_store(&store);
    let size = 256 * MIB;
    let before = peak_memory(&gw);
    let mut socket = gw.connect();
    socket.write_all(upload_head(&gw, size, "").as_bytes()).unwrap();
    let piece = vec![7; 1 << 20];
    for _ in 0..size / MIB {
        socket.write_all(&piece).unwrap();
    }
    let answer = read_answer(&mut BufReader::new(socket), false).unwrap();
    assert_eq!((answer.status, answer.header("content-length")), (201, Some("0")));
    assert_eq!(store.bytes.load(Ordering::Relaxed), size);
    if let Some((before, after)) = before.zip(peak_memory(&gw)) {
        assert!(after - before < 16 * MIB, "{} MiB more", (after - before) / MIB);
    }
}

/// A client that waits to be told to go on is told to, or gets the answer without having sent anything.
#[test]
fn expect_100_continue_is_honoured() {
    for (taking, want) in [(Taking::All, "HTTP/1.1 100 "), (Taking::There, "HTTP/1.1 200 ")] {
        let store = store(taking);
        let gw = with_store(&store);
        let mut socket = gw.connect();
        socket.write_all(upload_head(&gw, 5, "Expect: 100-continue\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with(want), "{line}");
        if taking == Taking::There {
            assert_eq!(store.heads.lock().unwrap().len(), 1, "HEAD alone");
            continue;
        }
        reader.get_mut().write_all(b"hello").unwrap();
        reader.read_line(&mut line).unwrap();
        assert_eq!(read_answer(&mut reader, false).unwrap().status, 201);
    }
}

/// Many clients send all before they read: the answer that was there long before must still reach them.
#[test]
fn an_answer_before_the_end_of_a_file_reaches_its_client() {
    for taking in [Taking::There, Taking::Early] {
        let store = store(taking);
        let gw = with_store(&store);
        let size = 64 * MIB;
        let mut socket = gw.connect();
        socket.write_all(upload_head(&gw, size, "").as_bytes()).unwrap();
        let piece = vec![7; 1 << 20];
        for _ in 0..size / MIB {
            socket.write_all(&piece).unwrap();
        }
        let answer = read_answer(&mut BufReader::new(socket), false).unwrap();
        assert_eq!(answer.status, 200);
        assert!(store.bytes.load(Ordering::Relaxed) < size, "the server did not have to read it all");
    }
}

#[test]
fn a_refusal_of_a_file_reaches_its_client_too() {
    let gw = gateway().start();
    for (path, status) in [("/api/blobs/xyz".to_owned(), 400), (digest_path(), 502)] {
        let mut socket = gw.connect();
        let size = 16 * MIB;
        let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&vec![7; usize::try_from(size).unwrap()]).unwrap();
        let answer = read_answer(&mut BufReader::new(socket), false).unwrap();
        assert_eq!(answer.status, status, "{}", answer.everything());
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn a_client_that_breaks_off_ends_its_upload() {
    let store = store(Taking::All);
    let gw = with_store(&store);
    let mut socket = gw.connect();
    socket.write_all(upload_head(&gw, 10 * MIB, "").as_bytes()).unwrap();
    socket.write_all(&[7; 1000]).unwrap();
    wait_for("the first bytes to come", || (store.bytes.load(Ordering::Relaxed) > 0).then_some(()));
    drop(socket);
    wait_for("the server to be left", || (store.broken.load(Ordering::Relaxed) == 1).then_some(()));
}

/// Files lie at one server; a model that is made of them is made there, though another is asked first.
#[test]
fn a_model_is_made_where_its_files_are() {
    let has = |is_there: bool| {
        move |seen: &support::Seen| match (seen.method.as_str(), is_there) {
            ("HEAD", false) => text(404, "", ""),
            _ => reply(json!({"status": "success"})),
        }
    };
    let (first, second) = (upstream().answers(has(false)), upstream().answers(has(true)));
    let gw = two_servers(&first, &second);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let made = gw.post("/api/create", &json!({"model": "x", "files": {"x.gguf": digest}, "stream": false}));
    assert_eq!(made.status, 200);
    assert_eq!(second.last().path, "/api/create");
    assert!(first.seen().iter().all(|seen| seen.method == "HEAD"));
}

#[test]
fn a_path_can_lead_nowhere_else() {
    let up = upstream().then(done());
    let gw = gateway().provider("ollama", &up, &[]).start();
    let (wrong, nothing) = ((400, r#"{"error":"invalid digest format"}"#), (404, "404 page not found"));
    for (path, want) in [
        ("/api/blobs/xyz", wrong),
        ("/api/blobs/sha256:%3F", wrong),
        ("/api/blobs/sha256:..%2F..%2Fsecret", wrong),
        ("/api/blobs/a/b", nothing),
        ("/api/blobs/", nothing),
    ] {
        let answer = gw.post_text(path, "x");
        assert_eq!((answer.status, answer.text().as_str()), want, "{path}");
    }
    gw.send(&Asked::new("DELETE", "/api/user/keys/a%3Fb%20c"));
    assert_eq!(up.last().path, "/api/user/keys/a%3Fb%20c");
}

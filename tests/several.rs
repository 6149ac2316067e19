//! Promise: several Ollama servers are one: who has the model answers, the idlest first, and one that fails harms nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{
    Answer, Client, Gate, Gateway, Step, Upstream, close, gateway, hang, held, reply, status, stream, upstream,
    wait_for,
};

/// A server with a model, which says by its name who answered.
fn server(name: &'static str) -> Upstream {
    upstream().models(&["m:latest"]).answers(move |seen| says(name, seen.wants_stream()))
}

fn says(name: &str, is_stream: bool) -> Step {
    let line = json!({"model": "m", "created_at": "2026-11-22T12:00:00Z", "message": {"role": "assistant", "content": name},
        "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 1});
    if is_stream { stream(format!("{line}\n")) } else { reply(line) }
}

fn runs(models: &[&str]) -> Step {
    let row = |name: &&str| {
        json!({"name": name, "model": name, "size": 1, "size_vram": 0, "digest": "a".repeat(64),
        "expires_at": "2026-11-22T12:00:00Z", "context_length": 4096})
    };
    reply(json!({"models": models.iter().map(row).collect::<Vec<_>>()}))
}

fn in_front_of(servers: &[&Upstream]) -> Gateway {
    let addresses: Vec<String> = servers.iter().map(|server| server.address()).collect();
    let gw = gateway().env("OLLAMA_BASE_URL", &addresses.join(",")).start();
    wait_for("the lists", || (!gw.listed().is_empty()).then_some(()));
    gw
}

fn ask(gw: &Gateway) -> Answer {
    gw.send(&Client::OllamaChat.ask("m", "hi", false, &json!({})))
}

#[track_caller]
fn assert_says(answer: &Answer, name: &str) {
    assert_eq!(answer.status, 200, "{}", answer.everything());
    assert_eq!(Client::OllamaChat.read(answer, false).text, name, "{}", answer.everything());
}

#[test]
fn one_model_on_three_servers_is_one_entry() {
    let (a, b, c) = (server("a"), server("b"), server("c"));
    c.now_lists(&["m:latest", "other:1b"]);
    let gw = in_front_of(&[&a, &b, &c]);
    let mut listed = gw.listed();
    listed.sort_unstable();
    assert_eq!(listed, ["m:latest", "other:1b"]);
    a.now_running(runs(&["m:latest"]));
    c.now_running(runs(&["other:1b"]));
    let running = gw.get("/api/ps").json();
    let names: Vec<&str> =
        running["models"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["m:latest", "other:1b"]);
}

/// A model that one server goes on holding is not stopped.
#[test]
fn a_model_that_two_servers_run_is_listed_once() {
    let (a, b) = (server("a"), server("b"));
    let gw = in_front_of(&[&a, &b]);
    let row = |until: &str| reply(json!({"models": [{"name": "m:latest", "model": "m:latest", "expires_at": until}]}));
    a.now_running(row("2026-11-22T12:00:00Z"));
    b.now_running(row("2026-11-22T13:30:00+01:00"));
    let running = gw.get("/api/ps").json();
    assert_eq!(running["models"].as_array().unwrap().len(), 1, "{running}");
    assert_eq!(running["models"][0]["expires_at"], "2026-11-22T13:30:00+01:00");
}

#[test]
fn a_model_is_unloaded_wherever_it_is() {
    let (a, b) = (server("a"), server("b"));
    b.now_running(runs(&["m:latest"]));
    let gw = in_front_of(&[&a, &b]);
    let load = json!({"model": "m", "keep_alive": 60});
    assert_eq!(gw.post("/api/generate", &load).status, 200);
    assert_eq!((a.seen().len(), b.seen().len()), (0, 1), "one loads it");
    assert_eq!(gw.post("/api/generate", &json!({"model": "m", "keep_alive": "0s"})).status, 200);
    for up in [&a, &b] {
        let is_told = up.seen().iter().any(|seen| seen.json() == json!({"model": "m:latest", "keep_alive": 0}));
        assert!(is_told, "both let it go");
    }
}

#[test]
fn the_server_that_has_it_loaded_answers() {
    let (a, b, c) = (server("a"), server("b"), server("c"));
    c.now_running(runs(&["m:latest"]));
    let gw = in_front_of(&[&a, &b, &c]);
    for client in [Client::OllamaChat, Client::OpenAiChat] {
        let answer = gw.send(&client.ask("m", "hi", false, &json!({})));
        assert_eq!(client.read(&answer, false).text, "c", "{}", answer.everything());
    }
    assert_eq!((a.seen().len(), b.seen().len()), (0, 0));
}

/// Each request that is under way counts, until it ends or its client goes away.
#[test]
fn requests_are_spread_by_what_is_under_way() {
    let gate = Gate::default();
    let line = r#"{"model":"m","created_at":"2026-11-22T12:00:00Z","message":{"role":"assistant","content":"x"},"done":false}"#;
    let end = r#"{"model":"m","created_at":"2026-11-22T12:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#;
    let slow = || upstream().models(&["m:latest"]).then(held(&format!("{line}\n"), &gate, &format!("{end}\n")));
    let servers = [slow(), slow(), slow()];
    servers.iter().for_each(|server| server.now_running(runs(&["m:latest"])));
    let gw = in_front_of(&[&servers[0], &servers[1], &servers[2]]);
    let counts = || servers.each_ref().map(|server| server.seen().len());
    let open = || {
        let before: usize = counts().iter().sum();
        let asked = Client::OllamaChat.ask("m", "hi", true, &json!({}));
        let mut socket = gw.connect();
        std::io::Write::write_all(&mut socket, &asked.to_bytes(gw.port)).unwrap();
        wait_for("the request to arrive", || (counts().iter().sum::<usize>() > before).then_some(()));
        // Its first line is there: the request counts until the connection ends.
        let mut first = [0; 1];
        std::io::Read::read_exact(&mut &socket, &mut first).unwrap();
        socket
    };
    let mut sockets: Vec<_> = (0..6).map(|_| open()).collect();
    assert_eq!(counts(), [2, 2, 2]);
    // The second's clients go away: the next two requests go there.
    drop((sockets.remove(4), sockets.remove(1)));
    wait_for("the server to be left", || (servers[1].left() == 2).then_some(()));
    sockets.extend((0..2).map(|_| open()));
    assert_eq!(counts(), [2, 4, 2]);
    gate.open();
}

#[test]
fn a_dead_server_is_passed_over() {
    let (a, b) = (server("a"), server("b"));
    let gw = in_front_of(&[&a, &b]);
    for step in [
        close(),
        status(500, json!({"error": "model runner has unexpectedly stopped"})),
        status(503, json!({"error": "server busy"})),
    ] {
        a.now_answers(step);
        let before = a.seen().len();
        assert_says(&ask(&gw), "b");
        let tried = a.seen().len() - before;
        // It rests now: nobody waits for it again.
        assert_says(&ask(&gw), "b");
        assert_eq!(a.seen().len() - before, tried);
    }
}

#[test]
fn a_hung_server_does_not_hold_requests() {
    let (a, b) = (server("a"), server("b"));
    a.now_running(runs(&["m:latest"]));
    let gw = in_front_of(&[&a, &b]);
    assert_says(&ask(&gw), "a");
    // It takes requests, and says nothing any more.
    a.now_answers(hang());
    a.now_lists_with(hang());
    a.now_running(hang());
    let begun = Instant::now();
    assert_says(&ask(&gw), "b");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let begun = Instant::now();
    (0..5).for_each(|_| assert_says(&ask(&gw), "b"));
    assert!(begun.elapsed() < Duration::from_secs(3), "it rests: {:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_only_slow_is_waited_for() {
    let gate = Gate::default();
    let a = upstream().models(&["m:latest"]).then(held("{", &gate, "\"model\":\"m\",\"created_at\":\"2026-11-22T12:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":true,\"done_reason\":\"stop\"}\n"));
    let b = server("b");
    a.now_running(runs(&["m:latest"]));
    let gw = in_front_of(&[&a, &b]);
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gw.send(&Client::OllamaChat.ask("m", "hi", true, &json!({}))));
        // It is asked whether it is there still, says so, and is left in peace.
        let is_asked = || a.seen_all().iter().any(|seen| seen.path == "/api/version");
        wait_for("a look whether it lives", || is_asked().then_some(()));
        gate.open();
        asked.join().unwrap()
    });
    assert_eq!(Client::OllamaChat.read(&answer, true).text, "a", "{}", answer.everything());
    assert!(b.seen().is_empty());
}

#[test]
fn a_server_that_lost_the_model_leads_to_the_next() {
    let (a, b) = (server("a"), server("b"));
    let gw = in_front_of(&[&a, &b]);
    a.now_answers(status(404, json!({"error": "model 'm' not found"})));
    assert_says(&ask(&gw), "b");
}

/// What the servers listed last stays listed: a server that is down may be back before anybody asks.
#[test]
fn the_list_stays_whole_while_one_is_down() {
    let (a, b) = (server("a"), server("b"));
    b.now_lists(&["m:latest", "only-b:1b"]);
    let gw = in_front_of(&[&a, &b]);
    let listed = || {
        let mut names = gw.listed();
        names.sort_unstable();
        names
    };
    assert_eq!(listed(), ["m:latest", "only-b:1b"]);
    b.now_lists_with(close());
    b.now_answers(close());
    assert_eq!(listed(), ["m:latest", "only-b:1b"]);
    assert_says(&ask(&gw), "a");
    let lost = gw.send(&Client::OllamaChat.ask("only-b:1b", "hi", false, &json!({})));
    assert_eq!(lost.status, 502, "{}", lost.everything());
}

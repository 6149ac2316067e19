//! Promise: the gateway starts at once, ends in order, and neither slow nor vanished clients cost anything that lasts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{
    Asked, Client, Gate, Gateway, Seen, Step, Upstream, gateway, hang, held, read_answer, read_answer_head, reply,
    stream, upstream, wait_for,
};

const ONE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"one\"},\"finish_reason\":null}]}\n\n";
const TWO: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// One that is passed and one that is translated.
const CLIENTS: [Client; 2] = [Client::OpenAiChat, Client::OllamaChat];

fn whole() -> Step {
    reply(json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}))
}

fn fine(seen: &Seen) -> Step {
    if seen.wants_stream() { stream(format!("{ONE}{TWO}")) } else { whole() }
}

/// A provider whose streams stop in the middle until the gate opens.
fn holding(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    upstream().models(&["m"]).answers(move |seen| if seen.wants_stream() { held(ONE, &gate, TWO) } else { whole() })
}

fn question(client: Client, is_streamed: bool) -> Asked {
    client.ask("openai:m", "hi", is_streamed, &json!({}))
}

/// A stream whose first content is there; the connection ends with it.
fn begun(gw: &Gateway, client: Client) -> BufReader<TcpStream> {
    let mut socket = gw.connect();
    socket.write_all(&question(client, true).header("connection", "close").to_bytes(gw.port)).unwrap();
    let mut reader = BufReader::new(socket);
    let (status, _) = read_answer_head(&mut reader).unwrap();
    let mut line = String::new();
    while !line.contains("one") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended before its first content ({status})");
    }
    reader
}

/// All that comes until the connection ends, in whatever way.
fn rest(mut reader: BufReader<TcpStream>) -> String {
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest);
    String::from_utf8(rest).unwrap()
}

fn is_whole(rest: &str) -> bool {
    rest.contains("two") && rest.ends_with("0\r\n\r\n")
}

fn wait_until_closed(gw: &Gateway) {
    wait_for("new connections to be refused", || TcpStream::connect(("127.0.0.1", gw.port)).is_err().then_some(()));
}

#[test]
fn a_signal_lets_running_streams_finish() {
    for signal in ["TERM", "INT"] {
        let gate = Gate::default();
        let up = holding(&gate);
        let mut gw = gateway().provider("openai", &up, &["k"]).start();
        let streams = CLIENTS.map(|client| begun(&gw, client));
        let idle = gw.connect();
        gw.signal(signal);
        wait_until_closed(&gw);
        gate.open();
        for stream in streams {
            let rest = rest(stream);
            assert!(is_whole(&rest), "{rest:?}");
        }
        assert_eq!(rest(BufReader::new(idle)), "", "an idle connection is closed");
        assert_eq!(gw.ended().code(), Some(0), "{}", gw.output());
        let lines = gw.output();
        assert_eq!(lines.lines().filter(|line| line.contains(" 200 ok ")).count(), 2, "each is in the log: {lines}");
    }
}

#[test]
fn a_stream_beyond_the_limit_is_cut_and_the_end_is_in_order() {
    let up = holding(&Gate::default());
    let mut gw = gateway().provider("openai", &up, &["k"]).env("POLYLLAMA_SHUTDOWN", "200ms").start();
    let streams = CLIENTS.map(|client| begun(&gw, client));
    assert_eq!(gw.terminate().code(), Some(0), "{}", gw.output());
    for stream in streams {
        let rest = rest(stream);
        assert!(!rest.contains("two") && !rest.ends_with("0\r\n\r\n"), "a cut answer looks like one: {rest:?}");
    }
    let lines = gw.output();
    assert!(lines.contains("200ms"), "the log says what was cut: {lines}");
    assert_eq!(lines.lines().filter(|line| line.contains(" 200 broken ")).count(), 2, "each is in the log: {lines}");
    wait_for("the provider to be left", || (up.left() == 2).then_some(()));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let up = holding(&Gate::default());
    let mut gw = gateway().provider("openai", &up, &["k"]).env("POLYLLAMA_SHUTDOWN", "1h").start();
    let stream = begun(&gw, Client::OpenAiChat);
    gw.signal("INT");
    wait_until_closed(&gw);
    gw.signal("INT");
    assert_eq!(gw.ended().code(), Some(0), "{}", gw.output());
    assert!(!is_whole(&rest(stream)));
}

#[test]
fn without_a_port_it_takes_ollamas_else_the_second() {
    let (Ok(first), Ok(second)) = (TcpListener::bind(("127.0.0.1", 11434)), TcpListener::bind(("127.0.0.1", 5005)))
    else {
        eprintln!("skipped: port 11434 or 5005 is in use on this machine");
        return;
    };
    let (status, output) = gateway().without_port(5005).run();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("11434") && output.contains("can't listen on 127.0.0.1:5005"), "{output}");
    drop(second);
    let mut gw = gateway().without_port(5005).start();
    let line = gw.line_with("11434");
    assert!(line.contains("is taken") && line.contains("5005"), "{line}");
    assert!(gw.terminate().success());
    drop(first);
    let gw = gateway().without_port(11434).start();
    assert_eq!(gw.get("/").text(), "Ollama is running");
}

#[test]
fn a_port_that_was_set_and_is_taken_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (status, output) = gateway().on_port(port).run();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains(&format!("can't listen on 127.0.0.1:{port}")) && output.contains("PORT"), "{output}");
}

#[test]
fn it_answers_at_once_while_a_provider_hangs() {
    let up = upstream();
    up.now_lists_with(hang());
    let times = [(); 5].map(|()| {
        let setup = gateway().provider("openai", &up, &["k"]);
        let start = Instant::now();
        let gw = setup.spawn();
        let answer = wait_for("the first answer", || gw.try_send(&Asked::new("GET", "/")));
        let time = start.elapsed();
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ollama is running"));
        wait_for("the provider to be asked", || (!up.seen_all().is_empty()).then_some(()));
        time
    });
    let best = times.iter().min().unwrap();
    eprintln!("start to first answer: {best:?} at best of {times:?} (a debug build)");
    // 100 ms are promised of the real program on a machine of its own; here others work beside it.
    assert!(*best < Duration::from_secs(2), "{times:?}");
}

#[test]
fn a_client_that_leaves_takes_the_request_to_the_provider_along() {
    let up = upstream().models(&["m"]);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let mut asked = 0;
    for client in CLIENTS {
        for is_streamed in [false, true] {
            for step in [hang(), held("data: {\"id\":", &Gate::default(), ""), held("{\"id\":", &Gate::default(), "")] {
                up.now_answers(step);
                let mut socket = gw.connect();
                socket.write_all(&question(client, is_streamed).to_bytes(gw.port)).unwrap();
                asked += 1;
                wait_for("the provider to be asked", || (up.seen().len() == asked).then_some(()));
                drop(socket);
                wait_for("the provider to be left", || (up.left() == asked).then_some(()));
            }
        }
    }
    up.now_answers(held(ONE, &Gate::default(), TWO));
    for client in CLIENTS {
        drop(begun(&gw, client));
        asked += 1;
        wait_for("the provider to be left", || (up.left() == asked).then_some(()));
    }
    assert_eq!(up.seen().len(), asked, "nothing was asked again");
    wait_for("a line for each", || {
        (gw.output().lines().filter(|line| line.contains("client left")).count() == asked).then_some(())
    });
    let line = gw.line_with("/v1/chat/completions");
    assert!(line.contains("model=\"openai:m\"") && line.contains("attempts=1"), "{line}");
}

#[test]
fn headers_that_never_end_are_not_waited_for() {
    let gw = gateway().env("POLYLLAMA_REQUEST_HEAD", "200ms").start();
    for bytes in ["", "GET / HTTP/1.1\r\nhost: localhost\r\nx: "] {
        let mut socket = gw.connect();
        socket.write_all(bytes.as_bytes()).unwrap();
        let answer = rest(BufReader::new(socket));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    }
    assert_eq!(gw.get("/healthz").status, 200);
}

#[test]
fn a_body_that_never_ends_is_a_408() {
    let gw = gateway().env("POLYLLAMA_SILENCE", "200ms").start();
    for client in Client::ALL {
        let head =
            format!("POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{\"model\":", client.path());
        let mut socket = gw.connect();
        socket.write_all(head.as_bytes()).unwrap();
        let answer = read_answer(&mut BufReader::new(socket), false).unwrap();
        let message = client.read_error(&answer).unwrap();
        assert_eq!(answer.status, 408, "{message}");
        assert!(message.contains("200ms"), "{message}");
    }
}

#[test]
fn headers_beyond_the_limit_are_a_431() {
    let gw = gateway().start();
    let asked = |size: usize| gw.send(&Asked::new("GET", "/").header("x-long", &"x".repeat(size))).status;
    assert_eq!((asked(60 << 10), asked(70 << 10)), (200, 431));
    let gw = gateway().env("POLYLLAMA_HEADER_BYTES_MAX", "16KiB").start();
    assert_eq!(gw.send(&Asked::new("GET", "/").header("x-long", &"x".repeat(20 << 10))).status, 431);
    let many = (0..300).fold(Asked::new("GET", "/"), |asked, n| asked.header(&format!("x-{n}"), "1"));
    assert_eq!(gw.send(&many).status, 431);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let gate = Gate::default();
    let up = holding(&gate);
    let gw = gateway().provider("openai", &up, &["k"]).env("POLYLLAMA_CONNECTIONS_MAX", "2").start();
    let streams = CLIENTS.map(|client| begun(&gw, client));
    let mut third = gw.connect();
    third.write_all(&question(Client::OpenAiChat, false).to_bytes(gw.port)).unwrap();
    third.set_nonblocking(true).unwrap();
    assert!(third.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "no answer, no end");
    assert_eq!(up.seen().len(), 2);
    third.set_nonblocking(false).unwrap();
    gate.open();
    for stream in streams {
        assert!(is_whole(&rest(stream)));
    }
    let answer = read_answer(&mut BufReader::new(third), false).unwrap();
    assert_eq!(Client::OpenAiChat.read(&answer, false).text, "fine");
}

#[test]
fn a_changed_file_of_keys_is_taken_up_while_running() {
    let up = upstream().models(&["m"]).answers(fine);
    let setup = gateway().provider("openai", &up, &[]).file("keys", "sk-first-key-0001\n");
    let gw = setup.env("OPENAI_API_KEY_FILE", "keys").env("POLYLLAMA_KEY_FILES", "20ms").start();
    let ask = || assert_eq!(gw.send(&question(Client::OpenAiChat, false)).status, 200, "{}", gw.output());
    ask();
    assert_eq!(up.keys_seen(), ["sk-first-key-0001"]);
    std::fs::write(gw.folder().join("keys"), "sk-second-key-0002\nsk-third-key-0003\n").unwrap();
    let line = gw.line_with("keys were read again");
    assert!(line.contains("'openai'") && line.contains("2 now"), "{line}");
    (0..4).for_each(|_| ask());
    let mut seen = up.keys_seen()[1..].to_vec();
    seen.sort();
    assert_eq!(seen, ["sk-second-key-0002", "sk-second-key-0002", "sk-third-key-0003", "sk-third-key-0003"]);
    std::fs::write(gw.folder().join("keys"), "\n").unwrap();
    gw.line_with("old keys stay");
    ask();
    std::fs::remove_file(gw.folder().join("keys")).unwrap();
    gw.line_with("keys were not read again");
    ask();
    assert!(!gw.output().contains("-key-000"), "{}", gw.output());
}

#[test]
fn inbound_keys_are_asked_for_in_each_dialect() {
    let up = upstream().models(&["m"]).answers(fine);
    let gw = gateway().provider("openai", &up, &["sk-up"]).env("POLYLLAMA_API_KEYS", "in-key-one,in-key-two").start();
    for client in Client::ALL {
        for (name, value) in
            [("x-none", "1"), ("authorization", "Bearer in-key"), ("authorization", "Basic in-key-one")]
        {
            let answer = gw.send(&question(client, false).header(name, value));
            let message = client.read_error(&answer).unwrap_or_else(|| panic!("{}", answer.everything()));
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{message}");
            assert!(message.contains("POLYLLAMA_API_KEYS") && !message.contains("in-key"), "{message}");
        }
    }
    for path in ["/readyz", "/api/tags", "/v1/models", "/api/version"] {
        assert_eq!(gw.get(path).status, 401, "{path}");
    }
    assert_eq!(up.seen().len(), 0);
    for client in CLIENTS {
        for (name, value) in
            [("authorization", "Bearer in-key-one"), ("x-api-key", "in-key-two"), ("x-goog-api-key", "in-key-one")]
        {
            let answer = gw.send(&question(client, false).header(name, value));
            assert_eq!((answer.status, client.read(&answer, false).text.as_str()), (200, "fine"), "{name}");
        }
    }
    for seen in up.seen() {
        assert_eq!((seen.key(), seen.header("x-api-key"), seen.header("x-goog-api-key")), (Some("sk-up"), None, None));
    }
    for path in ["/", "/healthz"] {
        assert_eq!(gw.get(path).status, 200, "{path} is open");
    }
    let preflight = Asked::new("OPTIONS", "/api/chat").header("origin", "http://localhost:3000");
    let answer = gw.send(&preflight.header("access-control-request-method", "POST"));
    assert_eq!(answer.status, 204, "{}", answer.everything());
    assert!(gw.line_with("127.0.0.1#2").contains(" 200 ok "), "the log tells which key, by number");
    assert!(gw.line_with(" 401 ").contains("/api/chat"), "a refusal has its line too");
    assert!(!gw.output().contains("in-key"), "{}", gw.output());
}

#[test]
fn off_loopback_it_wants_keys() {
    let (status, output) = gateway().env("POLYLLAMA_HOST", "0.0.0.0").run();
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("POLYLLAMA_API_KEYS") && output.contains("POLYLLAMA_OPEN"), "{output}");
    for (name, value, status) in [("POLYLLAMA_API_KEYS", "in-key", 401), ("POLYLLAMA_OPEN", "1", 200)] {
        let gw = gateway().env("POLYLLAMA_HOST", "0.0.0.0").env(name, value).start();
        assert_eq!(gw.get("/api/tags").status, status, "{name}");
    }
}

#[test]
fn clients_of_http_1_0_and_those_that_expect_a_continue_are_served() {
    let up = upstream().models(&["m"]).answers(fine);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    for client in CLIENTS {
        let bytes = String::from_utf8(question(client, true).to_bytes(gw.port)).unwrap();
        let host = format!("host: 127.0.0.1:{}\r\n", gw.port);
        let mut socket = gw.connect();
        socket.write_all(bytes.replace("HTTP/1.1", "HTTP/1.0").replace(&host, "").as_bytes()).unwrap();
        let answer = read_answer(&mut BufReader::new(socket), false).unwrap();
        assert_eq!(answer.header("transfer-encoding"), None, "HTTP/1.0 knows no chunks");
        assert_eq!(client.read(&answer, true).text, "onetwo", "{}", answer.everything());

        let bytes = question(client, false).header("expect", "100-continue").to_bytes(gw.port);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let mut socket = gw.connect();
        socket.write_all(&bytes[..end]).unwrap();
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        assert_eq!(read_answer_head(&mut reader).unwrap().0, 100);
        socket.write_all(&bytes[end..]).unwrap();
        let answer = read_answer(&mut reader, false).unwrap();
        assert_eq!((answer.status, client.read(&answer, false).text.as_str()), (200, "fine"));
    }
}

#[test]
fn one_connection_serves_many_requests_sent_together() {
    let up = upstream().models(&["m"]).answers(fine);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let asked = [
        Asked::new("HEAD", "/"),
        Asked::new("GET", "/"),
        question(Client::OpenAiChat, true),
        Asked::new("HEAD", "/api/tags"),
        Asked::new("GET", "/no/such/page"),
        question(Client::OllamaChat, false),
        Asked::new("GET", "/api/version"),
    ];
    let mut socket = gw.connect();
    socket.write_all(&asked.iter().flat_map(|asked| asked.to_bytes(gw.port)).collect::<Vec<u8>>()).unwrap();
    let mut reader = BufReader::new(socket);
    let answers =
        [true, false, false, true, false, false, false].map(|is_head| read_answer(&mut reader, is_head).unwrap());
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 200, 200, 404, 200, 200]);
    assert_eq!(answers[0].header("content-length"), Some("17"), "as Ollama says");
    assert_eq!(answers[1].text(), "Ollama is running");
    assert_eq!(Client::OpenAiChat.read(&answers[2], true).text, "onetwo");
    assert_eq!(Client::OllamaChat.read(&answers[5], false).text, "fine");
    assert!(answers[6].json()["version"].is_string());
}

/// Resident memory in KiB, where the system tells.
fn memory(gw: &Gateway) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gw.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn held_streams_leave_no_memory_behind() {
    const STREAMS: usize = 200;
    let gate = Gate::default();
    let (closed, hold) = (gate.clone(), Gate::default());
    let up = upstream().models(&["m"]).answers(move |_| held(ONE, &closed, TWO));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let Some(idle) = memory(&gw) else {
        eprintln!("skipped: this system doesn't tell how much memory a process has");
        return;
    };
    let mut after = Vec::new();
    let mut during = 0;
    for round in 0..8 {
        let streams: Vec<_> = (0..STREAMS).map(|n| begun(&gw, CLIENTS[n % 2])).collect();
        during = during.max(memory(&gw).unwrap());
        // All but the first round leave in the middle.
        if round == 0 {
            gate.open();
            streams.into_iter().for_each(|stream| assert!(is_whole(&rest(stream))));
            let hold = hold.clone();
            up.now_answers(held(ONE, &hold, TWO));
        } else {
            drop(streams);
            wait_for("the provider to be left", || (up.left() == round * STREAMS).then_some(()));
        }
        after.push(memory(&gw).unwrap());
    }
    eprintln!("memory in KiB: idle {idle}, with {STREAMS} streams {during}, after each round {after:?}");
    let growth = after[7].saturating_sub(after[1]);
    assert!(growth < 8 << 10, "{growth} KiB more after six more rounds: {after:?}");
    assert!((during - idle.min(during)) / STREAMS < 256, "a stream costs {} KiB", (during - idle) / STREAMS);
}

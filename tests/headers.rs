//! Promise: the headers that matter travel, those of the provider down and the few of the client that a provider may know up;
//! and each completion leaves one line in the log that tells what happened, for people or for machines, without a key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Client, Gateway, Seen, Step, gateway, reply, status, stream, upstream};

const KEYS: [&str; 2] = ["sk-headers-secret-0001", "sk-headers-secret-0002"];

const CHUNKS: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"fine\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\ndata: [DONE]\n\n";

fn whole() -> Step {
    reply(json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}))
}

fn fine(seen: &Seen) -> Step {
    if seen.wants_stream() { stream(CHUNKS) } else { whole() }
}

/// With headers that clients get and some that are nobody's business.
fn with_headers(step: Step) -> Step {
    [
        ("x-request-id", "req_of_the_provider"),
        ("x-ratelimit-remaining-requests", "41"),
        ("ratelimit-limit", "100"),
        ("openai-processing-ms", "12"),
        ("retry-after", "17"),
        ("set-cookie", "session=1"),
        ("server", "scripted"),
        ("x-internal", "no"),
        ("access-control-allow-origin", "*"),
        ("x-polyllama-provider", "forged"),
    ]
    .into_iter()
    .fold(step, |step, (name, value)| step.with_header(name, value))
}

fn ask(gw: &Gateway, client: Client, is_streamed: bool) -> Answer {
    gw.send(&client.ask("openai:m", "hi", is_streamed, &json!({})))
}

fn assert_came_down(answer: &Answer, attempts: &str) {
    for (name, value) in [
        ("x-request-id", "req_of_the_provider"),
        ("x-ratelimit-remaining-requests", "41"),
        ("ratelimit-limit", "100"),
        ("openai-processing-ms", "12"),
        ("retry-after", "17"),
        ("x-polyllama-provider", "openai"),
        ("x-polyllama-model", "m"),
        ("x-polyllama-attempts", attempts),
    ] {
        let values: Vec<&str> =
            answer.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [value], "{name}: {}", answer.everything());
    }
    for name in ["set-cookie", "server", "x-internal", "access-control-allow-origin"] {
        assert_eq!(answer.header(name), None, "{name}: {}", answer.everything());
    }
}

#[test]
fn a_providers_headers_come_down_with_an_answer() {
    let up = upstream().models(&["m"]).then(with_headers(whole()));
    let gw = gateway().provider("openai", &up, &KEYS[..1]).start();
    for client in [Client::OpenAiChat, Client::OllamaChat] {
        assert_came_down(&ask(&gw, client, false), "1");
        assert!(gw.line_with(client.path()).contains("id=req_of_the_provider"), "the log knows it by the same id");
    }
}

#[test]
fn and_with_an_error() {
    let error =
        status(400, json!({"error": {"message": "no", "type": "invalid_request_error", "param": null, "code": null}}));
    let up = upstream().models(&["m"]).then(with_headers(error));
    let gw = gateway().provider("openai", &up, &KEYS[..1]).start();
    for client in Client::ALL {
        let answer = ask(&gw, client, false);
        assert_eq!(answer.status, 400, "{}", answer.everything());
        assert_came_down(&answer, "1");
    }
    let busy = status(503, json!({"error": {"message": "busy", "type": "server_error", "param": null, "code": null}}));
    up.now_answers(with_headers(busy));
    let answer = ask(&gw, Client::OpenAiChat, true);
    assert_eq!(answer.status, 503);
    assert_came_down(&answer, "2");
}

#[test]
fn an_answer_without_an_id_gets_one_of_ours() {
    let up = upstream().models(&["m"]).answers(fine);
    let gw = gateway().provider("openai", &up, &KEYS[..1]).start();
    let mut ids = Vec::new();
    for is_streamed in [false, true] {
        for client in Client::ALL {
            let answer = ask(&gw, client, is_streamed);
            let id = answer.header("x-request-id").unwrap().to_owned();
            assert!(id.starts_with("req_") && id.len() > 20, "{id}");
            gw.line_with(&format!("id={id}"));
            ids.push(id);
        }
    }
    let unknown = gw.post(
        "/v1/chat/completions",
        &json!({"model": "nobody-has-this", "messages": [{"role": "user", "content": "hi"}]}),
    );
    assert_eq!(unknown.header("x-polyllama-provider"), None, "nobody was asked");
    ids.push(unknown.header("x-request-id").unwrap().to_owned());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "each its own");
}

#[test]
fn the_model_that_answered_is_named() {
    let up = upstream().models(&["gpt-4o", "gpt-4-turbo"]).answers(fine);
    let gw = gateway().provider("openai", &up, &KEYS[..1]).start();
    let answer = gw.send(&Client::OllamaChat.ask("gpt4", "hi", false, &json!({})));
    assert_eq!(answer.header("x-polyllama-model"), Some("gpt-4-turbo"), "{}", answer.everything());
    let line = gw.line_with("model=\"gpt4\"");
    assert!(line.contains("used=openai:gpt-4-turbo"), "{line}");
}

#[test]
fn few_headers_of_a_client_go_up_and_only_in_the_providers_dialect() {
    const UP: [(&str, &str); 5] = [
        ("openai-beta", "assistants=v2"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("idempotency-key", "idem-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    const STAY: [(&str, &str); 9] = [
        ("authorization", "Bearer of-the-client"),
        ("x-api-key", "of-the-client"),
        ("x-goog-api-key", "of-the-client"),
        ("api-key", "of-the-client"),
        ("cookie", "session=of-the-client"),
        ("x-forwarded-for", "10.1.2.3"),
        ("forwarded", "for=10.1.2.3"),
        ("proxy-authorization", "Basic of-the-client"),
        ("x-stainless-os", "Linux"),
    ];
    let up = upstream().models(&["m"]).answers(fine);
    let gw = gateway().provider("openai", &up, &KEYS[..1]).start();
    for client in [Client::OpenAiChat, Client::OllamaChat] {
        let asked = client
            .ask("openai:m", "hi", true, &json!({}))
            .header("user-agent", "client/1")
            .header("accept-encoding", "gzip");
        let asked = UP.iter().chain(&STAY).fold(asked, |asked, (name, value)| asked.header(name, value));
        assert_eq!(gw.send(&asked).status, 200);
        let seen = up.last();
        for (name, value) in UP {
            let wanted = (client == Client::OpenAiChat).then_some(value);
            assert_eq!(seen.header(name), wanted, "{client:?} {name}");
        }
        assert_eq!(seen.key(), Some(KEYS[0]));
        assert!(seen.headers.iter().all(|(_, value)| !value.contains("of-the-client") && !value.contains("10.1.2.3")));
        assert!(seen.header("x-stainless-os").is_none() && seen.header("cookie").is_none(), "{:?}", seen.headers);
        assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("polyllama/")), "{:?}", seen.headers);
        assert_eq!(seen.header("accept-encoding"), Some("identity"), "bytes pass as they are");
    }
}

/// One good answer, one after a refused key, one error, one with a parameter that can't be told, in this order.
fn four_requests(gw: &Gateway) {
    assert_eq!(ask(gw, Client::OpenAiChat, true).status, 200);
    assert_eq!(ask(gw, Client::OllamaChat, false).status, 200);
    assert_eq!(
        gw.post(
            "/v1/chat/completions",
            &json!({"model": "nobody\nhas \"this", "messages": [{"role": "user", "content": "hi"}]})
        )
        .status,
        404
    );
    let more = json!({"options": {"mirostat": 1}});
    assert_eq!(gw.send(&Client::OllamaGenerate.ask("openai:m", "hi", true, &more)).status, 200);
}

fn scripted() -> support::Upstream {
    upstream().models(&["m"]).answers(|seen| match seen.key() {
        Some("sk-headers-secret-0002") => status(
            401,
            json!({"error": {"message": "Incorrect API key provided: sk-headers-secret-0002",
            "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}),
        ),
        _ => fine(seen),
    })
}

#[test]
fn a_line_for_each_request_tells_people_what_happened() {
    let up = scripted();
    let mut gw = gateway().provider("openai", &up, &KEYS).arg("--verbose").start();
    four_requests(&gw);
    gw.terminate();
    let output = gw.output();
    assert!(KEYS.iter().all(|key| !output.contains(key)), "{output}");
    let lines: Vec<&str> = output.lines().filter(|line| line.contains(" id=")).collect();
    assert_eq!(lines.len(), 4, "{output}");
    for (line, wanted) in lines.iter().zip([
        " 200 ok openai /v1/chat/completions model=\"openai:m\" used=openai:m attempts=",
        " 200 ok ollama /api/chat model=\"openai:m\" used=openai:m attempts=",
        " 404 error openai /v1/chat/completions model=\"nobody\\nhas \\\"this\" used=- total=",
        " 200 ok ollama /api/generate model=\"openai:m\" used=openai:m attempts=1 ",
    ]) {
        assert!(line.contains(wanted), "{line}\nwithout {wanted}");
        assert!(line.contains("who=127.0.0.1 id=req_") && line.contains("total="), "{line}");
        let (time, _) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{line}");
    }
    for line in [lines[0], lines[1], lines[3]] {
        assert!(line.contains("tokens=7+5") && line.contains("first="), "{line}");
    }
    assert!(lines[..2].iter().any(|line| line.contains("attempts=2 failed=key_dead")), "{lines:?}");
    assert!(lines[3].contains("dropped=1"), "{}", lines[3]);
}

#[test]
fn and_machines() {
    let up = scripted();
    let mut gw = gateway().provider("openai", &up, &KEYS).arg("--verbose").arg("--log-format").arg("json").start();
    four_requests(&gw);
    gw.terminate();
    let output = gw.output();
    assert!(KEYS.iter().all(|key| !output.contains(key)), "{output}");
    let parsed =
        output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    let all: Vec<Value> = parsed.collect();
    assert!(all.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{output}");
    let lines: Vec<&Value> = all.iter().filter(|line| line["id"].is_string()).collect();
    assert_eq!(lines.len(), 4, "{output}");
    let told = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("status"), [json!(200), json!(200), json!(404), json!(200)]);
    assert_eq!(told("outcome"), [json!("ok"), json!("ok"), json!("error"), json!("ok")]);
    assert_eq!(told("dialect"), [json!("openai"), json!("ollama"), json!("openai"), json!("ollama")]);
    let paths = ["/v1/chat/completions", "/api/chat", "/v1/chat/completions", "/api/generate"];
    assert_eq!(told("path"), paths.map(|path| json!(path)));
    assert_eq!(told("model"), [json!("openai:m"), json!("openai:m"), json!("nobody\nhas \"this"), json!("openai:m")]);
    assert_eq!(told("used"), [json!("openai:m"), json!("openai:m"), json!(""), json!("openai:m")]);
    assert_eq!(told("dropped_parameters"), [json!(0), json!(0), json!(0), json!(1)]);
    let reasons: Vec<Value> = told("reasons").into_iter().flat_map(|r| r.as_array().cloned().unwrap()).collect();
    assert_eq!(reasons, [json!("key_dead")], "the refused key was tried once");
    assert_eq!(told("attempts").iter().filter_map(Value::as_u64).sum::<u64>(), 4);
    for line in [lines[0], lines[1], lines[3]] {
        assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&json!(7), &json!(5)), "{line}");
        assert!(
            line["first_content_ms"].as_f64() <= line["total_ms"].as_f64() && line["total_ms"].is_number(),
            "{line}"
        );
        assert_eq!(line["who"], "127.0.0.1");
    }
}

//! Promise: where client and provider speak the same language, the gateway is a wire. What the provider sends comes back byte
//! for byte, and of what the client sends only the model's name changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Client, Seen, Step, gateway, stream, text, upstream};

const OPENAI_SPEAKERS: [&str; 7] = ["openai", "openrouter", "akash", "cohere", "codestral", "qwen", "google"];

/// Odd in every way that JSON allows: blanks, number forms, escapes, unknown members, members twice.
const ODD_ANSWER: &str = "{ \"id\":\"x\" ,\n \"zeta\" : [1.0, 1e3, -0, 12345678901234567890123],\t\"choices\":[{\"index\":0,\
    \"message\":{\"role\":\"assistant\",\"content\":\"\\u0048i \\/ \\ud83d\\ude42\",\"new_field\":{\"b\":1,\"a\":2}},\
    \"finish_reason\":\"stop\"}],\"model\":\"as-they-call-it\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2.0}, \"id\":\"y\"}\r\n";

/// Comments, CRLF and LF, a record of two data lines, an event name, an id, no blank after the colon.
const ODD_STREAM: &str = ": OPENROUTER PROCESSING\n\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n\
    event: message\nid: 7\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u00e9 \u{1f642}\"}}],\ndata: \"x\":1.50}\n\n\
    : still here\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

fn odd(seen: &Seen) -> Step {
    if seen.wants_stream() { stream(ODD_STREAM) } else { text(200, "application/json; charset=utf-8", ODD_ANSWER) }
}

#[test]
fn whole_answers_come_back_byte_for_byte() {
    for prefix in OPENAI_SPEAKERS {
        let up = upstream().models(&["m-1"]).answers(odd);
        let gw = gateway().provider(prefix, &up, &["k"]).start();
        let body = json!({"model": format!("{prefix}:m-1"), "messages": [{"role": "user", "content": "hi"}]});
        let answer = gw.post("/v1/chat/completions", &body);
        assert_eq!(answer.text(), ODD_ANSWER, "{prefix}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{prefix}");
        assert_eq!(answer.header("x-polyllama-provider"), Some(prefix));
        assert_eq!(answer.header("x-polyllama-model"), Some("m-1"), "{prefix}");
    }
}

#[test]
fn streams_come_back_byte_for_byte_however_they_are_split() {
    for prefix in OPENAI_SPEAKERS {
        for size in [1, 2, 3, 7, 64, 100_000] {
            let up = upstream().models(&["m-1"]).answers(move |seen| odd(seen).split_every(size));
            let gw = gateway().provider(prefix, &up, &["k"]).start();
            let body = json!({"model": format!("{prefix}:m-1"), "stream": true, "messages": []});
            let answer = gw.post("/v1/chat/completions", &body);
            assert_eq!(answer.text(), ODD_STREAM, "{prefix}, chunks of {size}");
            assert!(answer.is_complete);
        }
    }
}

/// Requests as clients write them; `MODEL` is where the name stands that is spliced.
fn requests() -> Vec<(&'static str, String)> {
    let long = "x".repeat(1 << 20);
    vec![
        ("plain", r#"{"model":"MODEL","messages":[]}"#.to_owned()),
        ("spaced", "{\n\t\"messages\" : [ ] ,\r\n \"model\"  :  \"MODEL\" , \"temperature\": 1.0e0, \"seed2\":18446744073709551616 }\n".to_owned()),
        ("nested", r#"{"messages":[{"role":"user","content":"{\"model\":\"no\"}","model":"no"}],"metadata":{"model":"no"},"model":"MODEL","x":{"model":"no"}}"#.to_owned()),
        ("twice", r#"{"model":"MODEL","messages":[],"model":"MODEL"}"#.to_owned()),
        ("capitals", r#"{"Model":"stays","MODEL2":"stays","model":"MODEL","messages":[]}"#.to_owned()),
        ("after a megabyte", format!(r#"{{"messages":[{{"role":"user","content":"{long}"}}],"unknown":[1.50,null,{{}}],"model":"MODEL"}}"#)),
    ]
}

#[test]
fn of_a_request_only_the_name_changes() {
    for prefix in OPENAI_SPEAKERS {
        let up = upstream().models(&["m-1"]).answers(odd);
        let gw = gateway().provider(prefix, &up, &["k"]).start();
        for (what, form) in requests() {
            let answer = gw.post_text("/v1/chat/completions", &form.replace("\"MODEL\"", &format!("\"{prefix}:m-1\"")));
            assert_eq!(answer.status, 200, "{prefix}, {what}: {}", answer.everything());
            let got = String::from_utf8(up.last().body).unwrap();
            assert!(
                got == form.replace("\"MODEL\"", "\"m-1\""),
                "{prefix}, {what}: {}",
                got.chars().take(300).collect::<String>()
            );
        }
    }
}

/// A name may be written with escapes, be an alias, or have other letters than the provider's.
#[test]
fn every_way_to_write_the_name_is_spliced() {
    let up = upstream().models(&["gpt-4-turbo", "gpt-4o"]).answers(odd);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let rows = [
        (r#""\u006fpenai:gpt-4o""#, "gpt-4o"),
        (r#""openai\/gpt-4o""#, "gpt-4o"),
        (r#""gpt-4o""#, "gpt-4o"),
        (r#""GPT-4o""#, "gpt-4o"),
        (r#""gpt4o""#, "gpt-4o"),
        (r#""gpt4""#, "gpt-4-turbo"),
        (r#""gpt-4o:latest""#, "gpt-4o"),
    ];
    for (written, id) in rows {
        let answer = gw.post_text("/v1/chat/completions", &format!(r#"{{ "n":1,"model": {written},"messages":[] }}"#));
        assert_eq!(answer.status, 200, "{written}: {}", answer.everything());
        assert_eq!(String::from_utf8(up.last().body).unwrap(), format!(r#"{{ "n":1,"model": "{id}","messages":[] }}"#));
    }
}

const OLLAMA_ANSWER: &str = "{\"model\":\"llama3.2\",\"created_at\":\"2026-11-22T09:00:00.1+01:00\",\"message\":{\"role\":\"assistant\",\
    \"content\":\"h\\u003ci\"},\"done\":true,\"done_reason\":\"stop\",\"new\":[1.0],\"eval_count\":3}";

/// A client of Ollama at a real Ollama: the lines come back as they were, and the request goes up as it was.
#[test]
fn an_ollama_behind_it_is_passed() {
    let line = OLLAMA_ANSWER.replace("\"done\":true", "\"done\":false");
    let body = format!("{line}\n{OLLAMA_ANSWER}\n");
    let sent = body.clone();
    let up = upstream().models(&["llama3.2:latest"]).answers(move |seen| {
        let whole = text(200, "application/json; charset=utf-8", OLLAMA_ANSWER);
        if seen.wants_stream() { stream(sent.clone()).split_every(13) } else { whole }
    });
    let gw = gateway().provider("ollama", &up, &[]).start();
    let form = r#"{ "options":{"temperature":1.0, "num_ctx":4096},"model" : "NAME", "messages":[{"role":"user","content":"\u0068i","odd":1}],"stream":true }"#;
    for name in ["llama3.2", "llama3.2:latest"] {
        let answer = gw.post_text("/api/chat", &form.replace("NAME", name));
        assert_eq!(answer.text(), body);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let seen = String::from_utf8(up.last().body).unwrap();
        // Ollama takes the name with and without its tag.
        assert!([name, "llama3.2:latest"].iter().any(|name| seen == form.replace("NAME", name)), "{seen}");
    }
    let whole = gw.post_text("/api/chat", &form.replace("NAME", "llama3.2").replace("true", "false"));
    assert_eq!(whole.text(), OLLAMA_ANSWER);
}

/// Content types are wrong at times: the first byte tells a stream from a whole answer.
#[test]
fn an_answer_under_another_name_is_what_it_begins_as() {
    let whole = text(200, "text/event-stream", ODD_ANSWER);
    for (content_type, want) in
        [("application/json", "h\u{e9} \u{1f642}"), ("text/plain", "h\u{e9} \u{1f642}"), ("", "Hi / \u{1f642}")]
    {
        let is_stream = !content_type.is_empty();
        let step = if is_stream { text(200, content_type, ODD_STREAM) } else { whole.clone() };
        let up = upstream().models(&["m-1"]).then(step);
        let gw = gateway().provider("openai", &up, &["k"]).start();
        let ask = |client: Client| gw.send(&client.ask("openai:m-1", "hi", true, &json!({})));
        let passed = ask(Client::OpenAiChat);
        assert_eq!(passed.text(), if is_stream { ODD_STREAM } else { ODD_ANSWER }, "{content_type}");
        let translated = ask(Client::OllamaChat);
        assert_eq!(Client::OllamaChat.read(&translated, true).text, want, "{}", translated.everything());
    }
}

/// Lines under the name of one JSON value, as a server like Ollama may send them, are a stream for whoever asked for one.
#[test]
fn lines_called_one_value_are_read_as_lines() {
    let lines = format!(
        "{}\n{}\n",
        OLLAMA_ANSWER.replace("\"done\":true", "\"done\":false"),
        OLLAMA_ANSWER.replace("h\\u003ci", "!")
    );
    for size in [7, 100_000] {
        let chunks = lines.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let step = Step::Stream { content_type: "application/json".to_owned(), chunks, is_cut: false };
        let up = upstream().models(&["llama3.2:latest"]).answers(move |_| step.clone());
        let gw = gateway().provider("ollama", &up, &[]).start();
        let passed = gw.send(&Client::OllamaChat.ask("llama3.2", "hi", true, &json!({})));
        assert_eq!(passed.text(), lines, "chunks of {size}");
        for is_stream in [true, false] {
            let translated = gw.send(&Client::OpenAiChat.ask("llama3.2", "hi", is_stream, &json!({})));
            let read = Client::OpenAiChat.read(&translated, is_stream);
            assert_eq!(read.text, "h<i!", "{}", translated.everything());
        }
    }
}

#[test]
fn headers_pass_in_both_directions_as_promised() {
    let answer = text(200, "application/json", ODD_ANSWER)
        .with_header("x-request-id", "req-77")
        .with_header("x-ratelimit-remaining-requests", "9")
        .with_header("set-cookie", "session=1");
    let up = upstream().models(&["gpt-4o"]).then(answer);
    let gw = gateway().provider("openai", &up, &["the-key"]).start();
    let asked = support::Asked::new("POST", "/v1/chat/completions")
        .header("content-type", "application/json")
        .header("authorization", "Bearer the-clients-own")
        .header("cookie", "a=b")
        .header("x-forwarded-for", "10.0.0.1")
        .header("openai-beta", "assistants=v2")
        .header("accept-encoding", "gzip")
        .body(r#"{"model":"gpt-4o","messages":[]}"#);
    let got = gw.send(&asked);
    assert_eq!(got.header("x-ratelimit-remaining-requests"), Some("9"));
    assert_eq!(got.header("set-cookie"), None);
    assert_eq!(got.header("x-polyllama-attempts"), Some("1"));
    assert!(got.header("x-request-id").is_some());
    let seen = up.last();
    assert_eq!(seen.header("authorization"), Some("Bearer the-key"));
    assert_eq!(seen.header("openai-beta"), Some("assistants=v2"));
    for name in ["cookie", "x-forwarded-for"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(seen.header("accept-encoding").is_none_or(|v| v == "identity"));
    assert!(seen.header("user-agent").is_some_and(|v| v.starts_with("polyllama/")), "{:?}", seen.header("user-agent"));
}

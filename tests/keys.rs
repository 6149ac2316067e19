//! Promise: give several keys, and a dead, spent or flaky one is never your users' trouble. They see an error only when no key
//! could answer; it names the provider and counts what was tried, and shows no key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::{Client, Seen, Step, gateway, reply, status, stream, upstream};

const KEYS: [&str; 5] = ["sk-good-one-1111", "sk-dead-2222", "sk-spent-3333", "sk-flaky-4444", "sk-good-two-5555"];

fn good(seen: &Seen) -> Step {
    if !seen.wants_stream() {
        return reply(json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}));
    }
    stream(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"fine\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
         data: [DONE]\n\n",
    )
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": code, "param": null, "code": code}})
}

fn dead() -> Step {
    status(401, error("invalid_api_key", "Incorrect API key provided: sk-de**22."))
}

fn spent() -> Step {
    status(
        429,
        error("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    )
}

fn busy() -> Step {
    status(429, error("rate_limit_exceeded", "Rate limit reached. Please try again in 20ms."))
        .with_header("retry-after-ms", "20")
}

fn told(client: Client, answer: &support::Answer, is_streamed: bool) -> String {
    client.read(answer, is_streamed).text
}

/// 2,000 requests, 50 at a time, whole and streamed, of all clients.
#[test]
fn bad_keys_among_five_never_reach_a_client() {
    let turns = AtomicUsize::new(0);
    let up = upstream().models(&["gpt-4o"]).answers(move |seen| match seen.key() {
        Some("sk-dead-2222") => dead(),
        Some("sk-spent-3333") => spent(),
        // Fails for a while and recovers, again and again, in every way that a busy provider knows.
        Some("sk-flaky-4444") => match turns.fetch_add(1, Ordering::Relaxed) % 12 {
            0..3 => busy(),
            3 => status(503, error("server_error", "The server is overloaded.")),
            4 => support::close(),
            _ => good(seen),
        },
        _ => good(seen),
    });
    let gw = gateway().provider("openai", &up, &KEYS).start();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                while let number @ 0..2000 = next.fetch_add(1, Ordering::Relaxed) {
                    let client = [Client::OpenAiChat, Client::OllamaChat][number % 2];
                    let is_streamed = number % 4 < 2;
                    let answer = gw.send(&client.ask("openai:gpt-4o", "hi", is_streamed, &json!({})));
                    assert_eq!(answer.status, 200, "request {number}: {}", answer.everything());
                    assert_eq!(told(client, &answer, is_streamed), "fine", "request {number}: {}", answer.everything());
                }
            });
        }
    });
    up.assert_only_keys(&KEYS);
    let tries = |key: &str| up.keys_seen().iter().filter(|seen| *seen == key).count();
    // A refused key and one without money are left alone once they are known; those in flight meanwhile count too.
    assert!(tries("sk-dead-2222") <= 60, "the dead key was tried {} times", tries("sk-dead-2222"));
    assert!(tries("sk-spent-3333") <= 60, "the spent key was tried {} times", tries("sk-spent-3333"));
    let (one, two) = (tries("sk-good-one-1111"), tries("sk-good-two-5555"));
    assert!(one > 300 && two > 300, "good keys take turns: {one} and {two}");
}

#[test]
fn keys_take_turns() {
    let up = upstream().models(&["gpt-4o"]).answers(good);
    let gw = gateway().provider("openai", &up, &["a", "b", "c"]).start();
    for _ in 0..6 {
        gw.send(&Client::OpenAiChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    }
    let seen = up.keys_seen();
    assert_eq!(seen[..3], seen[3..], "{seen:?}");
    let mut first: Vec<&str> = seen[..3].iter().map(String::as_str).collect();
    first.sort_unstable();
    assert_eq!(first, ["a", "b", "c"]);
}

#[test]
fn when_all_rest_one_clear_error_says_so() {
    for client in [Client::OpenAiChat, Client::OllamaChat] {
        let up = upstream().models(&["gpt-4o"]).answers(|_| {
            status(429, error("rate_limit_exceeded", "Rate limit reached.")).with_header("retry-after", "30")
        });
        let gw = gateway().provider("openai", &up, &KEYS).start();
        for turn in 0..2 {
            let answer = gw.send(&client.ask("openai:gpt-4o", "hi", turn == 1, &json!({})));
            let message = client.read_error(&answer).unwrap_or_default();
            assert_eq!(answer.status, 429, "{}", answer.everything());
            assert!(message.contains("openai") && message.contains('5'), "names the provider and counts: {message}");
            assert!(answer.header("retry-after").is_some(), "{}", answer.everything());
            let everything = answer.everything() + &gw.output();
            assert!(KEYS.iter().all(|key| !everything.contains(key)), "{everything}");
        }
        // The second request found all of them resting and asked nobody.
        assert_eq!(up.keys_seen().len(), 5, "{:?}", up.keys_seen());
    }
}

/// Several providers report a failure inside a 200: in the first record of a stream, or in place of `choices`.
#[test]
fn a_failure_inside_a_200_goes_to_the_next_key_too() {
    let up = upstream().models(&["gpt-4o"]).answers(|seen| {
        if seen.key() != Some("spent") {
            return good(seen);
        }
        let body = error("insufficient_quota", "You exceeded your current quota.");
        if seen.wants_stream() { stream(format!(": hello\n\ndata: {body}\n\n")) } else { reply(body) }
    });
    for client in [Client::OpenAiChat, Client::OllamaChat] {
        for is_streamed in [false, true] {
            let gw = gateway().provider("openai", &up, &["spent", "good"]).start();
            for _ in 0..2 {
                let answer = gw.send(&client.ask("openai:gpt-4o", "hi", is_streamed, &json!({})));
                assert_eq!(told(client, &answer, is_streamed), "fine", "{}", answer.everything());
            }
        }
    }
    assert!(up.keys_seen().contains(&"spent".to_owned()));
}

/// Google says 400 of a dead key.
#[test]
fn googles_way_to_refuse_a_key_is_known() {
    let up = upstream().models(&["gemini-2.5-flash"]).answers(|seen| match seen.header("x-goog-api-key") {
        Some("dead") => status(
            400,
            json!({"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}}),
        ),
        _ => reply(
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP",
            "index": 0}], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}),
        ),
    });
    let gw = gateway().provider("google", &up, &["dead", "good"]).start();
    for _ in 0..4 {
        let answer = gw.send(&Client::OllamaChat.ask("google:gemini-2.5-flash", "hi", false, &json!({})));
        assert_eq!(told(Client::OllamaChat, &answer, false), "fine", "{}", answer.everything());
    }
    let tries = up.keys_seen().iter().filter(|key| *key == "dead").count();
    assert_eq!(tries, 1, "a dead key is asked once");
}

/// The client's own mistake is told at once: no other key is spent on it.
#[test]
fn a_wrong_request_is_not_tried_with_every_key() {
    let up = upstream().models(&["gpt-4o"]).then(status(400, error("invalid_request_error", "bad thing")));
    let gw = gateway().provider("openai", &up, &["a", "b", "c"]).start();
    let answer = gw.send(&Client::OpenAiChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    assert_eq!(answer.status, 400);
    assert_eq!(up.keys_seen().len(), 1);
}

/// Keys with quotes, blanks and empty items, in singular and plural variables, count once each.
#[test]
fn key_lists_are_read_kindly() {
    let up = upstream().models(&["gpt-4o"]).answers(good);
    let gw = gateway()
        .provider("openai", &up, &[])
        .env("OPENAI_API_KEYS", " 'a' , \"b\",, a ,")
        .env("OPENAI_API_KEY", "b")
        .start();
    for _ in 0..4 {
        gw.send(&Client::OpenAiChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    }
    let mut seen = up.keys_seen();
    seen.sort_unstable();
    assert_eq!(seen, ["a", "a", "b", "b"]);
}

/// A refusal that speaks of the model says nothing against the key.
#[test]
fn a_401_for_one_model_leaves_the_keys_to_the_others() {
    let up = upstream().models(&["dear", "cheap"]).answers(|seen| match seen.json()["model"].as_str() {
        Some("dear") => status(401, json!({"error": {"message": "You do not have access to this model", "type": "x"}})),
        _ => reply(
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}),
        ),
    });
    let gw = gateway().provider("openai", &up, &["k1", "k2"]).start();
    for _ in 0..3 {
        let refused = gw.send(&Client::OpenAiChat.ask("openai:dear", "hi", false, &json!({})));
        assert!(refused.status >= 400, "{}", refused.everything());
    }
    for _ in 0..2 {
        let answer = gw.send(&Client::OpenAiChat.ask("openai:cheap", "hi", false, &json!({})));
        assert_eq!(answer.status, 200, "{}", answer.everything());
    }
    let of = |model: &str| up.seen().iter().filter(|seen| seen.json()["model"] == model).count();
    assert_eq!((of("dear"), of("cheap")), (2, 2), "each key was tried once for the model that it may not use");
}

//! Promise: no key ever leaves the process but to the provider that it belongs to: not in answers, headers, logs, lists,
//! commands or errors, whatever goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Asked, Client, Gateway, Seen, Step, close, gateway, reply, status, stream, text, upstream};

const KEYS: [&str; 2] = ["sk-proj-S3cr3tAlpha0123456789", "sk-proj-S3cr3tBravo9876543210"];
const INBOUND: &str = "inbound-S3cr3tDoor55555";

type Script = Box<dyn Fn(&Seen) -> Step + Send + Sync>;

fn assert_silent(what: &str, told: &str) {
    for secret in KEYS.iter().chain([&INBOUND]) {
        assert!(!told.contains(secret), "{what} tells a key: {told}");
    }
}

/// Everything that can be asked, in every client's way.
fn ask_all(gw: &Gateway, what: &str) {
    let paths = ["/", "/api/version", "/api/tags", "/api/ps", "/v1/models", "/healthz", "/readyz", "/nowhere"];
    for path in paths {
        let asked = Asked::new("GET", path).header("authorization", &format!("Bearer {INBOUND}"));
        assert_silent(what, &gw.send(&asked).everything());
    }
    for client in Client::ALL {
        for is_streamed in [false, true] {
            for model in ["openai:gpt-4o", "gpt-4o", "nobody", "qwen:x"] {
                let asked = client.ask(model, "hi", is_streamed, &json!({}));
                let asked = asked.header("authorization", &format!("Bearer {INBOUND}"));
                assert_silent(what, &gw.send(&asked).everything());
            }
        }
    }
}

#[test]
fn no_key_leaves_whatever_the_provider_does() {
    // Some providers say the key that they refuse, or another that they know of the same account.
    let echo = |seen: &Seen| {
        let sent = seen.key().unwrap_or_default();
        let other = KEYS.iter().find(|key| **key != sent).copied().unwrap_or_default();
        format!("Incorrect API key provided: {sent}; {other} is over its limit too. See https://x")
    };
    let refusal = move |seen: &Seen| json!({"error": {"message": echo(seen), "type": "x", "code": "invalid_api_key"}});
    let cut = || stream("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n").cut_after(60);
    let rows: Vec<(&str, Script)> = vec![
        ("dead keys", Box::new(move |seen| status(401, refusal(seen)))),
        ("spent keys", Box::new(|_| status(429, json!({"error": {"message": "quota", "code": "insufficient_quota"}})))),
        ("a page", Box::new(move |seen| text(502, "text/html", &format!("<html>{}</html>", echo(seen))))),
        ("closed connections", Box::new(|_| close())),
        ("a cut stream", Box::new(move |_| cut())),
        ("an error inside a 200", Box::new(move |seen| reply(refusal(seen)))),
    ];
    for (what, script) in rows {
        let up = upstream().models(&["gpt-4o"]).answers(script);
        let gw = gateway()
            .provider("openai", &up, &KEYS)
            .env("POLYLLAMA_API_KEYS", INBOUND)
            .arg("serve")
            .arg("--verbose")
            .start();
        ask_all(&gw, what);
        assert_silent(&format!("log, {what}"), &gw.output());
    }
}

#[test]
fn no_command_prints_a_key() {
    let up = upstream().models(&["gpt-4o"]);
    for command in ["config", "models", "check"] {
        let (_, output) =
            gateway().provider("openai", &up, &KEYS).env("POLYLLAMA_API_KEYS", INBOUND).arg(command).run();
        assert!(!output.is_empty());
        assert_silent(command, &output);
    }
}

/// A list is refused with the very key in the words: neither the log nor any place that shows the reason tells it.
#[test]
fn a_refused_list_tells_no_key() {
    let said = KEYS.map(|key| format!("Incorrect API key provided: {key}")).join(", ");
    let up = upstream();
    up.now_lists_with(status(401, json!({"error": {"message": said, "code": "invalid_api_key"}})));
    let gw = gateway().provider("openai", &up, &KEYS).start();
    support::wait_for("the reason", || gw.get("/readyz").text().contains("Incorrect").then_some(()));
    assert_silent("/readyz", &gw.get("/readyz").everything());
    assert_silent("the log", &gw.output());
    for command in ["models", "check"] {
        let (_, output) = gateway().provider("openai", &up, &KEYS).arg(command).run();
        assert!(output.contains("Incorrect"), "{command}: {output}");
        assert_silent(command, &output);
    }
}

/// A base URL that holds a password, as some put it there.
#[test]
fn a_password_in_an_address_stays_inside() {
    let gw = gateway()
        .env("OPENAI_API_KEY", KEYS[0])
        .env("OPENAI_BASE_URL", &format!("http://user:{}@127.0.0.1:1/v1", KEYS[1]))
        .env("POLYLLAMA_API_KEYS", INBOUND)
        .arg("--verbose")
        .spawn();
    // It may refuse to start with such an address; what it says must be silent on the password either way.
    support::wait_for("a word from the gateway", || (!gw.output().is_empty()).then_some(()));
    assert_silent("the start", &gw.output());
}

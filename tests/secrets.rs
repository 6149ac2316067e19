//! Promise: no key ever leaves the process but to the provider that it belongs to: not in answers, headers, logs, lists,
//! commands or errors, whatever goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Asked, Client, Gateway, Step, close, gateway, reply, status, stream, text, upstream};

const KEYS: [&str; 2] = ["sk-proj-S3cr3tAlpha0123456789", "sk-proj-S3cr3tBravo9876543210"];
const INBOUND: &str = "inbound-S3cr3tDoor55555";

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
    let echo = format!("Incorrect API key provided: {}. See https://x", KEYS[0]);
    let rows: Vec<(&str, Step)> = vec![
        (
            "dead keys, echoed by the provider",
            status(
                401,
                json!({"error": {"message": echo, "type": "invalid_request_error", "code": "invalid_api_key"}}),
            ),
        ),
        ("spent keys", status(429, json!({"error": {"message": "quota", "code": "insufficient_quota"}}))),
        ("a page", text(502, "text/html", &format!("<html>{}</html>", KEYS[1]))),
        ("closed connections", close()),
        ("a cut stream", stream("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n").cut_after(60)),
        ("an error inside a 200", reply(json!({"error": {"message": echo, "code": "server_error"}}))),
    ];
    for (what, step) in rows {
        let up = upstream().models(&["gpt-4o"]).then(step);
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

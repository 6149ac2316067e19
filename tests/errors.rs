//! Promise: whatever goes wrong, the client gets an error of its own dialect that says what happened and what to do, with a
//! status that fits; and a cut answer is never taken for a finished one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Asked, Client, close, gateway, reply, status, stream, text, upstream};

/// The error has the dialect's form; gives its message.
fn message(client: Client, answer: &Answer) -> String {
    let body = answer.json();
    let message = if client.is_ollama() { &body["error"] } else { &body["error"]["message"] };
    if !client.is_ollama() {
        assert!(body["error"]["type"].is_string(), "{body}");
    }
    message.as_str().unwrap_or_else(|| panic!("{client:?}: {}", answer.everything())).to_owned()
}

#[test]
fn an_unknown_model_is_told_with_near_names() {
    let up = upstream().models(&["gpt-4o", "gpt-4o-mini"]).then(reply(json!({})));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    for client in Client::ALL {
        let answer = gw.send(&client.ask("gpt-4oo", "hi", false, &json!({})));
        assert_eq!(answer.status, 404, "{}", answer.everything());
        let message = message(client, &answer);
        assert!(message.contains("gpt-4oo") && message.contains("gpt-4o"), "{message}");
        match client {
            Client::OllamaChat | Client::OllamaGenerate => {}
            Client::Messages => assert_eq!(answer.json()["error"]["type"], "not_found_error"),
            _ => assert_eq!(answer.json()["error"]["code"], "model_not_found"),
        }
    }
    assert!(up.seen().is_empty());
}

/// In Ollama's order: clients pull a model on a 404.
#[test]
fn an_unknown_model_comes_before_wrong_options() {
    let gw = gateway().start();
    for (more, status) in
        [(json!({"options": {"stop": 1}}), 404), (json!({"format": "yaml"}), 404), (json!({"messages": 5}), 400)]
    {
        let answer = gw.send(&Client::OllamaChat.ask("nosuch", "hi", false, &more));
        assert_eq!(answer.status, status, "{more}: {}", answer.everything());
    }
}

#[test]
fn a_provider_without_key_names_the_variable() {
    let gw = gateway().start();
    for client in Client::ALL {
        let answer = gw.send(&client.ask("openai:gpt-4o", "hi", false, &json!({})));
        let status = match client {
            // The `ollama` command shows no text of a 401.
            _ if client.is_ollama() => 403,
            // Clients of Anthropic's dialect take a 401 for their own key's.
            Client::Messages => 502,
            _ => 401,
        };
        assert_eq!(answer.status, status, "{}", answer.everything());
        let message = message(client, &answer);
        assert!(message.contains("OPENAI_API_KEY"), "{message}");
    }
}

#[test]
fn with_no_provider_at_all_the_answer_says_what_to_set() {
    let gw = gateway().file("polyllama.toml", "[provider.ollama]\nenabled = false\n").start();
    for client in Client::ALL {
        let answer = gw.send(&client.ask("some-model", "hi", false, &json!({})));
        assert!((400..600).contains(&answer.status));
        let message = message(client, &answer);
        assert!(message.contains("_API_KEY"), "{message}");
    }
    assert_eq!(gw.get("/api/tags").json()["models"], json!([]));
}

#[test]
fn malformed_json_says_where_and_a_wrong_type_says_which_field() {
    let up = upstream().models(&["m"]).then(reply(json!({})));
    // Google for Ollama clients is translated: the body is read here, not by the provider.
    let gw = gateway().provider("google", &up, &["k"]).start();
    for client in Client::ALL {
        let broken = gw.post_text(client.path(), "{\"model\": \"google:m\",\n \"messages\": [}");
        assert_eq!(broken.status, 400, "{}", broken.everything());
        message(client, &broken);
        let wrong = gw.post_text(client.path(), r#"{"model": 5, "messages": [], "prompt": "x"}"#);
        assert_eq!(wrong.status, 400, "{}", wrong.everything());
        assert!(message(client, &wrong).contains("model"), "{}", wrong.everything());
    }
    let wrong = gw.post_text("/api/chat", r#"{"model": "google:m", "messages": "hi"}"#);
    assert_eq!(wrong.status, 400);
    assert!(message(Client::OllamaChat, &wrong).contains("messages"), "{}", wrong.everything());
    let broken = gw.post_text("/v1/completions", "{\"model\": \"google:m\",\n \"prompt\": [}");
    assert!(message(Client::OpenAiCompletions, &broken).contains("line 2"), "{}", broken.everything());
    assert!(up.seen().is_empty());
}

#[test]
fn too_large_a_body_is_refused() {
    let gw = gateway().start();
    for client in Client::ALL {
        // The length alone is enough: it isn't read.
        let asked = Asked::new("POST", client.path())
            .header("content-type", "application/json")
            .header("content-length", &(1_u64 << 40).to_string());
        let answer = gw.send(&asked);
        assert_eq!(answer.status, 413, "{}", answer.everything());
        message(client, &answer);
    }
}

#[test]
fn a_provider_that_is_down_is_a_502_that_names_it() {
    let gw = gateway().env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").start();
    for client in Client::ALL {
        let answer = gw.send(&client.ask("openai:gpt-4o", "hi", false, &json!({})));
        assert_eq!(answer.status, 502, "{}", answer.everything());
        assert!(message(client, &answer).contains("openai"), "{}", answer.everything());
    }
}

#[test]
fn a_provider_that_closes_or_answers_no_json_is_told() {
    for step in [
        close(),
        text(200, "text/html", "<html><body>Hello from a proxy</body></html>"),
        text(503, "text/html", "<h1>busy</h1>"),
    ] {
        let up = upstream().models(&["gpt-4o"]).then(step.clone());
        let gw = gateway().provider("openai", &up, &["k"]).start();
        for client in Client::ALL {
            let answer = gw.send(&client.ask("openai:gpt-4o", "hi", false, &json!({})));
            assert!(answer.status >= 500, "{step:?}: {}", answer.everything());
            let message = message(client, &answer);
            assert!(message.contains("openai") || message.contains("busy"), "{step:?}: {message}");
        }
    }
}

/// A refusal in no form of its own is named once.
#[test]
fn a_refused_key_is_told_once() {
    let up = upstream().models(&["gpt-4o"]).then(text(401, "text/plain", "who are you"));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let answer = gw.send(&Client::OpenAiChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    let want = "provider 'openai': none of its 1 key(s) could answer (1 tried now); it said: who are you";
    assert_eq!(message(Client::OpenAiChat, &answer), want);
}

/// A server that needs no key may refuse all the same: its words are handed on, and nothing is said of keys.
#[test]
fn a_refusal_without_a_key_is_the_servers_own() {
    let own = json!({"error": "sign in first"});
    for code in [401, 403, 429] {
        let up = upstream().models(&["llama3:latest"]).then(status(code, own.clone()));
        let gw = gateway().provider("ollama", &up, &[]).start();
        let answer = gw.send(&Client::OllamaChat.ask("llama3", "hi", false, &json!({})));
        assert_eq!((answer.status, answer.json()), (code, own.clone()));
        let other = gw.send(&Client::OpenAiChat.ask("llama3", "hi", false, &json!({})));
        assert_eq!((other.status, message(Client::OpenAiChat, &other).as_str()), (code, "sign in first"));
    }
}

/// What is wrong with an answer is said in words, not by showing the answer.
#[test]
fn an_answer_that_can_not_be_used_is_told_in_words() {
    let ended = json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}]});
    let page = text(200, "text/html", "<html><body>Please log in</body></html>");
    for is_streamed in [false, true] {
        let body = if is_streamed { stream(format!("data: {ended}\n\n")) } else { reply(ended.clone()) };
        for (step, want) in [(body, "MALFORMED_FUNCTION_CALL"), (page.clone(), "is the base URL right?")] {
            let up = upstream().models(&["gemini-2.5-flash"]).then(step);
            let gw = gateway().provider("google", &up, &["k"]).start();
            let answer = gw.send(&Client::OllamaChat.ask("google:gemini-2.5-flash", "hi", is_streamed, &json!({})));
            let message = message(Client::OllamaChat, &answer);
            assert_eq!(answer.status, 502, "{}", answer.everything());
            assert!(message.contains(want) && !message.contains("candidates"), "{message}");
        }
    }
}

#[test]
fn the_providers_own_words_are_kept() {
    let own = json!({"error": {"message": "temperature must be below 2", "type": "invalid_request_error", "param": "temperature", "code": null}});
    let up = upstream().models(&["gpt-4o"]).then(status(400, own.clone()));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let passed = gw.send(&Client::OpenAiChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    assert_eq!((passed.status, passed.json()), (400, own));
    let other = gw.send(&Client::OllamaChat.ask("openai:gpt-4o", "hi", false, &json!({})));
    assert_eq!(other.status, 400);
    assert!(message(Client::OllamaChat, &other).contains("temperature must be below 2"));
}

/// Google's OpenAI face says errors as an array: OpenAI clients get the object that they know.
#[test]
fn an_error_of_another_shape_is_said_anew() {
    let up = upstream().models(&["gemini-2.5-flash"]).then(status(
        400,
        json!([{"error": {"code": 400, "message": "Invalid value at 'x'", "status": "INVALID_ARGUMENT"}}]),
    ));
    let gw = gateway().provider("google", &up, &["k"]).start();
    for is_streamed in [false, true] {
        let answer = gw.send(&Client::OpenAiChat.ask("google:gemini-2.5-flash", "hi", is_streamed, &json!({})));
        assert_eq!(answer.status, 400);
        assert!(message(Client::OpenAiChat, &answer).contains("Invalid value at 'x'"));
    }
}

const HALF: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"half an ans\"},\"finish_reason\":null}]}\n\n";

/// The connection breaks, the stream ends without a finish, or an error comes in its midst: the client can tell.
#[test]
fn a_cut_stream_is_not_taken_for_a_finished_one() {
    let error = format!(
        "{HALF}data: {}\n\n",
        json!({"error": {"message": "upstream exploded", "type": "server_error", "code": null}})
    );
    let rows = [
        ("cut", stream(HALF).cut_after(HALF.len())),
        ("cut in a record", stream(HALF.repeat(2)).cut_after(HALF.len() + 40)),
        ("ends early", stream(HALF)),
        ("error inside", stream(error)),
    ];
    for (what, step) in rows {
        let up = upstream().models(&["gpt-4o"]).then(step);
        let gw = gateway().provider("openai", &up, &["k"]).start();
        for client in [Client::OllamaChat, Client::OpenAiChat] {
            let answer = gw.send(&client.ask("openai:gpt-4o", "hi", true, &json!({})));
            assert_eq!(answer.status, 200, "{what}: content had left: {}", answer.everything());
            assert!(answer.text().contains("half an ans"), "{what}, {client:?}: {}", answer.everything());
            let has_error = client.read_error(&answer).is_some();
            assert!(has_error || !answer.is_complete, "{what}, {client:?}: {}", answer.everything());
            assert!(!answer.is_done(), "{what}: {}", answer.everything());
            if what == "cut in a record" && !client.is_ollama() {
                let errors: Vec<_> =
                    answer.events().iter().map(|event| event["error"]["message"].is_string()).collect();
                assert_eq!(errors, [false, true], "half a record would spoil the error after it");
            }
            if client.is_ollama() {
                assert!(has_error, "{what}: {}", answer.everything());
                assert!(answer.lines().iter().all(|line| line["done"] != true), "{what}: {}", answer.everything());
            }
        }
        assert!(up.seen().len() == 2, "{what}: nothing is sent twice");
    }
}

#[test]
fn a_gemini_stream_without_a_finish_is_cut() {
    let record = |text: &str| {
        format!(
            "data: {}\r\n\r\n",
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}]})
        )
    };
    let up = upstream().models(&["gemini-2.5-flash"]).then(stream(record("half") + &record(" an ans")));
    let gw = gateway().provider("google", &up, &["k"]).start();
    for client in [Client::OllamaChat, Client::OllamaGenerate, Client::OpenAiCompletions] {
        let answer = gw.send(&client.ask("google:gemini-2.5-flash", "hi", true, &json!({})));
        assert!(client.read_error(&answer).is_some() || !answer.is_complete, "{client:?}: {}", answer.everything());
        assert!(!answer.is_done(), "{}", answer.everything());
    }
}

#[test]
fn what_is_not_to_be_had_is_told_in_form() {
    let gw = gateway().start();
    for path in ["/api/embed", "/api/create", "/api/copy"] {
        let answer = gw.post(path, &json!({"model": "x", "name": "x"}));
        assert!(answer.status >= 400, "{path}: {}", answer.everything());
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.everything());
    }
    assert_eq!(gw.post("/v1/nothing", &json!({})).status, 404);
}

/// A page in a browser may not reach the models by a name that it made point here.
#[test]
fn a_foreign_host_is_refused() {
    let gw = gateway().start();
    let answer = gw.send(&Asked::new("GET", "/api/tags").header("host", "evil.example.com"));
    assert_eq!(answer.status, 403, "{}", answer.everything());
    let answer = gw.send(&Asked::new("GET", "/api/tags").header("host", "localhost:11434"));
    assert_eq!(answer.status, 200, "{}", answer.everything());
}

/// A request that comes back to the gateway ends with an error instead of going round.
#[test]
fn a_loop_ends() {
    let up = upstream();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let own = format!("http://127.0.0.1:{port}/v1");
    let gw = gateway().provider("openai", &up, &["k"]).env("OPENAI_BASE_URL", &own).on_port(port).start();
    let answer = gw.post("/v1/chat/completions", &json!({"model": "openai:gpt-4o", "messages": []}));
    assert!(answer.status >= 400, "{}", answer.everything());
    assert!(answer.json()["error"] != Value::Null);
}

/// Two gateways that each take the other for an Ollama server: a look at what runs there ends, too.
#[test]
fn a_loop_over_two_gateways_ends() {
    let free = || std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (one, two) = (free(), free());
    let start = |own: u16, other: u16| {
        gateway().env("OLLAMA_BASE_URL", &format!("http://127.0.0.1:{other}")).on_port(own).start()
    };
    let (first, second) = (start(one, two), start(two, one));
    for gw in [first, second] {
        let begun = std::time::Instant::now();
        assert_eq!(gw.get("/api/ps").json(), json!({"models": []}));
        assert!(begun.elapsed() < std::time::Duration::from_secs(4), "it went round for {:?}", begun.elapsed());
    }
}

/// An answer that ends badly, without an error's body, is told in words, not as the JSON it came in.
#[test]
fn an_answer_that_ends_badly_is_told_in_words() {
    let candidate = json!({"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "index": 0,
                           "finishMessage": "Malformed function call: print(get_weather("});
    let body = json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 6, "totalTokenCount": 6}});
    for is_streamed in [false, true] {
        let step = if is_streamed { stream(format!("data: {body}\r\n\r\n")) } else { reply(body.clone()) };
        let up = upstream().models(&["gemini-2.5-flash"]).then(step);
        let gw = gateway().provider("google", &up, &["k"]).start();
        let answer = gw.send(&Client::OllamaChat.ask("google:gemini-2.5-flash", "hi", is_streamed, &json!({})));
        assert_eq!(answer.status, 502, "{}", answer.everything());
        let message = message(Client::OllamaChat, &answer);
        let is_told = message.ends_with("MALFORMED_FUNCTION_CALL: Malformed function call: print(get_weather(");
        assert!(is_told && !message.contains('{'), "{message}");
    }
}

/// A failure inside a choice is told in the provider's words.
#[test]
fn an_error_inside_a_choice_is_told_in_its_words() {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error",
                        "error": {"code": 502, "message": "the host behind it fell over"}});
    let body = json!({"id": "g", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]});
    let up = upstream().models(&["m"]).then(reply(body));
    let gw = gateway().provider("openrouter", &up, &["k"]).start();
    let answer = gw.send(&Client::OllamaChat.ask("openrouter:m", "hi", false, &json!({})));
    assert!(answer.status >= 500, "{}", answer.everything());
    assert_eq!(message(Client::OllamaChat, &answer), "provider 'openrouter': the host behind it fell over");
}

/// Some servers stream whatever they are asked for: the whole answer is made of it.
#[test]
fn a_stream_that_nobody_asked_for_is_read() {
    let line = |text: &str, is_done: bool| {
        json!({"model": "m", "created_at": "2026-11-22T08:00:00Z", "message": {"role": "assistant", "content": text},
               "done": is_done, "prompt_eval_count": 3, "eval_count": 2})
    };
    let up = upstream().models(&["m"]).then(stream(format!("{}\n{}\n", line("Hel", false), line("lo", true))));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let answer = gw.send(&Client::OpenAiChat.ask("ollama:m", "hi", false, &json!({})));
    assert_eq!(answer.status, 200, "{}", answer.everything());
    assert_eq!(Client::OpenAiChat.read(&answer, false).text, "Hello");
}

/// A whole answer that is JSON and neither an answer nor an error: who speaks the provider's language gets it as it is, whoever
/// doesn't is told so.
#[test]
fn an_answer_without_choices_is_told_to_whom_it_can_not_be_passed() {
    let body = json!({"id": "x", "object": "something.else", "data": []});
    for is_streamed in [false, true] {
        let up = upstream().models(&["m"]).answers({
            let body = body.clone();
            move |_| reply(body.clone())
        });
        let gw = gateway().provider("openai", &up, &["k"]).start();
        let passed = gw.send(&Client::OpenAiChat.ask("openai:m", "hi", is_streamed, &json!({})));
        assert_eq!((passed.status, passed.json()), (200, body.clone()));
        let answer = gw.send(&Client::OllamaChat.ask("openai:m", "hi", is_streamed, &json!({})));
        assert_eq!(answer.status, 502, "{}", answer.everything());
        let told = message(Client::OllamaChat, &answer);
        assert!(told.starts_with("provider 'openai': the provider's answer has no choices"), "{told}");
    }
}

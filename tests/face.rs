//! Promise: OpenAI's clients of a model at an Ollama server get what that server's own `/v1` face would say, without its
//! losses: what they ask for is done or refused, and an answer that breaks off says so. LM Studio's list is there, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Asked, Gateway, Seen, Step, Upstream, gateway, reply, status, stream, upstream};

const NOW: &str = "2026-11-22T10:00:00.123456789Z";

/// An Ollama server that says hello, thinking first.
fn hello(seen: &Seen) -> Step {
    let line = |message: Value| json!({"model": "m", "created_at": NOW, "message": message, "done": false}).to_string();
    let end =
        json!({"done": true, "done_reason": "stop", "total_duration": 9, "prompt_eval_count": 4, "eval_count": 2});
    if seen.wants_stream() && seen.path != "/api/embed" {
        let mut last = json!({"model": "m", "created_at": NOW, "message": {"role": "assistant", "content": ""}});
        last.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        let thought = line(json!({"role": "assistant", "content": "", "thinking": "Hm."}));
        let said = line(json!({"role": "assistant", "content": "Hello <you>"}));
        return stream(format!("{thought}\n{said}\n{last}\n"));
    }
    let mut whole = match seen.path.as_str() {
        "/api/embed" => return reply(json!({"model": "m", "embeddings": [[0.5, -1]], "prompt_eval_count": 3})),
        "/api/generate" => json!({"model": "m", "created_at": NOW, "response": "Hello"}),
        _ => json!({"model": "m", "created_at": NOW,
                    "message": {"role": "assistant", "content": "Hello <you>", "thinking": "Hm."}}),
    };
    whole.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
    reply(whole)
}

fn an_ollama() -> (Upstream, Gateway) {
    let up = upstream().models(&["m:latest"]).answers(hello);
    let gw = gateway().provider("ollama", &up, &[]).start();
    (up, gw)
}

/// Beside a provider that speaks OpenAI's language.
fn in_company() -> (Upstream, Gateway, Upstream) {
    let up = upstream().models(&["m:latest"]).answers(hello);
    let cloud = upstream().models(&["gpt-4o"]);
    let gw = gateway().provider("ollama", &up, &[]).provider("openai", &cloud, &["k"]).start();
    (up, gw, cloud)
}

/// What the server was asked for by a chat with these members.
fn asked_for(up: &Upstream, gw: &Gateway, members: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = gw.post("/v1/chat/completions", &body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    let seen = up.last();
    assert_eq!(seen.path, "/api/chat");
    seen.json()
}

fn message_of(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_the_real_face_passes_over_is_asked_for() {
    let (up, gw) = an_ollama();
    let limited = asked_for(&up, &gw, json!({"max_completion_tokens": 5, "max_tokens": 9}));
    assert_eq!(limited["options"]["num_predict"], 5);
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string", "pattern": "x"}},
                        "additionalProperties": false});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": schema}});
    let tools = json!([tool("f"), tool("g")]);
    let named = |body: &Value| -> Vec<String> {
        let tools = body["tools"].as_array().into_iter().flatten();
        tools.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = asked_for(&up, &gw, json!({"tools": tools, "tool_choice": "auto"}));
    assert_eq!(named(&all), ["f", "g"]);
    assert_eq!(all["tools"][0]["function"]["parameters"], schema, "a schema goes whole");
    assert_eq!(named(&asked_for(&up, &gw, json!({"tools": tools, "tool_choice": "none"}))), Vec::<String>::new());
    let choice = json!({"type": "function", "function": {"name": "g"}});
    assert_eq!(named(&asked_for(&up, &gw, json!({"tools": tools, "tool_choice": choice}))), ["g"]);
    assert_eq!(asked_for(&up, &gw, json!({"reasoning_effort": "xhigh"}))["think"], "max");
    assert_eq!(
        asked_for(&up, &gw, json!({"reasoning": {"effort": "none"}, "reasoning_effort": "low"}))["think"],
        false
    );
}

#[test]
fn several_answers_are_refused() {
    let (up, gw) = an_ollama();
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 2})),
        ("/v1/completions", json!({"model": "m", "prompt": "Hi", "n": 2})),
    ] {
        let answer = gw.post(path, &body);
        assert_eq!(answer.status, 400);
        assert!(message_of(&answer).starts_with("n must be 1"), "{}", answer.text());
    }
    assert!(up.seen().is_empty());
}

#[test]
fn each_part_of_a_question_is_a_message_of_its_own() {
    let (up, gw) = an_ollama();
    let image = "data:image/png;base64,iVBORw0KGgo=";
    let messages = json!([
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "image_url", "image_url": image}]},
        {"role": "assistant", "content": null, "reasoning": "hm",
         "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1.50}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "d"}, {"type": "text", "text": "e"}]},
    ]);
    let seen = asked_for(&up, &gw, json!({"messages": messages}));
    assert_eq!(
        seen["messages"],
        json!([
            {"role": "system", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "user", "content": "", "images": ["iVBORw0KGgo="]},
            {"role": "assistant", "content": "", "thinking": "hm",
             "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": {"x": 1.50}}}]},
            {"role": "tool", "content": "d\ne", "tool_name": "f", "tool_call_id": "call_1"},
        ])
    );
}

/// Go finds names whatever their case, reads the first value and no further, and no type of content is looked at.
#[test]
fn bodies_are_read_as_leniently() {
    let (up, gw) = an_ollama();
    let body = r#"{"MODEL":"m","Messages":[{"role":"user","content":"Hi"}],"Max_Tokens":3,"own":{"a":[1]}} and more"#;
    let asked = Asked::new("POST", "/v1/chat/completions").header("content-type", "text/plain").body(body);
    let answer = gw.send(&asked);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["model"], "m");
    assert_eq!(up.last().json()["options"]["num_predict"], 3);
    let seen = asked_for(
        &up,
        &gw,
        json!({"messages": [{"content": "Hi"}], "stop": [1, "x"],
        "response_format": {"type": " JSON_OBJECT "}}),
    );
    assert_eq!(
        (&seen["messages"][0]["role"], &seen["options"]["stop"], &seen["format"]),
        (&json!("user"), &json!(["x"]), &json!("json"))
    );
    assert!(asked_for(&up, &gw, json!({"stop": 5}))["options"]["stop"].is_null());
}

#[test]
fn wrong_requests_are_refused_in_known_words() {
    let (up, gw) = an_ollama();
    let user = |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let image = |url: &str| user(json!([{"type": "image_url", "image_url": {"url": url}}]));
    for (path, body, want) in [
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": [{"role": 5}]}),
            "json: cannot unmarshal number into Go struct field Message.messages.role of type string".into(),
        ),
        (
            "/v1/chat/completions",
            json!([]),
            "json: cannot unmarshal array into Go value of type openai.ChatCompletionRequest".into(),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": [], "temperature": "hot"}),
            "json: cannot unmarshal string into Go struct field ChatCompletionRequest.temperature of type float64"
                .into(),
        ),
        ("/v1/chat/completions", user(json!({"a": 1})), "invalid message content type: map[string]interface {}".into()),
        ("/v1/chat/completions", user(json!(["text"])), "invalid message format".into()),
        ("/v1/chat/completions", image("iVBORw0KGgo="), "invalid image input".into()),
        ("/v1/chat/completions", image("data:image/png;base64,!"), "invalid image input".into()),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": "x", "stop": ["a", true]}),
            "invalid type for 'stop' field: bool".into(),
        ),
        (
            "/v1/embeddings",
            json!({"model": "m", "input": "x", "dimensions": "8"}),
            "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int".into(),
        ),
        ("/v1/embeddings", json!({"model": "m", "input": ["x", 5]}), "invalid input type".into()),
    ] {
        let answer = gw.post(path, &body);
        assert_eq!((answer.status, message_of(&answer)), (400, want), "{path} {body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    assert!(up.seen().is_empty());
}

#[test]
fn a_stream_that_breaks_off_says_so() {
    let line = format!(
        "{{\"model\":\"m\",\"created_at\":\"{NOW}\",\"message\":{{\"role\":\"assistant\",\"content\":\"Hel\"}},\"done\":false}}\n"
    );
    let ends = [
        ("{\"error\":\"an error was encountered while running the model: unexpected EOF\"}\n", "unexpected EOF"),
        ("", "before it was finished"),
    ];
    for (end, words) in ends {
        let up = upstream().models(&["m:latest"]).then(stream(format!("{line}{end}")));
        let gw = gateway().provider("ollama", &up, &[]).start();
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true});
        let answer = gw.post("/v1/chat/completions", &body);
        let events = answer.events();
        assert_eq!(answer.status, 200);
        assert!(!answer.is_done(), "{}", answer.text());
        assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "Hel"}));
        let error = &events.last().unwrap()["error"];
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert_eq!(error["type"], "api_error");
    }
}

/// The server's own text, whatever stands in it, in OpenAI's form.
#[test]
fn the_servers_errors_keep_their_words() {
    let text = r#"{"error":{"code":400,"message":"request (8014 tokens) exceeds","type":"exceed_context_size_error"}}"#;
    let up = upstream().models(&["m:latest"]).then(status(400, json!({"error": text})));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let answer =
        gw.post("/v1/chat/completions", &json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}));
    assert_eq!((answer.status, message_of(&answer).as_str()), (400, text));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn legacy_completions_repeat_and_tell_probabilities_where_asked() {
    let told = json!({"model": "m", "created_at": NOW, "response": "Hello", "done": true, "done_reason": "stop",
                      "logprobs": [{"token": "Hello", "logprob": -0.5, "top_logprobs": [{"token": "Hi", "logprob": -1.5}]}]});
    let up = upstream().models(&["m:latest"]).then(reply(told));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let answer = gw.post("/v1/completions", &json!({"model": "m", "prompt": "Say: ", "echo": true, "logprobs": 1}));
    assert_eq!(up.last().json()["top_logprobs"], 1);
    let choice = answer.json()["choices"][0].clone();
    assert_eq!(choice["text"], "Say: Hello");
    assert_eq!(choice["logprobs"]["tokens"], json!(["Hello"]));
    assert_eq!(choice["logprobs"]["top_logprobs"], json!([{"Hi": -1.5}]));
}

/// A model has the form of its own server, in whatever company; what no server is known for, the company's.
#[test]
fn the_form_follows_the_model() {
    let unknown = json!({"model": "nobody", "messages": [{"role": "user", "content": "Hi"}]});
    let (_up, gw) = an_ollama();
    let alone = gw.post("/v1/chat/completions", &unknown);
    let want = "{\"error\":{\"message\":\"model 'nobody' not found\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}\n";
    assert_eq!((alone.status, alone.text().as_str()), (404, want));

    let (up, gw, cloud) = in_company();
    let answer = gw.post("/v1/chat/completions", &unknown);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("model_not_found")));
    assert!(answer.text().ends_with("}}"));

    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true});
    let answer = gw.post("/v1/chat/completions", &asked);
    let events = answer.events();
    assert!(answer.is_done());
    assert_eq!(events[0]["system_fingerprint"], "fp_ollama");
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "", "reasoning": "Hm."}));
    assert!(
        answer.text().contains(r#""delta":{"content":"Hello \u003cyou\u003e"},"finish_reason":null"#),
        "{}",
        answer.text()
    );
    let broken = gw.post("/v1/chat/completions", &json!({"model": "m", "messages": []}));
    assert_eq!(message_of(&broken), "[] is too short - 'messages'");
    assert_eq!(up.seen().len(), 1);

    cloud.now_answers(status(400, json!({"error": {"message": "m", "type": "t", "param": null, "code": null}})));
    let empty = gw.post("/v1/chat/completions", &json!({"model": "gpt-4o", "messages": []}));
    assert_eq!(empty.json()["error"]["type"], "t", "a provider of this language judges for itself");
}

#[test]
fn lists_show_each_model_as_its_server_does() {
    let (_up, gw, _cloud) = in_company();
    let list = gw.get("/v1/models").json();
    let row = |id: &str| list["data"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    // 2026-01-01T00:00:00.123456789+01:00
    assert_eq!(
        row("m:latest"),
        json!({"id": "m:latest", "object": "model", "created": 1_767_222_000, "owned_by": "library"})
    );
    assert_eq!(row("openai:gpt-4o")["owned_by"], "proxy");
    assert_eq!(
        gw.get("/v1/models/m").json(),
        json!({"id": "m", "object": "model", "created": 1_767_222_000, "owned_by": "library"})
    );
}

#[test]
fn tools_of_lm_studio_find_its_routes() {
    let (up, gw, _cloud) = in_company();
    let of = |id: &str| gw.get(&format!("/api/v0/models/{id}")).json();
    assert_eq!(
        of("m:latest"),
        json!({"id": "m:latest", "object": "model", "type": "llm", "publisher": "library", "arch": "llama",
               "compatibility_type": "gguf", "quantization": "Q4_K_M", "state": "not-loaded", "capabilities": ["tool_use"]})
    );
    up.now_running(reply(json!({"models": [{"name": "m:latest", "model": "m:latest", "context_length": 4096}]})));
    let list = gw.get("/api/v0/models").json();
    assert_eq!(list["object"], "list");
    let row = |id: &str| list["data"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    let local = row("m:latest");
    assert_eq!((&local["state"], &local["loaded_context_length"]), (&json!("loaded"), &json!(4096)));
    let cloud = row("openai:gpt-4o");
    assert_eq!((&cloud["state"], &cloud["publisher"]), (&json!("loaded"), &json!("openai")));
    assert_eq!(gw.get("/api/v0/models/nobody").status, 404);
    assert_eq!(of("m")["id"], "m", "as asked for");

    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(gw.post("/api/v0/chat/completions", &chat).json()["choices"][0]["message"]["content"], "Hello <you>");
    let completion = gw.post("/api/v0/completions", &json!({"model": "m", "prompt": "Hi"}));
    assert_eq!(completion.json()["choices"][0]["text"], "Hello");
    let embedded = gw.post("/api/v0/embeddings", &json!({"model": "m", "input": "Hi"}));
    assert_eq!(embedded.json()["data"][0]["embedding"], json!([0.5, -1]));
}

/// Calls of one line come in one record, those of the next in another; probabilities come with their text.
#[test]
fn a_streams_records_are_those_of_its_lines() {
    let call = |index: u32, id: &str, name: &str| json!({"id": id, "function": {"index": index, "name": name, "arguments": {"b": 1, "a": "<"}}});
    let line = |message: Value, logprobs: Option<&str>| {
        let mut line = json!({"model": "m", "created_at": NOW, "message": message, "done": false});
        if let Some(token) = logprobs {
            line["logprobs"] = json!([{"token": token, "logprob": -0.5}]);
        }
        format!("{line}\n")
    };
    let said = |text: &str| json!({"role": "assistant", "content": text});
    let called = |calls: Value| json!({"role": "assistant", "content": "", "tool_calls": calls});
    let body = [
        line(said("a"), Some("a")),
        line(said(""), Some("b")),
        line(said("c"), Some("c")),
        line(called(json!([call(0, "x", "f"), call(1, "y", "g")])), None),
        line(called(json!([call(2, "z", "h")])), None),
        format!(
            "{}\n",
            json!({"model": "m", "created_at": NOW, "message": said(""), "done": true, "done_reason": "stop"})
        ),
    ];
    let up = upstream().models(&["m:latest"]).then(stream(body.concat()));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let answer = gw.post(
        "/v1/chat/completions",
        &json!({"model": "m", "stream": true, "logprobs": true,
        "messages": [{"role": "user", "content": "Hi"}]}),
    );
    let told: Vec<String> = answer.events().iter().map(|event| event["choices"][0].to_string()).collect();
    let record = |delta: &str, reason: &str, token: &str| {
        let logprobs = if token.is_empty() {
            String::new()
        } else {
            format!(r#","logprobs":{{"content":[{{"token":"{token}","logprob":-0.5}}]}}"#)
        };
        format!(r#"{{"index":0,"delta":{{{delta}}},"finish_reason":{reason}{logprobs}}}"#)
    };
    let call = |index: u32, id: &str, name: &str| {
        format!(
            r#"{{"id":"{id}","index":{index},"type":"function","function":{{"name":"{name}","arguments":"{{\"b\":1,\"a\":\"<\"}}"}}}}"#
        )
    };
    assert_eq!(
        told,
        [
            record(r#""role":"assistant","content":"a""#, "null", "a"),
            record(r#""content":"""#, "null", "b"),
            record(r#""content":"c""#, "null", "c"),
            record(&format!(r#""content":"","tool_calls":[{},{}]"#, call(0, "x", "f"), call(1, "y", "g")), "null", ""),
            record(&format!(r#""content":"","tool_calls":[{}]"#, call(2, "z", "h")), "null", ""),
            record("", "\"tool_calls\"", ""),
        ]
    );
}

/// By the operator's wish its own face answers, and nothing of it is changed.
#[test]
fn its_own_face_can_be_passed_to() {
    let told = "{\"id\":\"chatcmpl-1\", \"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n";
    let up = upstream().models(&["m:latest"]).answers(move |_| support::text(200, "application/json", told));
    let config = "[provider.ollama]\nopenai_face = \"pass\"\n";
    let gw = gateway().provider("ollama", &up, &[]).file("polyllama.toml", config).start();
    let asked = r#"{"model":"m", "messages":[], "n":2}"#;
    let answer = gw.post_text("/v1/chat/completions", asked);
    assert_eq!((answer.status, answer.text().as_str()), (200, told));
    assert_eq!(
        (up.last().path.as_str(), String::from_utf8(up.last().body).unwrap().as_str()),
        ("/v1/chat/completions", asked)
    );
}

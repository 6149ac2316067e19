//! Promise: what a client of Ollama asks reaches every provider in the form that this one has for it, or the client hears in
//! Ollama's words that it can't; and what comes back has thoughts in `thinking`, arguments as objects, and counts and durations
//! that are never nothing.
//!
//! Requests and answers are written by hand, from each dialect's own description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::saying::{
    OPENAI_LIKE, all_saying, ask, asked, chunks, gemini_says, members, model_of, openai_says, started,
};
use support::{Answer, Client, Seen, gateway, recorded, reply, upstream};

// ---- thoughts in the text

const THOUGHTFUL: &str = "\n<think>\nA <b> or </thi? No: 5 < 6 \u{1f914}</think>\n\nIt is <b>42</b>. </think>";

#[test]
fn thoughts_in_the_text_of_any_provider_become_thinking() {
    for step in [1, 2, 3, 5, 7, 100] {
        let (ups, gw) = all_saying(THOUGHTFUL, step);
        for prefix in ups.keys().filter(|prefix| **prefix != "ollama") {
            for client in [Client::OllamaChat, Client::OllamaGenerate] {
                for is_streamed in [true, false] {
                    let answer = ask(&gw, client, &model_of(prefix), is_streamed, &json!({}));
                    let told = client.read(&answer, is_streamed);
                    let place = format!("{prefix} {client:?} streamed={is_streamed} by {step}");
                    assert_eq!(told.thinking, "A <b> or </thi? No: 5 < 6 \u{1f914}", "{place}");
                    assert_eq!(told.text, "It is <b>42</b>. </think>", "{place}");
                    assert_eq!(told.finish, "stop", "{place}");
                }
            }
        }
    }
}

#[test]
fn with_thinking_off_the_text_stays_as_it_is() {
    let (ups, gw) = all_saying(THOUGHTFUL, 3);
    for prefix in ups.keys().filter(|prefix| **prefix != "ollama") {
        for is_streamed in [true, false] {
            let answer = ask(&gw, Client::OllamaChat, &model_of(prefix), is_streamed, &json!({"think": false}));
            let told = Client::OllamaChat.read(&answer, is_streamed);
            assert_eq!((told.text.as_str(), told.thinking.as_str()), (THOUGHTFUL, ""), "{prefix}");
        }
    }
}

/// What passes is the provider's, and an Ollama has looked for thoughts itself.
#[test]
fn other_answers_are_not_looked_into() {
    let (_, gw) = all_saying(THOUGHTFUL, 3);
    let passed = ask(&gw, Client::OpenAiChat, "openrouter:m", false, &json!({}));
    assert_eq!(Client::OpenAiChat.read(&passed, false).text, THOUGHTFUL);
    let told = Client::OpenAiChat.read(&ask(&gw, Client::OpenAiChat, "llama3.2", false, &json!({})), false);
    assert_eq!((told.text.as_str(), told.thinking.as_str()), ("<think>Ollama's own</think>", ""));
    let own = |seen: &Seen| {
        let said = json!({"content": "<think> is a tag", "reasoning_content": "A tag?"});
        match seen.wants_stream() {
            true => chunks([(said, Value::Null), (json!({}), json!("stop"))].into_iter()),
            false => reply(json!({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})),
        }
    };
    let up = upstream().models(&["m"]).answers(own);
    let gw = gateway().provider("akash", &up, &["k"]).start();
    for is_streamed in [true, false] {
        let told =
            Client::OllamaChat.read(&ask(&gw, Client::OllamaChat, "akash:m", is_streamed, &json!({})), is_streamed);
        assert_eq!((told.text.as_str(), told.thinking.as_str()), ("<think> is a tag", "A tag?"));
    }
}

/// What a real Ollama made of a text with thoughts, the gateway makes of it when a cloud provider sends it.
#[test]
fn thoughts_are_parted_as_a_recorded_ollama_parts_them() {
    let mut count = 0;
    for (name, exchange) in recorded::exchanges("golden/ollama") {
        let client = match exchange["request"]["path"].as_str().unwrap_or_default() {
            "/api/chat" => Client::OllamaChat,
            "/api/generate" => Client::OllamaGenerate,
            _ => continue,
        };
        let Ok(body) = serde_json::from_str::<Value>(exchange["request"]["body"].as_str().unwrap_or_default()) else {
            continue;
        };
        let said = body["messages"][0]["content"].as_str().or(body["prompt"].as_str()).unwrap_or_default();
        let raw = said.strip_prefix("#raw:").and_then(|said| said.strip_suffix("#end")).map(str::to_owned);
        let Some(raw) = raw.filter(|raw| raw.contains("</think>") && !raw.contains("<tool_call>")) else { continue };
        // A stream can't know of an opening tag that is not there.
        let is_streamed = raw.starts_with("<think>") && body["stream"] != json!(false);
        let recorded = answer_of(exchange["response"]["body"].as_str().unwrap());
        let up = upstream().models(&["m"]).answers(move |seen| openai_says(seen, &raw, 2));
        let gw = gateway().provider("openrouter", &up, &["k"]).start();
        let told = client.read(&ask(&gw, client, "openrouter:m", is_streamed, &json!({})), is_streamed);
        let want = client.read(&recorded, true);
        assert_eq!((told.thinking, told.text), (want.thinking, want.text), "{name}");
        count += 1;
    }
    eprintln!("{count} recorded texts with thoughts");
}

fn answer_of(body: &str) -> Answer {
    Answer { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec(), is_complete: true }
}

/// Some templates end with the opening tag, so that the model says only the closing one.
#[test]
fn a_missing_opening_tag_is_seen_in_whole_answers() {
    let (_, gw) = all_saying("Let me see.\n</think>\n\nYes.", 4);
    for model in ["openrouter:m", "google:gemini-2.5-flash"] {
        let told = Client::OllamaChat.read(&ask(&gw, Client::OllamaChat, model, false, &json!({})), false);
        assert_eq!((told.thinking.as_str(), told.text.as_str()), ("Let me see.", "Yes."), "{model}");
        let told = Client::OllamaChat.read(&ask(&gw, Client::OllamaChat, model, true, &json!({})), true);
        assert_eq!(told.text, "Let me see.\n</think>\n\nYes.", "{model}: a stream can't know");
    }
}

/// A server without a parser of its own, told so in its entry.
#[test]
fn a_missing_opening_tag_is_made_up_for_where_the_entry_says_so() {
    let up = upstream().models(&["qwq", "plain"]).answers(|seen| openai_says(seen, "Hm.\n</think>\n\nYes.", 3));
    let quirks = "quirks = { begins_in_thought = \"^qwq\" }";
    let entry = format!("[provider.vllm]\nbase_url = \"{}/v1\"\nkeys = [\"k\"]\n{quirks}\n", up.address());
    let gw = gateway().file("polyllama.toml", &entry).start();
    let told = |model: &str| Client::OllamaChat.read(&ask(&gw, Client::OllamaChat, model, true, &json!({})), true);
    let parted = told("vllm:qwq");
    assert_eq!((parted.thinking.as_str(), parted.text.as_str()), ("Hm.", "Yes."));
    assert_eq!(told("vllm:plain").text, "Hm.\n</think>\n\nYes.");
}

/// Every line of a stream that holds thoughts has what Ollama's lines have, in the same order.
#[test]
fn lines_with_thoughts_have_ollamas_form() {
    let (_, gw) = all_saying("<think>Hm</think>Yes", 100);
    let answer = ask(&gw, Client::OllamaChat, "openrouter:m", true, &json!({}));
    let shapes: Vec<String> =
        answer.lines().iter().map(|line| format!("{:?} {}", keys(line), line["message"])).collect();
    let plain = r#"["model", "created_at", "message", "done"]"#;
    assert_eq!(shapes[0], format!(r#"{plain} {{"role":"assistant","content":"","thinking":"Hm"}}"#));
    assert_eq!(shapes[1], format!(r#"{plain} {{"role":"assistant","content":"Yes"}}"#));
    assert_eq!(shapes.len(), 3);
}

fn keys(line: &Value) -> Vec<&String> {
    line.as_object().unwrap().keys().collect()
}

// ---- think

#[test]
fn think_takes_each_providers_form() {
    let (ups, gw) = all_saying("Hi", 9);
    let rows: [(&str, Value, Value); 34] = [
        ("openai:gpt-4o", json!(false), json!({})),
        ("openai:gpt-4o", json!(true), json!({})),
        ("openai:gpt-5-chat-latest", json!(false), json!({})),
        ("openai:o3", json!(false), json!({"reasoning_effort": "low"})),
        ("openai:o3", json!("max"), json!({"reasoning_effort": "high"})),
        ("openai:gpt-5-mini", json!(false), json!({"reasoning_effort": "minimal"})),
        ("openai:gpt-5-mini", json!(true), json!({"reasoning_effort": "medium"})),
        ("openai:gpt-5.1", json!(false), json!({"reasoning_effort": "none"})),
        ("openai:gpt-5.1", json!("max"), json!({"reasoning_effort": "high"})),
        ("openai:gpt-5.4", json!("max"), json!({"reasoning_effort": "xhigh"})),
        ("openai:gpt-5.6-sol", json!("max"), json!({"reasoning_effort": "max"})),
        ("openai:gpt-6-astra", json!(false), json!({"reasoning_effort": "low"})),
        ("openrouter:m", json!(false), json!({"reasoning": {"enabled": false}})),
        ("openrouter:m", json!(true), json!({"reasoning": {"enabled": true}})),
        ("openrouter:m", json!("low"), json!({"reasoning": {"effort": "low"}})),
        ("openrouter:m", json!("max"), json!({"reasoning": {"effort": "xhigh"}})),
        ("akash:m", json!("high"), json!({"reasoning": {"effort": "high"}})),
        ("akash:m", json!(false), json!({"reasoning": {"enabled": false}})),
        ("cohere:m", json!(false), json!({"reasoning_effort": "none"})),
        ("cohere:m", json!("low"), json!({"reasoning_effort": "high"})),
        ("codestral:m", json!(true), json!({})),
        ("codestral:m", json!(false), json!({})),
        ("qwen:m", json!(false), json!({"enable_thinking": false})),
        ("qwen:m", json!(true), json!({"enable_thinking": true})),
        ("qwen:m", json!("low"), json!({"enable_thinking": true, "thinking_budget": 1024})),
        ("qwen:m", json!("max"), json!({"enable_thinking": true})),
        ("google:gemini-2.5-flash", json!(false), json!({"includeThoughts": false, "thinkingBudget": 0})),
        ("google:gemini-2.5-flash", json!(true), json!({"includeThoughts": true})),
        ("google:gemini-2.5-flash", json!("low"), json!({"includeThoughts": true, "thinkingBudget": 1024})),
        ("google:gemini-3.8-flash", json!("max"), json!({"includeThoughts": true, "thinkingLevel": "high"})),
        ("google:gemini-2.0-flash", json!(false), Value::Null),
        ("llama3.2", json!(true), json!({"think": true})),
        ("llama3.2", json!("max"), json!({"think": "max"})),
        ("llama3.2", json!(null), json!({})),
    ];
    for (model, think, want) in rows {
        let prefix = model.split_once(':').map_or("ollama", |(prefix, _)| prefix);
        let body = asked(&gw, &ups[prefix], model, &json!({"think": think}));
        let got = match prefix {
            "google" => body["generationConfig"]["thinkingConfig"].clone(),
            _ => members(&body, &["reasoning_effort", "reasoning", "enable_thinking", "thinking_budget", "think"]),
        };
        assert_eq!(got, want, "{model} {think}");
    }
}

/// Providers beyond the eight that switch thinking in ways of their own; one that knows no `none` is not asked for it, so that a
/// client that always says `think: false` works with every model.
#[test]
fn thinking_is_switched_off_without_a_refusal() {
    let rows = [
        ("vllm", json!(false), json!({"chat_template_kwargs": {"enable_thinking": false}})),
        ("vllm", json!("low"), json!({"chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "low"})),
        ("groq", json!(false), json!({})),
        ("xai", json!(false), json!({})),
        ("huggingface", json!(false), json!({})),
        ("huggingface", json!("high"), json!({"reasoning_effort": "high"})),
        ("deepseek", json!(false), json!({"thinking": {"type": "disabled"}})),
        ("deepseek", json!("low"), json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"})),
        ("acme", json!(false), json!({})),
    ];
    for (prefix, think, want) in rows {
        let up = upstream().models(&["m"]).answers(|seen| openai_says(seen, "Hi", 9));
        let entry = format!("[provider.{prefix}]\nbase_url = \"{}/v1\"\nkeys = [\"k\"]\n", up.address());
        let gw = gateway().file("polyllama.toml", &entry).start();
        let body = asked(&gw, &up, &format!("{prefix}:m"), &json!({"think": think}));
        let names = ["reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs"];
        assert_eq!(members(&body, &names), want, "{prefix} {think}");
    }
}

/// A client may lose the thoughts of a call; some providers refuse the call without.
#[test]
fn a_call_goes_back_with_something_for_its_thoughts() {
    let up = upstream().models(&["m"]).answers(|seen| openai_says(seen, "Hi", 9));
    let entry = format!("[provider.moonshot]\nbase_url = \"{}/v1\"\nkeys = [\"k\"]\n", up.address());
    let gw = gateway().file("polyllama.toml", &entry).start();
    for (thinking, want) in [("", " "), ("Look it up.", "Look it up.")] {
        let call = json!({"function": {"name": "f", "arguments": {}}});
        let messages = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "Hm", "thinking": ""},
            {"role": "user", "content": "y"},
            {"role": "assistant", "content": "", "thinking": thinking, "tool_calls": [call]}, {"role": "tool", "content": "z"}]);
        let body = asked(&gw, &up, "moonshot:m", &json!({"messages": messages}));
        assert_eq!(body["messages"][1]["reasoning_content"], Value::Null);
        assert_eq!(body["messages"][3]["reasoning_content"], want);
    }
}

/// Qwen's open models think only in streams: the gateway asks for one and hands on the whole.
#[test]
fn whole_answers_have_thoughts_where_a_provider_only_streams_them() {
    let think = |seen: &Seen| match seen.wants_stream() {
        true => chunks(
            [(json!({"reasoning_content": "Hm"}), Value::Null), (json!({"content": "Yes"}), json!("stop"))].into_iter(),
        ),
        false => reply(json!({"choices": [{"index": 0, "message": {"content": "Yes"}, "finish_reason": "stop"}]})),
    };
    let up = upstream().models(&["m"]).answers(think);
    let gw = gateway().provider("qwen", &up, &["k"]).start();
    let told = |more: Value| Client::OllamaChat.read(&ask(&gw, Client::OllamaChat, "qwen:m", false, &more), false);
    let thoughtful = told(json!({"think": true}));
    assert_eq!((thoughtful.thinking.as_str(), thoughtful.text.as_str()), ("Hm", "Yes"));
    assert_eq!(told(json!({})).thinking, "");
    assert_eq!(up.last().json()["enable_thinking"], json!(false));
}

/// Ollama's own errors, for values that are wrong and for a model that is known not to think.
#[test]
fn thinking_that_can_not_be_had_is_refused_as_ollama_does() {
    let list = json!({"data": [
        {"id": "plain", "supported_parameters": ["tools", "temperature"]},
        {"id": "deep", "supported_parameters": ["tools", "reasoning"]}, {"id": "unknown"}]});
    let up = upstream().answers(|seen| openai_says(seen, "Hi", 9));
    up.now_lists_with(reply(list));
    let gw = gateway().provider("openrouter", &up, &["k"]).start();
    let send =
        |client: Client, model: &str, think: Value| gw.send(&client.ask(model, "x", true, &json!({"think": think})));
    for client in [Client::OllamaChat, Client::OllamaGenerate] {
        for think in [json!(true), json!("low")] {
            let refused = send(client, "openrouter:plain", think);
            let told = json!({"error": "\"openrouter:plain\" does not support thinking"});
            assert_eq!((refused.status, refused.json()), (400, told), "{client:?}");
        }
        assert_eq!(send(client, "openrouter:plain", json!(false)).status, 200);
        assert_eq!(up.last().json()["reasoning"], Value::Null, "there is nothing to switch off");
        for model in ["openrouter:deep", "openrouter:unknown"] {
            assert_eq!(send(client, model, json!(true)).status, 200, "{model}");
        }
        let wrong = send(client, "openrouter:deep", json!("huge"));
        let told = r#"invalid think value: "huge" (must be "high", "medium", "low", "max", true, or false)"#;
        assert_eq!((wrong.status, wrong.json()), (400, json!({"error": told})));
    }
}

// ---- format

#[test]
fn the_form_of_the_answer_is_kept_by_every_provider() {
    let (ups, gw) = all_saying("{}", 9);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (prefix, up) in &ups {
        for (format, name) in [(schema.clone(), "schema"), (json!("json"), "json")] {
            let body = asked(&gw, up, &model_of(prefix), &json!({"format": format}));
            let place = format!("{prefix} {name}: {body}");
            let said = body["messages"][0]["content"].as_str().unwrap_or_default();
            let is_mode = body["response_format"] == json!({"type": "json_object"});
            match (*prefix, name) {
                ("ollama", _) => assert_eq!(body["format"], format, "{place}"),
                ("google", _) => {
                    assert_eq!(body["generationConfig"]["responseMimeType"], "application/json", "{place}");
                }
                ("qwen", "schema") => {
                    assert!(is_mode && said.contains(r#""required":["n"]"#), "{place}");
                    assert_eq!(body["enable_thinking"], json!(false), "{place}");
                }
                (_, "schema") => assert_eq!(body["response_format"]["json_schema"]["schema"], schema, "{place}"),
                _ => assert!(is_mode && said.contains("JSON"), "{place}"),
            }
            if (*prefix, name) == ("google", "schema") {
                assert_eq!(body["generationConfig"]["responseJsonSchema"], schema, "{place}");
            }
        }
    }
}

// ---- options

#[test]
fn options_take_each_providers_names() {
    let (ups, gw) = all_saying("Hi", 9);
    let options = json!({"temperature": 0.25, "top_p": 0.75, "top_k": 20.9, "min_p": 0.05, "seed": 7, "num_predict": 99.9,
        "stop": ["END", "STOP"], "presence_penalty": 0.5, "frequency_penalty": 0.25, "repeat_penalty": 1.5,
        "num_ctx": 8192, "num_gpu": 1});
    let common =
        json!({"temperature": 0.25, "top_p": 0.75, "max_tokens": 99, "stop": ["END", "STOP"], "presence_penalty": 0.5});
    let with = |more: Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let rows = [
        ("openai", with(json!({"frequency_penalty": 0.25, "seed": 7}))),
        ("akash", with(json!({"frequency_penalty": 0.25, "seed": 7}))),
        ("cohere", with(json!({"frequency_penalty": 0.25, "seed": 7}))),
        ("codestral", with(json!({"frequency_penalty": 0.25, "random_seed": 7}))),
        ("qwen", with(json!({"seed": 7, "top_k": 20, "repetition_penalty": 1.5}))),
        (
            "openrouter",
            with(json!({"frequency_penalty": 0.25, "seed": 7, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.5})),
        ),
    ];
    for (prefix, want) in rows {
        let mut body = asked(&gw, &ups[prefix], &model_of(prefix), &json!({"options": options}));
        ["model", "messages", "stream", "stream_options"]
            .iter()
            .for_each(|name| drop(body.as_object_mut().unwrap().remove(*name)));
        assert_eq!(body, want, "{prefix}");
    }
    let body = asked(&gw, &ups["google"], "google:gemini-2.5-flash", &json!({"options": options}));
    let want = json!({"temperature": 0.25, "topP": 0.75, "topK": 20, "presencePenalty": 0.5, "frequencyPenalty": 0.25,
                      "maxOutputTokens": 99, "seed": 7, "stopSequences": ["END", "STOP"]});
    assert_eq!(body["generationConfig"], want);
    let body = asked(&gw, &ups["ollama"], "llama3.2", &json!({"options": options}));
    assert_eq!(body["options"], options, "what passes is not touched");
}

#[test]
fn values_that_mean_no_wish_are_no_wish() {
    let (ups, gw) = all_saying("Hi", 9);
    for count in [0, -1, -2] {
        let options = json!({"num_predict": count, "seed": -1, "presence_penalty": 0, "frequency_penalty": 0.0,
                             "repeat_penalty": 1.0, "min_p": 0.0});
        let names = ["max_tokens", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty", "min_p"];
        let body = asked(&gw, &ups["openrouter"], "openrouter:m", &json!({"options": options}));
        assert_eq!(members(&body, &names), json!({}), "{count}");
        let body = asked(&gw, &ups["google"], "google:gemini-2.5-flash", &json!({"options": options}));
        assert_eq!(body["generationConfig"], Value::Null, "{count}");
    }
}

/// Strict refuses what is lost. A window is the provider's own, and a prompt beyond it is an error there; to keep a model is the
/// gateway's own matter; and to ask for what happens anyway is to ask for nothing.
#[test]
fn what_is_lost_is_counted_and_nothing_else() {
    let (_, gw) = started(|seen| openai_says(seen, "Hi", 9), |seen| gemini_says(seen, "Hi", 9), "strict = true\n");
    let harmless = json!({"keep_alive": "10m", "truncate": true, "shift": false, "options": {
        "num_ctx": 4096, "num_gpu": -1, "main_gpu": 0, "num_thread": 0, "num_batch": 512, "num_keep": 4,
        "mirostat": 0, "typical_p": 1.0, "tfs_z": 1, "repeat_last_n": 64, "repeat_penalty": 1, "min_p": 0,
        "presence_penalty": 0}});
    let lost = ["num_gpu", "num_thread", "use_mmap", "mirostat", "typical_p", "odd"];
    let lost =
        lost.map(|name| (json!({"options": {name: if name == "use_mmap" { json!(true) } else { json!(3) }}}), name));
    for model in ["openai:gpt-4o", "codestral:m", "google:gemini-2.5-flash"] {
        ask(&gw, Client::OllamaChat, model, true, &harmless);
        for (more, name) in &lost {
            let refused = gw.send(&Client::OllamaChat.ask(model, "x", true, more));
            let told = refused.json()["error"].as_str().unwrap_or_default().to_owned();
            assert!(refused.status == 400 && told.contains(name), "{model}: {}", refused.everything());
        }
    }
}

// ---- content that has no place

#[test]
fn content_that_has_no_place_is_an_error() {
    let (ups, gw) = all_saying("Hi", 9);
    for prefix in ups.keys().filter(|prefix| **prefix != "ollama") {
        let model = model_of(prefix);
        let context = gw.send(&Client::OllamaGenerate.ask(&model, "x", true, &json!({"context": [1, 2, 3]})));
        let told = context.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(context.status == 400 && told.contains("'context'"), "{prefix}: {}", context.everything());
        let nothing = json!({"context": [], "template": "", "suffix": "", "system": ""});
        ask(&gw, Client::OllamaGenerate, &model, true, &nothing);
    }
    for model in ["cohere:m", "qwen:m", "codestral:m", "google:gemini-2.5-flash"] {
        let gap = gw.send(&Client::OllamaGenerate.ask(model, "def f(", true, &json!({"suffix": "return 1"})));
        let told = gap.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(gap.status == 400 && told.ends_with("does not support insert"), "{model}: {}", gap.everything());
    }
}

/// A client that forgets the oldest messages may leave a result without its call. Ollama takes it; no other dialect does.
#[test]
fn a_conversation_that_begins_with_a_result_is_answered_by_every_provider() {
    let (ups, gw) = all_saying("Hi", 9);
    let messages = json!([{"role": "tool", "tool_name": "f", "content": "11 C"},
                          {"role": "assistant", "content": "It is cold."}, {"role": "user", "content": "And now?"}]);
    for (prefix, up) in ups.iter().filter(|(prefix, _)| **prefix != "ollama") {
        let sent = asked(&gw, up, &model_of(prefix), &json!({"messages": messages})).to_string();
        assert!(sent.contains("Result of the tool f: 11 C"), "{prefix}: {sent}");
    }
}

/// Pictures and sounds are told by their first bytes.
#[test]
fn the_kind_of_a_picture_is_found_from_its_bytes() {
    let (ups, gw) = all_saying("Hi", 9);
    let kinds = [
        ("iVBORw0KGgoAAAANSUhEUgAA", "image/png"),
        ("/9j/4AAQSkZJRgABAQAAAQAB", "image/jpeg"),
        ("R0lGODlhAQABAIAAAAAAAP//", "image/gif"),
        ("UklGRhoAAABXRUJQVlA4TA0A", "image/webp"),
        ("Qk06AAAAAAAAADYAAAAoAAAA", "image/bmp"),
        ("AAAAGGZ0eXBoZWljAAAAAG1p", "image/heic"),
        ("AAAAIGZ0eXBhdmlmAAAAAGF2", "image/avif"),
    ];
    for (data, mime) in kinds {
        let message = json!({"role": "user", "content": "What is this?", "images": [data]});
        let body = asked(&gw, &ups["openrouter"], "openrouter:m", &json!({"messages": [message.clone()]}));
        assert_eq!(body["messages"][0]["content"][1]["image_url"]["url"], format!("data:{mime};base64,{data}"));
        let body = asked(&gw, &ups["google"], "google:gemini-2.5-flash", &json!({"messages": [message]}));
        assert_eq!(body["contents"][0]["parts"][1]["inlineData"], json!({"mimeType": mime, "data": data}));
    }
    let sound = json!({"role": "user", "content": "What is this?", "images": ["UklGRiQAAABXQVZFZm10IBAA"]});
    let body = asked(&gw, &ups["openrouter"], "openrouter:m", &json!({"messages": [sound]}));
    let want = json!({"data": "UklGRiQAAABXQVZFZm10IBAA", "format": "wav"});
    assert_eq!(body["messages"][0]["content"][1]["input_audio"], want);
    let message = json!({"role": "user", "content": "x", "images": ["data:image/png;base64,iVBORw0KGgo="]});
    let refused = gw.post("/api/chat", &json!({"model": "openrouter:m", "messages": [message]}));
    assert_eq!(
        (refused.status, refused.json()["error"].as_str().unwrap()),
        (400, "illegal base64 data at input byte 4")
    );
}

// ---- tools

/// Ollama's clients need no ids: results belong to calls by name, or in their order.
#[test]
fn results_without_ids_find_their_calls_at_every_provider() {
    let (ups, gw) = all_saying("Hi", 9);
    let call = |name: &str, n: u32| json!({"function": {"name": name, "arguments": {"n": n}}});
    for is_named in [true, false] {
        let (first, second) = if is_named { ("g", "f") } else { ("f", "g") };
        let result = |name: &str, text: &str| match is_named {
            true => json!({"role": "tool", "tool_name": name, "content": text}),
            false => json!({"role": "tool", "content": text}),
        };
        let messages = json!([{"role": "user", "content": "x"},
            {"role": "assistant", "content": "", "tool_calls": [call("f", 1), call("g", 2)]},
            result(first, &format!("of {first}")), result(second, &format!("of {second}"))]);
        for prefix in OPENAI_LIKE {
            let body = asked(&gw, &ups[prefix], &model_of(prefix), &json!({"messages": messages}));
            let turns = body["messages"].as_array().unwrap();
            let calls = turns[1]["tool_calls"].as_array().unwrap();
            for turn in &turns[2..] {
                let name = turn["content"].as_str().unwrap().strip_prefix("of ").unwrap();
                let call = calls.iter().find(|call| call["function"]["name"] == name).unwrap();
                assert_eq!(turn["tool_call_id"], call["id"], "{prefix} named={is_named}: {body}");
            }
            assert_ne!(calls[0]["id"], calls[1]["id"], "{prefix}");
        }
        let body = asked(&gw, &ups["google"], "google:gemini-2.5-flash", &json!({"messages": messages}));
        for (at, name) in ["f", "g"].into_iter().enumerate() {
            let response = &body["contents"][2]["parts"][at]["functionResponse"];
            assert_eq!(
                (response["name"].as_str(), &response["response"]["output"]),
                (Some(name), &json!(format!("of {name}")))
            );
        }
    }
}

/// Arguments come as objects in the order in which the model wrote them, whatever text a provider makes of them.
#[test]
fn arguments_are_objects_whatever_the_provider_sends() {
    let rows = [
        (r#"{"z":1,"a":{"y":2.50,"b":[]}}"#, r#"{"z":1,"a":{"y":2.50,"b":[]}}"#),
        (r#" {"z" : 1, "a":2} "#, r#"{"z":1,"a":2}"#),
        ("", "{}"),
        ("null", "{}"),
        (r#""{\"z\":1}""#, r#"{"z":1}"#),
        (r#"{"z":"#, r#"{"_raw":"{\"z\":"}"#),
        ("[1]", r#"{"_raw":"[1]"}"#),
    ];
    for (sent, want) in rows {
        let answer = move |seen: &Seen| {
            let call = json!({"index": 0, "type": "function", "function": {"name": "f", "arguments": sent}});
            match seen.wants_stream() {
                true => chunks([(json!({"tool_calls": [call]}), json!("tool_calls"))].into_iter()),
                false => reply(json!({"choices": [{"index": 0, "message": {"content": null, "tool_calls": [call]},
                                                   "finish_reason": "tool_calls"}]})),
            }
        };
        let up = upstream().models(&["m"]).answers(answer);
        let gw = gateway().provider("akash", &up, &["k"]).start();
        for is_streamed in [true, false] {
            let answer = ask(&gw, Client::OllamaChat, "akash:m", is_streamed, &json!({}));
            let line = answer.text().lines().next().unwrap().to_owned();
            assert!(line.contains(&format!(r#""name":"f","arguments":{want}}}"#)), "{sent}: {line}");
            let line: Value = serde_json::from_str(&line).unwrap();
            let id = line["message"]["tool_calls"][0]["id"].as_str().unwrap();
            assert!(id.len() == 13 && id.starts_with("call_"), "{id}");
        }
    }
}

// ---- counts and durations

const METRICS: [&str; 6] =
    ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"];

#[test]
fn an_answered_request_has_all_counts_and_durations() {
    let (ups, gw) = all_saying("It is forty-two, as far as I know.", 6);
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(40);
    for prefix in ups.keys().filter(|prefix| **prefix != "ollama") {
        for client in [Client::OllamaChat, Client::OllamaGenerate] {
            for is_streamed in [true, false] {
                let answer = gw.send(&client.ask(&model_of(prefix), &long, is_streamed, &json!({})));
                let last: Value = serde_json::from_str(answer.text().lines().last().unwrap()).unwrap();
                let place = format!("{prefix} {client:?} streamed={is_streamed}: {last}");
                let value = |name: &str| last[name].as_u64().unwrap_or_default();
                assert!(METRICS.iter().all(|name| value(name) > 0), "{place}");
                let parts = value("load_duration") + value("prompt_eval_duration") + value("eval_duration");
                assert!(value("total_duration").abs_diff(parts) < 1_000_000, "{place}");
                assert!((200..1000).contains(&value("prompt_eval_count")), "{place}");
                assert!((5..20).contains(&value("eval_count")), "{place}");
                let names = keys(&last);
                let at = |name: &str| names.iter().position(|known| *known == name).unwrap();
                assert!(METRICS.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{place}");
            }
        }
    }
}

// ---- keep_alive

#[test]
fn keep_alive_says_how_long_a_model_shows() {
    let (_, gw) = all_saying("Hi", 9);
    let shown = || {
        let body = gw.get("/api/ps").json();
        let row = body["models"].as_array().unwrap().iter().find(|row| row["name"] == "openrouter:m").cloned();
        row.map(|row| row["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
    };
    let left = || shown().unwrap().duration_since(jiff::Timestamp::now()).as_secs();
    let load = |keep_alive: Value| {
        let answer = gw.post("/api/generate", &json!({"model": "openrouter:m", "keep_alive": keep_alive}));
        answer.json()["done_reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(shown(), None);
    assert_eq!(load(json!(null)), "load");
    assert!((290..=300).contains(&left()), "{}", left());
    assert_eq!(load(json!("1h30m")), "load");
    assert!((5390..=5400).contains(&left()), "{}", left());
    ask(&gw, Client::OllamaChat, "openrouter:m", true, &json!({}));
    assert!((5390..=5400).contains(&left()), "what was set holds until it is set anew: {}", left());
    ask(&gw, Client::OllamaChat, "openrouter:m", false, &json!({"keep_alive": 90}));
    assert!((85..=90).contains(&left()), "{}", left());
    for ever in [json!(-1), json!("-1m")] {
        assert_eq!(load(ever), "load");
        let years = left() / (365 * 86_400);
        assert!((291..=293).contains(&years), "{years}");
    }
    for nothing in [json!(0), json!("0s"), json!("0")] {
        load(json!("1m"));
        assert_eq!(load(nothing.clone()), "unload", "{nothing}");
        assert_eq!(shown(), None, "{nothing}");
    }
    ask(&gw, Client::OllamaChat, "openrouter:m", true, &json!({"keep_alive": 0}));
    assert_eq!(shown(), None, "answered, then unloaded");
    let wrong = [
        (json!("soon"), r#"time: invalid duration "soon""#),
        (json!("5"), r#"time: missing unit in duration "5""#),
        (json!(true), "Unsupported type: 'bool'"),
    ];
    for (value, told) in wrong {
        let answer = gw.post("/api/chat", &json!({"model": "openrouter:m", "keep_alive": value}));
        assert_eq!((answer.status, answer.json()), (400, json!({"error": told})));
    }
}

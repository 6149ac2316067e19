use serde_json::{Value, json};

use super::write;
use crate::chat::{
    CacheMark, Effort, Extra, Failure, Format, Loss, Media, Message, Part, Prompt, Reasoning, Request, Role, Settings,
    Source, Tool, ToolChoice,
};
use crate::dialect::Quirks;
use crate::json::{Json, Text};

fn request(messages: Vec<Message>) -> Request {
    Request { model: "claude-sonnet-4-5".into(), messages, ..Request::default() }
}

fn user(text: &str) -> Message {
    Message::new(Role::User, vec![Part::text(text)])
}

fn said(text: &str) -> Message {
    Message::new(Role::Assistant, vec![Part::text(text)])
}

fn call(id: Option<&str>, name: &str) -> Part {
    let id = id.map(Text::from);
    Part::ToolCall { id, name: name.into(), arguments: Json::known(r#"{"a": 1}"#), signature: None }
}

fn result(id: Option<&str>, name: Option<&str>, content: Vec<Part>, is_error: bool) -> Message {
    let part = Part::ToolResult { id: id.map(Text::from), name: name.map(Text::from), content, is_error };
    Message::new(Role::Tool, vec![part])
}

fn tool(name: &str, schema: Option<&str>) -> Tool {
    let parameters = schema.map(|schema| Json::known(schema.to_owned()));
    Tool { name: name.into(), description: Some("d".into()), parameters, strict: Some(true), cache: None }
}

fn media(mime: &str, source: Source, filename: Option<&str>) -> Part {
    Part::Media(Media { mime: mime.into(), source, detail: None, filename: filename.map(Text::from) })
}

fn written(request: &Request) -> (Value, Vec<String>) {
    let written = write(request, &Quirks::default()).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.dropped)
}

fn body(request: &Request) -> Value {
    written(request).0
}

fn messages(conversation: Vec<Message>) -> Value {
    body(&request(conversation))["messages"].clone()
}

fn refusal(request: &Request) -> String {
    let failure: Failure = write(request, &Quirks::default()).unwrap_err();
    assert_eq!(failure.status, 400);
    failure.message
}

#[test]
fn the_least_that_is_asked() {
    let asked = Request { stream: true, ..request(vec![user("hi")]) };
    assert_eq!(
        body(&asked),
        json!({"model": "claude-sonnet-4-5", "max_tokens": 64000, "stream": true,
               "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
}

#[test]
fn a_conversation_is_brought_in_order() {
    let system = |text: &str| Message::new(Role::Developer, vec![Part::text(text)]);
    let asked =
        request(vec![said("Hello."), system("One."), user("a"), user(" \n"), user("b"), system("Two."), said("c  \n")]);
    let text = |text: &str| json!({"type": "text", "text": text});
    let got = body(&asked);
    assert_eq!(got["system"], json!([text("One."), text("Two.")]));
    assert_eq!(
        got["messages"],
        json!([
            {"role": "user", "content": [text(".")]},
            {"role": "assistant", "content": [text("Hello.")]},
            {"role": "user", "content": [text("a"), text("b")]},
            {"role": "assistant", "content": [text("c")]},
        ])
    );
    assert_eq!(refusal(&request(vec![user(" ")])), "there is no message to answer");
    let got = body(&request(vec![system("Say hello."), user("")]));
    assert_eq!(got["system"], Value::Null);
    assert_eq!(got["messages"], json!([{"role": "user", "content": [text("Say hello.")]}]));
}

#[test]
fn results_stand_right_behind_their_calls() {
    let calls = Message::new(Role::Assistant, vec![call(Some("a.1"), "f"), call(Some("b"), "g"), call(None, "h")]);
    let got = messages(vec![
        user("hi"),
        calls,
        user("wait"),
        result(None, Some("h"), vec![Part::text("3")], false),
        result(Some("a.1"), None, vec![], true),
        said("ok"),
        result(Some("b"), None, vec![Part::text("late")], false),
    ]);
    let hashed = got[1]["content"][0]["id"].as_str().unwrap().to_owned();
    assert!(hashed.len() == 24 && hashed.bytes().all(|b| b.is_ascii_alphanumeric()), "{hashed}");
    assert_eq!(
        got,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": hashed, "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_2", "name": "h", "input": {"a": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": hashed, "is_error": true},
                {"type": "tool_result", "tool_use_id": "b", "is_error": true,
                 "content": [{"type": "text", "text": "no result: the call was not answered"}]},
                {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "3"}]},
                {"type": "text", "text": "wait"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "ok"}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What tool call b returned:"}, {"type": "text", "text": "late"}]},
        ])
    );
    let open = messages(vec![user("hi"), Message::new(Role::Assistant, vec![call(Some("a"), "f")])]);
    assert_eq!(open[2]["content"][0]["tool_use_id"], "a");
    assert!(refusal(&request(vec![user("hi"), result(Some("x"), None, vec![], false)])).contains("'x'"));
}

#[test]
fn only_own_thoughts_go_back() {
    let think = |text: &str, signature: Option<&str>| Part::Thinking {
        text: text.into(),
        signature: signature.map(Text::from),
    };
    let turn = Message::new(
        Role::Assistant,
        vec![
            think("bare", None),
            think("google's", Some("c2ln")),
            think("own", Some("anthropic:Eo8B")),
            Part::Redacted("Eq".into()),
            Part::text("so"),
        ],
    );
    assert_eq!(
        messages(vec![user("hi"), turn, user("on")])[1]["content"],
        json!([
            {"type": "thinking", "thinking": "own", "signature": "Eo8B"},
            {"type": "redacted_thinking", "data": "Eq"},
            {"type": "text", "text": "so"},
        ])
    );
}

#[test]
fn media_have_their_blocks() {
    let base64 = |data: &str| Source::Base64(data.into());
    let parts = vec![
        media("image/jpg", base64("/9j/"), None),
        media("image/*", base64("UklGR"), None),
        media("image/png", Source::Url("https://x/y.png".into()), None),
        media("application/pdf", base64("JVBER"), Some("a.pdf")),
        media("text/markdown; charset=utf-8", base64("IyBIaQ=="), Some("a.md")),
    ];
    assert_eq!(
        messages(vec![Message::new(Role::User, parts)])[0]["content"],
        json!([
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "UklGR"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}, "title": "a.pdf"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# Hi"}, "title": "a.md"},
        ])
    );
    for part in [
        media("audio/wav", base64("UklG"), None),
        media("image/tiff", base64("SUkq"), None),
        media("image/png", Source::FileId("file-1".into()), None),
    ] {
        refusal(&request(vec![Message::new(Role::User, vec![part])]));
    }
    let picture = media("image/png", base64("iVBOR"), None);
    let got = messages(vec![
        user("hi"),
        Message::new(Role::Assistant, vec![call(Some("a"), "f")]),
        result(Some("a"), None, vec![Part::text("see"), picture], false),
    ]);
    assert_eq!(got[2]["content"][0]["content"][1]["source"]["data"], "iVBOR");
}

#[test]
fn tools_and_the_choice_among_them() {
    let tools = vec![tool("f", Some(r#"{"properties":{"a":{"minimum":1}},"required":["a"]}"#)), tool("g", None)];
    let asked = Request {
        tools,
        tool_choice: Some(ToolChoice::Function("f".into())),
        parallel_tool_calls: Some(false),
        ..request(vec![user("hi")])
    };
    let got = body(&asked);
    assert_eq!(
        got["tools"],
        json!([
            {"name": "f", "description": "d", "strict": true,
             "input_schema": {"type": "object", "properties": {"a": {"minimum": 1}}, "required": ["a"]}},
            {"name": "g", "description": "d", "strict": true, "input_schema": {"type": "object", "properties": {}}},
        ])
    );
    assert_eq!(got["tool_choice"], json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true}));
    for (choice, parallel, want) in [
        (None, None, Value::Null),
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Auto), Some(true), json!({"type": "auto"})),
        (Some(ToolChoice::Required), None, json!({"type": "any"})),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
    ] {
        let asked = Request { tool_choice: choice, parallel_tool_calls: parallel, ..asked.clone() };
        assert_eq!(body(&asked)["tool_choice"], want);
    }
    let old = Request { model: "claude-3-5-haiku-latest".into(), ..asked };
    assert_eq!(body(&old)["tools"][0]["strict"], Value::Null);
}

#[test]
fn a_history_with_calls_names_their_functions() {
    let turn = Message::new(Role::Assistant, vec![call(Some("a"), "g"), call(Some("b"), "f"), call(Some("c"), "g")]);
    let got = body(&request(vec![user("hi"), turn]));
    let named = |name: &str| json!({"name": name, "input_schema": {"type": "object", "properties": {}}});
    assert_eq!(got["tools"], json!([named("f"), named("g")]));
    assert_eq!(got["tool_choice"], json!({"type": "none"}));
}

fn thinks(model: &str, reasoning: Reasoning, limit: Option<i64>) -> Request {
    let settings = Settings { max_tokens: limit, ..Settings::default() };
    Request { model: model.into(), reasoning: Some(reasoning), settings, ..request(vec![user("hi")]) }
}

#[test]
fn depth_of_thought_by_model() {
    let budget = |tokens: i64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive"});
    for (asked, thinking, effort, limit) in [
        (thinks("claude-sonnet-4-5", Reasoning::On, None), budget(8192), Value::Null, 64_000),
        (thinks("claude-sonnet-4-5", Reasoning::Budget(500), Some(4000)), budget(1024), Value::Null, 4000),
        (thinks("claude-sonnet-4-5", Reasoning::Effort(Effort::High), Some(4000)), budget(2000), Value::Null, 4000),
        (thinks("claude-3-7-sonnet", Reasoning::Effort(Effort::High), None), budget(24_576), Value::Null, 28_672),
        (thinks("claude-sonnet-4-5", Reasoning::Off, Some(9)), json!({"type": "disabled"}), Value::Null, 9),
        (thinks("claude-3-5-haiku", Reasoning::Off, Some(9)), Value::Null, Value::Null, 9),
        (thinks("claude-opus-4-6", Reasoning::On, Some(9)), adaptive(), Value::Null, 9),
        (thinks("claude-opus-4-6", Reasoning::Effort(Effort::XHigh), Some(9)), adaptive(), json!("high"), 9),
        (thinks("claude-opus-4-7", Reasoning::Effort(Effort::XHigh), Some(9)), adaptive(), json!("xhigh"), 9),
        (thinks("claude-opus-5", Reasoning::Budget(4096), Some(9)), adaptive(), json!("medium"), 9),
        (thinks("claude-opus-5", Reasoning::Effort(Effort::Minimal), Some(9)), adaptive(), json!("low"), 9),
    ] {
        let (got, dropped) = written(&asked);
        let is_said = (&got["thinking"], &got["output_config"]["effort"], got["max_tokens"].as_i64());
        assert_eq!(is_said, (&thinking, &effort, Some(limit)), "{} {:?}", asked.model, asked.reasoning);
        assert!(dropped.is_empty(), "{dropped:?}");
    }
    for asked in [
        thinks("claude-3-5-haiku", Reasoning::On, None),
        thinks("claude-sonnet-4-5", Reasoning::On, Some(100)),
        Request {
            tools: vec![tool("f", None)],
            tool_choice: Some(ToolChoice::Required),
            ..thinks("claude-opus-5", Reasoning::On, None)
        },
    ] {
        let (got, dropped) = written(&asked);
        assert_eq!((&got["thinking"], dropped), (&Value::Null, vec!["thinking".to_owned()]), "{}", asked.model);
    }
}

#[test]
fn a_tool_loop_without_its_thought_goes_on_without_thinking() {
    let conversation = |first: Option<Part>| {
        let parts = first.into_iter().chain([call(Some("a"), "f")]).collect();
        vec![user("hi"), Message::new(Role::Assistant, parts), result(Some("a"), None, vec![Part::text("1")], false)]
    };
    let own = Part::Thinking { text: "hm".into(), signature: Some("anthropic:Eo8B".into()) };
    let asks = |model: &str, first| Request { messages: conversation(first), ..thinks(model, Reasoning::On, None) };
    assert_eq!(body(&asks("claude-sonnet-4-5", None))["thinking"], Value::Null);
    assert_eq!(body(&asks("claude-sonnet-4-5", Some(own)))["thinking"]["type"], "enabled");
    assert_eq!(body(&asks("claude-opus-4-6", None))["thinking"]["type"], "adaptive");
}

#[test]
fn sampling_as_the_model_takes_it() {
    let number = |text: &str| Some(Json::known(text.to_owned()));
    let settings = Settings {
        temperature: number("1.5"),
        top_p: number("0.9"),
        top_k: number("40"),
        stop: vec!["END".into(), "\n\n".into()],
        seed: number("7"),
        presence_penalty: number("0"),
        ..Settings::default()
    };
    let asks = |model: &str| Request { model: model.into(), settings: settings.clone(), ..request(vec![user("hi")]) };
    let (got, dropped) = written(&asks("claude-3-5-haiku"));
    assert_eq!((&got["temperature"], &got["top_p"], &got["top_k"]), (&json!(1), &json!(0.9), &json!(40)));
    assert_eq!(got["stop_sequences"], json!(["END"]));
    assert_eq!(dropped, ["stop", "seed"]);
    let (got, dropped) = written(&asks("claude-sonnet-4-5"));
    assert_eq!((&got["temperature"], &got["top_p"], &got["top_k"]), (&json!(1), &Value::Null, &json!(40)));
    assert_eq!(dropped, ["top_p", "stop", "seed"]);
    let (got, dropped) = written(&asks("claude-opus-5"));
    assert_eq!((&got["temperature"], &got["top_p"], &got["top_k"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(dropped, ["temperature", "top_p", "top_k", "stop", "seed"]);
    let cool = Settings { temperature: number("0.2"), top_p: number("0.95"), ..settings.clone() };
    let thinking = Request { settings: cool, reasoning: Some(Reasoning::On), ..asks("claude-opus-4-1") };
    let (got, dropped) = written(&thinking);
    assert_eq!((&got["temperature"], &got["top_p"], &got["top_k"]), (&Value::Null, &json!(0.95), &Value::Null));
    assert_eq!(dropped, ["temperature", "top_k", "stop", "seed"]);
}

#[test]
fn the_form_of_the_answer() {
    let schema = Format::Schema {
        name: None,
        description: None,
        schema: Json::known(r#"{"type":"object","properties":{"a":{"type":"integer","minimum":1}}}"#),
        strict: None,
    };
    let asks = |model: &str, format: &Format| {
        body(&Request { model: model.into(), format: Some(format.clone()), ..request(vec![user("hi")]) })
    };
    let got = asks("claude-sonnet-4-5", &schema);
    assert_eq!(
        got["output_config"]["format"],
        json!({"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}},
                                                "additionalProperties": false}})
    );
    assert_eq!(got["system"], Value::Null);
    let got = asks("claude-3-5-haiku", &schema);
    assert_eq!(got["output_config"], Value::Null);
    assert!(got["system"].as_str().unwrap().contains(r#""minimum":1"#));
    assert!(asks("claude-sonnet-4-5", &Format::Json)["system"].as_str().unwrap().contains("JSON object"));
}

#[test]
fn extras_go_back_to_their_dialect() {
    let extra = |dialect, name: &str, value: &str| Extra::new(dialect, name, Json::known(value.to_owned()));
    let asked = Request {
        extras: vec![
            extra("anthropic", "service_tier", r#""auto""#),
            extra("anthropic", "tools", r#"[{"type":"web_search_20250305","name":"web_search"}]"#),
            extra("anthropic", "tools.input_examples", "[]"),
            extra("openai", "user", r#""u1""#),
            extra("openai", "store", "true"),
        ],
        ..request(vec![user("hi")])
    };
    let (got, dropped) = written(&asked);
    assert_eq!((&got["service_tier"], &got["metadata"]), (&json!("auto"), &json!({"user_id": "u1"})));
    assert_eq!(got["tools"][0]["name"], "web_search");
    assert_eq!(dropped, ["tools.input_examples", "store"]);
}

#[test]
fn a_gap_can_not_be_filled() {
    let prompt = Prompt { suffix: Some("}".into()), ..Prompt::default() };
    assert!(
        refusal(&Request { prompt: Some(prompt), ..request(vec![user("hi")]) }).contains("does not support insert")
    );
}

#[test]
fn what_says_nothing_here_goes_uncounted_and_what_says_too_much_is_refused() {
    let lost = |name: &str, loss| Extra { loss, ..Extra::new("ollama", name, Json::known("[1,2]")) };
    let with = |extras| Request { extras, ..request(vec![user("hi")]) };
    let mut asked = with(vec![lost("keep_alive", Loss::Nothing), lost("options.mirostat", Loss::Parameter)]);
    // Most of Ollama's clients name a context's size in every request. A cloud's is what it is, so nothing is lost.
    asked.settings.context_length = Some(8192);
    assert_eq!(written(&asked).1, ["options.mirostat"]);
    assert!(refusal(&with(vec![lost("context", Loss::Content)])).contains("'context'"));
}

#[test]
fn several_answers_are_refused_not_forgotten() {
    let asks = |choices| {
        let settings = Settings { choices: Some(choices), ..Settings::default() };
        Request { settings, ..request(vec![user("hi")]) }
    };
    assert!(refusal(&asks(2)).starts_with("n must be 1"));
    assert_eq!(written(&asks(1)).1, Vec::<String>::new());
}

fn mark(ttl: Option<&str>) -> Part {
    Part::CacheMark(CacheMark { ttl: ttl.map(Text::from) })
}

#[test]
fn marks_of_a_cache_are_brought() {
    let thought = Part::Thinking { text: "t".into(), signature: Some("anthropic:s".into()) };
    let mut asked = request(vec![
        Message::new(Role::System, vec![Part::text("s"), mark(Some("1h"))]),
        user("a"),
        Message::new(Role::Assistant, vec![thought, mark(None), call(Some("c"), "f")]),
        result(Some("c"), None, vec![Part::text("r"), mark(None)], false),
        Message::new(Role::User, vec![Part::text(" "), Part::text("b"), mark(None)]),
    ]);
    asked.tools = vec![Tool { cache: Some(CacheMark::default()), ..tool("f", None) }];
    let ephemeral = json!({"type": "ephemeral"});
    let got = body(&asked);
    let system = json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    assert_eq!(got["system"], system);
    assert_eq!(got["tools"][0]["cache_control"], ephemeral);
    assert_eq!(got["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "t", "signature": "s"}));
    assert_eq!(
        got["messages"][2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}], "cache_control": ephemeral},
            {"type": "text", "text": "b", "cache_control": ephemeral}])
    );
}

/// Anthropic takes four; those at the end are worth most.
#[test]
fn of_many_marks_the_last_four_are_brought() {
    let marked = |text: &str| Message::new(Role::User, vec![Part::text(text), mark(None)]);
    let mut asked = request(["a", "b", "c", "d", "e"].map(marked).into());
    asked.tools = vec![Tool { cache: Some(CacheMark::default()), ..tool("f", None) }];
    let got = body(&asked);
    let marks: Vec<bool> = (0..5).map(|at| got["messages"][0]["content"][at]["cache_control"].is_object()).collect();
    assert_eq!(marks, [false, true, true, true, true]);
    assert_eq!(got["tools"][0]["cache_control"], Value::Null);
    let mut asked = request(["a", "b", "c"].map(marked).into());
    asked.tools =
        ["f", "g"].map(|name| Tool { cache: Some(CacheMark::default()), ..tool(name, None) }).into_iter().collect();
    let got = body(&asked);
    assert_eq!((&got["tools"][0]["cache_control"], got["tools"][1]["cache_control"].is_object()), (&Value::Null, true));
}

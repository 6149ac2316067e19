use super::*;
use crate::chat::Prompt;

fn written(request: &Request) -> (String, Vec<String>) {
    let written = write_chat(request, &Quirks::default()).unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

fn request() -> Request {
    let messages = vec![Message::new(Role::User, vec![Part::text("hi")])];
    Request { model: "m".to_owned(), messages, ..Request::default() }
}

fn media(mime: &str, source: Source) -> Part {
    Part::Media(Media { mime: mime.to_owned(), source, detail: None, filename: None })
}

fn call(id: &str) -> Part {
    let arguments = Json::known(r#"{"b":1,"a":2.50}"#);
    Part::ToolCall { id: Some(id.into()), name: "f".into(), arguments, signature: None }
}

fn result(id: &str) -> Part {
    Part::ToolResult { id: Some(id.into()), name: None, content: vec![Part::text("11 C")], is_error: false }
}

#[test]
fn the_least_request() {
    assert_eq!(written(&request()).0, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}"#);
}

#[test]
fn messages_of_other_dialects_find_their_places() {
    let assistant =
        vec![Part::Thinking { text: "hm".into(), signature: None }, Part::text("I "), Part::text("look"), call("c1")];
    let messages = vec![
        Message::new(Role::Developer, vec![Part::text("be"), Part::text("brief")]),
        Message::new(Role::User, vec![Part::text("see"), media("image/png", Source::Base64("QUJD".into()))]),
        Message::new(Role::Assistant, assistant),
        Message::new(Role::Tool, vec![result("c1"), result("c2")]),
    ];
    let request = Request { messages, stream: true, ..request() };
    let want = concat!(
        r#"{"model":"m","messages":[{"role":"system","content":"be\nbrief"},"#,
        r#"{"role":"user","content":"see","images":["QUJD"]},"#,
        r#"{"role":"assistant","content":"I look","thinking":"hm","tool_calls":[{"id":"c1","function":{"name":"f","#,
        r#""arguments":{"b":1,"a":2.50}}}]},"#,
        r#"{"role":"tool","content":"11 C","tool_name":"f","tool_call_id":"c1"},"#,
        r#"{"role":"tool","content":"11 C","tool_call_id":"c2"}],"stream":true}"#,
    );
    assert_eq!(written(&request).0, want);
}

#[test]
fn settings_format_tools_and_thinking() {
    let schema = Json::known(r#"{"type":"object","additionalProperties":false}"#);
    let number = |text: &'static str| Some(Json::known(text));
    let settings = Settings {
        max_tokens: Some(5),
        temperature: number("0.10"),
        seed: number("7"),
        stop: vec!["x".into()],
        context_length: Some(8192),
        logprobs: Some(true),
        top_logprobs: Some(2),
        choices: Some(1),
        ..Settings::default()
    };
    let tool = |name: &str| Tool {
        name: name.into(),
        description: None,
        parameters: Some(schema.clone()),
        strict: None,
        cache: None,
    };
    let extra = |dialect, name: &str, value: &'static str| Extra::new(dialect, name, Json::known(value));
    let request = Request {
        settings,
        tools: vec![tool("f"), tool("g")],
        tool_choice: Some(ToolChoice::Function("g".into())),
        format: Some(Format::Schema { name: None, description: None, schema: schema.clone(), strict: None }),
        reasoning: Some(Reasoning::Effort(Effort::XHigh)),
        extras: vec![
            extra("ollama", "keep_alive", "-1"),
            extra("ollama", "options.num_gpu", "0"),
            extra("openai", "logit_bias", "{}"),
        ],
        ..request()
    };
    let (body, dropped) = written(&request);
    let want = concat!(
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"g","#,
        r#""parameters":{"type":"object","additionalProperties":false}}}],"format":{"type":"object","additionalProperties":false},"#,
        r#""options":{"num_ctx":8192,"num_predict":5,"temperature":0.10,"seed":7,"stop":["x"],"num_gpu":0},"stream":false,"#,
        r#""think":"max","logprobs":true,"top_logprobs":2,"keep_alive":-1}"#,
    );
    assert_eq!(body, want);
    assert_eq!(dropped, ["tool_choice", "logit_bias"]);
}

#[test]
fn more_than_one_answer_is_refused() {
    let settings = Settings { choices: Some(2), ..Settings::default() };
    for write in [write_chat, write_generate] {
        let failure = write(&Request { settings: settings.clone(), ..request() }, &Quirks::default()).unwrap_err();
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("n")));
    }
}

#[test]
fn the_choice_of_none_leaves_the_tools_out() {
    let tool = Tool { name: "f".into(), description: None, parameters: None, strict: None, cache: None };
    let with = |choice| Request { tools: vec![tool.clone()], tool_choice: choice, ..request() };
    assert!(!written(&with(Some(ToolChoice::None))).0.contains("tools"));
    let (body, dropped) = written(&with(Some(ToolChoice::Required)));
    assert!(body.contains(r#""parameters":{"type":"object","properties":{}}"#));
    assert_eq!(dropped, ["tool_choice"]);
}

#[test]
fn thinking_is_asked_for_in_four_levels() {
    let rows = [
        (Reasoning::Off, "false"),
        (Reasoning::On, "true"),
        (Reasoning::Effort(Effort::Minimal), "\"low\""),
        (Reasoning::Effort(Effort::High), "\"high\""),
        (Reasoning::Budget(0), "false"),
        (Reasoning::Budget(-1), "true"),
        (Reasoning::Budget(1024), "\"low\""),
        (Reasoning::Budget(8192), "\"medium\""),
        (Reasoning::Budget(24_576), "\"high\""),
        (Reasoning::Budget(64_000), "\"max\""),
    ];
    for (reasoning, want) in rows {
        let body = written(&Request { reasoning: Some(reasoning.clone()), ..request() }).0;
        assert!(body.ends_with(&format!(r#""think":{want}}}"#)), "{reasoning:?} {body}");
    }
}

#[test]
fn content_without_a_place_is_an_error() {
    let rows = [
        (media("image/png", Source::Url("https://x/y.png".into())), NO_IMAGE_URLS),
        (media("image/png", Source::FileId("file-1".into())), NO_IMAGE_URLS),
        (
            media("application/pdf", Source::Base64("QUJD".into())),
            "application/pdf input can't be sent to Ollama, which takes images and sound alone",
        ),
    ];
    for (part, want) in rows {
        let request = Request { messages: vec![Message::new(Role::User, vec![part])], ..request() };
        let failure = write_chat(&request, &Quirks::default()).unwrap_err();
        assert_eq!((failure.status, failure.message.as_str()), (400, want));
    }
    let inline = media("image/png", Source::Url("data:image/png;base64,QUJD".into()));
    let request = Request { messages: vec![Message::new(Role::User, vec![inline])], ..request() };
    assert!(written(&request).0.contains(r#""images":["QUJD"]"#));
}

#[test]
fn a_prompt_is_written_with_what_stands_around_it() {
    let prompt = Prompt { text: Some("def f(".into()), suffix: Some("return".into()), raw: false, echo: false };
    let messages = vec![
        Message::new(Role::System, vec![Part::text("s")]),
        Message::new(Role::User, vec![Part::text("def f("), media("image/png", Source::Base64("QUJD".into()))]),
    ];
    let request = Request { prompt: Some(prompt), messages, ..request() };
    let body = write_generate(&request, &Quirks::default()).unwrap().body;
    let want = r#"{"model":"m","prompt":"def f(","suffix":"return","system":"s","images":["QUJD"],"stream":false}"#;
    assert_eq!(String::from_utf8(body).unwrap(), want);
    assert!(write_chat(&request, &Quirks::default()).is_err());
}

#[test]
fn what_ollama_s_clients_say_comes_back_as_it_was() {
    let body = concat!(
        r#"{"model":"m","messages":[{"role":"user","content":"<é>\u0001","images":["iVBORw0KGgo="]},{"role":"assistant","content":"a","#,
        r#""thinking":"t","tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"r","#,
        r#""tool_name":"f","tool_call_id":"c"}],"format":"json","options":{"num_ctx":64,"num_predict":3,"min_p":0.05,"num_gpu":1},"#,
        r#""stream":true,"think":"low","keep_alive":"5m","shift":false}"#,
    );
    let request = super::super::request::read_chat(&bytes::Bytes::from(body)).unwrap();
    assert_eq!(written(&request).0, body);
}

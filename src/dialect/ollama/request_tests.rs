use super::*;

fn chat(body: &str) -> Result<Request, Failure> {
    read_chat(&Bytes::from(body.to_owned()))
}

fn generate(body: &str) -> Result<Request, Failure> {
    read_generate(&Bytes::from(body.to_owned()))
}

fn said(request: &Request) -> Vec<String> {
    request.messages.iter().map(|message| format!("{:?} {}", message.role, parts(&message.parts))).collect()
}

fn parts(all: &[Part]) -> String {
    let one = |part: &Part| match part {
        Part::Text { text, .. } => format!("text {text}"),
        Part::Thinking { text, .. } => format!("thinking {text}"),
        Part::Media(Media { mime, source: Source::Base64(data), .. }) => format!("{mime} {data}"),
        Part::ToolCall { id, name, arguments, signature } => format!("call {id:?} {name} {arguments:?} {signature:?}"),
        Part::ToolResult { id, name, content, .. } => format!("result {id:?} {name:?} [{}]", parts(content)),
        other => format!("{other:?}"),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_conversation_is_read_whole() {
    let body = r#"{"Model":"google:gemini-2.5-pro","MESSAGES":[
        {"role":"System","content":"be brief"},
        {"role":"USER","content":"look","images":["iVBORw0KGgoAAAANSUhEUgAA","/9j/4AAQ"]},
        {"role":"assistant","content":"","thinking":"hm","tool_calls":[
            {"id":"c1__thought__c2ln","function":{"index":0,"name":"f","arguments":{"b":1,"a":2.50}}},
            {"function":{"name":"g","arguments":null}}]},
        {"role":"tool","tool_name":"f","tool_call_id":"c1__thought__c2ln","content":"11 C"},
        {"role":"wizard","content":null},{"content":"x"}]} and more"#;
    let request = chat(body).unwrap();
    assert_eq!(request.model, "google:gemini-2.5-pro");
    assert!(request.stream);
    assert_eq!(
        said(&request),
        [
            r#"System text be brief"#,
            r#"User text look, image/png iVBORw0KGgoAAAANSUhEUgAA, image/jpeg /9j/4AAQ"#,
            r#"Assistant thinking hm, call Some("c1") f {"b":1,"a":2.50} Some("sig"), call None g {} None"#,
            r#"Tool result Some("c1") Some("f") [text 11 C]"#,
            r#"Other("wizard") text "#,
            r#"User text x"#,
        ]
    );
}

/// Home Assistant forgets the oldest messages, be they a call whose result stays.
#[test]
fn a_result_without_its_call_is_said_by_the_user() {
    let body = r#"{"model":"m","messages":[
        {"role":"system","content":"s"},
        {"role":"tool","tool_name":"f","content":"11 C"},
        {"role":"tool","tool_call_id":"c0","content":"12 C","images":["iVBORw0KGgoAAAANSUhEUgAA"]},
        {"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"f","arguments":{}}}]},
        {"role":"tool","tool_name":"f","content":"13 C"},
        {"role":"tool","tool_name":"f","content":"14 C"}]}"#;
    assert_eq!(
        said(&chat(body).unwrap()),
        [
            "System text s",
            "User text Result of the tool f: 11 C",
            "User text Result of a tool: 12 C, image/png iVBORw0KGgoAAAANSUhEUgAA",
            r#"Assistant call Some("c1") f {} None"#,
            r#"Tool result None Some("f") [text 13 C]"#,
            "User text Result of the tool f: 14 C",
        ]
    );
}

#[test]
fn options_become_settings_or_extras() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":false,"keep_alive":"5m","truncate":false,
        "options":{"num_predict":3.9,"seed":7,"temperature":1e-1,"top_k":20,"stop":["a\n"],"num_ctx":8192,"num_gpu":0,
        "min_p":0.05,"repeat_penalty":1.10,"top_p":null,"odd":[1]},"logprobs":true,"top_logprobs":2}"#;
    let request = chat(body).unwrap();
    let settings = &request.settings;
    assert!(!request.stream);
    assert_eq!((settings.max_tokens, settings.context_length), (Some(3), Some(8192)));
    assert_eq!(settings.temperature.as_ref().map(Json::as_str), Some("1e-1"));
    assert_eq!(settings.repeat_penalty.as_ref().map(Json::as_str), Some("1.10"));
    assert_eq!(settings.seed.as_ref().map(Json::as_str), Some("7"));
    assert!(settings.top_p.is_none());
    assert_eq!(settings.stop, ["a\n"]);
    assert_eq!((settings.logprobs, settings.top_logprobs), (Some(true), Some(2)));
    let extras: Vec<String> =
        request.extras.iter().map(|e| format!("{} {}={:?}", e.dialect, e.name, e.value)).collect();
    assert_eq!(
        extras,
        ["ollama options.num_gpu=0", "ollama options.odd=[1]", "ollama keep_alive=\"5m\"", "ollama truncate=false"]
    );
}

#[test]
fn no_limit_and_no_seed_are_absent() {
    let request = chat(r#"{"model":"m","options":{"num_predict":-2,"seed":-1,"num_ctx":0}}"#).unwrap();
    assert_eq!((request.settings.max_tokens, request.settings.context_length), (None, None));
    assert!(request.settings.seed.is_none());
    assert_eq!(chat(r#"{"model":"m","options":{"num_predict":0}}"#).unwrap().settings.max_tokens, None);
}

#[test]
fn think_and_format() {
    let thinks = |think: &str| chat(&format!(r#"{{"model":"m","think":{think}}}"#)).unwrap().reasoning;
    assert_eq!(thinks("true"), Some(Reasoning::On));
    assert_eq!(thinks("false"), Some(Reasoning::Off));
    assert_eq!(thinks("\"max\""), Some(Reasoning::Effort(Effort::Max)));
    assert_eq!(thinks("null"), None);
    let format = |format: &str| format!("{:?}", chat(&format!(r#"{{"model":"m","format":{format}}}"#)).unwrap().format);
    assert_eq!(format("\"json\""), "Some(Json)");
    assert_eq!(format("{}"), "Some(Json)");
    assert_eq!(format("\"\""), "None");
    assert!(format(r#"{"type":"object"}"#).contains(r#"schema: {"type":"object"}"#));
}

#[test]
fn tools_keep_their_schema() {
    let body = r#"{"model":"m","tools":[{"type":"function","function":{"name":"f","description":"d","parameters":
        {"type":"object","properties":{"a":{"type":["string","null"],"default":1.0}},"additionalProperties":false}}}]}"#;
    let tool = chat(body).unwrap().tools.remove(0);
    assert_eq!(tool.name, "f");
    assert!(tool.parameters.unwrap().as_str().contains(r#""default":1.0}},"additionalProperties":false"#));
}

#[test]
fn refusals_come_in_ollama_s_order() {
    let rows = [
        (chat(""), 400, "missing request body"),
        (chat("{}"), 400, "model is required"),
        (chat(r#"{"top_logprobs":21}"#), 400, "top_logprobs must be between 0 and 20"),
        (
            chat(r#"{"model":"a b","think":"huge"}"#),
            400,
            r#"invalid think value: "huge" (must be "high", "medium", "low", "max", true, or false)"#,
        ),
        (chat(r#"{"model":"a b","options":{"stop":1}}"#), 400, "invalid model name"),
        (chat(r#"{"model":"a\u0000b"}"#), 400, "invalid model name"),
        (chat(r#"{"model":"p:a\u0000b"}"#), 400, "invalid model name"),
        (chat(r#"{"model":"m","format":5,"options":{"stop":1}}"#), 500, r#"option "stop" must be of type array"#),
        (chat(r#"{"model":"m","options":{"stop":[1]}}"#), 500, r#"option "stop" must be of an array of strings"#),
        (
            chat(r#"{"model":"m","messages":[{"content":"x"}],"format":[]}"#),
            500,
            r#"invalid format: "[]"; expected "json" or a valid JSON Schema object"#,
        ),
        (generate("{}"), 404, "model '' not found"),
        (
            generate(r#"{"model":"m","prompt":"x","raw":true,"context":[1]}"#),
            400,
            "raw mode does not support template, system, or context",
        ),
    ];
    for (read, status, text) in rows {
        let failure = read.expect_err(text);
        assert_eq!((failure.status, failure.message.as_str()), (status, text));
    }
}

#[test]
fn deep_bodies_do_no_harm() {
    let nested = format!("{}1{}", r#"{"properties":{"a":"#.repeat(4_000), "}}".repeat(4_000));
    let body = format!(r#"{{"model":"m","tools":[{{"function":{{"name":"f","parameters":{nested}}}}}]}}"#);
    assert_eq!(chat(&body).unwrap().tools.len(), 1);
    let lists = format!(r#"{{"model":"m","options":{{"odd":{}{}}}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(chat(&lists).unwrap().extras.len(), 1);
}

#[test]
fn names_of_other_providers_are_good_names() {
    for name in ["openrouter:vendor/model:free", "google:gemini-2.5-pro", "gpt-4o@x", " padded "] {
        assert_eq!(chat(&format!(r#"{{"model":"{name}"}}"#)).unwrap().model, name);
    }
}

#[test]
fn a_prompt_is_a_conversation_too() {
    let body = r#"{"model":"m","prompt":"def f(","suffix":"return 1","system":"s","images":["R0lGODlh"],"template":"","context":[]}"#;
    let request = generate(body).unwrap();
    assert_eq!(said(&request), ["System text s", "User text def f(, image/gif R0lGODlh"]);
    let prompt = request.prompt.unwrap();
    assert_eq!((prompt.text.unwrap(), prompt.suffix.unwrap()), (Text::from("def f("), Text::from("return 1")));
    assert!(!prompt.raw);
    assert!(request.extras.is_empty());
}

#[test]
fn empty_requests_load_and_unload() {
    let rows = [
        (chat(r#"{"model":"m"}"#), Some(Load::Load)),
        (chat(r#"{"model":"m","messages":[],"keep_alive":0}"#), Some(Load::Unload)),
        (chat(r#"{"model":"m","messages":[],"keep_alive":"0s","options":{"stop":1}}"#), Some(Load::Unload)),
        (chat(r#"{"model":"m","messages":[],"keep_alive":"10m"}"#), Some(Load::Load)),
        (chat(r#"{"model":"m","messages":[{"content":""}],"keep_alive":0}"#), None),
        (generate(r#"{"model":"m","prompt":"","keep_alive":0.0}"#), Some(Load::Unload)),
        (generate(r#"{"model":"m"}"#), Some(Load::Load)),
        (generate(r#"{"model":"m","suffix":"x"}"#), None),
    ];
    for (read, want) in rows {
        let request = read.unwrap();
        assert_eq!(load_of(&request), want, "{request:?}");
    }
}

#[test]
fn pictures_are_known_by_their_first_bytes() {
    let rows = [
        ("iVBORw0KGgo=", "image/png"),
        ("/9j/4AAQSkZJRg==", "image/jpeg"),
        ("R0lGODlhAQABAIAA", "image/gif"),
        ("UklGRiQAAABXRUJQVlA4", "image/webp"),
        ("Qk1GAAAA", "image/bmp"),
        ("JVBERi0xLjQK", "application/pdf"),
        ("AAAAIGZ0eXBhdmlm", "image/avif"),
        ("AAAAGGZ0eXBoZWlj", "image/heic"),
        ("", "image/jpeg"),
        ("AAAA", "image/jpeg"),
    ];
    for (data, want) in rows {
        assert_eq!(mime_of(&Text::from(data)), want, "{data}");
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(text in r#"\{"(model|messages|options|think|prompt|images)":[\[\]{}:,"0-9a-z.\\ -]{0,30}\}?"#) {
        let _ = chat(&text);
        let _ = generate(&text);
    }
}

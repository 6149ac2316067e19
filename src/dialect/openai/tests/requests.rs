//! What clients ask, what of it providers are asked, and what is refused.

use crate::chat::{
    Extra, Failure, Format, Media, Message, Part, Reasoning, Request, Role, Settings, Source, Tool, ToolChoice,
};
use crate::dialect::quirks::{ReasoningStyle, ToolIds};
use crate::dialect::{Quirks, Wire, Written};
use crate::json::Json;

fn read(body: &str) -> Result<Request, Failure> {
    Wire::OpenAiChat.read_request(&body.to_owned().into())
}

fn write(request: &Request, quirks: &Quirks) -> Written {
    Wire::OpenAiChat.write_request(request, quirks).unwrap()
}

fn body(written: Written) -> String {
    String::from_utf8(written.body).unwrap()
}

/// What a provider is sent for a client's body.
fn again(client: &str, quirks: &Quirks) -> String {
    body(write(&read(client).unwrap(), quirks))
}

fn quirks() -> Quirks {
    Quirks::default()
}

#[test]
fn a_body_of_known_members_comes_out_as_it_went_in() {
    let whole = concat!(
        r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a\u00e9"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBOR\/","detail":"low"}},"#,
        r#"{"type":"image_url","image_url":{"url":"https://x/y.png"}},"#,
        r#"{"type":"input_audio","input_audio":{"data":"AA","format":"mp3"}},"#,
        r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBER"}},"#,
        r#"{"type":"file","file":{"file_id":"f1"}}],"name":"bob"},"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1.0}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c1","content":"r"}],"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],"#,
        r#""tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":2},"strict":false}},"#,
        r#""stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"temperature":0.70,"top_p":1,"n":2,"stop":["x"],"#,
        r#""presence_penalty":0.1,"frequency_penalty":0.2,"seed":7,"logprobs":true,"top_logprobs":2,"#,
        r#""reasoning_effort":"low","logit_bias":{"1":2},"user":"u"}"#,
    );
    assert_eq!(again(whole, &quirks()), whole);
}

/// OpenAI's server takes any text for arguments, and clients send back what a model once wrote.
#[test]
fn arguments_that_are_no_object_are_kept() {
    for (said, kept) in [
        (r#""{\"city\": \"Par""#, r#"{"_raw":"{\"city\": \"Par"}"#),
        (r#""[1]""#, r#"{"_raw":"[1]"}"#),
        (r#""null""#, "{}"),
        (r#"" ""#, "{}"),
        (r#""{\"a\": 1}""#, r#"{"a": 1}"#),
    ] {
        let call = format!(r#"{{"id":"c","function":{{"name":"f","arguments":{said}}}}}"#);
        let request = read(&format!(r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{call}]}}]}}"#));
        let message = &request.unwrap().messages[0];
        assert!(
            matches!(&message.parts[..], [Part::ToolCall { arguments, .. }] if arguments.as_str() == kept),
            "{said}"
        );
    }
}

#[test]
fn odd_spellings_are_understood() {
    let request = read(concat!(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:;charset=x;base64,/9j/"},"plain"]},"#,
        r#"{"role":"assistant","reasoning":"t","content":"x","tool_calls":[{"id":"c__thought__cw","function":{"name":"f","arguments":""}},"#,
        r#"{"id":"d","function":{"name":"f","arguments":{}},"extra_content":{"google":{"thought_signature":"g"}}}]},"#,
        r#"{"role":"tool","tool_call_id":"c__thought__cw","content":[{"type":"text","text":"r"}]}],"#,
        r#""max_tokens":1,"max_completion_tokens":2,"stop":"z","functions":[{"name":"f"}],"function_call":"auto","tools":null}"#,
    ))
    .unwrap();
    assert!(
        matches!(&request.messages[0].parts[..], [Part::Media(media), Part::Text { .. }] if media.mime == "image/jpeg")
    );
    let [Part::Thinking { text, .. }, Part::Text { .. }, first, second] = &request.messages[1].parts[..] else {
        panic!("{:?}", request.messages[1]);
    };
    assert_eq!(text, "t");
    let signed = |part: &Part| match part {
        Part::ToolCall { id, arguments, signature, .. } => {
            format!("{} {} {}", id.as_ref().unwrap(), arguments.as_str(), signature.as_ref().unwrap())
        }
        other => format!("{other:?}"),
    };
    assert_eq!([signed(first), signed(second)], ["c {} s", "d {} g"]);
    assert!(matches!(&request.messages[2].parts[0], Part::ToolResult { id: Some(id), .. } if *id == "c"));
    assert_eq!((request.settings.max_tokens, request.settings.stop.len(), request.tools.len()), (Some(2), 1, 1));
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    let google = Quirks { google_signatures: true, reasoning_history: Some("reasoning".into()), ..quirks() };
    let written = body(write(&request, &google));
    assert!(written.contains(r#""content":"x","reasoning":"t","tool_calls":"#), "{written}");
    assert!(written.contains(r#""extra_content":{"google":{"thought_signature":"g"}}"#), "{written}");
    assert!(!body(write(&request, &quirks())).contains("extra_content"));
}

/// All places in a JSON value.
fn places(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(key, value)| places(value, format!("{at}/{key}"), found));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| places(value, format!("{at}/{n}"), found));
        }
        _ => {}
    }
    found.push(at);
}

#[test]
fn any_value_anywhere_is_read_or_refused() {
    let body: serde_json::Value = serde_json::from_str(concat!(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":"#,
        r#"{"url":"data:image/png;base64,AA"}},{"type":"input_audio","input_audio":{"data":"AA","format":"mp3"}},"#,
        r#"{"type":"file","file":{"file_data":"AA"}}],"name":"n"},{"role":"assistant","content":null,"images":[{"image_url":"#,
        r#"{"url":"data:;base64,AA"}}],"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"#,
        r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[{"function":{"name":"f"}}]}},"stop":["s"],"n":1,"#,
        r#""response_format":{"type":"json_schema","json_schema":{"schema":{}}},"reasoning":{"effort":"low"},"thinking":{"type":"enabled"},"#,
        r#""stream":true,"stream_options":{"include_usage":true},"seed":1,"logprobs":true,"top_logprobs":1,"max_tokens":1}"#,
    ))
    .unwrap();
    let mut found = Vec::new();
    places(&body, String::new(), &mut found);
    let (mut good, mut refused) = (0, 0);
    for place in &found {
        for value in ["null", "5", "-1.5e300", "true", "\"\"", "\"x\"", "[]", "{}", "[[]]", "[null]", "{\"a\":[{}]}"] {
            let mut changed = body.clone();
            *changed.pointer_mut(place).unwrap() = serde_json::from_str(value).unwrap();
            let written = read(&changed.to_string()).and_then(|r| Wire::OpenAiChat.write_request(&r, &quirks()));
            match written {
                Ok(written) => {
                    let again: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
                    assert!(again.is_object());
                    good += 1;
                }
                Err(failure) => {
                    assert_eq!(failure.status, 400, "{place} {value} {failure}");
                    refused += 1;
                }
            }
        }
    }
    assert!(good > 100 && refused > 100, "{good} {refused}");
}

#[test]
fn depth_of_thinking_is_read_from_many_members() {
    let rows = [
        (r#""reasoning_effort":"none""#, Some(Reasoning::Off)),
        (r#""reasoning_effort":"xhigh""#, Some(Reasoning::Effort(crate::chat::Effort::XHigh))),
        (
            r#""reasoning":{"effort":"high"},"reasoning_effort":"low""#,
            Some(Reasoning::Effort(crate::chat::Effort::High)),
        ),
        (r#""reasoning":{"max_tokens":9}"#, Some(Reasoning::Budget(9))),
        (r#""reasoning":{"enabled":false}"#, Some(Reasoning::Off)),
        (r#""thinking":{"type":"disabled"}"#, Some(Reasoning::Off)),
        (r#""enable_thinking":true,"thinking_budget":5"#, Some(Reasoning::Budget(5))),
        (r#""enable_thinking":false"#, Some(Reasoning::Off)),
        (r#""user":"u""#, None),
    ];
    for (members, expected) in rows {
        let request =
            read(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#)).unwrap();
        assert_eq!(request.reasoning, expected, "{members}");
    }
}

#[test]
fn faults_name_the_field() {
    let with = |messages: &str| format!(r#"{{"model":"m","messages":{messages}}}"#);
    let rows = [
        (
            r#"{"messages":[{"role":"user","content":"x"}]}"#.to_owned(),
            Some("model"),
            "you must provide a model parameter",
        ),
        (r#"{"model":"m"}"#.to_owned(), Some("messages"), "Missing required parameter: 'messages'."),
        (with("[]"), Some("messages"), "Invalid 'messages': empty array. Expected an array with at least one message."),
        (
            with(r#"[{"role":"user","content":5}]"#),
            Some("messages[0].content"),
            "Invalid type for 'messages[0].content': expected a string or an array of parts, but got a number.",
        ),
        (with(r#"[{"content":"x"}]"#), Some("messages[0].role"), "Missing required parameter: 'messages[0].role'."),
        (
            with(r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,xx"}}]}]"#),
            Some("messages[0].content[0].image_url.url"),
            "Invalid value for 'messages[0].content[0].image_url.url': a data URL must be in base64.",
        ),
        (
            r#"{"model":"m","temperature":"hot","messages":[]}"#.to_owned(),
            Some("temperature"),
            "Invalid type for 'temperature': expected a number, but got a string.",
        ),
        (
            "{\n\"model\": m}".to_owned(),
            None,
            "The body of the request is not JSON: expected value at line 2 column 10.",
        ),
        ("[]".to_owned(), None, "The body of the request must be a JSON object."),
    ];
    for (client, param, message) in rows {
        let failure = read(&client).unwrap_err();
        assert_eq!((failure.status, failure.param.as_deref(), &*failure.message), (400, param, message), "{client}");
    }
    assert_eq!(read(&with("[]")).unwrap_err().code.as_deref(), Some("empty_array"));
}

fn call(id: Option<&str>, name: &str) -> Part {
    Part::ToolCall { id: id.map(Into::into), name: name.into(), arguments: Json::known("{}"), signature: None }
}

fn result(id: Option<&str>, name: Option<&str>, content: Vec<Part>) -> Message {
    let part = Part::ToolResult { id: id.map(Into::into), name: name.map(Into::into), content, is_error: false };
    Message::new(Role::Tool, vec![part])
}

fn request(messages: Vec<Message>) -> Request {
    Request { model: "m".into(), messages, ..Request::default() }
}

fn image() -> Media {
    Media { mime: "image/png".into(), source: Source::Base64("AA".into()), detail: None, filename: None }
}

#[test]
fn results_find_their_calls() {
    let calls = vec![call(None, "f"), call(Some("call_1"), "g"), call(None, "h")];
    let ask = |results: Vec<Message>| {
        let mut messages = vec![Message::new(Role::Assistant, calls.clone())];
        messages.extend(results);
        Wire::OpenAiChat.write_request(&request(messages), &quirks())
    };
    let text = || vec![Part::text("r")];
    let written =
        ask(vec![result(None, Some("h"), text()), result(Some("call_1"), None, text()), result(None, None, text())]);
    let read: serde_json::Value = serde_json::from_slice(&written.unwrap().body).unwrap();
    let ids: Vec<&str> = (0..3).map(|n| read["messages"][0]["tool_calls"][n]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["call_0", "call_1", "call_2"]);
    let of: Vec<&str> = (1..4).map(|n| read["messages"][n]["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(of, ["call_2", "call_1", "call_0"]);
    let stray = ask(vec![result(Some("zzz"), None, text())]).unwrap_err();
    assert_eq!((stray.status, stray.param.as_deref()), (400, Some("messages[1]")));
    assert!(ask(vec![result(None, Some("other"), text())]).is_err());
}

#[test]
fn no_two_calls_get_the_same_new_id() {
    let calls = vec![call(Some("call_1"), "f"), call(None, "f"), call(None, "f")];
    let written = write(&request(vec![Message::new(Role::Assistant, calls)]), &quirks());
    let read: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
    let ids: Vec<&str> = (0..3).map(|n| read["messages"][0]["tool_calls"][n]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3"]);
}

#[test]
fn ids_are_made_nine_characters_long_where_they_must() {
    let messages = vec![
        Message::new(Role::Assistant, vec![call(Some("abcDEF123"), "f"), call(Some("call_long_one"), "f")]),
        result(Some("call_long_one"), None, vec![]),
    ];
    let nine = Quirks { tool_ids: ToolIds::Nine, ..quirks() };
    let read: serde_json::Value = serde_json::from_slice(&write(&request(messages), &nine).body).unwrap();
    let calls = &read["messages"][0]["tool_calls"];
    assert_eq!(calls[0]["id"], "abcDEF123");
    assert_eq!(calls[1]["id"], read["messages"][1]["tool_call_id"]);
    let id = calls[1]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
}

#[test]
fn a_picture_in_a_result_follows_behind_all_results() {
    let messages = vec![
        Message::new(Role::Assistant, vec![call(Some("a"), "f"), call(Some("b"), "f")]),
        result(Some("a"), None, vec![Part::text("one"), Part::Media(image()), Part::text("two")]),
        result(Some("b"), None, vec![Part::text("three")]),
        Message::new(Role::User, vec![Part::text("so?")]),
    ];
    let written = body(write(&request(messages), &quirks()));
    let expected = concat!(
        r#"{"role":"tool","tool_call_id":"a","content":"one\ntwo"},{"role":"tool","tool_call_id":"b","content":"three"},"#,
        r#"{"role":"user","content":[{"type":"text","text":"What tool call a returned besides text:"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},{"role":"user","content":"so?"}]}"#,
    );
    assert!(written.ends_with(expected), "{written}");
}

#[test]
fn what_has_no_form_is_refused_or_told() {
    let sound = Media { mime: "audio/wav".into(), source: Source::Url("http://x".into()), ..image() };
    let messages = vec![Message::new(Role::User, vec![Part::Media(sound)])];
    assert_eq!(Wire::OpenAiChat.write_request(&request(messages), &quirks()).unwrap_err().status, 400);
    let some = || Some(Json::known("1"));
    let extra = |dialect, name: &str| Extra::new(dialect, name, Json::known("1"));
    let asked = Request {
        settings: Settings {
            top_k: some(),
            min_p: some(),
            repeat_penalty: Some(Json::known("1.1")),
            presence_penalty: Some(Json::known("0.0")),
            context_length: Some(1),
            stop: ["a", "b", "c", "d", "e"].map(Into::into).into(),
            ..Settings::default()
        },
        extras: vec![extra("ollama", "keep_alive"), extra("openai", "user")],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(true),
        ..request(vec![Message::new(Role::Developer, vec![Part::text("x")])])
    };
    let written = write(&asked, &Quirks { sampling_extras: vec!["top_k".into()], ..quirks() });
    assert_eq!(written.dropped, ["stop", "min_p", "repetition_penalty", "keep_alive"]);
    assert_eq!(
        body(written),
        r#"{"model":"m","messages":[{"role":"system","content":"x"}],"stop":["a","b","c","d"],"top_k":1,"user":1}"#
    );
}

#[test]
fn thinking_is_asked_for_in_each_style() {
    let efforts: Vec<String> = ["none", "low", "high"].map(str::to_owned).into();
    let rows = [
        (ReasoningStyle::Effort, Reasoning::Off, vec![], r#""content":""}]}"#),
        (ReasoningStyle::Effort, Reasoning::Off, efforts.clone(), r#""reasoning_effort":"none"}"#),
        (ReasoningStyle::ChatTemplate, Reasoning::Off, vec![], r#""chat_template_kwargs":{"enable_thinking":false}}"#),
        (
            ReasoningStyle::ChatTemplate,
            Reasoning::Effort(crate::chat::Effort::Low),
            vec![],
            r#""chat_template_kwargs":{"enable_thinking":true},"reasoning_effort":"low"}"#,
        ),
        (ReasoningStyle::Effort, Reasoning::On, efforts.clone(), r#""reasoning_effort":"low"}"#),
        (
            ReasoningStyle::Effort,
            Reasoning::Effort(crate::chat::Effort::Max),
            efforts.clone(),
            r#""reasoning_effort":"high"}"#,
        ),
        (
            ReasoningStyle::Effort,
            Reasoning::Effort(crate::chat::Effort::Minimal),
            efforts,
            r#""reasoning_effort":"low"}"#,
        ),
        (ReasoningStyle::Effort, Reasoning::Off, vec!["low".into()], r#""content":""}]}"#),
        (ReasoningStyle::Object, Reasoning::Off, vec![], r#""reasoning":{"enabled":false}}"#),
        (ReasoningStyle::Object, Reasoning::Budget(7), vec![], r#""reasoning":{"max_tokens":7}}"#),
        (
            ReasoningStyle::EnableThinking,
            Reasoning::Budget(7),
            vec![],
            r#""enable_thinking":true,"thinking_budget":7}"#,
        ),
        (
            ReasoningStyle::EnableThinking,
            Reasoning::Effort(crate::chat::Effort::Medium),
            vec![],
            r#""enable_thinking":true,"thinking_budget":8192}"#,
        ),
        (ReasoningStyle::EnableThinking, Reasoning::Budget(0), vec![], r#""enable_thinking":false}"#),
        (ReasoningStyle::ThinkingType, Reasoning::Off, vec![], r#""thinking":{"type":"disabled"}}"#),
        (
            ReasoningStyle::ThinkingType,
            Reasoning::Effort(crate::chat::Effort::Low),
            vec!["high".into(), "max".into()],
            r#""thinking":{"type":"enabled"},"reasoning_effort":"high"}"#,
        ),
        (ReasoningStyle::Effort, Reasoning::Budget(2000), vec![], r#""reasoning_effort":"low"}"#),
        (ReasoningStyle::Effort, Reasoning::Budget(32_000), vec![], r#""reasoning_effort":"high"}"#),
        (ReasoningStyle::Effort, Reasoning::Budget(32_000), vec!["high".into(), "xhigh".into()], r#""xhigh"}"#),
        (ReasoningStyle::Effort, Reasoning::Budget(-1), vec![], r#""reasoning_effort":"medium"}"#),
        (ReasoningStyle::Object, Reasoning::Budget(-1), vec![], r#""reasoning":{"enabled":true}}"#),
        (ReasoningStyle::Unsupported, Reasoning::On, vec![], r#""content":""}]}"#),
    ];
    for (reasoning, wish, efforts, expected) in rows {
        let asked = Request { reasoning: Some(wish), ..request(vec![Message::new(Role::User, vec![])]) };
        let written = body(write(&asked, &Quirks { reasoning, efforts, ..quirks() }));
        assert!(written.ends_with(expected), "{written}");
    }
    let asked = request(vec![Message::new(Role::User, vec![])]);
    let qwen = Quirks { reasoning: ReasoningStyle::EnableThinking, whole_needs_thinking_off: true, ..quirks() };
    assert!(body(write(&asked, &qwen)).ends_with(r#""enable_thinking":false}"#));
    assert!(!body(write(&Request { stream: true, ..asked.clone() }, &qwen)).contains("enable_thinking"));
    let joined = body(write(&Request { reasoning: Some(Reasoning::On), ..asked }, &qwen));
    assert!(joined.contains(r#""stream":true"#) && joined.ends_with(r#""enable_thinking":true}"#), "{joined}");
}

#[test]
fn the_form_of_an_answer_is_asked_for_by_what_the_provider_has() {
    let schema =
        || Format::Schema { name: None, description: None, schema: Json::known(r#"{"type":"object"}"#), strict: None };
    let said =
        r#"{"role":"system","content":"Answer with JSON only. It must fit this JSON Schema:\n{\"type\":\"object\"}"}"#;
    let word = r#"{"role":"system","content":"Answer with a JSON object only."}"#;
    let has = Quirks { json_schema: true, json_mode: true, ..quirks() };
    let mode_only = Quirks { json_schema: false, ..has.clone() };
    let none = Quirks { json_mode: false, ..has.clone() };
    let rows = [
        (
            &has,
            schema(),
            "x",
            "",
            r#""response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"}}}"#,
        ),
        (&mode_only, schema(), "x", said, r#""response_format":{"type":"json_object"}"#),
        (&none, schema(), "x", said, ""),
        (&has, Format::Json, "x", word, r#""response_format":{"type":"json_object"}"#),
        (&has, Format::Json, "in jSoN", "", r#""response_format":{"type":"json_object"}"#),
        (&none, Format::Json, "in JSON", word, ""),
    ];
    for (quirks, format, text, instruction, member) in rows {
        let messages = vec![Message::new(Role::User, vec![Part::text(text)])];
        let got = body(write(&Request { format: Some(format.clone()), ..request(messages) }, quirks));
        assert_eq!(got.contains(r#""role":"system""#), !instruction.is_empty(), "{got}");
        assert_eq!(got.contains("response_format"), !member.is_empty(), "{got}");
        assert!(got.contains(instruction) && got.contains(member), "{got}");
    }
}

#[test]
fn schemas_are_pruned_or_said() {
    let parameters = Json::known(
        r#"{"$schema":"x","properties":{"default":{"default":1,"type":"string"},"b":{"enum":[{"default":2}]}},"anyOf":[{"default":3}]}"#,
    );
    let tool = Tool { name: "f".into(), description: None, parameters: Some(parameters), strict: None, cache: None };
    let schema = Json::known(r#"{"default":1,"type":"object"}"#);
    let format = Format::Schema { name: None, description: None, schema, strict: None };
    let system = Message::new(Role::System, vec![Part::text("s")]);
    let user = Message::new(Role::User, vec![Part::text("u")]);
    let asked = Request { tools: vec![tool], format: Some(format), ..request(vec![system, user]) };
    let drop = vec!["default".to_owned(), "$schema".to_owned()];
    let written = body(write(&asked, &Quirks { schema_drop: drop, stream_usage: false, ..quirks() }));
    let pruned =
        r#""parameters":{"properties":{"default":{"type":"string"},"b":{"enum":[{"default":2}]}},"anyOf":[{}]}"#;
    assert!(written.contains(pruned), "{written}");
    assert!(written.ends_with(
        r#""response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"}}}}"#
    ));
    let said = body(write(&asked, &Quirks { json_schema: false, ..quirks() }));
    let instruction = r#"{"role":"system","content":"s"},{"role":"system","content":"Answer with JSON only."#;
    assert!(said.contains(instruction) && said.ends_with(r#""response_format":{"type":"json_object"}}"#), "{said}");
}

#[test]
fn allowed_tools_leave_the_others_out() {
    let request = read(concat!(
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"allowed_tools","allowed_tools":"#,
        r#"{"mode":"required","tools":[{"type":"function","function":{"name":"b"}}]}},"#,
        r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}},{"type":"web_search"}]}"#,
    ))
    .unwrap();
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    let written = body(write(&request, &quirks()));
    let tools =
        r#""tools":[{"type":"function","function":{"name":"b"}},{"type":"web_search"}],"tool_choice":"required"}"#;
    assert!(written.ends_with(tools), "{written}");
}

#[test]
fn prompts_are_read_and_written() {
    let read = |body: &str| Wire::OpenAiCompletions.read_request(&body.to_owned().into());
    let asked =
        read(r#"{"model":"m","prompt":["p"],"suffix":"s","echo":true,"logprobs":2,"best_of":3,"max_tokens":4}"#)
            .unwrap();
    let written = Wire::OpenAiCompletions.write_request(&asked, &quirks()).unwrap();
    assert_eq!(body(written), r#"{"model":"m","prompt":"p","suffix":"s","max_tokens":4,"logprobs":2,"best_of":3}"#);
    assert!(asked.prompt.as_ref().is_some_and(|prompt| prompt.echo));
    assert_eq!(Wire::OpenAiChat.write_request(&asked, &quirks()).unwrap_err().param.as_deref(), Some("suffix"));
    let as_chat = read(r#"{"model":"m","prompt":"p"}"#).unwrap();
    assert_eq!(body(write(&as_chat, &quirks())), r#"{"model":"m","messages":[{"role":"user","content":"p"}]}"#);
    for prompt in [r#"["a","b"]"#, "[1,2]", "[[1]]", "[]", "7"] {
        let failure = read(&format!(r#"{{"model":"m","prompt":{prompt}}}"#)).unwrap_err();
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("prompt")), "{prompt}");
    }
    assert_eq!(read(r#"{"model":"m"}"#).unwrap_err().param.as_deref(), Some("prompt"));
}

#[test]
fn ollama_s_instructions_stand_before_the_prompt() {
    let message = |role, text: &str| Message::new(role, vec![Part::text(text)]);
    let prompt = crate::chat::Prompt { text: Some("p".into()), ..Default::default() };
    let mut asked = request(vec![message(Role::System, "s"), message(Role::User, "p")]);
    asked.prompt = Some(prompt);
    let written = Wire::OpenAiCompletions.write_request(&asked, &quirks()).unwrap();
    assert_eq!(body(written), r#"{"model":"m","prompt":"s\n\np"}"#);
    asked.messages[1].parts.push(Part::Media(image()));
    assert_eq!(Wire::OpenAiCompletions.write_request(&asked, &quirks()).unwrap_err().status, 400);
}

#[test]
fn marks_of_a_cache_are_read_and_brought_where_they_are_known() {
    let body = concat!(
        r#"{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}},"#,
        r#"{"type":"text","text":"\n\nt"}]},{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]},"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c","content":"r","cache_control":{"type":"ephemeral"}}],"#,
        r#""tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]}"#,
    );
    let request = read(body).unwrap();
    assert!(request.tools[0].cache.is_some());
    let messages = |quirks: &Quirks| {
        let written = write(&request, quirks);
        assert_eq!(written.dropped, Vec::<String>::new());
        serde_json::from_slice::<serde_json::Value>(&written.body).unwrap()["messages"].clone()
    };
    let ephemeral = serde_json::json!({"type": "ephemeral"});
    let marked = messages(&Quirks { cache_marks: true, ..quirks() });
    let system = serde_json::json!([
        {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "\n\nt"}]);
    assert_eq!(marked[0]["content"], system);
    assert_eq!(marked[1]["content"][0], serde_json::json!({"type": "text", "text": "a", "cache_control": ephemeral}));
    let result = serde_json::json!([{"type": "text", "text": "r", "cache_control": ephemeral}]);
    assert_eq!(marked[3]["content"], result);
    let plain = messages(&quirks());
    assert_eq!((&plain[0]["content"], &plain[1]["content"]), (&"s\n\nt".into(), &"a".into()));
    assert_eq!(plain[3]["content"], "r");
}

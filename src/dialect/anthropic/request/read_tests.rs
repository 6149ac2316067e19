use bytes::Bytes;

use super::{read, read_to_count};
use crate::chat::{Effort, Failure, Format, Part, Reasoning, Request, Role, Source, ToolChoice};

/// A body with these members beside the three that must be there.
fn with(members: &str) -> Result<Request, Failure> {
    let comma = if members.is_empty() { "" } else { "," };
    body(&format!(r#""model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{comma}{members}"#))
}

fn body(members: &str) -> Result<Request, Failure> {
    read(&Bytes::from(format!("{{{members}}}")))
}

/// A conversation.
fn messages(messages: &str) -> Result<Request, Failure> {
    body(&format!(r#""model":"m","max_tokens":9,"messages":[{messages}]"#))
}

/// Role and parts, a line each.
fn lines(request: &Request) -> Vec<String> {
    let mut lines = Vec::new();
    for message in &request.messages {
        lines.push(format!("{:?}", message.role));
        lines.extend(message.parts.iter().map(line));
    }
    lines
}

fn line(part: &Part) -> String {
    match part {
        Part::Text { text, .. } => format!("  text {text}"),
        Part::Thinking { text, signature } => format!("  thinking {text} {signature:?}"),
        Part::Redacted(data) => format!("  redacted {data}"),
        Part::ToolCall { id, name, arguments, signature } => {
            format!("  call {} {name} {} {signature:?}", id.as_ref().unwrap(), arguments.as_str())
        }
        Part::ToolResult { id, content, is_error, .. } => {
            let content: Vec<String> = content.iter().map(line).collect();
            format!("  result {} {is_error}{}", id.as_ref().unwrap(), content.concat())
        }
        Part::Media(media) => {
            let source = match &media.source {
                Source::Base64(data) => format!("base64 {data}"),
                Source::Url(url) => format!("url {url}"),
                Source::FileId(id) => format!("file {id}"),
            };
            format!("  {} {source} {:?}", media.mime, media.filename.as_ref().map(|name| name.as_str().into_owned()))
        }
        Part::Refusal(text) => format!("  refusal {text}"),
        Part::CacheMark(mark) => format!("  cache mark {:?}", mark.ttl.as_ref().map(|ttl| ttl.as_str().into_owned())),
    }
}

#[test]
fn plain_members_are_read() {
    let request = with(
        r#""stream":true,"temperature":0.50,"top_p":0.9,"top_k":40,"stop_sequences":["a","b"],"metadata":{"user_id":"u"},
           "service_tier":"auto","container":null"#,
    )
    .unwrap();
    assert_eq!((request.model.as_str(), request.stream, request.settings.max_tokens), ("m", true, Some(9)));
    assert_eq!(request.settings.temperature.unwrap().as_str(), "0.50");
    assert_eq!(request.settings.top_k.unwrap().as_str(), "40");
    assert_eq!(request.settings.stop, ["a", "b"]);
    let extras: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(extras, ["metadata", "service_tier"]);
}

#[test]
fn what_is_missing_is_said_in_words_that_clients_know() {
    let message = |members: &str| body(members).unwrap_err().message;
    assert_eq!(message(r#""max_tokens":9"#), "model is required");
    assert_eq!(message(r#""model":"m""#), "max_tokens is required and must be positive");
    assert_eq!(message(r#""model":"m","max_tokens":0"#), "max_tokens is required and must be positive");
    assert_eq!(message(r#""model":"m","max_tokens":9"#), "messages is required");
    assert_eq!(message(r#""model":"m","max_tokens":9,"messages":[]"#), "messages is required");
    let count = |text: &'static str| read_to_count(&Bytes::from_static(text.as_bytes()));
    assert!(count(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#).is_ok());
    assert_eq!(count(r#"{"model":"m"}"#).unwrap_err().message, "messages is required");
    assert_eq!(count("[]").unwrap_err().status, 400);
    assert!(count("{").unwrap_err().message.starts_with("the body of the request is not JSON"));
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let fails = |result: Result<Request, Failure>| {
        let failure = result.unwrap_err();
        (failure.status, failure.message)
    };
    let told = |message: &str| (400, message.to_owned());
    assert_eq!(fails(with(r#""temperature":"hot""#)), told("temperature: must be a number"));
    assert_eq!(fails(with(r#""stop_sequences":[1]"#)), told("stop_sequences.0: must be a string"));
    assert_eq!(fails(with(r#""tools":[{}]"#)), told("tools.0.name: is missing"));
    assert_eq!(
        fails(with(r#""tool_choice":{"type":"some"}"#)).1,
        "tool_choice.type: must be 'auto', 'any', 'tool' or 'none'"
    );
    assert_eq!(
        fails(messages(r#"{"role":"robot","content":"x"}"#)),
        told("messages.0.role: must be 'user', 'assistant' or 'system'")
    );
    assert_eq!(
        fails(messages(r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text"}]}"#)),
        told("messages.0.content.1.text: is missing")
    );
    assert_eq!(
        fails(messages(r#"{"role":"user","content":[{"type":"container_upload","file_id":"f"}]}"#)),
        told("messages.0.content.0.type: a block of type 'container_upload' can't be sent to this model")
    );
}

#[test]
fn instructions_are_one_text() {
    let request = with(
        r#""system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2; cch=1a2b;"},
           {"type":"text","text":"You help.","cache_control":{"type":"ephemeral"}},{"type":"text","text":""},
           {"type":"text","text":"Be \"brief\"."}]"#,
    )
    .unwrap();
    // The gap goes with the second, whoever joins them.
    let want = ["System", "  text You help.", "  cache mark None", "  text \n\nBe \"brief\".", "User", "  text hi"];
    assert_eq!(lines(&request), want);
    assert!(request.messages[0].extras.is_empty());
    let unmarked = r#""system":[{"type":"text","text":"You help."},{"type":"text","text":"Be brief."}]"#;
    assert_eq!(lines(&with(unmarked).unwrap())[..2], ["System", "  text You help.\n\nBe brief."]);
    assert_eq!(lines(&with(r#""system":"s""#).unwrap())[..2], ["System", "  text s"]);
    assert_eq!(lines(&with(r#""system":[]"#).unwrap()), ["User", "  text hi"]);
    assert!(with(r#""system":[{"type":"thinking","thinking":"x"}]"#).is_err());
}

#[test]
fn a_tool_loop_is_read() {
    let request = messages(
        r#"{"role":"user","content":"hi"},
           {"role":"assistant","content":[
             {"type":"thinking","thinking":"hm","signature":"Eo8B"},
             {"type":"thinking","thinking":"ours","signature":"__thought__YzJsbg"},
             {"type":"thinking","thinking":"bare","signature":""},
             {"type":"redacted_thinking","data":"Eq"},
             {"type":"text","text":"Looking."},
             {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1},"caller":{"type":"direct"}},
             {"type":"tool_use","id":"toolu_id_ZnVuY3Rpb25zLmc6MQ__thought__YzJsbg","name":"g"}]},
           {"role":"user","content":[
             {"type":"text","text":"And?"},
             {"type":"tool_result","tool_use_id":"toolu_1","content":"42","cache_control":{"type":"ephemeral"}},
             {"type":"tool_result","tool_use_id":"toolu_id_ZnVuY3Rpb25zLmc6MQ__thought__YzJsbg","is_error":true,"content":[
               {"type":"text","text":"no"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBOR"}},
               {"type":"tool_reference","tool_name":"h"}]}]},
           {"role":"system","content":"Hurry."}"#,
    )
    .unwrap();
    assert_eq!(
        lines(&request),
        [
            "User",
            "  text hi",
            "Assistant",
            "  thinking hm Some(\"anthropic:Eo8B\")",
            "  thinking ours Some(\"c2ln\")",
            "  thinking bare None",
            "  redacted Eq",
            "  text Looking.",
            "  call toolu_1 f {\"a\":1} None",
            "  call functions.g:1 g {} Some(\"c2ln\")",
            "Tool",
            "  result toolu_1 false  text 42  cache mark None",
            "  result functions.g:1 true  text no  image/png base64 iVBOR None  text h",
            "User",
            "  text And?",
            "System",
            "  text Hurry.",
        ]
    );
    assert!(request.messages.iter().all(|message| message.extras.is_empty()));
}

#[test]
fn marks_of_a_cache_stand_behind_what_they_mark() {
    let request = body(
        r#""model":"m","max_tokens":9,"cache_control":{"type":"ephemeral"},"messages":[
           {"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},
             {"type":"text","text":"b","cache_control":null}]},
           {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{},"cache_control":{"type":"ephemeral"}}]},
           {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[
             {"type":"text","text":"c","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]}]"#,
    )
    .unwrap();
    let want = [
        "User",
        "  text a",
        "  cache mark Some(\"1h\")",
        "  text b",
        "Assistant",
        "  call t f {} None",
        "  cache mark None",
        "Tool",
        "  result t false  text c  cache mark Some(\"5m\")  cache mark None",
    ];
    assert_eq!(lines(&request), want);
    assert!(request.extras.is_empty());
}

#[test]
fn documents_and_pictures_are_read() {
    let request = messages(
        r#"{"role":"user","content":[
            {"type":"image","source":{"type":"url","url":"https://x/y.png"}},
            {"type":"image","source":{"type":"file","file_id":"file_1"}},
            {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBER"},"title":"Plan","context":"old"},
            {"type":"document","source":{"type":"url","url":"https://x/y.pdf"}},
            {"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"},"title":"Notes","citations":{"enabled":true}},
            {"type":"document","source":{"type":"content","content":[{"type":"text","text":"inner"}]}},
            {"type":"search_result","title":"T","source":"https://x","content":[{"type":"text","text":"found"}]}]}"#,
    )
    .unwrap();
    assert_eq!(
        lines(&request),
        [
            "User",
            "  image/* url https://x/y.png None",
            "  image/* file file_1 None",
            "  text old",
            "  application/pdf base64 JVBER Some(\"Plan\")",
            "  application/pdf url https://x/y.pdf Some(\"document.pdf\")",
            "  text Notes",
            "  text words",
            "  text inner",
            "  text T\nhttps://x",
            "  text found",
        ]
    );
    let extras: Vec<&str> = request.messages[0].extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(extras, ["citations"]);
}

#[test]
fn what_anthropics_own_tools_did_is_noted() {
    let request = messages(
        r#"{"role":"user","content":"hi"},{"role":"assistant","content":[
           {"type":"server_tool_use","id":"s","name":"web_search","input":{}},
           {"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"So."}]}"#,
    )
    .unwrap();
    assert_eq!(lines(&request)[2..], ["Assistant", "  text So."]);
    let extras: Vec<&str> = request.messages[1].extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(extras, ["server_tool_use", "web_search_tool_result"]);
}

#[test]
fn tools_and_the_choice_among_them() {
    let request = with(
        r#""tools":[{"name":"f","description":"d","input_schema":{"type":"object","$schema":"x"},"strict":true,
           "cache_control":{"type":"ephemeral"}},{"type":"custom","name":"g","input_schema":{}},
           {"type":"web_search_20250305","name":"web_search","max_uses":3}],
           "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}"#,
    )
    .unwrap();
    assert_eq!(request.tools.len(), 2);
    assert_eq!(request.tools[0].parameters.as_ref().unwrap().as_str(), r#"{"type":"object","$schema":"x"}"#);
    assert_eq!((request.tools[0].strict, request.parallel_tool_calls), (Some(true), Some(false)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Function("f".into())));
    let extras: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(extras, ["tools"]);
    assert!(request.tools[0].cache.is_some() && request.tools[1].cache.is_none());
    for (word, choice) in [("auto", ToolChoice::Auto), ("any", ToolChoice::Required), ("none", ToolChoice::None)] {
        let request = with(&format!(r#""tool_choice":{{"type":"{word}"}}"#)).unwrap();
        assert_eq!((request.tool_choice, request.parallel_tool_calls), (Some(choice), None));
    }
}

#[test]
fn thinking_and_effort_are_one_wish() {
    for (members, wish) in [
        ("", None),
        (r#""thinking":{"type":"enabled","budget_tokens":2048}"#, Some(Reasoning::Budget(2048))),
        (r#""thinking":{"type":"adaptive"}"#, Some(Reasoning::On)),
        (r#""thinking":{"type":"disabled"},"output_config":{"effort":"max"}"#, Some(Reasoning::Off)),
        (
            r#""output_config":{"effort":"xhigh"},"thinking":{"type":"adaptive"}"#,
            Some(Reasoning::Effort(Effort::XHigh)),
        ),
        (r#""output_config":{"effort":"low"}"#, Some(Reasoning::Effort(Effort::Low))),
    ] {
        assert_eq!(with(members).unwrap().reasoning, wish, "{members}");
    }
    assert!(with(r#""thinking":{"type":"deep"}"#).is_err());
    assert!(with(r#""output_config":{"effort":"huge"}"#).is_err());
}

#[test]
fn a_form_of_the_answer_is_read() {
    for members in [
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#,
        r#""output_format":{"type":"json_schema","schema":{"type":"object"}}"#,
    ] {
        let Some(Format::Schema { schema, strict, .. }) = with(members).unwrap().format else { panic!("{members}") };
        assert_eq!((schema.as_str(), strict), (r#"{"type":"object"}"#, Some(true)));
    }
}

#[test]
fn conversations_are_held_nowhere() {
    for (thread, code) in [
        (r#"{"type":"create"}"#, "thread_unsupported_request"),
        (r#"{"type":"continue","previous_message_id":"msg_1"}"#, "thread_not_found"),
    ] {
        let failure = with(&format!(r#""thread":{thread}"#)).unwrap_err();
        assert_eq!((failure.status, failure.code.as_deref()), (400, Some(code)));
        let body = crate::dialect::Dialect::Anthropic.write_error(&failure);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["details"]["error_code"], code);
    }
}

#[test]
fn roles_are_told_apart() {
    let request = messages(r#"{"role":"user","content":[]},{"role":"assistant","content":"{"}"#).unwrap();
    assert_eq!(lines(&request), ["User", "Assistant", "  text {"]);
    assert_eq!(request.messages[1].role, Role::Assistant);
}

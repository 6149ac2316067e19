use super::*;
use crate::chat::{Class, Effort, Media, Message, Part, Reasoning, Role, Source, Tool, ToolChoice};
use crate::json::Text;

fn asked(model: &str, messages: Vec<Message>) -> Request {
    Request { model: model.to_owned(), messages, ..Request::default() }
}

fn says(role: Role, text: &str) -> Message {
    Message::new(role, vec![Part::text(text)])
}

fn user(text: &str) -> Message {
    says(Role::User, text)
}

fn call(id: Option<&str>, name: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall {
        id: id.map(Text::from),
        name: name.into(),
        arguments: Json::known(arguments.to_owned()),
        signature: signature.map(Text::from),
    }
}

fn result(id: Option<&str>, name: Option<&str>, text: &str) -> Message {
    let content = vec![Part::text(text)];
    let part = Part::ToolResult { id: id.map(Text::from), name: name.map(Text::from), content, is_error: false };
    Message::new(Role::Tool, vec![part])
}

fn model(parts: Vec<Part>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn png(data: &str) -> Part {
    Part::Media(Media { mime: "image/png".into(), source: Source::Base64(data.into()), detail: None, filename: None })
}

fn written(request: &Request) -> (String, Vec<String>) {
    let written = write(request, &Quirks::default()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&written.body).unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

/// The member of that name, of what is written.
fn member(request: &Request, name: &str) -> String {
    let body = Json::known(written(request).0);
    body.value().get(name).map_or_else(|| "-".to_owned(), |value| value.as_str().to_owned())
}

fn contents(model: &str, messages: Vec<Message>) -> String {
    member(&asked(model, messages), "contents")
}

fn refused(request: &Request) -> Failure {
    write(request, &Quirks::default()).unwrap_err()
}

#[test]
fn instructions_stand_apart() {
    let messages =
        vec![says(Role::System, "Be brief."), user("Hi"), says(Role::System, ""), says(Role::Developer, "Be kind.")];
    let (body, dropped) = written(&asked("gemini-2.5-flash", messages.clone()));
    let want = r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]}}"#;
    assert_eq!((body.as_str(), dropped.len()), (want, 0));

    let want = r#"{"contents":[{"role":"user","parts":[{"text":"Be brief."},{"text":"Be kind."},{"text":"Hi"}]}]}"#;
    assert_eq!(written(&asked("gemma-3-27b-it", messages)).0, want);

    let alone = asked("gemini-2.5-flash", vec![says(Role::System, "Be brief."), user("")]);
    assert_eq!(written(&alone).0, r#"{"contents":[{"role":"user","parts":[{"text":"Be brief."}]}]}"#);
}

#[test]
fn turns_alternate_and_the_user_begins() {
    let messages = vec![
        says(Role::Assistant, "Hello."),
        user("a"),
        user("b"),
        says(Role::Assistant, "c"),
        says(Role::Assistant, ""),
    ];
    let want = r#"[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":"Hello."}]},{"role":"user","parts":[{"text":"a"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"}]}]"#;
    assert_eq!(contents("gemini-2.5-flash", messages), want);
    assert_eq!(refused(&asked("m", vec![])).param.as_deref(), Some("messages"));
    assert_eq!(refused(&asked("m", vec![says(Role::Other("owl".into()), "hu")])).class, Class::BadRequest);
}

#[test]
fn signed_parts_go_back_as_they_came() {
    let parts = vec![
        Part::Thinking { text: "lost".into(), signature: None },
        Part::Thinking { text: "kept".into(), signature: Some("c2ln".into()) },
        Part::Text { text: "".into(), signature: Some("dHh0".into()) },
    ];
    let want = r#"{"role":"model","parts":[{"text":"kept","thought":true,"thoughtSignature":"c2ln"},{"text":"","thoughtSignature":"dHh0"}]}"#;
    assert!(contents("gemini-3-flash-preview", vec![user("x"), model(parts)]).contains(want));
}

#[test]
fn results_stand_in_the_order_of_the_calls() {
    let calls = model(vec![
        call(Some("c1"), "f", r#"{"a":1}"#, None),
        call(Some("c2"), "g", "{}", None),
        call(Some("c3"), "h", "null", None),
    ]);
    let messages = vec![
        user("q"),
        calls,
        result(Some("c2"), None, r#" {"n":1.50}"#),
        result(Some("c1"), None, "sunny"),
        user("and?"),
    ];
    let want = concat!(
        r#"[{"role":"user","parts":[{"text":"q"}]},"#,
        r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{}}},{"functionCall":{"name":"h","args":{}}}]},"#,
        r#"{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"sunny"}}},"#,
        r#"{"functionResponse":{"name":"g","response":{"n":1.50}}},"#,
        r#"{"functionResponse":{"name":"h","response":{"error":"this call was not answered"}}}]},"#,
        r#"{"role":"user","parts":[{"text":"and?"}]}]"#
    );
    assert_eq!(contents("gemini-2.5-flash", messages), want);
}

/// The names and outputs of all results, in the order in which they are written.
fn answered(messages: Vec<Message>) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(&contents("gemini-2.5-flash", messages)).unwrap();
    let parts = body.as_array().unwrap().iter().flat_map(|c| c["parts"].as_array().unwrap());
    let shown = |r: &serde_json::Value| {
        format!("{}={}", r["name"].as_str().unwrap(), r["response"]["output"].as_str().unwrap())
    };
    parts.filter_map(|part| part.get("functionResponse")).map(shown).collect()
}

#[test]
fn results_find_their_calls() {
    let two = |id: Option<&str>| model(vec![call(id, "f", "{}", None), call(id, "g", "{}", None)]);
    let rows: [(&str, Vec<Message>, Vec<&str>); 5] = [
        (
            "by order, nothing else being there",
            vec![two(None), result(None, None, "1"), result(None, None, "2")],
            vec!["f=1", "g=2"],
        ),
        ("by name", vec![two(None), result(None, Some("g"), "1"), result(None, Some("f"), "2")], vec!["f=2", "g=1"]),
        (
            "one id for two calls",
            vec![two(Some("x")), result(Some("x"), None, "1"), result(Some("x"), None, "2")],
            vec!["f=1", "g=2"],
        ),
        (
            "an id that nobody gave",
            vec![two(Some("x")), result(Some("y"), Some("g"), "1"), result(Some("x"), None, "2")],
            vec!["f=2", "g=1"],
        ),
        (
            "the same id again, later",
            vec![
                model(vec![call(Some("0"), "f", "{}", None)]),
                result(Some("0"), None, "1"),
                model(vec![call(Some("0"), "g", "{}", None)]),
                result(Some("0"), None, "2"),
            ],
            vec!["f=1", "g=2"],
        ),
    ];
    for (why, messages, want) in rows {
        assert_eq!(answered([vec![user("q")], messages].concat()), want, "{why}");
    }
}

#[test]
fn a_result_without_a_call_is_refused() {
    let rows = [
        vec![user("q"), result(Some("c9"), None, "r")],
        vec![
            user("q"),
            model(vec![call(Some("c1"), "f", "{}", None)]),
            result(Some("c1"), None, "r"),
            result(Some("c1"), None, "r"),
        ],
        vec![user("q"), model(vec![call(None, "f", "{}", None)]), result(None, Some("g"), "r")],
    ];
    for messages in rows {
        let failure = refused(&asked("gemini-2.5-flash", messages));
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("messages")));
    }
}

#[test]
fn a_failed_call_says_so() {
    let part = Part::ToolResult { id: None, name: None, content: vec![Part::text(r#"{"a":1}"#)], is_error: true };
    let messages = vec![user("q"), model(vec![call(None, "f", "{}", None)]), Message::new(Role::Tool, vec![part])];
    assert!(contents("gemini-2.5-flash", messages).contains(r#""response":{"error":"{\"a\":1}"}"#));
}

#[test]
fn the_first_call_of_a_turn_is_signed_for_gemini_3() {
    let messages = |first: Option<&str>| {
        let calls = model(vec![call(None, "f", "{}", first), call(None, "g", "{}", None)]);
        vec![user("q"), calls, result(None, None, "1"), result(None, None, "2")]
    };
    let stand_in = r#""thoughtSignature":"skip_thought_signature_validator""#;
    for model in ["gemini-3-pro-preview", "gemini-3.8-flash", "gemini-flash-latest", "some-new-model"] {
        assert_eq!(contents(model, messages(None)).matches(stand_in).count(), 1, "{model}");
        let own = contents(model, messages(Some("c2ln")));
        assert!(
            own.contains(r#""name":"f","args":{}},"thoughtSignature":"c2ln"}"#) && !own.contains(stand_in),
            "{model}"
        );
    }
    for model in ["gemini-2.5-pro", "gemma-4-31b-it"] {
        assert!(!contents(model, messages(None)).contains("thoughtSignature"), "{model}");
    }
}

#[test]
fn only_geminis_own_ids_go_back() {
    let messages =
        |id| vec![user("q"), model(vec![call(Some(id), "f", "{}", Some("cw=="))]), result(Some(id), None, "1")];
    assert_eq!(contents("gemini-3-flash-preview", messages("96c1su3s")).matches(r#""id":"96c1su3s""#).count(), 2);
    assert!(!contents("gemini-3-flash-preview", messages("call_abc")).contains(r#""id""#));
    assert!(!contents("gemini-2.5-flash", messages("96c1su3s")).contains(r#""id""#));
}

#[test]
fn pictures_from_tools_stand_where_the_model_takes_them() {
    let part =
        Part::ToolResult { id: None, name: None, content: vec![Part::text("done"), png("aGk")], is_error: false };
    let messages = vec![
        user("q"),
        model(vec![call(None, "f", "{}", Some("cw=="))]),
        Message::new(Role::Tool, vec![part]),
        user("so?"),
    ];
    let inside = r#"{"functionResponse":{"name":"f","response":{"output":"done"},"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}]},{"role":"user","parts":[{"text":"so?"}]}]"#;
    assert!(contents("gemini-3-flash-preview", messages.clone()).ends_with(inside));
    let behind = r#"{"functionResponse":{"name":"f","response":{"output":"done"}}}]},{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}},{"text":"so?"}]}]"#;
    assert!(contents("gemini-2.5-flash", messages).ends_with(behind));
}

#[test]
fn media_at_an_address_is_left_to_google() {
    let media = |mime: &str, url: &str| {
        Part::Media(Media {
            mime: mime.into(),
            source: Source::Url(url.into()),
            detail: Some("high".into()),
            filename: None,
        })
    };
    let parts = vec![media("image/jpg", "https://x/y.jpg"), media("", "https://x/z")];
    let request = asked("gemini-2.5-flash", vec![Message::new(Role::User, parts)]);
    let want = r#"[{"role":"user","parts":[{"fileData":{"mimeType":"image/jpeg","fileUri":"https://x/y.jpg"}},{"fileData":{"fileUri":"https://x/z"}}]}]"#;
    assert_eq!(member(&request, "contents"), want);
    assert_eq!(written(&request).1, ["detail"]);
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":["string","null"]}},"$schema":"x"}"#;
    Tool {
        name: name.into(),
        description: Some("d".into()),
        parameters: Some(Json::known(schema)),
        strict,
        cache: None,
    }
}

#[test]
fn tools_are_one_list() {
    let tools = vec![tool("f", None), Tool { parameters: None, description: None, ..tool("ns.g:h-1", None) }];
    let mut request = Request { tools, ..asked("gemini-2.5-flash", vec![user("q")]) };
    let want = r#"[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object","properties":{"city":{"type":["string","null"]}}}},{"name":"ns.g:h-1"}]}]"#;
    assert_eq!(member(&request, "tools"), want);
    assert_eq!(member(&request, "toolConfig"), "-");
    request.model = "gemini-1.5-flash".to_owned();
    assert!(
        member(&request, "tools")
            .contains(r#""parameters":{"type":"object","properties":{"city":{"type":"string","nullable":true}}}"#)
    );
}

#[test]
fn the_choice_of_tools_is_a_mode() {
    let rows = [
        (None, None, "-"),
        (None, Some(true), r#"{"functionCallingConfig":{"mode":"VALIDATED"}}"#),
        (Some(ToolChoice::Auto), None, r#"{"functionCallingConfig":{"mode":"AUTO"}}"#),
        (Some(ToolChoice::None), Some(true), r#"{"functionCallingConfig":{"mode":"NONE"}}"#),
        (Some(ToolChoice::Required), None, r#"{"functionCallingConfig":{"mode":"ANY"}}"#),
        (
            Some(ToolChoice::Function("f".into())),
            None,
            r#"{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}"#,
        ),
    ];
    for (tool_choice, strict, want) in rows {
        let mut request = asked("gemini-2.5-flash", vec![user("q")]);
        request.tool_choice = tool_choice;
        assert_eq!(member(&request, "toolConfig"), "-", "a choice of nothing is not sent");
        request.tools = vec![tool("f", strict)];
        assert_eq!(member(&request, "toolConfig"), want);
    }
}

#[test]
fn a_tool_that_google_would_refuse_is_named() {
    for name in ["", "1st", "a b", "grüße", &"x".repeat(129)] {
        let request = Request { tools: vec![tool(name, None)], ..asked("gemini-2.5-flash", vec![user("q")]) };
        let failure = refused(&request);
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("tools")), "{name}");
        assert!(failure.message.contains(&format!("{name:?}")));
    }
}

fn number(text: &str) -> Option<Json> {
    Some(Json::known(text.to_owned()))
}

#[test]
fn settings_have_googles_names() {
    let settings = Settings {
        max_tokens: Some(100),
        temperature: number("0.70"),
        top_p: number("1"),
        top_k: number("40"),
        min_p: number("0.1"),
        seed: number("4294967297"),
        stop: ["a", "", "b", "c", "d", "e", "f"].map(Text::from).into(),
        presence_penalty: number("0"),
        frequency_penalty: number("0.5"),
        repeat_penalty: number("1.0"),
        logprobs: Some(true),
        top_logprobs: Some(3),
        choices: Some(2),
        context_length: Some(8192),
    };
    let mut request = Request { settings, ..asked("gemini-2.5-flash", vec![user("q")]) };
    let want = r#"{"temperature":0.70,"topP":1,"topK":40,"frequencyPenalty":0.5,"maxOutputTokens":100,"seed":1,"candidateCount":2,"stopSequences":["a","b","c","d","e"],"responseLogprobs":true,"logprobs":3}"#;
    assert_eq!(member(&request, "generationConfig"), want);
    assert_eq!(written(&request).1, ["min_p", "stop"]);
    request.model = "gemini-3.6-flash".to_owned();
    assert!(member(&request, "generationConfig").starts_with(r#"{"frequencyPenalty""#));
    assert_eq!(written(&request).1, ["temperature", "top_p", "top_k", "min_p", "stop"]);
}

#[test]
fn seeds_fit_into_32_bits() {
    let rows = [(7, 7), (-7, -7), (2_147_483_647, 2_147_483_647), (2_147_483_648, 0), (i64::MAX, 2_147_483_647)];
    for (given, want) in rows {
        assert_eq!(small_seed(given), want, "{given}");
    }
}

#[test]
fn the_form_of_the_answer() {
    let schema = Json::known(
        r##"{"$ref":"#/definitions/A","definitions":{"A":{"type":"object","properties":{"n":{"const":1}}}}}"##,
    );
    let mut request = asked("gemini-2.5-flash", vec![user("q")]);
    request.format = Some(Format::Json);
    assert_eq!(member(&request, "generationConfig"), r#"{"responseMimeType":"application/json"}"#);
    request.format = Some(Format::Schema { name: Some("x".into()), description: None, schema, strict: Some(true) });
    let want = r#"{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"n":{"type":"integer","enum":[1]}}}}"#;
    assert_eq!(member(&request, "generationConfig"), want);
    request.model = "gemini-1.5-pro".to_owned();
    let want = r#"{"responseMimeType":"application/json","responseSchema":{"type":"object","properties":{"n":{"type":"integer","description":"One of 1."}}}}"#;
    assert_eq!(member(&request, "generationConfig"), want);
}

#[test]
fn thinking_is_asked_for_only_when_the_client_says() {
    let mut request = asked("gemini-2.0-flash", vec![user("q")]);
    assert_eq!(member(&request, "generationConfig"), "-");
    request.reasoning = Some(Reasoning::Effort(Effort::Low));
    assert_eq!(
        (member(&request, "generationConfig").as_str(), written(&request).1),
        ("-", vec!["reasoning".to_owned()])
    );
    request.model = "gemini-3-flash-preview".to_owned();
    let want = r#"{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}"#;
    assert_eq!(member(&request, "generationConfig"), want);
}

#[test]
fn safety_settings_pass_and_other_extras_are_named() {
    let extra = |dialect, name: &str, value: &str| Extra::new(dialect, name, Json::known(value.to_owned()));
    let mut request = asked("gemini-2.5-flash", vec![user("q")]);
    let safety = r#"[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}]"#;
    request.extras = vec![
        extra("openai", "safety_settings", safety),
        extra("openai", "user", r#""u""#),
        extra("ollama", "keep_alive", "5"),
    ];
    request.tools = vec![tool("f", None)];
    request.parallel_tool_calls = Some(false);
    assert_eq!(member(&request, "safetySettings"), safety);
    assert_eq!(written(&request).1, ["user", "keep_alive", "parallel_tool_calls"]);
}

#[test]
fn a_gap_cant_be_filled() {
    let prompt = crate::chat::Prompt { suffix: Some("}".into()), ..Default::default() };
    let request = Request { prompt: Some(prompt), ..asked("gemini-2.5-flash", vec![user("q")]) };
    assert_eq!(refused(&request).param.as_deref(), Some("suffix"));
}

use super::*;
use crate::chat::{Effort, Format, Reasoning, Source, ToolChoice};

fn asked(body: &str) -> Request {
    read(&Bytes::copy_from_slice(body.as_bytes())).unwrap_or_else(|failure| panic!("{body}: {failure}"))
}

fn refused(body: &str) -> String {
    read(&Bytes::copy_from_slice(body.as_bytes())).unwrap_err().message
}

/// A request with one question and these members beside.
fn with(members: &str) -> Request {
    asked(&format!(r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}],{members}}}"#))
}

/// The conversation, a line a part.
fn told(request: &Request) -> Vec<String> {
    let line = |role: &Role, part: &Part| format!("{role:?} {}", part_told(part)).to_lowercase();
    request.messages.iter().flat_map(|m| m.parts.iter().map(move |part| line(&m.role, part))).collect()
}

fn part_told(part: &Part) -> String {
    let signed = |signature: &Option<Text>| signature.as_ref().map_or_else(String::new, |s| format!(" signed {s}"));
    match part {
        Part::Text { text, signature } => format!("{text:?}{}", signed(signature)),
        Part::Thinking { text, signature } => format!("thinks {text:?}{}", signed(signature)),
        Part::Media(media) => match &media.source {
            Source::Base64(data) => format!("{} {data}", media.mime),
            Source::Url(url) => format!("{} at {url}", media.mime),
            Source::FileId(id) => format!("{} held as {id}", media.mime),
        },
        Part::ToolCall { id, name, arguments, signature } => {
            format!("calls {name} {} id={id:?}{}", arguments.as_str(), signed(signature))
        }
        Part::ToolResult { id, name, content, is_error } => {
            let content: Vec<String> = content.iter().map(part_told).collect();
            format!("got {name:?} id={id:?} {} error={is_error}", content.join(" + "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_conversation_is_read_in_either_spelling() {
    let camel = r#"{"systemInstruction":{"role":"user","parts":[{"text":"Be brief."}]},"contents":[
        {"role":"user","parts":[{"text":"What is it?"},{"inlineData":{"mimeType":"image/png","data":"aGk="}},
            {"fileData":{"mimeType":"image/jpeg","fileUri":"https://x.test/a.jpg"}}]},
        {"role":"model","parts":[{"text":"Hm.","thought":true,"thoughtSignature":"c2ln"},{"text":"A cat."}]},
        {"role":"user","parts":[{"text":"Sure?"}]}]}"#;
    let snake = camel
        .replace("systemInstruction", "system_instruction")
        .replace("inlineData", "inline_data")
        .replace("mimeType", "mime_type")
        .replace("fileData", "file_data")
        .replace("fileUri", "file_uri")
        .replace("thoughtSignature", "thought_signature");
    let want = [
        r#"system "be brief.""#,
        r#"user "what is it?""#,
        "user image/png agk=",
        "user image/jpeg at https://x.test/a.jpg",
        r#"assistant thinks "hm." signed c2ln"#,
        r#"assistant "a cat.""#,
        r#"user "sure?""#,
    ];
    assert_eq!(told(&asked(camel)), want);
    assert_eq!(told(&asked(&snake)), want);
}

#[test]
fn data_is_read_in_either_alphabet() {
    let request = asked(
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"-_-_YQ"},"videoMetadata":{"fps":1}}]}]}"#,
    );
    let Part::Media(media) = &request.messages[0].parts[0] else { panic!("no media: {request:?}") };
    assert!(matches!(&media.source, Source::Base64(data) if *data == "+/+/YQ=="), "{media:?}");
    assert_eq!(request.messages[0].extras[0].name, "videoMetadata");
    assert!(refused(r#"{"contents":[{"parts":[{"inlineData":{"data":"a!"}}]}]}"#).contains("not base64"));
    let untyped = refused(r#"{"contents":[{"parts":[{"inlineData":{"data":"aGk="}}]}]}"#);
    assert!(untyped.contains("inline_data.mime_type"), "{untyped}");
    let linked = asked(
        r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://x.test/a.PNG?b=c.pdf"}},{"fileData":{"fileUri":"files/abc"}}]}]}"#,
    );
    assert_eq!(told(&linked), ["user image/png at https://x.test/a.png?b=c.pdf", "user  held as files/abc"]);
}

#[test]
fn one_object_stands_for_a_list() {
    let short = r#"{"contents":{"parts":{"text":"Hi"}},"system_instruction":{"parts":{"text":"S"}}}"#;
    assert_eq!(told(&asked(short)), [r#"system "s""#, r#"user "hi""#]);
}

#[test]
fn calls_and_their_results_are_messages_of_their_own() {
    let request = asked(
        r#"{"contents":[{"parts":[{"text":"Go"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1.50},"id":"x1"},"thoughtSignature":"c2ln"},
            {"functionCall":{"name":"g"}}]},
        {"role":"user","parts":[{"functionResponse":{"id":"x1","name":"f","response":{"output":"sunny"}}},
            {"functionResponse":{"name":"g","response":{"error":"broke"},
                "parts":[{"inline_data":{"mime_type":"image/png","data":"aGk="}}]}},{"text":"And?"}]},
        {"role":"function","parts":[{"functionResponse":{"name":"g","response":{"a": [1]}}}]}]}"#,
    );
    assert_eq!(
        told(&request),
        [
            r#"user "go""#,
            r#"assistant calls f {"a":1.50} id=some("x1") signed c2ln"#,
            "assistant calls g {} id=none",
            r#"tool got some("f") id=some("x1") "sunny" error=false"#,
            r#"tool got some("g") id=none "broke" + image/png agk= error=true"#,
            r#"user "and?""#,
            r#"tool got some("g") id=none "{\"a\": [1]}" error=false"#,
        ]
    );
    let roles: Vec<&Role> = request.messages.iter().map(|message| &message.role).collect();
    assert_eq!(roles, [&Role::User, &Role::Assistant, &Role::Tool, &Role::User, &Role::Tool]);
}

#[test]
fn what_only_a_signature_says_is_kept_and_what_says_nothing_is_not() {
    let request = asked(
        r#"{"contents":[{"parts":[{"text":""},{"text":"a"}]},{"role":"model","parts":[{"text":"b"},
        {"text":"","thoughtSignature":"c2ln"},{"thoughtSignature":"eA=="}]},{"parts":[]}]}"#,
    );
    assert_eq!(
        told(&request),
        [r#"user "a""#, r#"assistant "b""#, r#"assistant "" signed c2ln"#, r#"assistant "" signed ea=="#]
    );
}

#[test]
fn code_that_ran_is_told_as_text() {
    let request = asked(
        r#"{"contents":[{"parts":[{"text":"?"}]},{"role":"model","parts":[
        {"executableCode":{"language":"PYTHON","code":"print(1)\n"}},
        {"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}}]}]}"#,
    );
    assert_eq!(told(&request)[1..], [r#"assistant "\n```python\nprint(1)\n```\n""#, r#"assistant "\n```\n1\n```\n""#]);
}

#[test]
fn all_settings_are_read() {
    let request = with(
        r#""generationConfig":{"maxOutputTokens":"100","temperature":0.50,"topP":"0.9","topK":40.0,"candidateCount":2,
        "stopSequences":["a","b"],"seed":7,"presencePenalty":1,"frequencyPenalty":-0.5,"responseLogprobs":true,"logprobs":3,
        "responseModalities":["TEXT"],"speechConfig":{"x":1},"media_resolution":"MEDIA_RESOLUTION_LOW"}"#,
    );
    let s = &request.settings;
    let digits =
        |number: &Option<crate::json::Json>| number.as_ref().map(|n| n.as_str().to_owned()).unwrap_or_default();
    assert_eq!((s.max_tokens, s.choices, s.logprobs, s.top_logprobs), (Some(100), Some(2), Some(true), Some(3)));
    let numbers = [&s.temperature, &s.top_p, &s.top_k, &s.seed, &s.presence_penalty, &s.frequency_penalty];
    assert_eq!(numbers.map(digits), ["0.50", "0.9", "40", "7", "1", "-0.5"]);
    assert_eq!(s.stop, ["a", "b"].map(Text::from));
    let extras: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(extras, ["generationConfig.speechConfig", "generationConfig.mediaResolution"]);
}

#[test]
fn the_depth_of_thinking_and_who_sees_it() {
    let rows = [
        (r#"{}"#, None, true),
        (r#"{"includeThoughts":false}"#, None, true),
        (r#"{"includeThoughts":true}"#, Some(Reasoning::On), false),
        (r#"{"includeThoughts":true,"thinkingBudget":1024}"#, Some(Reasoning::Budget(1024)), false),
        (r#"{"thinking_budget":0}"#, Some(Reasoning::Off), true),
        (r#"{"thinkingBudget":-1}"#, Some(Reasoning::On), true),
        (r#"{"thinkingLevel":"HIGH"}"#, Some(Reasoning::Effort(Effort::High)), true),
        (r#"{"thinkingLevel":"minimal","includeThoughts":true}"#, Some(Reasoning::Effort(Effort::Minimal)), false),
        (r#"{"thinkingLevel":"THINKING_LEVEL_UNSPECIFIED"}"#, None, true),
    ];
    for (config, want, hides) in rows {
        let request = with(&format!(r#""generationConfig":{{"thinkingConfig":{config}}}"#));
        assert_eq!((request.reasoning, request.hides_thoughts), (want, hides), "{config}");
    }
    assert!(with(r#""labels":{}"#).hides_thoughts, "thoughts are shown to who asks for them alone");
}

#[test]
fn the_form_of_the_answer() {
    let form = |config: &str| match with(&format!(r#""generationConfig":{config}"#)).format {
        None => "text".to_owned(),
        Some(Format::Json) => "json".to_owned(),
        Some(Format::Schema { schema, .. }) => schema.as_str().to_owned(),
    };
    assert_eq!(form(r#"{"responseMimeType":"text/plain"}"#), "text");
    assert_eq!(form(r#"{"responseMimeType":"application/json"}"#), "json");
    assert_eq!(
        form(r#"{"response_mime_type":"application/json","response_schema":{"type":"OBJECT","nullable":true}}"#),
        r#"{"type":["object","null"]}"#
    );
    for name in ["responseJsonSchema", "response_json_schema", "_responseJsonSchema"] {
        assert_eq!(form(&format!(r#"{{"{name}":{{"type":"object","x_y":1}}}}"#)), r#"{"type":"object","x_y":1}"#);
    }
    let request = with(r#""generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"enum":["a"]}}"#);
    assert!(request.format.is_none());
    assert_eq!(request.extras[0].name, "generationConfig.responseMimeType");
}

#[test]
fn functions_and_the_choice_among_them() {
    let tools = r#""tools":[{"functionDeclarations":[
        {"name":"f","description":"D","parameters":{"type":"OBJECT","properties":{"a_b":{"type":"STRING"}}}},
        {"name":"g","parametersJsonSchema":{"type":"object","additionalProperties":false}}]},
        {"function_declarations":[{"name":"h"}]},{"googleSearch":{}}]"#;
    let chosen = |config: &str| {
        let request = with(&format!(r#"{tools},"toolConfig":{{"functionCallingConfig":{config}}}"#));
        let names: Vec<String> = request.tools.iter().map(|tool| tool.name.as_str().into_owned()).collect();
        (names.join(" "), request.tool_choice)
    };
    let request = with(tools);
    let schema = |at: usize| request.tools[at].parameters.as_ref().map(|schema| schema.as_str());
    assert_eq!(schema(0), Some(r#"{"type":"object","properties":{"a_b":{"type":"string"}}}"#));
    assert_eq!(schema(1), Some(r#"{"type":"object","additionalProperties":false}"#));
    assert_eq!(schema(2), None);
    assert_eq!(request.tools[0].description.as_ref().unwrap(), &"D");
    assert_eq!(request.extras[0].name, "tools.googleSearch");

    let all = || "f g h".to_owned();
    assert_eq!(chosen(r#"{"mode":"AUTO"}"#), (all(), Some(ToolChoice::Auto)));
    assert_eq!(chosen(r#"{"mode":"none"}"#), (all(), Some(ToolChoice::None)));
    assert_eq!(chosen(r#"{"mode":"ANY"}"#), (all(), Some(ToolChoice::Required)));
    assert_eq!(
        chosen(r#"{"mode":"ANY","allowedFunctionNames":["g"]}"#),
        (all(), Some(ToolChoice::Function("g".into())))
    );
    let two = r#"{"mode":"ANY","allowed_function_names":["g","h"]}"#;
    assert_eq!(chosen(two), ("g h".to_owned(), Some(ToolChoice::Required)));
    let one = r#"{"mode":"VALIDATED","allowedFunctionNames":["f"]}"#;
    assert_eq!(chosen(one), ("f".to_owned(), Some(ToolChoice::Auto)));
    // The choice may stand before the functions that it is about.
    let early = asked(
        r#"{"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["a","b"]}},
        "tools":[{"function_declarations":[{"name":"a"},{"name":"b"},{"name":"c"}]}],"contents":{"parts":{"text":"x"}}}"#,
    );
    assert_eq!(early.tools.len(), 2);
}

#[test]
fn what_is_wrong_is_refused_in_googles_words() {
    let rows = [
        ("{}", "* GenerateContentRequest.contents: contents is not specified\n"),
        (r#"{"contents":[]}"#, "* GenerateContentRequest.contents: contents is not specified\n"),
        (r#"{"contents":[{"role":"system","parts":[{"text":"x"}]}]}"#, "Please use a valid role: user, model."),
        (
            r#"{"contents":[{"parts":[{}]}]}"#,
            "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one initialized field\n",
        ),
        (r#"{"contents":[{"parts":[{"text":5}]}]}"#, "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5"),
        (
            r#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"topK":"many"}}"#,
            r#"Invalid value at 'generation_config.top_k' (TYPE_INT32), "many""#,
        ),
        (
            r#"{"contents":"Hi"}"#,
            "Invalid value at 'contents[0]' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"Hi\"",
        ),
        (
            r#"{"contents":[{"parts":[{"toolCall":{"id":"1"}}]}]}"#,
            "a part with 'toolCall' means something to Google's own models only",
        ),
    ];
    for (body, want) in rows {
        assert_eq!(refused(body), want, "{body}");
    }
    let held = refused(r#"{"contents":[{"parts":[{"text":"x"}]}],"cachedContent":"cachedContents/1"}"#);
    assert!(held.contains("cached content"), "{held}");
    let calls = refused(r#"{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}"#);
    assert!(calls.contains("only the role 'model'"), "{calls}");
    let nameless = refused(r#"{"contents":[{"role":"model","parts":[{"functionCall":{"args":{}}}]}]}"#);
    assert!(nameless.ends_with("function_call.name: Name cannot be empty.\n"), "{nameless}");
}

#[test]
fn a_count_is_asked_of_contents_or_of_a_whole_request() {
    let bare = Bytes::from_static(br#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#);
    assert_eq!(told(&read_count(&bare).unwrap()), [r#"user "hi""#]);
    let whole = Bytes::from_static(
        br#"{"generate_content_request":{"model":"models/x","contents":[{"parts":[{"text":"Hi"}]}],
        "systemInstruction":{"parts":[{"text":"S"}]}}}"#,
    );
    assert_eq!(told(&read_count(&whole).unwrap()), [r#"system "s""#, r#"user "hi""#]);
}

/// In and out of the same dialect the meaning stays: what a client says comes out as it was, in Google's own order.
#[test]
fn what_is_read_is_written_again() {
    let body = concat!(
        r#"{"contents":[{"role":"user","parts":[{"text":"Go"},{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"#,
        r#"{"role":"model","parts":[{"text":"Hm","thought":true,"thoughtSignature":"c2ln"},"#,
        r#"{"functionCall":{"id":"ab12cd34","name":"f","args":{"a":1.50}},"thoughtSignature":"Q1I="}]},"#,
        r#"{"role":"user","parts":[{"functionResponse":{"id":"ab12cd34","name":"f","response":{"r": [1]}}}]}],"#,
        r#""systemInstruction":{"parts":[{"text":"S"}]},"#,
        r#""tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"number"}}}}]},"#,
        r#"{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"},"retrievalConfig":{"languageCode":"en"}},"#,
        r#""safetySettings":[{"category":"C","threshold":"OFF"}],"#,
        r#""generationConfig":{"temperature":0.50,"maxOutputTokens":9,"stopSequences":["x"],"#,
        r#""speechConfig":{"a":1},"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"high"}}}"#,
    );
    let mut request = asked(body);
    request.model = "gemini-3-pro-preview".to_owned();
    let written = super::super::request::write(&request, &crate::dialect::Quirks::default()).unwrap();
    assert_eq!(String::from_utf8(written.body).unwrap(), body);
    assert!(written.dropped.is_empty(), "{:?}", written.dropped);
}

proptest::proptest! {
    #[test]
    fn no_body_makes_it_panic(body in "[\\[\\]{}\",:a-z0-9]{0,60}", part in "[\\[\\]{}\",:a-zA-Z0-9]{0,40}") {
        let _ = read(&Bytes::from(body.clone()));
        let _ = read(&Bytes::from(format!(r#"{{"contents":[{{"parts":[{part}]}}],"generationConfig":{body}}}"#)));
    }
}

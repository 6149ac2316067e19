use super::*;
use crate::chat::describe;

/// The events of a body, one a line.
pub(crate) fn lines(body: &str) -> Vec<String> {
    let mut events = Vec::new();
    read(&Json::known(body.to_owned()), &mut events);
    events.iter().map(describe).collect()
}

#[test]
fn parts_become_blocks() {
    let body = r#"{"candidates":[{"content":{"parts":[
        {"text":"Hm","thought":true},{"text":".","thought":true},{"text":"It "},{"text":"is <b>","thoughtSignature":"c2ln"},{"text":"!"},
        {"functionCall":{"name":"f","args":{ "a" : [1.50, "x y"] },"id":"96c1su3s"},"thoughtSignature":"Zg=="},
        {"functionCall":{"name":"g","id":""}},
        {"inlineData":{"mimeType":"image/png","data":"aGk="}},
        {"toolCall":{"id":"1"},"thoughtSignature":"x"},{"new":1}],"role":"model"},
        "finishReason":"STOP","finishMessage":"Model generated function call(s)."}],
        "usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":2,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":24},
        "modelVersion":"gemini-2.5-flash","responseId":"r1"}"#;
    let want = [
        "start id=r1 model=gemini-2.5-flash",
        "0 start thinking",
        "0 \"Hm\"",
        "0 \".\"",
        "0 end",
        "1 start text",
        "1 \"It \"",
        "1 \"is <b>\"",
        "1 end signature=c2ln",
        "2 start text",
        "2 \"!\"",
        "2 end",
        "3 start tool-call f id=96c1su3s signature=Zg==",
        r#"3 "{\"a\":[1.50,\"x y\"]}""#,
        "3 end",
        "4 start tool-call g id=-",
        "4 \"{}\"",
        "4 end",
        "5 start media image/png",
        "5 \"aGk=\"",
        "5 end",
        "usage 12+12 tool=2 cached=4 reasoning=7",
        "finish toolcalls",
    ];
    assert_eq!(lines(body), want);
}

#[test]
fn code_is_shown_in_fences() {
    let body = r#"{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"print(1)\n"}},
        {"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}},{"text":"One."},
        {"codeExecutionResult":{"outcome":"OUTCOME_FAILED","output":"e"}}]},"finishReason":"STOP"}]}"#;
    let want = [
        "start id=- model=-",
        "0 start text",
        r#"0 "\n```python\nprint(1)\n```\n""#,
        r#"0 "\n```\n1\n```\n""#,
        "0 \"One.\"",
        r#"0 "\nOUTCOME_FAILED\n```\ne\n```\n""#,
        "0 end",
        "finish stop",
    ];
    assert_eq!(lines(body), want);
}

/// A body with one candidate that says "x" and ends so.
fn ends(parts: &str, reason: &str) -> String {
    let body = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"{reason}","finishMessage":"m"}}]}}"#
    );
    lines(&body).pop().unwrap()
}

#[test]
fn reasons_to_end() {
    let text = r#"{"text":"x"}"#;
    let call = r#"{"functionCall":{"name":"f"}}"#;
    let rows = [
        (text, "STOP", "finish stop"),
        ("", "STOP", "finish stop"),
        (call, "STOP", "finish toolcalls"),
        (text, "MAX_TOKENS", "finish length"),
        ("", "MAX_TOKENS", "finish length"),
        (call, "MAX_TOKENS", "finish length"),
        (text, "SAFETY", "finish contentfilter"),
        ("", "IMAGE_RECITATION", "finish contentfilter"),
        (text, "LANGUAGE", "finish contentfilter"),
        (text, "OTHER", "finish stop"),
        (text, "WHAT_IS_THIS", "finish stop"),
        (text, "MALFORMED_FUNCTION_CALL", "finish stop"),
        (
            "",
            "MALFORMED_FUNCTION_CALL",
            "failure BadAnswer 502: the model's answer can't be used: MALFORMED_FUNCTION_CALL: m",
        ),
        (
            call,
            "UNEXPECTED_TOOL_CALL",
            "failure BadAnswer 502: the model's answer can't be used: UNEXPECTED_TOOL_CALL: m",
        ),
        (
            r#"{"text":"t","thought":true}"#,
            "TOO_MANY_TOOL_CALLS",
            "failure BadAnswer 502: the model's answer can't be used: TOO_MANY_TOOL_CALLS: m",
        ),
    ];
    for (parts, reason, want) in rows {
        assert_eq!(ends(parts, reason), want, "{reason} after {parts}");
    }
}

#[test]
fn a_call_that_came_with_a_bad_end_is_not_handed_on() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"x"},{"functionCall":{"name":"f"}}]},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    assert_eq!(lines(body), ["start id=- model=-", "0 start text", "0 \"x\"", "0 end", "finish stop"]);
}

#[test]
fn bodies_without_content() {
    let rows = [
        (r#"{"candidates":[{"content":{},"finishReason":"STOP","index":0}]}"#, "finish stop"),
        (r#"{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}"#, "finish length"),
        (r#"{"candidates":[{"finishReason":"SAFETY"}]}"#, "finish contentfilter"),
        (r#"{"candidates":[]}"#, "failure BadAnswer 502: the provider's answer holds no candidates"),
        (
            r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT","blockReasonMessage":"no"}}"#,
            "failure Blocked 400: the provider blocked the prompt: PROHIBITED_CONTENT (no)",
        ),
        (r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#, "failure RateLimited 429: slow"),
        ("[]", "failure BadAnswer 502: the provider's answer holds no candidates"),
        (r#""text""#, "failure BadAnswer 502: the provider's answer holds no candidates"),
    ];
    for (body, want) in rows {
        assert_eq!(lines(body).pop().unwrap(), want, "{body}");
    }
}

#[test]
fn a_list_is_one_answer() {
    let body = r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}]"#;
    assert_eq!(lines(body), ["start id=- model=-", "0 start text", "0 \"a\"", "0 \"b\"", "0 end", "finish stop"]);
}

#[test]
fn several_choices_have_blocks_of_their_own() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},
        {"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"},{"index":4000000000,"finishReason":"STOP"}]}"#;
    let want = [
        "start id=- model=-",
        "0 start text",
        "0 \"a\"",
        "choice 1: 0 start text",
        "choice 1: 0 \"b\"",
        "0 end",
        "choice 1: 0 end",
        "finish stop",
        "choice 1: finish length",
    ];
    assert_eq!(lines(body), want);
}

#[test]
fn probabilities_have_openais_form() {
    let body = r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"é"}]},"logprobsResult":{
        "chosenCandidates":[{"token":"é","tokenId":1,"logProbability":-0.250}],
        "topCandidates":[{"candidates":[{"token":"é","logProbability":-0.250},{"token":"e"}]}]}}]}"#;
    let want = r#"logprobs [{"token":"é","logprob":-0.250,"bytes":[195,169],"top_logprobs":[{"token":"é","logprob":-0.250,"bytes":[195,169]},{"token":"e","logprob":0,"bytes":[101]}]}]"#;
    assert!(lines(body).iter().any(|line| line == want));
}

//! The recordings from a client's side: what clients asked is read, and what providers answered is written again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::dialect::gemini::{encode, read};
use crate::dialect::{Encoder as _, Reply};

/// Parts and members that mean something to Google alone.
const GOOGLES_OWN: [&str; 3] = ["toolCall", "tool_call", "cachedContent"];

#[test]
fn recorded_requests_are_read() {
    let (mut count, mut refused) = (0, Vec::new());
    for exchange in exchanges().iter().filter(|exchange| exchange.asked.is_object()) {
        let body = exchange.asked.to_string();
        let is_foreign = GOOGLES_OWN.iter().any(|name| body.contains(&format!("\"{name}\"")));
        match read::read(&body.clone().into()) {
            Err(failure) if is_foreign || exchange.status == 400 => {
                refused.push(format!("{}: {failure}", exchange.name));
            }
            Err(failure) => panic!("{}: {failure}", exchange.name),
            Ok(request) => {
                assert_eq!(said_by(&request), said_in_contents(&exchange.asked), "{}", exchange.name);
                count += 1;
            }
        }
    }
    eprintln!("read {count} requests, refused {}: {refused:#?}", refused.len());
}

/// What people and models say in a request, by sort of part: how many, and so many bytes of text.
fn said_by(request: &Request) -> BTreeMap<&'static str, usize> {
    let mut said = BTreeMap::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let (sort, size) = match part {
            Part::Text { text, .. } => ("text", text.as_str().len()),
            Part::Thinking { text, .. } => ("thought", text.as_str().len()),
            Part::Media(_) => ("media", 1),
            Part::ToolCall { .. } => ("call", 1),
            Part::ToolResult { content, .. } => {
                *said.entry("media").or_default() += content.len() - 1;
                ("result", 1)
            }
            _ => ("other", 1),
        };
        *said.entry(sort).or_default() += size;
    }
    said.retain(|_, count| *count > 0);
    said
}

/// The same, read by other means.
fn said_in_contents(body: &Value) -> BTreeMap<&'static str, usize> {
    let mut said = BTreeMap::new();
    let either = |part: &Value, camel: &str, snake: &str| part.get(camel).or(part.get(snake)).cloned();
    let system = either(body, "systemInstruction", "system_instruction");
    let contents = body["contents"].as_array().into_iter().flatten().chain(system.as_ref());
    for part in contents.filter_map(|content| content["parts"].as_array()).flatten() {
        let mut add = |sort, count| *said.entry(sort).or_insert(0) += count;
        if let Some(text) = part["text"].as_str() {
            add(if part["thought"] == true { "thought" } else { "text" }, text.len());
        }
        if either(part, "inlineData", "inline_data").or(either(part, "fileData", "file_data")).is_some() {
            add("media", 1);
        }
        if either(part, "functionCall", "function_call").is_some() {
            add("call", 1);
        }
        if let Some(result) = either(part, "functionResponse", "function_response") {
            add("result", 1);
            add("media", result["parts"].as_array().map_or(0, Vec::len));
        }
        if let Some(code) = either(part, "executableCode", "executable_code") {
            let language = code["language"].as_str().unwrap_or_default().len();
            add(
                "text",
                code["code"].as_str().unwrap_or_default().trim_end_matches('\n').len()
                    + language
                    + "\n```\n\n```\n".len(),
            );
        }
        if let Some(ran) = either(part, "codeExecutionResult", "code_execution_result") {
            add(
                "text",
                ran["output"].as_str().unwrap_or_default().trim_end_matches('\n').len() + "\n```\n\n```\n".len(),
            );
        }
    }
    said.retain(|_, count| *count > 0);
    said
}

/// What a provider said is written for a client, whole and in both forms of a stream, and says the same when it is read again.
#[test]
fn recorded_answers_are_written_again() {
    let mut count = 0;
    for exchange in exchanges().iter().filter(|exchange| exchange.status == 200) {
        let events = decode(exchange);
        if events.iter().any(|event| matches!(event, Event::Failure(_))) {
            continue;
        }
        let want = summary(&events);
        let folded = crate::chat::fold(events.iter().cloned()).unwrap();
        let whole = answer::write(&folded, &Reply::default());
        let mut read = Vec::new();
        answer::read(&Json::known(whole), &mut read);
        assert_eq!(summary(&read), want, "{} whole", exchange.name);
        for form in [encode::Form::Events, encode::Form::Array] {
            assert_eq!(summary(&again(&events, form)), want, "{} {form:?}", exchange.name);
        }
        count += 1;
    }
    eprintln!("wrote {count} answers again");
}

fn again(events: &[Event], form: encode::Form) -> Vec<Event> {
    let mut encoder = encode::Encoder::new(Reply::default(), form);
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event.clone(), Timestamp::UNIX_EPOCH, &mut out));
    encoder.end(Timestamp::UNIX_EPOCH, &mut out);
    let framing = if form == encode::Form::Events { Framing::Sse } else { Framing::Array };
    let mut framer = Framer::new(framing, 1 << 26);
    let mut records = Vec::new();
    framer.push(&out, &mut records).unwrap();
    framer.end(&mut records);
    let mut decoder = stream::Decoder::default();
    let mut read = Vec::new();
    records.iter().for_each(|record| decoder.record(record, &mut read));
    decoder.end(&mut read);
    read
}

/// Text, thoughts, calls and signatures, the finish, the counts.
fn summary(events: &[Event]) -> String {
    use crate::chat::BlockKind;
    let answer = crate::chat::fold(events.iter().cloned()).unwrap();
    let choice = &answer.choices[0];
    let mut said = [const { String::new() }; 4];
    let mut signatures = Vec::new();
    for block in &choice.blocks {
        let (sort, begin) = match &block.kind {
            BlockKind::Text | BlockKind::Refusal => (0, String::new()),
            BlockKind::Thinking | BlockKind::Redacted { .. } => (1, String::new()),
            BlockKind::ToolCall { name, .. } => (2, name.as_str().into_owned()),
            BlockKind::Media { mime } => (3, mime.clone()),
        };
        said[sort] += &format!("{begin}{}", block.joined());
        signatures.extend(block.signature.as_ref().map(|signature| signature.as_str().into_owned()));
    }
    // A count of nothing is left out on this wire.
    let usage = crate::chat::Usage {
        cached: answer.usage.cached.filter(|count| *count > 0),
        reasoning: answer.usage.reasoning.filter(|count| *count > 0),
        ..answer.usage
    };
    format!("{said:?} {signatures:?} {:?} {usage:?}", choice.finish)
}

//! Messages and their blocks, read.

use super::media;
use super::read::{cache_mark, expected, extra, items, member, note, text};
use crate::chat::{CacheMark, Extra, Failure, Message, Part, Role};
use crate::dialect::anthropic::ids;
use crate::json::{Json, Kind, Text, Value};

/// How a block begins that Claude Code sends for Anthropic's own accounting (2026-08). It differs in each request, so that it
/// would spoil what other providers cache of the prompt; what passes to Anthropic keeps it.
const BILLING: &str = "x-anthropic-billing-header:";

/// The instructions: a string or texts, as one text, or as one up to each mark of a cache. The gap between two stands before the
/// second, so that it is there however the texts are joined.
pub(super) fn system(value: Value<'_>) -> Result<Option<Message>, Failure> {
    let read = content("system", value)?;
    let mut stretches: Vec<(Vec<Text>, Option<CacheMark>)> = Vec::new();
    for part in read.parts {
        match part {
            Part::Text { text, .. } if text.as_str().starts_with(BILLING) || text.is_empty() => {}
            Part::Text { text, .. } => match stretches.last_mut() {
                Some((texts, None)) => texts.push(text),
                Some((_, Some(_))) | None => stretches.push((vec![text], None)),
            },
            Part::CacheMark(new) => {
                if let Some((_, mark)) = stretches.last_mut() {
                    *mark = Some(new);
                }
            }
            _ => return Err(expected("system", "a string or an array of texts")),
        }
    }
    let mut parts = Vec::new();
    for (at, (texts, mark)) in stretches.into_iter().enumerate() {
        parts.push(Part::text(joined(&texts, at == 0)));
        parts.extend(mark.map(Part::CacheMark));
    }
    let message = Message { extras: read.extras, ..Message::new(Role::System, parts) };
    Ok(Some(message).filter(|message| !message.parts.is_empty()))
}

/// The texts of a stretch, with the gap before them where it is not the first.
fn joined(texts: &[Text], is_first: bool) -> Text {
    match texts {
        [one] if is_first => one.clone(),
        many => {
            let many: Vec<_> = many.iter().map(Text::as_str).collect();
            let gap = if is_first { "" } else { GAP };
            format!("{gap}{}", many.join(GAP)).into()
        }
    }
}

/// What stands between two texts of the instructions.
const GAP: &str = "\n\n";

/// The conversation. Results of tools, which stand among what the user says here, become messages of their own before it.
pub(super) fn messages(value: Value<'_>) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    for (param, value) in items("messages", value)? {
        let role = match member(&param, value, "role")?.string().as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => return Err(expected(&format!("{param}.role"), "'user', 'assistant' or 'system'")),
        };
        let read = content(&format!("{param}.content"), member(&param, value, "content")?)?;
        let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
        let (results, rest): (Vec<Part>, Vec<Part>) = read.parts.into_iter().partition(is_result);
        let is_rest = !rest.is_empty() || results.is_empty();
        let mut extras = Some(read.extras);
        let mut push = |role, parts| {
            messages.push(Message { extras: extras.take().unwrap_or_default(), ..Message::new(role, parts) });
        };
        if !results.is_empty() {
            push(Role::Tool, results);
        }
        if is_rest {
            push(role, rest);
        }
    }
    Ok(messages)
}

/// What was read of a message.
#[derive(Default)]
struct Content {
    parts: Vec<Part>,
    /// Members of blocks that only this dialect has, each once.
    extras: Vec<Extra>,
}

fn content(param: &str, value: Value<'_>) -> Result<Content, Failure> {
    let mut read = Content::default();
    match value.kind() {
        Kind::String => read.parts.extend(value.text().map(Part::text)),
        Kind::Array => items(param, value)?.try_for_each(|(param, block)| read.block(&param, block))?,
        _ => return Err(expected(param, "a string or an array of blocks")),
    }
    Ok(read)
}

impl Content {
    fn block(&mut self, param: &str, block: Value<'_>) -> Result<(), Failure> {
        let kind = member(param, block, "type")?.string().unwrap_or_default();
        let known: &[&str] = match kind.as_ref() {
            "text" => {
                self.parts.push(Part::text(text(param, block, "text")?));
                &["text"]
            }
            "thinking" => {
                let signature = block.get("signature").and_then(Value::text).as_ref().and_then(ids::read_signature);
                self.parts.push(Part::Thinking { text: text(param, block, "thinking")?, signature });
                &["thinking", "signature"]
            }
            "redacted_thinking" => {
                self.parts.push(Part::Redacted(text(param, block, "data")?));
                &["data"]
            }
            "tool_use" => {
                self.parts.push(tool_use(param, block)?);
                &["id", "name", "input", "caller"]
            }
            "tool_result" => {
                let result = self.tool_result(param, block)?;
                self.parts.push(result);
                &["tool_use_id", "content", "is_error"]
            }
            "mid_conv_system" => {
                let inner = content(&format!("{param}.content"), member(param, block, "content")?)?;
                self.parts.extend(inner.parts);
                &["content"]
            }
            "image" | "document" | "search_result" => self.attachment(param, &kind, block)?,
            // What Anthropic's own tools were asked and gave, and which tools it shall load late: for Anthropic alone.
            kind if is_anthropics_own(kind) => {
                self.note(extra(kind, block));
                return Ok(());
            }
            other => {
                let message = format!("{param}.type: a block of type '{other}' can't be sent to this model");
                return Err(Failure::bad_request(message).with_param(param));
            }
        };
        self.note_others(block, known);
        self.mark(block);
        Ok(())
    }

    /// A mark of a cache stands behind its block, and within a tool's result, since the results go elsewhere.
    fn mark(&mut self, block: Value<'_>) {
        let Some(mark) = block.get("cache_control").and_then(cache_mark) else { return };
        match self.parts.last_mut() {
            Some(Part::ToolResult { content, .. }) => content.push(Part::CacheMark(mark)),
            Some(_) => self.parts.push(Part::CacheMark(mark)),
            None => {}
        }
    }

    /// Pictures, documents and what a search found.
    fn attachment(&mut self, param: &str, kind: &str, block: Value<'_>) -> Result<&'static [&'static str], Failure> {
        match kind {
            "image" => {
                self.parts.push(Part::Media(media::image(param, block)?));
                Ok(&["source"])
            }
            "search_result" => {
                let found = content(&format!("{param}.content"), member(param, block, "content")?)?;
                self.parts.extend(said_of(block, &["title", "source"]));
                self.parts.extend(found.parts);
                Ok(&["title", "source", "content"])
            }
            _ => {
                self.document(param, block)?;
                Ok(&["source", "title", "context"])
            }
        }
    }

    /// A text is a text to every model; what can't be read so keeps its form. What is said about it goes before it.
    fn document(&mut self, param: &str, block: Value<'_>) -> Result<(), Failure> {
        let param = format!("{param}.source");
        let source = block.get("source").ok_or_else(|| expected(&param, "an object"))?;
        let about = said_of(block, &["title", "context"]);
        match source.get("type").and_then(Value::string).as_deref() {
            Some("text") => {
                self.parts.extend(about);
                self.parts.push(Part::text(text(&param, source, "data")?));
            }
            Some("content") => {
                let inner = content(&format!("{param}.content"), member(&param, source, "content")?)?;
                self.parts.extend(about);
                self.parts.extend(inner.parts);
            }
            _ => {
                self.parts.extend(said_of(block, &["context"]));
                let title = block.get("title").and_then(Value::text);
                self.parts.push(Part::Media(media::document(&param, source, title)?));
            }
        }
        Ok(())
    }

    fn tool_result(&mut self, param: &str, block: Value<'_>) -> Result<Part, Failure> {
        let id = ids::read(text(param, block, "tool_use_id")?).0;
        let is_error = block.get("is_error").and_then(Value::bool).unwrap_or(false);
        let mut read = Content::default();
        match block.get("content") {
            None => {}
            Some(blocks) if blocks.kind() == Kind::Array => {
                for (param, block) in items(&format!("{param}.content"), blocks)? {
                    read.result_block(&param, block)?;
                }
            }
            Some(whole) => read = content(&format!("{param}.content"), whole)?,
        }
        read.extras.into_iter().for_each(|extra| self.note(extra));
        Ok(Part::ToolResult { id: Some(id), name: None, content: read.parts, is_error })
    }

    /// A result holds text and media; a tool that was found is told by its name.
    fn result_block(&mut self, param: &str, block: Value<'_>) -> Result<(), Failure> {
        match block.get("type").and_then(Value::string).as_deref() {
            Some("tool_reference") => self.parts.push(Part::text(text(param, block, "tool_name")?)),
            Some("text" | "image" | "document" | "search_result") => self.block(param, block)?,
            _ => return Err(expected(&format!("{param}.type"), "'text', 'image', 'document' or 'search_result'")),
        }
        Ok(())
    }

    fn note_others(&mut self, block: Value<'_>, known: &[&str]) {
        for (key, value) in block.members().filter(|(_, value)| !value.is_null()) {
            if !matches!(key.as_ref(), "type" | "cache_control") && !known.contains(&key.as_ref()) {
                self.note(extra(key, value));
            }
        }
    }

    fn note(&mut self, extra: Extra) {
        note(&mut self.extras, extra);
    }
}

fn is_anthropics_own(kind: &str) -> bool {
    matches!(kind, "server_tool_use" | "mcp_tool_use" | "tool_addition" | "tool_removal")
        || kind.ends_with("_tool_result")
}

/// Members with something in them, as one text, a line each.
fn said_of(block: Value<'_>, keys: &[&str]) -> Option<Part> {
    let lines: Vec<_> =
        keys.iter().filter_map(|key| block.get(key)?.string()).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| Part::text(lines.join("\n")))
}

fn tool_use(param: &str, block: Value<'_>) -> Result<Part, Failure> {
    let (id, signature) = ids::read(text(param, block, "id")?);
    let arguments = match block.get("input") {
        None => Json::known("{}"),
        Some(input) if input.kind() == Kind::Object => input.to_json(),
        Some(_) => return Err(expected(&format!("{param}.input"), "an object")),
    };
    Ok(Part::ToolCall { id: Some(id), name: text(param, block, "name")?, arguments, signature })
}

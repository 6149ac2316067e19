//! The parts of an answer, read into blocks.

use super::partial::Partial;
use crate::chat::{BlockKind, Event};
use crate::json::{Kind, Text, Value};

/// The blocks of one choice: numbers them, and joins parts of the same sort that follow each other.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    choice: u32,
    /// The number of the next block.
    next: u32,
    open: Option<Open>,
    /// The call that comes in pieces.
    partial: Option<Partial>,
    /// Something to read or look at was said: text or media, not thoughts.
    pub(super) has_content: bool,
    /// A function was called.
    pub(super) has_call: bool,
}

/// The block that further text may belong to. Calls and media come whole and are never open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

impl Blocks {
    pub(super) fn new(choice: u32) -> Blocks {
        Blocks { choice, ..Blocks::default() }
    }

    /// Takes one part in. What the provider's own tools were asked and gave (`toolCall`, `toolResponse`) is not for the client,
    /// and a part of a sort that nobody knows is passed over.
    pub(super) fn part(&mut self, part: Value<'_>, events: &mut Vec<Event>) {
        let mut signature = None;
        let mut is_thought = false;
        let mut content = None;
        for (key, value) in part.members() {
            match key.as_ref() {
                "thoughtSignature" => signature = value.text().filter(|text| !text.is_empty()),
                "thought" => is_thought = value.bool() == Some(true),
                "text" | "functionCall" | "inlineData" | "fileData" | "executableCode" | "codeExecutionResult" => {
                    content = Some((key, value));
                }
                _ => {}
            }
        }
        let Some((key, value)) = content else { return };
        let readable = if is_thought { Open::Thinking } else { Open::Text };
        match key.as_ref() {
            "text" => self.text(readable, value.text().unwrap_or_else(Text::empty), signature, events),
            "functionCall" => self.call(value, signature, events),
            "inlineData" => self.media(value, signature, events),
            // The signatures of code are for its own parts, which no client brings back.
            "executableCode" => self.text(readable, code(value).into(), None, events),
            "codeExecutionResult" => self.text(readable, outcome(value).into(), None, events),
            _ => self.text(readable, member(value, "fileUri"), None, events),
        }
    }

    /// A signature ends the block: it is for what was said up to here, and comes with an empty text at the end of a stream.
    fn text(&mut self, sort: Open, text: Text, signature: Option<Text>, events: &mut Vec<Event>) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        if self.open != Some(sort) {
            self.close(None, events);
            let kind = match sort {
                Open::Text => BlockKind::Text,
                Open::Thinking => BlockKind::Thinking,
            };
            self.start(kind, events);
            self.open = Some(sort);
        }
        if !text.is_empty() {
            self.has_content |= sort == Open::Text;
            events.push(Event::Delta { choice: self.choice, block: self.next, text });
        }
        if signature.is_some() {
            self.close(signature, events);
        }
    }

    fn call(&mut self, call: Value<'_>, signature: Option<Text>, events: &mut Vec<Event>) {
        let id = call.get("id").and_then(Value::text).filter(|id| !id.is_empty());
        let name = member(call, "name");
        if name.is_empty() {
            return self.call_goes_on(call, events);
        }
        if goes_on(call) {
            let mut partial = Partial::new(id, name, signature);
            partial.add(call);
            self.partial = Some(partial);
            return;
        }
        let arguments = call.get("args").filter(|args| args.kind() == Kind::Object);
        let text = arguments.map_or_else(|| "{}".to_owned(), |args| args.compact());
        self.whole_call(BlockKind::ToolCall { id, name, signature }, text, events);
    }

    /// A piece of a call that began before.
    fn call_goes_on(&mut self, piece: Value<'_>, events: &mut Vec<Event>) {
        let Some(mut partial) = self.partial.take() else { return };
        partial.add(piece);
        if goes_on(piece) {
            self.partial = Some(partial);
            return;
        }
        let arguments = partial.arguments().as_str().to_owned();
        let Partial { id, name, signature, .. } = partial;
        self.whole_call(BlockKind::ToolCall { id, name, signature }, arguments, events);
    }

    /// Is there a call that began and did not end?
    pub(super) fn has_half_a_call(&self) -> bool {
        self.partial.is_some()
    }

    fn whole_call(&mut self, kind: BlockKind, arguments: String, events: &mut Vec<Event>) {
        self.has_call = true;
        self.close(None, events);
        self.start(kind, events);
        events.push(Event::Delta { choice: self.choice, block: self.next, text: arguments.into() });
        self.finish_block(None, events);
    }

    fn media(&mut self, data: Value<'_>, signature: Option<Text>, events: &mut Vec<Event>) {
        self.has_content = true;
        self.close(None, events);
        let mime = data.get("mimeType").and_then(Value::string).unwrap_or_default().into_owned();
        self.start(BlockKind::Media { mime }, events);
        events.push(Event::Delta { choice: self.choice, block: self.next, text: member(data, "data") });
        self.finish_block(signature, events);
    }

    /// Ends the block that is open, if one is.
    pub(super) fn close(&mut self, signature: Option<Text>, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            self.finish_block(signature, events);
        }
    }

    fn start(&self, kind: BlockKind, events: &mut Vec<Event>) {
        events.push(Event::BlockStart { choice: self.choice, block: self.next, kind });
    }

    fn finish_block(&mut self, signature: Option<Text>, events: &mut Vec<Event>) {
        events.push(Event::BlockEnd { choice: self.choice, block: self.next, signature });
        self.next += 1;
    }
}

fn goes_on(call: Value<'_>) -> bool {
    call.get("willContinue").and_then(Value::bool) == Some(true)
}

fn member(value: Value<'_>, key: &str) -> Text {
    value.get(key).and_then(Value::text).unwrap_or_else(Text::empty)
}

/// Code that the model wrote and the provider ran, as Markdown.
pub(super) fn code(value: Value<'_>) -> String {
    let language = member(value, "language").as_str().to_ascii_lowercase();
    let language = if language == "language_unspecified" { "" } else { &language };
    fenced(language, &member(value, "code").as_str())
}

/// What that code printed. The outcome is said when it is not that all went well.
pub(super) fn outcome(value: Value<'_>) -> String {
    let outcome = member(value, "outcome");
    let output = fenced("", &member(value, "output").as_str());
    if outcome.is_empty() || outcome == "OUTCOME_OK" { output } else { format!("\n{outcome}{output}") }
}

fn fenced(language: &str, text: &str) -> String {
    format!("\n```{language}\n{}\n```\n", text.trim_end_matches('\n'))
}

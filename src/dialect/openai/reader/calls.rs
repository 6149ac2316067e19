//! Tool calls as they come in: whole, in pieces, in turn, with and without index and id.

use std::collections::HashMap;

use crate::chat::{BlockKind, Class, Event, Failure};
use crate::json::{Kind, Text, Value};

use super::{filled, google_signature};

/// What one item of `tool_calls` says.
pub(super) struct Piece {
    index: Option<i64>,
    id: Option<Text>,
    name: Option<Text>,
    arguments: Option<Text>,
    signature: Option<Text>,
}

impl Piece {
    /// Reads an item of `tool_calls`, or a legacy `function_call`. Empty strings mean absent (Qwen).
    pub(super) fn read(call: Value<'_>) -> Piece {
        let function = call.get("function").or(call.get("custom")).unwrap_or(call);
        let arguments = function.get("arguments").or(function.get("input"));
        Piece {
            index: call.get("index").and_then(Value::int),
            id: call.get("id").and_then(filled),
            name: function.get("name").and_then(filled),
            arguments: arguments.and_then(arguments_text).filter(|text| !text.is_empty()),
            signature: google_signature(call),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.id.is_none() && self.name.is_none() && self.arguments.is_none()
    }
}

/// JSON text in a string, or, from some servers, the object itself.
fn arguments_text(value: Value<'_>) -> Option<Text> {
    match value.kind() {
        Kind::Object => Some(value.as_str().into()),
        _ => value.text(),
    }
}

/// The calls of one choice. They are found by maps, not by looking through: an answer may hold any number of them.
#[derive(Default)]
pub(super) struct Calls {
    /// In the order in which they came.
    made: Vec<Call>,
    /// The last call with an index.
    by_index: HashMap<i64, usize>,
    /// The last call with an id, at any index (`None`) and at each.
    by_id: HashMap<(String, Option<i64>), usize>,
    /// So many from the beginning are closed.
    closed: usize,
}

struct Call {
    index: Option<i64>,
    id: Option<Text>,
    name: Option<Text>,
    signature: Option<Text>,
    /// The number of its block, once that was started: it needs the name.
    block: Option<u32>,
    /// Arguments that came before the name.
    waiting: Vec<Text>,
    progress: Progress,
    is_closed: bool,
}

impl Calls {
    pub(super) fn are_any(&self) -> bool {
        !self.made.is_empty()
    }

    /// Takes one item in. `is_new`: it stands in a whole message, so it is a call of its own.
    pub(super) fn piece(
        &mut self,
        piece: Piece,
        is_new: bool,
        choice: u32,
        next: &mut u32,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if is_new {
            self.close(choice, events);
        }
        let known = if is_new { None } else { self.find(&piece) };
        let at = known.unwrap_or_else(|| self.begin(piece.index));
        let Some(call) = self.made.get_mut(at) else { return Ok(()) };
        if let Some(id) = piece.id.as_ref().filter(|_| call.id.is_none()) {
            let id = id.as_str().into_owned();
            if call.index.is_some() {
                self.by_id.insert((id.clone(), call.index), at);
            }
            self.by_id.insert((id, None), at);
        }
        call.grow(piece, choice, next, events)
    }

    fn begin(&mut self, index: Option<i64>) -> usize {
        let at = self.made.len();
        self.made.push(Call::new(index));
        self.by_index.extend(index.map(|index| (index, at)));
        at
    }

    /// The call that an item goes on with. Ids tell most; indexes are all 0 with some servers; names may be repeated.
    fn find(&self, piece: &Piece) -> Option<usize> {
        let last = self.made.len().checked_sub(1);
        let at = match (&piece.id, piece.index) {
            (Some(id), index) => {
                let same = self.by_id.get(&(id.as_str().into_owned(), index)).copied();
                let fits = |call: &Call| call.id.is_none() && (index.is_none() || call.index == index);
                same.or(last.filter(|at| self.made.get(*at).is_some_and(fits)))
            }
            (None, Some(index)) => self.by_index.get(&index).copied(),
            (None, None) => last,
        };
        at.filter(|at| self.made.get(*at).is_some_and(|call| !call.is_another(piece) && !call.is_repeated_by(piece)))
    }

    /// Ends what is open. A call that was given no arguments has none: `{}`.
    pub(super) fn close(&mut self, choice: u32, events: &mut Vec<Event>) {
        let open = self.made.get_mut(self.closed..).unwrap_or_default();
        for call in open {
            call.is_closed = true;
            let Some(block) = call.block else {
                continue;
            };
            if call.progress == Progress::default() {
                events.push(Event::Delta { choice, block, text: "{}".into() });
            }
            events.push(Event::BlockEnd { choice, block, signature: None });
        }
        self.closed = self.made.len();
    }
}

impl Call {
    fn new(index: Option<i64>) -> Call {
        let progress = Progress::default();
        Call {
            index,
            id: None,
            name: None,
            signature: None,
            block: None,
            waiting: Vec::new(),
            progress,
            is_closed: false,
        }
    }

    /// The item names another function than this call.
    fn is_another(&self, piece: &Piece) -> bool {
        piece.name.is_some() && self.name.is_some() && piece.name != self.name
    }

    /// The item names the same function and brings arguments, and this call has all of its own: one more such call.
    fn is_repeated_by(&self, piece: &Piece) -> bool {
        let brings_object = piece.arguments.as_ref().is_some_and(|text| text.as_str().trim_start().starts_with('{'));
        piece.name.is_some() && brings_object && self.progress.is_complete()
    }

    fn grow(&mut self, piece: Piece, choice: u32, next: &mut u32, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.id = self.id.take().or(piece.id);
        self.name = self.name.take().or(piece.name);
        self.signature = self.signature.take().or(piece.signature);
        let more = piece.arguments;
        if self.is_closed {
            let is_blank = more.is_none_or(|text| text.as_str().trim().is_empty());
            let message = "the provider's answer went on with a tool call that was over";
            return if is_blank { Ok(()) } else { Err(Failure::new(Class::BadAnswer, message)) };
        }
        self.waiting.extend(more);
        let Some(name) = &self.name else {
            return Ok(());
        };
        let block = match self.block {
            Some(block) => block,
            None => {
                let block = *next;
                *next += 1;
                let (id, signature) = (self.id.clone(), self.signature.clone());
                let kind = BlockKind::ToolCall { id, name: name.clone(), signature };
                events.push(Event::BlockStart { choice, block, kind });
                block
            }
        };
        self.block = Some(block);
        for text in self.waiting.drain(..) {
            self.progress.feed(&text.as_str());
            events.push(Event::Delta { choice, block, text });
        }
        Ok(())
    }
}

/// How far the JSON object of the arguments has come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    is_begun: bool,
}

impl Progress {
    fn is_complete(&self) -> bool {
        self.is_begun && self.depth == 0 && !self.in_string
    }

    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.is_begun |= !byte.is_ascii_whitespace();
        }
    }
}

//! Ids of tool calls, for dialects in which a result must name its call: every call gets one, and every result the one of
//! its call.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use sha2::{Digest, Sha256};

use crate::chat::{Failure, Message, Part};
use crate::dialect::quirks::ToolIds;
use crate::json::Text;

/// The ids of calls and results, in the order in which they stand in the conversation.
pub(in crate::dialect) struct Ids(VecDeque<Text>);

impl Ids {
    /// The id of the next call or result.
    pub(in crate::dialect) fn next(&mut self) -> Text {
        self.0.pop_front().unwrap_or_else(Text::empty)
    }
}

/// Gives ids by which calls and results pair: their own, or, where a client has none (Ollama's), new ones by their place, so
/// that the same conversation always gets the same. Fails on a result without a call.
pub(in crate::dialect) fn assign(messages: &[Message], form: ToolIds) -> Result<Ids, Failure> {
    let mut names = NewIds::beside(messages);
    let mut calls = Calls::default();
    let mut ids = VecDeque::new();
    for (at, message) in messages.iter().enumerate() {
        for part in &message.parts {
            match part {
                Part::ToolCall { id, name, .. } => {
                    let told = id.as_ref().filter(|id| !id.is_empty());
                    let id = shaped(told.cloned().unwrap_or_else(|| names.next(calls.made.len())), form);
                    ids.push_back(id.clone());
                    calls.add(told, name, id);
                }
                Part::ToolResult { id, name, .. } => {
                    let call = calls.find(id.as_ref(), name.as_ref());
                    ids.push_back(call.and_then(|call| calls.answer(call)).ok_or_else(|| stray(at, id, name))?);
                }
                _ => {}
            }
        }
    }
    Ok(Ids(ids))
}

/// The places of messages with a result that answers no call before it.
pub(in crate::dialect) fn strays(messages: &[Message]) -> Vec<usize> {
    let mut calls = Calls::default();
    let mut found = Vec::new();
    let parts = messages.iter().enumerate().flat_map(|(at, message)| message.parts.iter().map(move |part| (at, part)));
    for (at, part) in parts {
        match part {
            Part::ToolCall { id, name, .. } => {
                calls.add(id.as_ref().filter(|id| !id.is_empty()), name, Text::empty());
            }
            Part::ToolResult { id, name, .. } => match calls.find(id.as_ref(), name.as_ref()) {
                Some(call) => drop(calls.answer(call)),
                None => found.push(at),
            },
            _ => {}
        }
    }
    found
}

/// Ids for calls that have none.
struct NewIds<'a> {
    taken: HashSet<Cow<'a, str>>,
    /// Those below were given or are taken.
    from: usize,
}

impl<'a> NewIds<'a> {
    fn beside(messages: &'a [Message]) -> NewIds<'a> {
        let told = |part: &'a Part| match part {
            Part::ToolCall { id, .. } => id.as_ref().map(Text::as_str),
            _ => None,
        };
        let taken = messages.iter().flat_map(|message| &message.parts).filter_map(told).collect();
        NewIds { taken, from: 0 }
    }

    /// By the call's place where that is free.
    fn next(&mut self, place: usize) -> Text {
        self.from = self.from.max(place);
        loop {
            let id = format!("call_{}", self.from);
            self.from += 1;
            if !self.taken.contains(id.as_str()) {
                return id.into();
            }
        }
    }
}

/// The calls that were made so far. They are found by maps, not by looking through: a conversation may hold any number.
#[derive(Default)]
struct Calls<'a> {
    made: Vec<Made>,
    /// By the id that the client told: the last call with it, and those that may wait for an answer, the last on top.
    by_id: HashMap<Cow<'a, str>, (usize, Vec<usize>)>,
    /// Those that may wait for an answer, by name and (`None`) all, in order.
    waiting: HashMap<Option<Cow<'a, str>>, VecDeque<usize>>,
    /// Those of them that have no id, by name.
    without_id: HashMap<Cow<'a, str>, VecDeque<usize>>,
}

struct Made {
    id: Text,
    is_answered: bool,
}

impl<'a> Calls<'a> {
    fn add(&mut self, told: Option<&'a Text>, name: &'a Text, id: Text) {
        let at = self.made.len();
        self.made.push(Made { id, is_answered: false });
        for name in [Some(name.as_str()), None] {
            self.waiting.entry(name).or_default().push_back(at);
        }
        match told {
            Some(told) => {
                let (last, waiting) = self.by_id.entry(told.as_str()).or_default();
                *last = at;
                waiting.push(at);
            }
            None => self.without_id.entry(name.as_str()).or_default().push_back(at),
        }
    }

    /// The call that a result answers: by id, else by name, else the first that waits.
    fn find(&mut self, id: Option<&'a Text>, name: Option<&'a Text>) -> Option<usize> {
        let made = &self.made;
        let is_over = |at: &usize| made.get(*at).is_none_or(|call| call.is_answered);
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return first(self.waiting.get_mut(&name.map(Text::as_str))?, is_over);
        };
        if let Some((last, waiting)) = self.by_id.get_mut(&id.as_str()) {
            while waiting.last().is_some_and(is_over) {
                waiting.pop();
            }
            return Some(waiting.last().copied().unwrap_or(*last));
        }
        // Half of a conversation may have lost its ids.
        first(self.without_id.get_mut(&name?.as_str())?, is_over)
    }

    /// The id of a call that is answered now.
    fn answer(&mut self, at: usize) -> Option<Text> {
        let call = self.made.get_mut(at)?;
        call.is_answered = true;
        Some(call.id.clone())
    }
}

/// The first that is not over; those before it are forgotten.
fn first(queue: &mut VecDeque<usize>, is_over: impl Fn(&usize) -> bool) -> Option<usize> {
    while queue.front().is_some_and(&is_over) {
        queue.pop_front();
    }
    queue.front().copied()
}

fn stray(at: usize, id: &Option<Text>, name: &Option<Text>) -> Failure {
    let what = id.as_ref().or(name.as_ref()).map_or_else(String::new, |text| format!(" ('{text}')"));
    let message = format!("messages[{at}] holds the result of a tool call{what} that no message before it makes");
    Failure::bad_request(message).with_param(format!("messages[{at}]"))
}

/// The id in the form that the provider takes; the same every time.
fn shaped(id: Text, form: ToolIds) -> Text {
    let fits = |id: &str| match form {
        ToolIds::Any => true,
        ToolIds::Nine => id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
        ToolIds::Word => id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
    };
    if fits(&id.as_str()) {
        return id;
    }
    const DIGITS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x',
        'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let len = if form == ToolIds::Nine { 9 } else { 24 };
    let hash = Sha256::digest(id.as_str().as_bytes());
    hash.iter().take(len).map(|byte| DIGITS[usize::from(byte % 32)]).collect::<String>().into()
}

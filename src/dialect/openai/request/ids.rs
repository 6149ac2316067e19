//! Ids of tool calls: every call gets one, and every result the one of its call.

use sha2::{Digest, Sha256};

use crate::chat::{Failure, Message, Part};
use crate::dialect::quirks::ToolIds;
use crate::json::Text;

/// The ids of calls and results, in the order in which they stand in the conversation.
pub(super) struct Ids(std::collections::VecDeque<Text>);

impl Ids {
    /// The id of the next call or result.
    pub(super) fn next(&mut self) -> Text {
        self.0.pop_front().unwrap_or_else(Text::empty)
    }
}

/// A call that was made so far.
struct Made {
    told: Option<Text>,
    name: Text,
    id: Text,
    is_answered: bool,
}

/// Gives ids by which calls and results pair: their own, or, where a client has none (Ollama's), new ones by their place, so
/// that the same conversation always gets the same. Fails on a result without a call.
pub(super) fn assign(messages: &[Message], form: ToolIds) -> Result<Ids, Failure> {
    let taken: Vec<&Text> = messages.iter().flat_map(|message| &message.parts).filter_map(told_id).collect();
    let mut made: Vec<Made> = Vec::new();
    let mut ids = std::collections::VecDeque::new();
    for (at, message) in messages.iter().enumerate() {
        for part in &message.parts {
            match part {
                Part::ToolCall { id, name, .. } => {
                    let told = id.clone().filter(|id| !id.is_empty());
                    let id = shaped(told.clone().unwrap_or_else(|| new_id(made.len(), &taken)), form);
                    ids.push_back(id.clone());
                    made.push(Made { told, name: name.clone(), id, is_answered: false });
                }
                Part::ToolResult { id, name, .. } => {
                    let call = find(&mut made, id.as_ref(), name.as_ref()).ok_or_else(|| stray(at, id, name))?;
                    call.is_answered = true;
                    ids.push_back(call.id.clone());
                }
                _ => {}
            }
        }
    }
    Ok(Ids(ids))
}

fn told_id(part: &Part) -> Option<&Text> {
    match part {
        Part::ToolCall { id, .. } => id.as_ref(),
        _ => None,
    }
}

fn new_id(place: usize, taken: &[&Text]) -> Text {
    let free = (place..).map(|n| Text::from(format!("call_{n}"))).find(|id| !taken.contains(&id));
    free.unwrap_or_else(Text::empty)
}

/// The call that a result answers: by id, else by name, else the first that waits.
fn find<'a>(made: &'a mut [Made], id: Option<&Text>, name: Option<&Text>) -> Option<&'a mut Made> {
    let id = id.filter(|id| !id.is_empty());
    let by_id = |made: &[Made], waits: bool| {
        made.iter().rposition(|call| call.told.is_some() && call.told.as_ref() == id && !(waits && call.is_answered))
    };
    if id.is_some() {
        let at = by_id(made, true).or_else(|| by_id(made, false));
        // Half of a conversation may have lost its ids.
        let at = at.or_else(|| {
            made.iter().position(|call| !call.is_answered && call.told.is_none() && Some(&call.name) == name)
        })?;
        return made.get_mut(at);
    }
    let at = match name {
        Some(name) => made.iter().position(|call| !call.is_answered && call.name == *name),
        None => made.iter().position(|call| !call.is_answered),
    };
    made.get_mut(at?)
}

fn stray(at: usize, id: &Option<Text>, name: &Option<Text>) -> Failure {
    let what = id.as_ref().or(name.as_ref()).map_or_else(String::new, |text| format!(" ('{text}')"));
    let message = format!("messages[{at}] holds the result of a tool call{what} that no message before it makes");
    Failure::bad_request(message).with_param(format!("messages[{at}]"))
}

/// The id in the form that the provider takes; the same every time.
fn shaped(id: Text, form: ToolIds) -> Text {
    let is_nine = |id: &str| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    match form {
        ToolIds::Any => id,
        ToolIds::Nine if is_nine(&id.as_str()) => id,
        ToolIds::Nine => {
            const DIGITS: [char; 32] = [
                'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v',
                'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
            ];
            let hash = Sha256::digest(id.as_str().as_bytes());
            hash.iter().take(9).map(|byte| DIGITS[usize::from(byte % 32)]).collect::<String>().into()
        }
    }
}

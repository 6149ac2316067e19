//! The conversation in Anthropic's order.
//!
//! Its rules, as its error messages tell them: roles are `user` and `assistant` alone, the first turn is the user's; no text is
//! empty or blank, and the last of an assistant's turn that stands at the end doesn't end in a blank; every call is answered at
//! the beginning of the user's turn right behind it, and nothing else is answered there.

use std::collections::HashMap;

use super::media;
use crate::chat::{Failure, Message, Part, Role, opaque};
use crate::dialect::anthropic::NAME;
use crate::dialect::call_ids::{self, Ids};
use crate::dialect::quirks::ToolIds;
use crate::json::{Json, Text, Writer};

/// What the user says where a conversation begins with the model.
const SILENCE: &str = ".";
/// What is told of a call that the client never answered.
const UNANSWERED: &str = "no result: the call was not answered";

/// A conversation in order.
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Text>,
    turns: Vec<Turn<'a>>,
    ids: Ids,
}

/// What one side says until the other does.
#[derive(Default)]
struct Turn<'a> {
    is_user: bool,
    /// Answers to the calls of the turn before.
    results: Vec<Outcome<'a>>,
    blocks: Vec<Block<'a>>,
}

enum Block<'a> {
    Text(Text),
    Media(media::Block),
    Thinking { text: &'a Text, signature: Text },
    Redacted(&'a Text),
    Call { id: Text, name: &'a Text, arguments: &'a Json },
}

struct Outcome<'a> {
    id: Text,
    content: Vec<Block<'a>>,
    is_error: bool,
}

impl<'a> Conversation<'a> {
    /// Puts the messages in order. Fails where content has no form here, and on a result without a call.
    pub(super) fn of(messages: &'a [Message]) -> Result<Conversation<'a>, Failure> {
        let ids = call_ids::assign(messages, ToolIds::Word)?;
        let mut conversation = Conversation { system: Vec::new(), turns: Vec::new(), ids };
        messages.iter().try_for_each(|message| conversation.add(message))?;
        if conversation.turns.is_empty() {
            conversation.ask_instructions()?;
        }
        conversation.pair();
        conversation.trim_end();
        Ok(conversation)
    }

    fn add(&mut self, message: &'a Message) -> Result<(), Failure> {
        match &message.role {
            Role::System | Role::Developer => message.parts.iter().try_for_each(|part| self.add_system(part)),
            Role::User | Role::Tool => message.parts.iter().try_for_each(|part| self.add_user(part)),
            Role::Assistant => message.parts.iter().try_for_each(|part| self.add_assistant(part)),
            Role::Other(role) => Err(refused(&format!("the role '{role}' is not known"))),
        }
    }

    /// Where there is nothing else to answer, the instructions are the question.
    fn ask_instructions(&mut self) -> Result<(), Failure> {
        if self.system.is_empty() {
            return Err(refused("there is no message to answer"));
        }
        let blocks = self.system.drain(..).map(Block::Text).collect();
        self.turns.push(Turn { is_user: true, results: Vec::new(), blocks });
        Ok(())
    }

    fn add_system(&mut self, part: &Part) -> Result<(), Failure> {
        match part {
            Part::Text { text, .. } | Part::Refusal(text) => {
                self.system.extend(Some(text).filter(|text| !is_blank(text)).cloned());
                Ok(())
            }
            _ => Err(refused("instructions can hold text only")),
        }
    }

    fn add_user(&mut self, part: &'a Part) -> Result<(), Failure> {
        match part {
            Part::ToolResult { content, is_error, .. } => {
                let id = self.ids.next();
                let content = content.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
                let content = content.into_iter().flatten().collect();
                self.turn(true).results.push(Outcome { id, content, is_error: *is_error });
            }
            part => self.push(true, plain(part)?),
        }
        Ok(())
    }

    fn add_assistant(&mut self, part: &'a Part) -> Result<(), Failure> {
        let block = match part {
            Part::ToolResult { .. } => return self.add_user(part),
            Part::ToolCall { name, arguments, .. } => Some(Block::Call { id: self.ids.next(), name, arguments }),
            // A thought of another maker is refused, and is of no use to the model.
            Part::Thinking { text, signature } => {
                let own = signature.as_ref().and_then(|signature| opaque::of_own(NAME, signature));
                own.map(|signature| Block::Thinking { text, signature })
            }
            Part::Redacted(data) => Some(Block::Redacted(data)),
            Part::Media(_) => return Err(refused("this model can't be shown pictures as its own")),
            Part::Text { .. } | Part::Refusal(_) | Part::CacheMark(_) => plain(part)?,
        };
        self.push(false, block);
        Ok(())
    }

    fn push(&mut self, is_user: bool, block: Option<Block<'a>>) {
        if let Some(block) = block {
            self.turn(is_user).blocks.push(block);
        }
    }

    /// The turn of that side that is under way.
    fn turn(&mut self, is_user: bool) -> &mut Turn<'a> {
        if self.turns.last().is_none_or(|turn| turn.is_user != is_user) {
            self.turns.push(Turn { is_user, ..Turn::default() });
        }
        let last = self.turns.len() - 1;
        &mut self.turns[last]
    }

    /// Lets the user begin, and each turn answer the calls of the turn before, all and nothing else.
    fn pair(&mut self) {
        let mut paired: Vec<Turn<'a>> = Vec::with_capacity(self.turns.len() + 2);
        for mut turn in std::mem::take(&mut self.turns) {
            if paired.is_empty() && !turn.is_user {
                paired.push(Turn { is_user: true, blocks: vec![Block::Text(SILENCE.into())], ..Turn::default() });
            }
            if turn.is_user {
                turn.answer(&calls(paired.last()));
            }
            paired.push(turn);
        }
        let unanswered = calls(paired.last());
        if !unanswered.is_empty() {
            let mut turn = Turn { is_user: true, ..Turn::default() };
            turn.answer(&unanswered);
            paired.push(turn);
        }
        self.turns = paired;
    }

    fn trim_end(&mut self) {
        let last = self.turns.last_mut().filter(|turn| !turn.is_user).and_then(|turn| turn.blocks.last_mut());
        if let Some(Block::Text(text)) = last {
            let trimmed = text.as_str().trim_end().to_owned();
            if trimmed.len() < text.as_str().len() {
                *text = trimmed.into();
            }
        }
    }

    /// Are calls answered at the end whose turn doesn't begin with a thought?
    pub(super) fn lacks_thought(&self) -> bool {
        let [.., asking, answering] = self.turns.as_slice() else { return false };
        let begins_with = asking.blocks.first();
        !answering.results.is_empty() && !matches!(begins_with, Some(Block::Thinking { .. } | Block::Redacted(_)))
    }

    /// Writes the items of `messages`.
    pub(super) fn write(&self, w: &mut Writer) {
        for turn in &self.turns {
            w.object(|w| {
                w.key("role").str(if turn.is_user { "user" } else { "assistant" });
                w.key("content").array(|w| {
                    turn.results.iter().for_each(|result| result.write(w));
                    turn.blocks.iter().for_each(|block| block.write(w));
                });
            });
        }
    }
}

/// The ids of a turn's calls.
fn calls(turn: Option<&Turn<'_>>) -> Vec<Text> {
    let blocks = turn.into_iter().flat_map(|turn| &turn.blocks);
    let ids = blocks.filter_map(|block| match block {
        Block::Call { id, .. } => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

impl<'a> Turn<'a> {
    /// Brings the results in the order of the calls. One that came too late, or twice, is told as what the user says.
    fn answer(&mut self, calls: &[Text]) {
        let mut given: Vec<Option<Outcome<'a>>> = std::mem::take(&mut self.results).into_iter().map(Some).collect();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (place, result) in given.iter().flatten().enumerate() {
            places.entry(result.id.as_str().into_owned()).or_insert(place);
        }
        for id in calls {
            let place = places.get(id.as_str().as_ref()).copied();
            let found = place.and_then(|place| given.get_mut(place)).and_then(Option::take);
            let missing = || Outcome { id: id.clone(), content: vec![Block::Text(UNANSWERED.into())], is_error: true };
            self.results.push(found.unwrap_or_else(missing));
        }
        let late = given.into_iter().flatten().flat_map(|result| {
            let head = Block::Text(format!("What tool call {} returned:", result.id).into());
            std::iter::once(head).chain(result.content)
        });
        self.blocks.splice(..0, late);
    }
}

/// What both sides may say; none for an empty text.
fn plain(part: &Part) -> Result<Option<Block<'_>>, Failure> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) if is_blank(text) => Ok(None),
        Part::Text { text, .. } | Part::Refusal(text) => Ok(Some(Block::Text(text.clone()))),
        Part::CacheMark(_) => Ok(None),
        Part::Media(media) => media::Block::of(media).map(|block| Some(Block::Media(block))),
        Part::Thinking { .. } | Part::Redacted(_) | Part::ToolCall { .. } => {
            Err(refused("only the model thinks and calls tools"))
        }
        Part::ToolResult { .. } => Err(refused("a tool result can hold text and media only")),
    }
}

fn is_blank(text: &Text) -> bool {
    text.as_str().trim().is_empty()
}

fn refused(why: &str) -> Failure {
    Failure::bad_request(why).with_param("messages")
}

impl Block<'_> {
    fn write(&self, w: &mut Writer) {
        if let Block::Media(media) = self {
            return media.write(w);
        }
        w.object(|w| match self {
            Block::Text(text) => {
                w.key("type").str("text");
                w.key("text").text(text);
            }
            Block::Thinking { text, signature } => {
                w.key("type").str("thinking");
                w.key("thinking").text(text);
                w.key("signature").text(signature);
            }
            Block::Redacted(data) => {
                w.key("type").str("redacted_thinking");
                w.key("data").text(data);
            }
            Block::Call { id, name, arguments } => {
                w.key("type").str("tool_use");
                w.key("id").text(id);
                w.key("name").text(name);
                w.key("input").json(arguments);
            }
            Block::Media(_) => {}
        });
    }
}

impl Outcome<'_> {
    fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("type").str("tool_result");
            w.key("tool_use_id").text(&self.id);
            if !self.content.is_empty() {
                w.key("content").array(|w| self.content.iter().for_each(|block| block.write(w)));
            }
            if self.is_error {
                w.key("is_error").bool(true);
            }
        });
    }
}

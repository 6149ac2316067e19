//! The conversation in Anthropic's order.
//!
//! Its rules, as its error messages tell them: roles are `user` and `assistant` alone, the first turn is the user's; no text is
//! empty or blank, and the last of an assistant's turn that stands at the end doesn't end in a blank; every call is answered at
//! the beginning of the user's turn right behind it, and nothing else is answered there.

use std::collections::HashMap;

use super::media;
use crate::chat::{CacheMark, Failure, Message, Part, Role, opaque};
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
    pub(super) system: Vec<Instruction<'a>>,
    turns: Vec<Turn<'a>>,
    ids: Ids,
}

/// A text of the instructions.
pub(super) struct Instruction<'a> {
    pub(super) text: Text,
    pub(super) mark: Option<&'a CacheMark>,
}

/// What one side says until the other does.
#[derive(Default)]
struct Turn<'a> {
    is_user: bool,
    /// Answers to the calls of the turn before.
    results: Vec<Outcome<'a>>,
    blocks: Vec<Placed<'a>>,
}

/// A block, and the mark behind it.
struct Placed<'a> {
    block: Block<'a>,
    mark: Option<&'a CacheMark>,
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
    mark: Option<&'a CacheMark>,
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
        let placed = |said: Instruction<'a>| Placed { block: Block::Text(said.text), mark: said.mark };
        let blocks = self.system.drain(..).map(placed).collect();
        self.turns.push(Turn { is_user: true, results: Vec::new(), blocks });
        Ok(())
    }

    fn add_system(&mut self, part: &'a Part) -> Result<(), Failure> {
        match part {
            Part::Text { text, .. } | Part::Refusal(text) if is_blank(text) => {}
            Part::Text { text, .. } | Part::Refusal(text) => {
                self.system.push(Instruction { text: text.clone(), mark: None });
            }
            Part::CacheMark(mark) => {
                if let Some(said) = self.system.last_mut() {
                    said.mark = Some(mark);
                }
            }
            _ => return Err(refused("instructions can hold text only")),
        }
        Ok(())
    }

    fn add_user(&mut self, part: &'a Part) -> Result<(), Failure> {
        match part {
            Part::ToolResult { content, is_error, .. } => {
                let id = self.ids.next();
                let blocks = content.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
                let mark = content.iter().rev().find_map(mark_of);
                let content = blocks.into_iter().flatten().collect();
                self.turn(true).results.push(Outcome { id, content, is_error: *is_error, mark });
            }
            Part::CacheMark(mark) => self.mark(true, mark),
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
            Part::CacheMark(mark) => {
                self.mark(false, mark);
                None
            }
            Part::Text { .. } | Part::Refusal(_) => plain(part)?,
        };
        self.push(false, block);
        Ok(())
    }

    fn push(&mut self, is_user: bool, block: Option<Block<'a>>) {
        if let Some(block) = block {
            self.turn(is_user).blocks.push(Placed { block, mark: None });
        }
    }

    /// Marks what that side said last. Thoughts take no mark.
    fn mark(&mut self, is_user: bool, mark: &'a CacheMark) {
        let Some(turn) = self.turns.last_mut().filter(|turn| turn.is_user == is_user) else { return };
        match (turn.blocks.last_mut(), turn.results.last_mut()) {
            (Some(Placed { block: Block::Thinking { .. } | Block::Redacted(_), .. }), _) | (None, None) => {}
            (Some(placed), _) => placed.mark = Some(mark),
            (None, Some(result)) => result.mark = Some(mark),
        }
    }

    /// How many marks there are, and all but so many of the last of them taken off.
    pub(super) fn keep_marks(&mut self, most: usize) -> usize {
        let instructions = self.system.iter_mut().map(|said| &mut said.mark);
        let turns = self.turns.iter_mut().flat_map(|turn| {
            let results = turn.results.iter_mut().map(|result| &mut result.mark);
            results.chain(turn.blocks.iter_mut().map(|placed| &mut placed.mark))
        });
        let mut marks: Vec<_> = instructions.chain(turns).filter(|mark| mark.is_some()).collect();
        let over = marks.len().saturating_sub(most);
        marks.iter_mut().take(over).for_each(|mark| **mark = None);
        marks.len() - over
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
                let silence = Placed { block: Block::Text(SILENCE.into()), mark: None };
                paired.push(Turn { is_user: true, blocks: vec![silence], ..Turn::default() });
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
        if let Some(Placed { block: Block::Text(text), .. }) = last {
            let trimmed = text.as_str().trim_end().to_owned();
            if trimmed.len() < text.as_str().len() {
                *text = trimmed.into();
            }
        }
    }

    /// Are calls answered at the end whose turn doesn't begin with a thought?
    pub(super) fn lacks_thought(&self) -> bool {
        let [.., asking, answering] = self.turns.as_slice() else { return false };
        let begins_with = asking.blocks.first().map(|placed| &placed.block);
        !answering.results.is_empty() && !matches!(begins_with, Some(Block::Thinking { .. } | Block::Redacted(_)))
    }

    /// Writes the items of `messages`.
    pub(super) fn write(&self, w: &mut Writer) {
        for turn in &self.turns {
            w.object(|w| {
                w.key("role").str(if turn.is_user { "user" } else { "assistant" });
                w.key("content").array(|w| {
                    turn.results.iter().for_each(|result| result.write(w));
                    turn.blocks.iter().for_each(|placed| placed.block.write(w, placed.mark));
                });
            });
        }
    }
}

/// The ids of a turn's calls.
fn calls(turn: Option<&Turn<'_>>) -> Vec<Text> {
    let blocks = turn.into_iter().flat_map(|turn| &turn.blocks);
    let ids = blocks.filter_map(|placed| match &placed.block {
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
            self.results.push(found.unwrap_or_else(|| Outcome::missing(id)));
        }
        let late = given.into_iter().flatten().flat_map(|result| {
            let head = Block::Text(format!("What tool call {} returned:", result.id).into());
            std::iter::once(head).chain(result.content).map(|block| Placed { block, mark: None })
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

fn mark_of(part: &Part) -> Option<&CacheMark> {
    match part {
        Part::CacheMark(mark) => Some(mark),
        _ => None,
    }
}

/// Writes `cache_control`, where there is a mark.
pub(super) fn write_mark(w: &mut Writer, mark: Option<&CacheMark>) {
    let Some(mark) = mark else { return };
    w.key("cache_control").object(|w| {
        w.key("type").str("ephemeral");
        mark.ttl.iter().for_each(|ttl| w.key("ttl").text(ttl));
    });
}

fn is_blank(text: &Text) -> bool {
    text.as_str().trim().is_empty()
}

fn refused(why: &str) -> Failure {
    Failure::bad_request(why).with_param("messages")
}

impl Block<'_> {
    fn write(&self, w: &mut Writer, mark: Option<&CacheMark>) {
        w.object(|w| {
            self.write_members(w);
            write_mark(w, mark);
        });
    }

    fn write_members(&self, w: &mut Writer) {
        match self {
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
            Block::Media(media) => media.write_members(w),
        }
    }
}

impl Outcome<'_> {
    /// What stands for an answer that the client never gave.
    fn missing(id: &Text) -> Self {
        Outcome { id: id.clone(), content: vec![Block::Text(UNANSWERED.into())], is_error: true, mark: None }
    }

    fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("type").str("tool_result");
            w.key("tool_use_id").text(&self.id);
            if !self.content.is_empty() {
                w.key("content").array(|w| self.content.iter().for_each(|block| block.write(w, None)));
            }
            if self.is_error {
                w.key("is_error").bool(true);
            }
            write_mark(w, self.mark);
        });
    }
}

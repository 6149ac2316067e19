//! Thoughts that a provider left in the text of its answer: `<think>…</think>` becomes a block of its own.
//!
//! Many servers hand on what the model wrote, thoughts and all. The rules are those by which Ollama parses its own models
//! (measured on 0.33): the tag stands at the very start, blanks before it do not matter; blanks around a thought and behind it
//! belong to neither side; a thought that never ends is a thought. An answer that has thinking of its own, or begins with a call, is not
//! looked into.

use super::{BlockKind, Citation, Event};
use crate::json::Text;

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";

/// More blanks do not wait for a tag, so that a stream of nothing is not held back for ever.
const BLANK_BYTES_MAX: usize = 256;

/// Takes thoughts out of the text of an answer, event by event. Any cut into deltas gives the same blocks.
#[derive(Debug, Default)]
pub struct Thoughts {
    is_whole: bool,
    is_begun: bool,
    choices: Vec<Choice>,
}

impl Thoughts {
    /// Of a stream. Text waits only while it may be the beginning of a tag.
    pub fn of_stream() -> Thoughts {
        Thoughts::default()
    }

    /// Of an answer that nobody reads before it is complete. The opening tag may be missing here: some templates put it at the
    /// end of the prompt, so that the model writes only the closing one. A stream that is under way can't know.
    pub fn of_whole() -> Thoughts {
        Thoughts { is_whole: true, ..Thoughts::default() }
    }

    /// Of a model whose template has said the opening tag: its text begins within a thought. Of a stream that is taken on trust; a
    /// whole answer without the closing tag is no thought.
    pub fn begun(mut self, is_begun: bool) -> Thoughts {
        self.is_begun = is_begun;
        self
    }

    /// Takes one event in; what is certain goes out.
    pub fn event(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::BlockStart { choice, block, kind } => self.choice(choice).start(block, kind, out),
            Event::Delta { choice, block, text } => self.choice(choice).delta(block, text, out),
            Event::BlockEnd { choice, block, signature } => self.choice(choice).end(block, signature, out),
            Event::Citation { choice, block, citation } => self.choice(choice).cite(block, citation, out),
            Event::Failure(failure) => {
                self.choices.iter_mut().for_each(|choice| choice.give_up(out));
                out.push(Event::Failure(failure));
            }
            Event::Start { .. } | Event::Logprobs { .. } | Event::Usage(_) | Event::Finish { .. } => out.push(event),
        }
    }

    fn choice(&mut self, number: u32) -> &mut Choice {
        let known = self.choices.iter().position(|choice| choice.number == number);
        let at = known.unwrap_or_else(|| {
            let (is_whole, is_begun) = (self.is_whole, self.is_begun);
            self.choices.push(Choice { number, is_whole, is_begun, state: State::Start });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }
}

#[derive(Debug)]
struct Choice {
    number: u32,
    is_whole: bool,
    is_begun: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No block came yet.
    Start,
    /// The first block is text, and may begin with the tag: what came of it waits.
    Held { block: u32, texts: Vec<Text>, joined: String },
    /// The first block began with the tag, and is not over.
    Split(Split),
    /// Blocks pass. `made`: so many became of the first one.
    Over { made: u32 },
}

impl Choice {
    fn start(&mut self, block: u32, kind: BlockKind, out: &mut Vec<Event>) {
        let choice = self.number;
        match &mut self.state {
            State::Start if matches!(kind, BlockKind::Text) => {
                self.state = State::Held { block, texts: Vec::new(), joined: String::new() };
                return;
            }
            State::Start => self.state = State::Over { made: 1 },
            State::Held { .. } => self.give_up(out),
            // Decoders end their text before they begin anything else: only calls grow side by side.
            State::Split(split) => {
                let made = split.end(None, choice, out);
                self.state = State::Over { made };
            }
            State::Over { .. } => {}
        }
        out.push(Event::BlockStart { choice, block: self.shown(block), kind });
    }

    fn delta(&mut self, block: u32, text: Text, out: &mut Vec<Event>) {
        let choice = self.number;
        match &mut self.state {
            State::Held { block: own, texts, joined } if *own == block => {
                joined.push_str(&text.as_str());
                texts.push(text);
                if !self.is_whole && beginning(joined) != Beginning::Unclear {
                    self.decide(out);
                }
            }
            State::Split(split) if split.block == block => split.text(&text.as_str(), choice, out),
            State::Start | State::Held { .. } | State::Split(_) | State::Over { .. } => {
                out.push(Event::Delta { choice, block: self.shown(block), text });
            }
        }
    }

    fn end(&mut self, block: u32, signature: Option<Text>, out: &mut Vec<Event>) {
        let choice = self.number;
        if matches!(&self.state, State::Held { block: own, .. } if *own == block) {
            self.decide(out);
        }
        match &mut self.state {
            State::Split(split) if split.block == block => {
                let made = split.end(signature, choice, out);
                self.state = State::Over { made };
            }
            State::Start | State::Held { .. } | State::Split(_) | State::Over { .. } => {
                // The first block keeps its number where it passed as it came.
                out.push(Event::BlockEnd { choice, block: self.shown(block), signature });
            }
        }
    }

    fn cite(&mut self, block: u32, mut citation: Citation, out: &mut Vec<Event>) {
        let choice = self.number;
        if matches!(&self.state, State::Held { block: own, .. } if *own == block) {
            self.decide(out);
        }
        let block = match &self.state {
            State::Split(split) if split.block == block => {
                // The text lost what came before it.
                citation.span = None;
                split.text_block()
            }
            State::Start | State::Held { .. } | State::Split(_) | State::Over { .. } => self.shown(block),
        };
        out.push(Event::Citation { choice, block, citation });
    }

    /// Enough of the first block is there to know whether it begins with a thought.
    fn decide(&mut self, out: &mut Vec<Event>) {
        let State::Held { block, joined, .. } = &self.state else { return };
        let behind = match beginning(joined) {
            Beginning::Tag { behind } => joined.get(behind..),
            Beginning::Plain | Beginning::Unclear => Some(joined.as_str()).filter(|text| self.is_in_thought(text)),
        };
        let Some(behind) = behind else { return self.give_up(out) };
        let mut split = Split { block: *block, stage: Stage::BeforeThought, has_thought: false, has_text: false };
        split.text(behind, self.number, out);
        self.state = State::Split(split);
    }

    /// Does a text without the opening tag begin within a thought?
    fn is_in_thought(&self, text: &str) -> bool {
        match (self.is_whole, self.is_begun) {
            (true, true) => text.contains(CLOSING),
            (true, false) => is_unopened(text),
            (false, is_begun) => is_begun,
        }
    }

    /// What waits goes out as what it was.
    fn give_up(&mut self, out: &mut Vec<Event>) {
        let choice = self.number;
        match &mut self.state {
            State::Held { block, texts, .. } => {
                let block = *block;
                out.push(Event::BlockStart { choice, block, kind: BlockKind::Text });
                out.extend(texts.drain(..).map(|text| Event::Delta { choice, block, text }));
                self.state = State::Over { made: 1 };
            }
            State::Split(split) => split.release(choice, out),
            State::Start | State::Over { .. } => {}
        }
    }

    /// The number of another block than the first: more or fewer may have become of that.
    fn shown(&self, block: u32) -> u32 {
        let made = match &self.state {
            State::Over { made } => *made,
            State::Split(split) => split.made(),
            State::Start | State::Held { .. } => 1,
        };
        (block + made).saturating_sub(1)
    }
}

/// How a text begins.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// With the tag, up to here.
    Tag { behind: usize },
    /// More of it may complete the tag.
    Unclear,
    /// Not with the tag.
    Plain,
}

fn beginning(text: &str) -> Beginning {
    let rest = text.trim_start();
    let blanks = text.len() - rest.len();
    if blanks > BLANK_BYTES_MAX {
        Beginning::Plain
    } else if rest.starts_with(OPENING) {
        Beginning::Tag { behind: blanks + OPENING.len() }
    } else if OPENING.starts_with(rest) {
        Beginning::Unclear
    } else {
        Beginning::Plain
    }
}

/// Does a whole text begin within a thought? Only where it can hardly mean anything else: one closing tag and no opening one,
/// on a line of its own, outside of a block of code.
fn is_unopened(text: &str) -> bool {
    let Some((before, behind)) = text.split_once(CLOSING) else { return false };
    let is_only = !text.contains(OPENING) && !behind.contains(CLOSING);
    let has_own_line = before.ends_with('\n') && (behind.is_empty() || behind.starts_with('\n'));
    is_only && has_own_line && !before.trim().is_empty() && before.matches("```").count() % 2 == 0
}

/// A text that began with a thought, on its way into two blocks.
#[derive(Debug)]
struct Split {
    /// Its number, and that of the first block that becomes of it.
    block: u32,
    stage: Stage,
    has_thought: bool,
    has_text: bool,
}

#[derive(Debug)]
enum Stage {
    /// Blanks between the opening tag and the thought.
    BeforeThought,
    /// Blanks and a beginning of the closing tag wait: they may be the end of the thought.
    Thought {
        waiting: String,
    },
    /// Blanks between the closing tag and the text.
    BeforeText,
    Text,
}

impl Split {
    fn text(&mut self, text: &str, choice: u32, out: &mut Vec<Event>) {
        match &mut self.stage {
            Stage::BeforeThought => {
                let rest = text.trim_start();
                if !rest.is_empty() {
                    self.thought(rest, choice, out);
                }
            }
            Stage::Thought { waiting } => {
                let whole = std::mem::take(waiting) + text;
                self.thought(&whole, choice, out);
            }
            Stage::BeforeText => {
                let rest = text.trim_start();
                if !rest.is_empty() {
                    self.say(rest, choice, out);
                }
            }
            Stage::Text => self.say(text, choice, out),
        }
    }

    /// More of the thought, and what waited before it.
    fn thought(&mut self, whole: &str, choice: u32, out: &mut Vec<Event>) {
        let Some((thought, behind)) = whole.split_once(CLOSING) else {
            let (thought, waiting) = whole.split_at(end_of_words(whole, tag_at_end(whole)));
            self.stage = Stage::Thought { waiting: waiting.to_owned() };
            return self.think(thought, choice, out);
        };
        self.think(thought.get(..end_of_words(thought, 0)).unwrap_or_default(), choice, out);
        if self.has_thought {
            out.push(Event::BlockEnd { choice, block: self.block, signature: None });
        }
        self.stage = Stage::BeforeText;
        self.text(behind, choice, out);
    }

    fn think(&mut self, text: &str, choice: u32, out: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        let block = self.block;
        if !self.has_thought {
            self.has_thought = true;
            out.push(Event::BlockStart { choice, block, kind: BlockKind::Thinking });
        }
        out.push(Event::Delta { choice, block, text: text.into() });
    }

    fn say(&mut self, text: &str, choice: u32, out: &mut Vec<Event>) {
        let block = self.text_block();
        if !self.has_text {
            self.has_text = true;
            self.stage = Stage::Text;
            out.push(Event::BlockStart { choice, block, kind: BlockKind::Text });
        }
        if !text.is_empty() {
            out.push(Event::Delta { choice, block, text: text.into() });
        }
    }

    /// What looked like the end of a thought is a part of it.
    fn release(&mut self, choice: u32, out: &mut Vec<Event>) {
        if let Stage::Thought { waiting } = &mut self.stage {
            let waiting = std::mem::take(waiting);
            self.think(&waiting, choice, out);
        }
    }

    /// The text is over: closes what is open, and tells how many blocks became of it.
    fn end(&mut self, signature: Option<Text>, choice: u32, out: &mut Vec<Event>) -> u32 {
        self.release(choice, out);
        let is_in_thought = self.has_thought && matches!(self.stage, Stage::Thought { .. });
        if signature.is_some() && !is_in_thought {
            self.say("", choice, out);
        }
        if is_in_thought || self.has_text {
            let block = if is_in_thought { self.block } else { self.text_block() };
            out.push(Event::BlockEnd { choice, block, signature });
        }
        self.made()
    }

    /// The number of the block behind the thought, where there was one.
    fn text_block(&self) -> u32 {
        self.block + u32::from(self.has_thought)
    }

    fn made(&self) -> u32 {
        u32::from(self.has_thought) + u32::from(self.has_text)
    }
}

/// Where the blanks begin that stand before the last `tag` bytes of a text.
fn end_of_words(text: &str, tag: usize) -> usize {
    let before = text.get(..text.len() - tag).unwrap_or_default();
    let is_near = |at: usize| before.len() - at <= BLANK_BYTES_MAX;
    let blanks = before.char_indices().rev().take_while(|(at, c)| c.is_whitespace() && is_near(*at));
    blanks.last().map_or(before.len(), |(at, _)| at)
}

/// So many bytes at the end of `text` are a beginning of the closing tag.
fn tag_at_end(text: &str) -> usize {
    let longest = CLOSING.len() - 1;
    (1..=longest).rev().find(|len| CLOSING.get(..*len).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
}

#[cfg(test)]
#[path = "think_tests.rs"]
mod tests;

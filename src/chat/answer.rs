//! What a model answers: events, and the events folded into a whole.

use std::time::Duration;

use super::{Citation, Failure};
use crate::json::{Json, Text};

/// One step of an answer. `choice` counts the alternatives from 0, `block` the pieces of one choice from 0, in their order.
///
/// Blocks of one choice may be open at the same time (parallel tool calls that grow in turn). Every block that starts ends;
/// exactly one `Finish` comes for each choice, unless the answer fails.
#[derive(Debug, Clone)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of it.
        id: Option<Text>,
        /// The model as the provider names it.
        model: Option<Text>,
    },
    /// A piece begins.
    BlockStart {
        /// Which alternative.
        choice: u32,
        /// Which piece.
        block: u32,
        /// What it is.
        kind: BlockKind,
    },
    /// More of a piece: text, thought, or JSON text of a call's arguments; base64 of media.
    Delta {
        /// Which alternative.
        choice: u32,
        /// Which piece.
        block: u32,
        /// What is added.
        text: Text,
    },
    /// A piece is complete.
    BlockEnd {
        /// Which alternative.
        choice: u32,
        /// Which piece.
        block: u32,
        /// Opaque state of the provider that must come back with the piece.
        signature: Option<Text>,
    },
    /// A source of what a block of text says. It comes while the block is open.
    Citation {
        /// Which alternative.
        choice: u32,
        /// Which piece.
        block: u32,
        /// The source; its span may be one of text that came before.
        citation: Citation,
    },
    /// Probabilities, in OpenAI's form: an array of `{token, logprob, bytes, top_logprobs}`.
    Logprobs {
        /// Which alternative.
        choice: u32,
        /// The array.
        content: Json,
    },
    /// Token counts so far; the last one counts.
    Usage(Usage),
    /// A choice is complete.
    Finish {
        /// Which alternative.
        choice: u32,
        /// Why it ended.
        reason: Finish,
    },
    /// The answer broke off. Nothing comes after it.
    Failure(Failure),
}

/// What a piece of an answer is.
#[derive(Debug, Clone)]
pub enum BlockKind {
    /// What the user shall read.
    Text,
    /// What the model thought.
    Thinking,
    /// A thought that only its provider can read. It has no text, and must come back.
    Redacted {
        /// Opaque.
        data: Text,
    },
    /// A call of a function.
    ToolCall {
        /// The provider's id, when it gave one that is not empty.
        id: Option<Text>,
        /// The function.
        name: Text,
        /// Opaque state that must come back with the call, when it is known at the start.
        signature: Option<Text>,
    },
    /// A picture or sound that the model made.
    Media {
        /// Its MIME type.
        mime: String,
    },
    /// A refusal in the model's own words (OpenAI).
    Refusal,
}

/// Why a choice ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or met a stop text and the provider doesn't say which.
    Stop,
    /// The model met this stop text.
    StopText(String),
    /// The provider paused a long turn; it goes on when the answer is sent back (Anthropic).
    Pause,
    /// The limit on tokens was reached.
    Length,
    /// The model wants its calls answered.
    ToolCalls,
    /// Safety rules of the provider cut it.
    ContentFilter,
    /// Ollama: the model was loaded, nothing was asked.
    Load,
    /// Ollama: the model was unloaded.
    Unload,
}

/// Token counts, in one meaning for all dialects. A count that nobody told is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt, those read from a cache and those of tool use included.
    pub prompt: Option<u64>,
    /// Of these, what the provider's own tools gave (Gemini's `toolUsePromptTokenCount`).
    pub tool: Option<u64>,
    /// Of these, read from a cache.
    pub cached: Option<u64>,
    /// Of these, written to a cache.
    pub cache_written: Option<u64>,
    /// All tokens that the model made, thinking included.
    pub completion: Option<u64>,
    /// Of these, thinking.
    pub reasoning: Option<u64>,
    /// How long the steps took, where the provider says (Ollama).
    pub timings: Option<Timings>,
}

/// How long the steps of an answer took, as Ollama tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// All of it.
    pub total: Duration,
    /// Loading the model.
    pub load: Duration,
    /// Reading the prompt.
    pub prompt: Duration,
    /// Making the answer.
    pub completion: Duration,
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The provider's id of it.
    pub id: Option<Text>,
    /// The model as the provider names it.
    pub model: Option<Text>,
    /// The alternatives, by index.
    pub choices: Vec<Choice>,
    /// Token counts.
    pub usage: Usage,
}

/// One alternative.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Its pieces, in order.
    pub blocks: Vec<Block>,
    /// Why it ended; `None` when the provider never said.
    pub finish: Option<Finish>,
    /// Probabilities: arrays as in [`Event::Logprobs`], in order.
    pub logprobs: Vec<Json>,
}

/// A complete piece.
#[derive(Debug, Clone)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its content, in the pieces in which it came.
    pub texts: Vec<Text>,
    /// Opaque state of the provider that must come back with it.
    pub signature: Option<Text>,
    /// Sources of what it says.
    pub citations: Vec<Citation>,
}

impl Block {
    /// The content as one string.
    pub fn joined(&self) -> String {
        self.texts.iter().map(|text| text.as_str()).collect()
    }
}

/// A whole answer from its events; the failure, when it broke off.
pub fn fold(events: impl IntoIterator<Item = Event>) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    for event in events {
        match event {
            Event::Start { id, model } => (answer.id, answer.model) = (id, model),
            Event::BlockStart { choice, block, kind } => {
                let choice = choice_at(&mut answer, choice);
                let signature = match &kind {
                    BlockKind::ToolCall { signature, .. } => signature.clone(),
                    _ => None,
                };
                let new = Block { kind, texts: Vec::new(), signature, citations: Vec::new() };
                choice.blocks.insert((block as usize).min(choice.blocks.len()), new);
            }
            Event::Delta { choice, block, text } => {
                if let Some(block) = choice_at(&mut answer, choice).blocks.get_mut(block as usize) {
                    block.texts.push(text);
                }
            }
            Event::BlockEnd { choice, block, signature } => {
                if let Some(block) = choice_at(&mut answer, choice).blocks.get_mut(block as usize) {
                    block.signature = signature.or(block.signature.take());
                }
            }
            Event::Citation { choice, block, citation } => {
                if let Some(block) = choice_at(&mut answer, choice).blocks.get_mut(block as usize) {
                    block.citations.push(citation);
                }
            }
            Event::Logprobs { choice, content } => choice_at(&mut answer, choice).logprobs.push(content),
            Event::Usage(usage) => answer.usage = usage,
            Event::Finish { choice, reason } => choice_at(&mut answer, choice).finish = Some(reason),
            Event::Failure(failure) => return Err(failure),
        }
    }
    Ok(answer)
}

/// No provider makes more alternatives; an index beyond it is counted to the last.
const CHOICES_MAX: usize = 128;

fn choice_at(answer: &mut Answer, index: u32) -> &mut Choice {
    let index = (index as usize).min(CHOICES_MAX - 1);
    if answer.choices.len() <= index {
        answer.choices.resize_with(index + 1, Choice::default);
    }
    &mut answer.choices[index]
}

/// The events of a whole answer: what a stream of it would have been.
pub fn unfold(answer: Answer) -> Vec<Event> {
    let mut events = vec![Event::Start { id: answer.id, model: answer.model }];
    for (index, choice) in (0u32..).zip(answer.choices) {
        for (number, block) in (0u32..).zip(choice.blocks) {
            events.push(Event::BlockStart { choice: index, block: number, kind: block.kind });
            events.extend(block.texts.into_iter().map(|text| Event::Delta { choice: index, block: number, text }));
            let citations = block.citations.into_iter();
            events.extend(citations.map(|citation| Event::Citation { choice: index, block: number, citation }));
            events.push(Event::BlockEnd { choice: index, block: number, signature: block.signature });
        }
        events.extend(choice.logprobs.into_iter().map(|content| Event::Logprobs { choice: index, content }));
        events.extend(choice.finish.map(|reason| Event::Finish { choice: index, reason }));
    }
    events.push(Event::Usage(answer.usage));
    events
}

/// One line of text for an event: for tests and debug output.
///
/// `text "Hel"`, `tool-call 1 start get_weather id=call_1`, `usage 17+23`, `finish stop`. The choice is named when it is not
/// the first.
pub fn describe(event: &Event) -> String {
    let of = |choice: &u32| {
        if *choice == 0 { String::new() } else { format!("choice {choice}: ") }
    };
    match event {
        Event::Start { id, model } => format!("start id={} model={}", shown(id), shown(model)),
        Event::BlockStart { choice, block, kind } => format!("{}{block} start {}", of(choice), describe_kind(kind)),
        Event::Delta { choice, block, text } => format!("{}{block} {text:?}", of(choice)),
        Event::BlockEnd { choice, block, signature: None } => format!("{}{block} end", of(choice)),
        Event::BlockEnd { choice, block, signature: Some(signature) } => {
            format!("{}{block} end signature={signature}", of(choice))
        }
        Event::Citation { choice, block, citation } => {
            let span = citation.span.as_ref().map_or_else(String::new, |span| format!(" {}..{}", span.start, span.end));
            format!("{}{block} cites {} {}{span}", of(choice), shown(&citation.url), shown(&citation.title))
        }
        Event::Logprobs { choice, content } => {
            format!("{}logprobs {}", of(choice), content.as_str())
        }
        Event::Usage(usage) => {
            let shown = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |n| n.to_string());
            let mut line = format!("usage {}+{}", shown(usage.prompt), shown(usage.completion));
            line.extend(usage.tool.map(|n| format!(" tool={n}")));
            line.extend(usage.cached.map(|n| format!(" cached={n}")));
            line.extend(usage.cache_written.map(|n| format!(" written={n}")));
            line.extend(usage.reasoning.map(|n| format!(" reasoning={n}")));
            line
        }
        Event::Finish { choice, reason: Finish::StopText(text) } => format!("{}finish stoptext {text:?}", of(choice)),
        Event::Finish { choice, reason } => format!("{}finish {reason:?}", of(choice)).to_lowercase(),
        Event::Failure(failure) => format!("failure {:?} {}: {}", failure.class, failure.status, failure.message),
    }
}

fn describe_kind(kind: &BlockKind) -> String {
    match kind {
        BlockKind::Text => "text".to_owned(),
        BlockKind::Thinking => "thinking".to_owned(),
        BlockKind::Redacted { data } => format!("redacted {data}"),
        BlockKind::ToolCall { id, name, signature } => {
            let signature = signature.as_ref().map_or_else(String::new, |s| format!(" signature={s}"));
            format!("tool-call {name} id={}{signature}", shown(id))
        }
        BlockKind::Media { mime } => format!("media {mime}"),
        BlockKind::Refusal => "refusal".to_owned(),
    }
}

fn shown(text: &Option<Text>) -> String {
    text.as_ref().map_or_else(|| "-".to_owned(), |text| text.as_str().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_answer_unfolds_to_the_same_lines() {
        let call = BlockKind::ToolCall { id: Some("c1".into()), name: "f".into(), signature: None };
        let events = vec![
            Event::Start { id: Some("x".into()), model: None },
            Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text },
            Event::Delta { choice: 0, block: 0, text: "Hel".into() },
            Event::Delta { choice: 0, block: 0, text: "lo".into() },
            Event::Citation {
                choice: 0,
                block: 0,
                citation: Citation { span: Some(1..4), url: Some("http://s".into()), ..Citation::default() },
            },
            Event::BlockEnd { choice: 0, block: 0, signature: None },
            Event::BlockStart { choice: 0, block: 1, kind: call },
            Event::Delta { choice: 0, block: 1, text: "{}".into() },
            Event::BlockEnd { choice: 0, block: 1, signature: Some("s".into()) },
            Event::Finish { choice: 0, reason: Finish::ToolCalls },
            Event::Usage(Usage { prompt: Some(3), completion: Some(4), ..Usage::default() }),
        ];
        let lines: Vec<String> = events.iter().map(describe).collect();
        let again: Vec<String> = unfold(fold(events).unwrap()).iter().map(describe).collect();
        assert_eq!(lines, again);
        assert_eq!(lines[4], "0 cites http://s - 1..4");
        assert_eq!(lines[6], "1 start tool-call f id=c1");
        assert_eq!(lines[9], "finish toolcalls");
        assert_eq!(lines[10], "usage 3+4");
    }
}

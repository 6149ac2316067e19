//! `GenerateContentResponse`, written: a whole answer, or one record of a stream.

use crate::chat::{BlockKind, Finish, Usage};
use crate::dialect::{Reply, call_arguments};
use crate::json::{Json, Style, Text, Writer};

use super::{logprobs, signature};

/// What is the same in all records of an answer.
pub(super) struct Head {
    /// The model as the client named it.
    model: String,
    /// The provider's id of the answer, or one of our own.
    id: Text,
}

impl Head {
    pub(super) fn new(reply: &Reply, id: Option<Text>) -> Head {
        let new = || std::iter::repeat_with(fastrand::alphanumeric).take(ID_LETTERS).collect::<String>().into();
        let model = reply.model.strip_prefix("models/").unwrap_or(&reply.model).to_owned();
        Head { model, id: id.unwrap_or_else(new) }
    }

    pub(super) fn set_id(&mut self, id: Text) {
        self.id = id;
    }

    /// Writes the object; `candidates` writes the items of that list.
    pub(super) fn write(&self, w: &mut Writer, usage: Option<&Usage>, candidates: impl FnOnce(&mut Writer)) {
        w.object(|w| {
            w.key("candidates").array(candidates);
            if let Some(usage) = usage.filter(|usage| **usage != Usage::default()) {
                write_usage(w.key("usageMetadata"), usage);
            }
            w.key("modelVersion").str(&self.model);
            w.key("responseId").text(&self.id);
        });
    }
}

/// As long as Google's ids of answers.
const ID_LETTERS: usize = 22;

/// Writes one alternative. Without parts the content has its role alone, as Google's has.
pub(super) fn write_candidate(
    w: &mut Writer,
    index: u32,
    parts: &[Json],
    reason: Option<&'static str>,
    probabilities: &[Json],
) {
    w.object(|w| {
        w.key("content").object(|w| {
            if !parts.is_empty() {
                w.key("parts").array(|w| parts.iter().for_each(|part| w.json(part)));
            }
            w.key("role").str("model");
        });
        if let Some(reason) = reason {
            w.key("finishReason").str(reason);
        }
        w.key("index").int(index);
        if !probabilities.is_empty() {
            logprobs::write(w, probabilities);
        }
    });
}

/// One part; none where it says nothing. Thoughts that the client didn't ask for are not shown, but what must come back with
/// them is.
pub(super) fn part(kind: &BlockKind, texts: &[Text], signature: Option<&Text>, hides_thoughts: bool) -> Option<Json> {
    if let BlockKind::Redacted { data } = kind {
        let state = signature::of_redacted(data);
        return part(&BlockKind::Thinking, &[], Some(&state), hides_thoughts);
    }
    let is_silent = signature.is_none() && texts.iter().all(Text::is_empty);
    let shown = if hides_thoughts { &[] } else { texts };
    let mut w = Writer::new(Style::Plain);
    match kind {
        BlockKind::Text | BlockKind::Refusal if is_silent => return None,
        BlockKind::Thinking if is_silent || (hides_thoughts && signature.is_none()) => return None,
        _ => {}
    }
    w.object(|w| {
        match kind {
            BlockKind::Text | BlockKind::Refusal => w.key("text").texts(texts),
            BlockKind::Thinking | BlockKind::Redacted { .. } => {
                w.key("text").texts(shown);
                w.key("thought").bool(true);
            }
            BlockKind::ToolCall { id, name, .. } => w.key("functionCall").object(|w| {
                w.key("name").text(name);
                let text = texts.iter().map(Text::as_str).collect();
                w.key("args").json(&call_arguments::object(text));
                id.iter().for_each(|id| w.key("id").text(id));
            }),
            BlockKind::Media { mime } => w.key("inlineData").object(|w| {
                w.key("mimeType").str(mime);
                w.key("data").texts(texts);
            }),
        }
        if let Some(signature) = signature {
            w.key("thoughtSignature").text(&signature::shown(signature));
        }
    });
    Some(Json::known(w.into_bytes()))
}

/// Google's word for why an answer ended. It has none for calls.
pub(super) fn reason_name(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopText(_) | Finish::Pause | Finish::ToolCalls | Finish::Load | Finish::Unload => {
            "STOP"
        }
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}

/// Google counts thoughts beside what is said, what its tools gave beside the prompt, and leaves a count of nothing out.
fn write_usage(w: &mut Writer, usage: &Usage) {
    let (prompt, completion) = (usage.prompt.unwrap_or(0), usage.completion.unwrap_or(0));
    let thoughts = usage.reasoning.unwrap_or(0).min(completion);
    let tool = usage.tool.unwrap_or(0).min(prompt);
    let counts = [
        ("promptTokenCount", prompt - tool),
        ("candidatesTokenCount", completion - thoughts),
        ("totalTokenCount", prompt.saturating_add(completion)),
        ("cachedContentTokenCount", usage.cached.unwrap_or(0)),
        ("thoughtsTokenCount", thoughts),
        ("toolUsePromptTokenCount", tool),
    ];
    w.object(|w| counts.into_iter().filter(|(_, count)| *count > 0).for_each(|(name, count)| w.key(name).int(count)));
}

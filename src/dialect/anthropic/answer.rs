//! Whole answers, read and written.

use super::ids;
use super::stream::Decoder;
use crate::chat::{Answer, Block, BlockKind, Choice, Class, Event, Failure, Finish, Usage, tokens_in};
use crate::dialect::{Reply, call_arguments};
use crate::json::{Json, Kind, Style, Text, Writer};

/// Reads a `message` into the events that a stream of it would have been.
pub fn read(body: &Json, events: &mut Vec<Event>) {
    let mut decoder = Decoder::default();
    let value = body.value();
    if value.get("error").is_some() {
        return decoder.fail(super::error::in_answer(body.bytes()), events);
    }
    if value.get("content").is_none_or(|content| content.kind() != Kind::Array) {
        let shown: String = body.as_str().chars().take(200).collect();
        let message = format!("the provider's answer has no content: {shown}");
        return decoder.fail(Failure::new(Class::BadAnswer, message), events);
    }
    decoder.whole(value, events);
    decoder.close(events);
}

/// Writes a `message`. There is one alternative, the first.
pub fn write(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let none = Choice::default();
    let choice = answer.choices.first().unwrap_or(&none);
    let has = |is_wanted: fn(&BlockKind) -> bool| choice.blocks.iter().any(|block| is_wanted(&block.kind));
    let has_calls = has(|kind| matches!(kind, BlockKind::ToolCall { .. }));
    let has_refused = has(|kind| matches!(kind, BlockKind::Refusal));
    let bytes = choice.blocks.iter().flat_map(|block| &block.texts).map(Text::len).sum();
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        write_head(w, answer.id.as_ref(), &reply.model);
        w.key("content").array(|w| match choice.blocks.as_slice() {
            [] => write_text(w, &[]),
            blocks => blocks.iter().for_each(|block| write_block(w, block)),
        });
        write_end(w, choice.finish.as_ref().unwrap_or(&Finish::Stop), has_calls, has_refused);
        write_usage(w.key("usage"), &counted(answer.usage, reply, bytes));
    });
    writer.into_bytes()
}

/// What a message begins with. An id in another dialect's form is replaced.
pub(super) fn write_head(w: &mut Writer, id: Option<&Text>, model: &str) {
    match id.filter(|id| id.as_str().starts_with("msg_")) {
        Some(id) => w.key("id").text(id),
        None => w.key("id").str(&ids::new("msg_")),
    }
    w.key("type").str("message");
    w.key("role").str("assistant");
    w.key("model").str(model);
}

/// Why it ended. What has calls ends for them, whatever else its provider says of a good end.
pub(super) fn write_end(w: &mut Writer, finish: &Finish, has_calls: bool, has_refused: bool) {
    let reason = match finish {
        Finish::Stop | Finish::ToolCalls | Finish::Load | Finish::Unload => match (has_calls, has_refused) {
            (true, _) => "tool_use",
            (false, true) => "refusal",
            (false, false) => "end_turn",
        },
        Finish::StopText(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
        Finish::Pause => "pause_turn",
    };
    w.key("stop_reason").str(reason);
    match finish {
        Finish::StopText(text) => w.key("stop_sequence").str(text),
        _ => w.key("stop_sequence").null(),
    }
}

/// With counts of the prompt and of an answer of so many bytes in any case: clients show them.
pub(super) fn counted(usage: Usage, reply: &Reply, bytes: usize) -> Usage {
    Usage {
        prompt: usage.prompt.or(reply.prompt_tokens),
        completion: usage.completion.or(Some(tokens_in(bytes))),
        ..usage
    }
}

/// What is read from a cache or written to it stands beside the rest of the prompt here, so that the three make the whole. Some
/// servers tell more of a cache than there is of a prompt (Azure's Grok, 2026-08).
pub(super) fn write_usage(w: &mut Writer, usage: &Usage) {
    let prompt = usage.prompt.unwrap_or(0);
    let read = usage.cached.unwrap_or(0).min(prompt);
    let written = usage.cache_written.unwrap_or(0).min(prompt - read);
    let input = prompt - read - written;
    w.object(|w| {
        w.key("input_tokens").int(input);
        w.key("cache_creation_input_tokens").int(written);
        w.key("cache_read_input_tokens").int(read);
        w.key("output_tokens").int(usage.completion.unwrap_or(0));
        if let Some(thinking) = usage.reasoning {
            w.key("output_tokens_details").object(|w| w.key("thinking_tokens").int(thinking));
        }
    });
}

fn write_block(w: &mut Writer, block: &Block) {
    match &block.kind {
        BlockKind::Text | BlockKind::Refusal => write_text(w, &block.texts),
        BlockKind::Media { mime } => {
            let texts: Vec<Text> = std::iter::once(media_head(mime))
                .chain(block.texts.iter().cloned())
                .chain([MEDIA_TAIL.into()])
                .collect();
            write_text(w, &texts);
        }
        BlockKind::Thinking => w.object(|w| {
            w.key("type").str("thinking");
            w.key("thinking").texts(&block.texts);
            w.key("signature").text(&block.signature.as_ref().map_or_else(Text::empty, ids::shown_signature));
        }),
        BlockKind::Redacted { data } => w.object(|w| {
            w.key("type").str("redacted_thinking");
            w.key("data").text(data);
        }),
        BlockKind::ToolCall { id, name, signature } => w.object(|w| {
            w.key("type").str("tool_use");
            w.key("id").str(&ids::shown(id.as_ref(), block.signature.as_ref().or(signature.as_ref())));
            w.key("name").text(name);
            w.key("input").json(&call_arguments::object(block.joined()));
        }),
    }
}

fn write_text(w: &mut Writer, texts: &[Text]) {
    w.object(|w| {
        w.key("type").str("text");
        w.key("text").texts(texts);
    });
}

/// What stands before and behind the base64 of a picture that a model made: there is no block for it, but the text can show it.
pub(super) fn media_head(mime: &str) -> Text {
    format!("![image](data:{mime};base64,").into()
}

/// See [`media_head`].
pub(super) const MEDIA_TAIL: &str = ")";

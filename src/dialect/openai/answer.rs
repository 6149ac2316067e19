//! Whole answers, read and written.

use crate::chat::{Answer, Block, BlockKind, Choice, Class, Event, Failure, Finish, Usage, opaque};
use crate::dialect::Reply;
use crate::json::{Json, Kind, Style, Text, Value, Writer};

use super::reader::Reader;

/// Reads a chat answer.
pub fn read_chat(body: &Json, events: &mut Vec<Event>) {
    read(body, events);
}

/// Reads a completion. Providers of fill-in-the-middle answer in the form of a chat, so both are read.
pub fn read_completions(body: &Json, events: &mut Vec<Event>) {
    read(body, events);
}

fn read(body: &Json, events: &mut Vec<Event>) {
    let mut reader = Reader::default();
    reader.document(body, true, events);
    let has_choices = body.value().get("choices").is_some_and(|choices| choices.kind() == Kind::Array);
    if !has_choices {
        let shown: String = body.as_str().chars().take(200).collect();
        reader.fail(Failure::new(Class::BadAnswer, format!("the provider's answer has no choices: {shown}")), events);
    }
    reader.end(true, events);
}

/// Writes a chat answer in the order of OpenAI's own.
pub fn write_chat(answer: &Answer, reply: &Reply) -> Vec<u8> {
    whole(answer, reply, "chat.completion", "chatcmpl-", |w, index, choice| {
        w.key("index").int(index);
        w.key("message").object(|w| message(w, choice));
        match choice.logprobs.as_slice() {
            [] => w.key("logprobs").null(),
            lists => write_logprobs(w.key("logprobs"), lists),
        }
        let has_calls = choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = choice.finish.as_ref().unwrap_or(&Finish::Stop);
        w.key("finish_reason").str(reason_name(reason, has_calls));
    })
}

/// Writes a legacy completion. Only what is to be read has a place there: thoughts and calls do not.
pub fn write_completions(answer: &Answer, reply: &Reply) -> Vec<u8> {
    whole(answer, reply, "text_completion", "cmpl-", |w, index, choice| {
        let echo = reply.echo.as_deref().map(Text::from);
        let is_read = |kind: &BlockKind| matches!(kind, BlockKind::Text | BlockKind::Refusal);
        w.key("text").texts(echo.iter().chain(texts(choice, is_read)));
        w.key("index").int(index);
        match choice.logprobs.as_slice() {
            [] => w.key("logprobs").null(),
            lists => write_legacy_logprobs(w.key("logprobs"), lists),
        }
        w.key("finish_reason").str(reason_name(choice.finish.as_ref().unwrap_or(&Finish::Stop), false));
    })
}

fn whole(
    answer: &Answer,
    reply: &Reply,
    object: &str,
    prefix: &str,
    body: impl Fn(&mut Writer, u32, &Choice),
) -> Vec<u8> {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        match &answer.id {
            Some(id) => w.key("id").text(id),
            None => w.key("id").str(&new_id(prefix)),
        }
        w.key("object").str(object);
        w.key("created").int(reply.started.as_second());
        w.key("model").str(&reply.model);
        w.key("choices").array(|w| {
            (0u32..).zip(&answer.choices).for_each(|(index, choice)| w.object(|w| body(w, index, choice)));
        });
        if answer.usage != Usage::default() {
            write_usage(w.key("usage"), &answer.usage);
        }
    });
    writer.into_bytes()
}

fn texts(choice: &Choice, is_wanted: impl Fn(&BlockKind) -> bool) -> impl Iterator<Item = &Text> {
    choice.blocks.iter().filter(move |block| is_wanted(&block.kind)).flat_map(|block| &block.texts)
}

fn message(w: &mut Writer, choice: &Choice) {
    let has = |is_wanted: fn(&BlockKind) -> bool| choice.blocks.iter().any(|block| is_wanted(&block.kind));
    let is_text = |kind: &BlockKind| matches!(kind, BlockKind::Text);
    let is_refusal = |kind: &BlockKind| matches!(kind, BlockKind::Refusal);
    let is_thinking = |kind: &BlockKind| matches!(kind, BlockKind::Thinking);
    let is_call = |kind: &BlockKind| matches!(kind, BlockKind::ToolCall { .. });
    w.key("role").str("assistant");
    match has(is_text) || !(has(is_call) || has(is_refusal)) {
        true => w.key("content").texts(texts(choice, is_text)),
        false => w.key("content").null(),
    }
    match has(is_refusal) {
        true => w.key("refusal").texts(texts(choice, is_refusal)),
        false => w.key("refusal").null(),
    }
    if has(is_thinking) {
        w.key("reasoning_content").texts(texts(choice, is_thinking));
        w.key("reasoning").texts(texts(choice, is_thinking));
    }
    if has(is_call) {
        w.key("tool_calls").array(|w| choice.blocks.iter().for_each(|block| call(w, block)));
    }
    if has(|kind| matches!(kind, BlockKind::Media { .. })) {
        w.key("images").array(|w| choice.blocks.iter().for_each(|block| image(w, block)));
    }
}

fn call(w: &mut Writer, block: &Block) {
    let BlockKind::ToolCall { id, name, signature } = &block.kind else {
        return;
    };
    w.object(|w| {
        w.key("id").str(&call_id(id.as_ref(), block.signature.as_ref().or(signature.as_ref())));
        w.key("type").str("function");
        w.key("function").object(|w| {
            w.key("name").text(name);
            w.key("arguments").texts(&block.texts);
        });
    });
}

fn image(w: &mut Writer, block: &Block) {
    if let BlockKind::Media { mime } = &block.kind {
        write_image(w, mime, &block.texts);
    }
}

/// A picture in the form of OpenRouter's `images`, which has no place in OpenAI's own answers.
pub(super) fn write_image(w: &mut Writer, mime: &str, texts: &[Text]) {
    let head = Text::from(format!("data:{mime};base64,"));
    w.object(|w| {
        w.key("type").str("image_url");
        w.key("image_url").object(|w| w.key("url").texts(std::iter::once(&head).chain(texts)));
    });
}

/// An id of a call for a client: the provider's, or a new one; opaque state rides in it.
pub(super) fn call_id(id: Option<&Text>, signature: Option<&Text>) -> String {
    let id = id.map_or_else(|| format!("call_{}", random(24)), |id| id.as_str().into_owned());
    match signature {
        Some(signature) => opaque::join(&id, &signature.as_str()),
        None => id,
    }
}

/// A new id of an answer.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", random(29))
}

fn random(len: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(len).collect()
}

/// OpenAI's word. A stop with calls is `tool_calls` to its clients.
pub(super) fn reason_name(reason: &Finish, has_calls: bool) -> &'static str {
    match reason {
        Finish::Stop if has_calls => "tool_calls",
        Finish::Stop | Finish::StopText(_) | Finish::Pause | Finish::Load | Finish::Unload => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

/// Counts that nobody told are 0: OpenAI's clients take them for granted.
pub(super) fn write_usage(w: &mut Writer, usage: &Usage) {
    let (prompt, completion) = (usage.prompt.unwrap_or(0), usage.completion.unwrap_or(0));
    w.object(|w| {
        w.key("prompt_tokens").int(prompt);
        w.key("completion_tokens").int(completion);
        w.key("total_tokens").int(prompt.saturating_add(completion));
        if usage.cached.is_some() || usage.cache_written.is_some() {
            w.key("prompt_tokens_details").object(|w| {
                usage.cached.into_iter().for_each(|count| w.key("cached_tokens").int(count));
                usage.cache_written.into_iter().for_each(|count| w.key("cache_write_tokens").int(count));
            });
        }
        if let Some(reasoning) = usage.reasoning {
            w.key("completion_tokens_details").object(|w| w.key("reasoning_tokens").int(reasoning));
        }
    });
}

/// `{content: […], refusal: null}`.
pub(super) fn write_logprobs(w: &mut Writer, lists: &[Json]) {
    w.object(|w| {
        w.key("content").array(|w| tokens(lists).for_each(|token| w.raw(token.as_str())));
        w.key("refusal").null();
    });
}

fn tokens(lists: &[Json]) -> impl Iterator<Item = Value<'_>> {
    lists.iter().flat_map(|list| list.value().items())
}

/// The form of legacy completions: four lists of the same length.
pub(super) fn write_legacy_logprobs(w: &mut Writer, lists: &[Json]) {
    let member = |w: &mut Writer, value: Option<Value<'_>>| w.raw(value.map_or("null", Value::as_str));
    w.object(|w| {
        w.key("tokens").array(|w| tokens(lists).for_each(|token| member(w, token.get("token"))));
        w.key("token_logprobs").array(|w| tokens(lists).for_each(|token| member(w, token.get("logprob"))));
        w.key("top_logprobs").array(|w| tokens(lists).for_each(|token| top(w, token)));
        w.key("text_offset").array(|w| {
            tokens(lists).fold(0, |offset, token| {
                w.int(offset as u64);
                offset + token.get("token").and_then(Value::string).map_or(0, |text| text.chars().count())
            });
        });
    });
}

fn top(w: &mut Writer, token: Value<'_>) {
    w.object(|w| {
        for other in token.get("top_logprobs").map(Value::items).into_iter().flatten() {
            if let Some(text) = other.get("token").and_then(Value::string) {
                w.key(&text).raw(other.get("logprob").map_or("null", Value::as_str));
            }
        }
    });
}

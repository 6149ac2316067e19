//! Whole answers, read and written.

use crate::chat::{Answer, Block, BlockKind, Choice, Class, Event, Failure, Finish, Usage, opaque};
use crate::dialect::Reply;
use crate::json::{Json, Kind, Text, Value, Writer};

use super::Accent;
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

/// Writes a chat answer in the order of the accent.
pub fn write_chat(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let accent = reply.accent;
    whole(answer, reply, "chat.completion", "chatcmpl-", |w, index, choice| {
        w.key("index").int(index);
        w.key("message").object(|w| message(w, choice, accent));
        let has_calls = choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = reason_name(choice.finish.as_ref().unwrap_or(&Finish::Stop), has_calls, accent);
        let probabilities = |w: &mut Writer| match choice.logprobs.as_slice() {
            [] if accent.is_ollama() => {}
            [] => w.key("logprobs").null(),
            lists => write_logprobs(w.key("logprobs"), lists, accent),
        };
        accent.write_end(w, probabilities, |w| w.key("finish_reason").str(reason));
    })
}

/// Writes a legacy completion. Only what is to be read has a place there: thoughts and calls do not.
pub fn write_completions(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let accent = reply.accent;
    whole(answer, reply, "text_completion", "cmpl-", |w, index, choice| {
        let echo = reply.echo.as_deref().map(Text::from);
        w.key("text").texts(echo.iter().chain(texts(choice, is_said)));
        w.key("index").int(index);
        let reason = reason_name(choice.finish.as_ref().unwrap_or(&Finish::Stop), false, accent);
        let probabilities = |w: &mut Writer| match choice.logprobs.as_slice() {
            [] if accent.is_ollama() => {}
            [] => w.key("logprobs").null(),
            lists => write_legacy_logprobs(w.key("logprobs"), lists),
        };
        accent.write_end(w, probabilities, |w| w.key("finish_reason").str(reason));
    })
}

fn whole(
    answer: &Answer,
    reply: &Reply,
    object: &str,
    prefix: &str,
    body: impl Fn(&mut Writer, u32, &Choice),
) -> Vec<u8> {
    let accent = reply.accent;
    let mut writer = accent.writer();
    writer.object(|w| {
        match &answer.id {
            Some(id) => w.key("id").text(id),
            None => w.key("id").str(&accent.new_id(prefix)),
        }
        w.key("object").str(object);
        w.key("created").int(reply.started.as_second());
        accent.write_model(w, &reply.model);
        w.key("choices").array(|w| {
            (0u32..).zip(&answer.choices).for_each(|(index, choice)| w.object(|w| body(w, index, choice)));
        });
        if accent.is_ollama() || answer.usage != Usage::default() {
            write_usage(w.key("usage"), &answer.usage, accent);
        }
    });
    accent.body(writer)
}

fn texts(choice: &Choice, is_wanted: impl Fn(&BlockKind) -> bool) -> impl Iterator<Item = &Text> {
    choice.blocks.iter().filter(move |block| is_wanted(&block.kind)).flat_map(|block| &block.texts)
}

/// What is to be read.
fn is_said(kind: &BlockKind) -> bool {
    matches!(kind, BlockKind::Text | BlockKind::Refusal)
}

fn message(w: &mut Writer, choice: &Choice, accent: Accent) {
    let has = |is_wanted: fn(&BlockKind) -> bool| choice.blocks.iter().any(|block| is_wanted(&block.kind));
    let is_thinking = |kind: &BlockKind| matches!(kind, BlockKind::Thinking);
    w.key("role").str("assistant");
    match accent {
        Accent::OpenAi => content(w, choice),
        Accent::Ollama => w.key("content").texts(texts(choice, is_said)),
    }
    if has(is_thinking) {
        write_thinking(w, accent, |w| w.texts(texts(choice, is_thinking)));
    }
    if has(|kind| matches!(kind, BlockKind::ToolCall { .. })) {
        let calls = choice.blocks.iter().filter_map(call_of);
        w.key("tool_calls").array(|w| {
            (0u32..).zip(calls).for_each(|(index, call)| call.write(w, accent.is_ollama().then_some(index)));
        });
    }
    if has(|kind| matches!(kind, BlockKind::Media { .. })) {
        w.key("images").array(|w| choice.blocks.iter().for_each(|block| image(w, block)));
    }
}

/// Text and refusal, of which OpenAI tells either.
fn content(w: &mut Writer, choice: &Choice) {
    let has = |is_wanted: fn(&BlockKind) -> bool| choice.blocks.iter().any(|block| is_wanted(&block.kind));
    let is_text = |kind: &BlockKind| matches!(kind, BlockKind::Text);
    let is_refusal = |kind: &BlockKind| matches!(kind, BlockKind::Refusal);
    let is_call = |kind: &BlockKind| matches!(kind, BlockKind::ToolCall { .. });
    match has(is_text) || !(has(is_call) || has(is_refusal)) {
        true => w.key("content").texts(texts(choice, is_text)),
        false => w.key("content").null(),
    }
    match has(is_refusal) {
        true => w.key("refusal").texts(texts(choice, is_refusal)),
        false => w.key("refusal").null(),
    }
}

/// A thought. OpenAI's own answers have none: clients look for it under two names.
pub(super) fn write_thinking(w: &mut Writer, accent: Accent, text: impl Fn(&mut Writer)) {
    if accent == Accent::OpenAi {
        text(w.key("reasoning_content"));
    }
    text(w.key("reasoning"));
}

/// A call of a function, complete.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: Text,
    /// JSON text, in the pieces in which it came.
    pub(super) arguments: Vec<Text>,
}

impl Call {
    /// `index`: Ollama tells it in whole answers too, behind the id.
    pub(super) fn write(&self, w: &mut Writer, index: Option<u32>) {
        w.object(|w| {
            w.key("id").str(&self.id);
            index.into_iter().for_each(|index| w.key("index").int(index));
            w.key("type").str("function");
            w.key("function").object(|w| {
                w.key("name").text(&self.name);
                w.key("arguments").texts(&self.arguments);
            });
        });
    }
}

fn call_of(block: &Block) -> Option<Call> {
    let BlockKind::ToolCall { id, name, signature } = &block.kind else { return None };
    let id = call_id(id.as_ref(), block.signature.as_ref().or(signature.as_ref()));
    Some(Call { id, name: name.clone(), arguments: block.texts.clone() })
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

/// Letters and digits.
pub(super) fn random(len: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(len).collect()
}

/// OpenAI's word. A stop with calls is `tool_calls` to its clients; that nothing was asked is told in Ollama's accent alone.
pub(super) fn reason_name(reason: &Finish, has_calls: bool, accent: Accent) -> &'static str {
    match reason {
        Finish::Stop if has_calls => "tool_calls",
        Finish::Load if accent.is_ollama() => "load",
        Finish::Stop | Finish::StopText(_) | Finish::Pause | Finish::Load | Finish::Unload => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

/// Counts that nobody told are 0: OpenAI's clients take them for granted.
pub(super) fn write_usage(w: &mut Writer, usage: &Usage, accent: Accent) {
    let (prompt, completion) = (usage.prompt.unwrap_or(0), usage.completion.unwrap_or(0));
    w.object(|w| {
        w.key("prompt_tokens").int(prompt);
        w.key("completion_tokens").int(completion);
        w.key("total_tokens").int(prompt.saturating_add(completion));
        if accent.is_ollama() {
            return;
        }
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

/// `{content: […], refusal: null}`; Ollama knows no refusal.
pub(super) fn write_logprobs(w: &mut Writer, lists: &[Json], accent: Accent) {
    w.object(|w| {
        w.key("content").array(|w| tokens(lists).for_each(|token| w.raw(token.as_str())));
        if accent == Accent::OpenAi {
            w.key("refusal").null();
        }
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

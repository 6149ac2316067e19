//! Writing messages.

use crate::chat::{CacheMark, Failure, Media, Message, Part, Role, Source};
use crate::dialect::Quirks;
use crate::dialect::call_ids::Ids;
use crate::json::{Json, Text, Writer};

/// What was found while writing and comes out elsewhere.
pub(super) struct Messages<'a> {
    pub(super) quirks: &'a Quirks,
    pub(super) ids: Ids,
    /// Pictures of tool results, which have no place there: they follow as a message of the user.
    pictures: Vec<(Text, &'a Media)>,
    /// The first piece of content that has no form here.
    failure: Option<Failure>,
}

/// What the result of a call that failed begins with.
const FAILED: &str = "Error: ";

/// Members of answers that providers refuse in a history.
const ANSWER_ONLY: [&str; 3] = ["annotations", "audio", "reasoning_details"];

impl<'a> Messages<'a> {
    pub(super) fn new(quirks: &'a Quirks, ids: Ids) -> Self {
        Messages { quirks, ids, pictures: Vec::new(), failure: None }
    }

    /// Writes the items of `messages`. `instruction` is said behind the leading system messages.
    pub(super) fn write(
        mut self,
        w: &mut Writer,
        messages: &'a [Message],
        mut instruction: Option<&str>,
    ) -> Result<(), Failure> {
        for message in messages {
            if !matches!(message.role, Role::System | Role::Developer) {
                say(w, instruction.take());
            }
            if !is_result(message) {
                self.write_pictures(w);
            }
            self.message(w, message);
        }
        self.write_pictures(w);
        say(w, instruction);
        self.failure.map_or(Ok(()), Err)
    }

    fn message(&mut self, w: &mut Writer, message: &'a Message) {
        for part in &message.parts {
            if let Part::ToolResult { content, is_error, .. } = part {
                self.result(w, content, *is_error);
            }
        }
        match &message.role {
            Role::Assistant => self.assistant(w, message),
            _ if is_result(message) && message.parts.iter().all(|part| matches!(part, Part::ToolResult { .. })) => {}
            role => {
                let role = match role {
                    Role::System => "system",
                    Role::Developer if self.quirks.developer_role => "developer",
                    Role::Developer => "system",
                    Role::Other(name) => name,
                    Role::User | Role::Tool | Role::Assistant => "user",
                };
                self.plain(w, role, message);
            }
        }
    }

    fn plain(&mut self, w: &mut Writer, role: &str, message: &'a Message) {
        w.object(|w| {
            w.key("role").str(role);
            self.content(w.key("content"), role, &message.parts);
            if let Some(name) = &message.name {
                w.key("name").text(name);
            }
            self.extras(w, message);
        });
    }

    /// A string where there is one text, else a list of parts.
    fn content(&mut self, w: &mut Writer, role: &str, parts: &'a [Part]) {
        let is_mark = |part: &&Part| matches!(part, Part::CacheMark(_));
        match parts {
            [] => w.str(""),
            [Part::Text { text, .. }] => w.text(text),
            parts if !parts.iter().any(|part| is_mark(&part)) => self.parts(w, parts),
            parts if self.quirks.cache_marks => self.parts(w, parts),
            [Part::Text { text, .. }, Part::CacheMark(_)] => w.text(text),
            // Instructions that marks alone divide are one text.
            parts if role != "user" && parts.iter().all(|part| is_mark(&part) || said(part).is_some()) => {
                w.texts(parts.iter().filter_map(said));
            }
            parts => self.parts(w, parts),
        }
    }

    /// The items of a list, each with the mark behind it where the provider knows marks.
    fn parts(&mut self, w: &mut Writer, parts: &'a [Part]) {
        w.array(|w| {
            for (at, part) in parts.iter().enumerate() {
                let mark = parts.get(at + 1).and_then(mark_of).filter(|_| self.quirks.cache_marks);
                match part {
                    Part::Text { text, .. } | Part::Refusal(text) if mark.is_some() => marked_text(w, text, mark),
                    part => self.part(w, part),
                }
            }
        });
    }

    fn part(&mut self, w: &mut Writer, part: &'a Part) {
        match part {
            Part::Text { text, .. } | Part::Refusal(text) | Part::Thinking { text, .. } => text_part(w, text),
            Part::Media(media) => self.media(w, media),
            Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Redacted(_) | Part::CacheMark(_) => {}
        }
    }

    fn media(&mut self, w: &mut Writer, media: &Media) {
        if let Err(failure) = write_media(w, media) {
            self.failure.get_or_insert(failure);
        }
    }

    /// Without `name`: several providers refuse it here.
    fn assistant(&mut self, w: &mut Writer, message: &'a Message) {
        let calls = || message.parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
        let said: Vec<&Text> = message.parts.iter().filter_map(said).collect();
        w.object(|w| {
            w.key("role").str("assistant");
            match said.is_empty() && calls().next().is_some() {
                true => w.key("content").null(),
                false => w.key("content").texts(said),
            }
            self.thoughts(w, message);
            if calls().next().is_some() {
                w.key("tool_calls").array(|w| calls().for_each(|call| self.call(w, call)));
            }
            self.pictures_of_answer(w, message);
            self.extras(w, message);
        });
    }

    fn thoughts(&self, w: &mut Writer, message: &Message) {
        let blank = Text::from(" ");
        let mut thoughts: Vec<&Text> = message.parts.iter().filter_map(thought).collect();
        let has_calls = message.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        if thoughts.is_empty() && has_calls && self.quirks.thoughts_with_calls {
            thoughts.push(&blank);
        }
        if let Some(field) = self.quirks.reasoning_history.as_deref().filter(|_| !thoughts.is_empty()) {
            w.key(field).texts(thoughts);
        }
    }

    fn call(&mut self, w: &mut Writer, part: &Part) {
        let Part::ToolCall { name, arguments, signature, .. } = part else {
            return;
        };
        let id = self.ids.next();
        w.object(|w| {
            w.key("id").text(&id);
            w.key("type").str("function");
            w.key("function").object(|w| {
                w.key("name").text(name);
                w.key("arguments").str(arguments.as_str());
            });
            if let Some(signature) = signature.as_ref().filter(|_| self.quirks.google_signatures) {
                w.key("extra_content").object(|w| {
                    w.key("google").object(|w| w.key("thought_signature").text(signature));
                });
            }
        });
    }

    /// Pictures that the model made go back in the member in which they came.
    fn pictures_of_answer(&mut self, w: &mut Writer, message: &'a Message) {
        let pictures = || message.parts.iter().filter(|part| matches!(part, Part::Media(_)));
        if pictures().next().is_some() {
            w.key("images").array(|w| pictures().for_each(|part| self.part(w, part)));
        }
    }

    /// One message a result. Only text has a place in it; pictures wait until all results are out. That a call failed can only
    /// be said in words.
    fn result(&mut self, w: &mut Writer, content: &'a [Part], is_error: bool) {
        let id = self.ids.next();
        let pictures = content.iter().filter_map(|part| match part {
            Part::Media(media) => Some((id.clone(), media)),
            _ => None,
        });
        self.pictures.extend(pictures);
        let (gap, failed) = (Text::from("\n"), Text::from(FAILED));
        let texts = content.iter().filter_map(said).flat_map(|text| [&gap, text]).skip(1);
        let texts = is_error.then_some(&failed).into_iter().chain(texts);
        let mark = content.iter().rev().find_map(mark_of).filter(|_| self.quirks.cache_marks);
        w.object(|w| {
            w.key("role").str("tool");
            w.key("tool_call_id").text(&id);
            match mark {
                None => w.key("content").texts(texts),
                mark => w.key("content").array(|w| {
                    let joined: String = texts.map(Text::as_str).collect();
                    marked_text(w, &joined.into(), mark);
                }),
            }
        });
    }

    fn write_pictures(&mut self, w: &mut Writer) {
        let pictures = std::mem::take(&mut self.pictures);
        if pictures.is_empty() {
            return;
        }
        w.object(|w| {
            w.key("role").str("user");
            w.key("content").array(|w| {
                let mut last = None;
                for (id, media) in &pictures {
                    if last != Some(id) {
                        text_part(w, &format!("What tool call {id} returned besides text:").into());
                    }
                    last = Some(id);
                    self.media(w, media);
                }
            });
        });
    }

    fn extras(&self, w: &mut Writer, message: &Message) {
        for extra in message.extras.iter().filter(|extra| extra.dialect == "openai") {
            let is_history = extra.name == "reasoning_details" && self.quirks.reasoning_history.is_some();
            if is_history || !ANSWER_ONLY.contains(&extra.name.as_str()) {
                w.key(&extra.name).json(&extra.value);
            }
        }
    }
}

fn say(w: &mut Writer, instruction: Option<&str>) {
    if let Some(instruction) = instruction {
        w.object(|w| {
            w.key("role").str("system");
            w.key("content").str(instruction);
        });
    }
}

fn is_result(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }))
}

fn said(part: &Part) -> Option<&Text> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(text),
        _ => None,
    }
}

fn thought(part: &Part) -> Option<&Text> {
    match part {
        Part::Thinking { text, .. } => Some(text),
        _ => None,
    }
}

fn mark_of(part: &Part) -> Option<&CacheMark> {
    match part {
        Part::CacheMark(mark) => Some(mark),
        _ => None,
    }
}

fn text_part(w: &mut Writer, text: &Text) {
    marked_text(w, text, None);
}

fn marked_text(w: &mut Writer, text: &Text, mark: Option<&CacheMark>) {
    w.object(|w| {
        w.key("type").str("text");
        w.key("text").text(text);
        if let Some(mark) = mark {
            w.key("cache_control").object(|w| {
                w.key("type").str("ephemeral");
                mark.ttl.iter().for_each(|ttl| w.key("ttl").text(ttl));
            });
        }
    });
}

/// OpenAI's part for a kind of media; always writes one value.
fn write_media(w: &mut Writer, media: &Media) -> Result<(), Failure> {
    let kind = media.mime.split('/').next().unwrap_or_default();
    match (&media.source, kind) {
        (Source::FileId(id), _) => file(w, media, |w| w.key("file_id").text(id)),
        (_, "image") => linked(w, "image_url", media),
        (_, "video") => linked(w, "video_url", media),
        (Source::Base64(data), "audio") => {
            w.object(|w| {
                w.key("type").str("input_audio");
                w.key("input_audio").object(|w| {
                    w.key("data").text(data);
                    w.key("format").str(audio_format(&media.mime));
                });
            });
        }
        (Source::Base64(data), _) => file(w, media, |w| {
            w.key("file_data").texts([&Text::from(format!("data:{};base64,", media.mime)), data]);
        }),
        (Source::Url(url), _) => {
            w.null();
            let message =
                format!("a {} at an address ({url}) can't be sent to this provider: send its bytes", media.mime);
            return Err(Failure::bad_request(message).with_param("messages"));
        }
    }
    Ok(())
}

fn linked(w: &mut Writer, kind: &str, media: &Media) {
    w.object(|w| {
        w.key("type").str(kind);
        w.key(kind).object(|w| {
            match &media.source {
                Source::Base64(data) => {
                    w.key("url").texts([&Text::from(format!("data:{};base64,", media.mime)), data]);
                }
                Source::Url(text) | Source::FileId(text) => w.key("url").text(text),
            }
            if let Some(detail) = &media.detail {
                w.key("detail").text(detail);
            }
        });
    });
}

fn file(w: &mut Writer, media: &Media, source: impl FnOnce(&mut Writer)) {
    w.object(|w| {
        w.key("type").str("file");
        w.key("file").object(|w| {
            if let Some(filename) = &media.filename {
                w.key("filename").text(filename);
            }
            source(w);
        });
    });
}

fn audio_format(mime: &str) -> &str {
    match mime.split('/').next_back().unwrap_or("wav") {
        "mpeg" | "mp3" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}

/// Copies a JSON Schema without the keywords in `drop`, at any depth. Names of properties are no keywords, and values of
/// `enum`, `const`, `default` and `examples` no schemas.
pub(super) fn schema(w: &mut Writer, json: &Json, drop: &[String]) {
    if drop.is_empty() { w.json(json) } else { prune(w, json.value(), drop, false, 0) }
}

/// Deeper than any schema that a provider takes: copied as it is.
const SCHEMA_DEPTH_MAX: usize = 64;

fn prune(w: &mut Writer, value: crate::json::Value<'_>, drop: &[String], is_names: bool, depth: usize) {
    use crate::json::Kind;
    match value.kind() {
        Kind::Object if depth < SCHEMA_DEPTH_MAX => w.object(|w| {
            for (key, member) in value.members() {
                if !is_names && drop.iter().any(|name| *name == key) {
                    continue;
                }
                let is_data =
                    !is_names && matches!(key.as_ref(), "enum" | "const" | "default" | "examples" | "required");
                let holds_names = matches!(key.as_ref(), "properties" | "patternProperties" | "$defs" | "definitions");
                match is_data {
                    true => w.key(&key).raw(member.as_str()),
                    false => prune(w.key(&key), member, drop, holds_names && !is_names, depth + 1),
                }
            }
        }),
        Kind::Array if depth < SCHEMA_DEPTH_MAX => {
            w.array(|w| value.items().for_each(|item| prune(w, item, drop, false, depth + 1)));
        }
        _ => w.raw(value.as_str()),
    }
}

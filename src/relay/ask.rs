//! A client's request on its way: its bytes, what a first look at them told, and its neutral form once somebody needs it.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;

use super::embed::Progress;
use crate::catalogue::{Target, without_latest};
use crate::chat::{EmbedRequest, Estimate, Failure, Reasoning, Request, opaque};
use crate::dialect::{Accent, Dialect, Operation, Reply, Wire};
use crate::json::splice::{self, Edit, Member};

/// A client's request.
#[derive(Debug)]
pub struct Ask {
    /// The wire that the client speaks.
    pub wire: Wire,
    /// How it is spoken.
    pub accent: Accent,
    /// The body as it came.
    pub body: Bytes,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The model as the client named it.
    pub model: String,
    /// Streamed or whole.
    pub stream: bool,
    /// When it arrived, by the calendar.
    pub started: Timestamp,
    /// When it arrived, by the stopwatch.
    pub arrived: Instant,
    members: Vec<Member>,
    request: Option<Request>,
    embed: Option<EmbedRequest>,
    /// When it was sent to a provider last.
    sent: Option<Timestamp>,
    /// The model can't think, and shall not.
    cannot_think: bool,
    /// What was answered before a try failed.
    pub(super) progress: Option<Progress>,
}

impl Ask {
    /// Looks at the top-level members only. Where these don't tell the model, the whole body is read, so that the client
    /// hears what is wrong with it.
    pub fn new(wire: Wire, body: Bytes, headers: HeaderMap) -> Result<Ask, Failure> {
        Ask::new_in(Accent::default(), wire, body, headers)
    }

    /// The same in an accent.
    pub fn new_in(accent: Accent, wire: Wire, body: Bytes, headers: HeaderMap) -> Result<Ask, Failure> {
        let members = splice::members(&body).unwrap_or_default();
        let text = |key: &str| {
            last(&members, wire, accent, key).and_then(|m| std::str::from_utf8(body.get(m.value.clone())?).ok())
        };
        let model = text("model").and_then(|raw| serde_json::from_str::<String>(raw).ok());
        let stream = match text("stream") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ if wire.operation() == Operation::Embed => Some(false),
            None | Some("null") => Some(wire.dialect() == Dialect::Ollama),
            Some(_) => None,
        };
        let is_told = model.is_some() && stream.is_some();
        let (model, stream) = (model.unwrap_or_default(), stream.unwrap_or_default());
        let mut ask = Ask { model, stream, ..Ask::unread(accent, wire, body, headers, members) };
        if !is_told {
            ask.check()?;
        }
        Ok(ask)
    }

    /// A request whose path names the model and says whether to stream.
    pub fn for_model(wire: Wire, model: String, stream: bool, body: Bytes, headers: HeaderMap) -> Ask {
        let members = splice::members(&body).unwrap_or_default();
        Ask { model, stream, ..Ask::unread(Accent::default(), wire, body, headers, members) }
    }

    fn unread(accent: Accent, wire: Wire, body: Bytes, headers: HeaderMap, members: Vec<Member>) -> Ask {
        Ask {
            wire,
            accent,
            body,
            headers,
            model: String::new(),
            stream: false,
            started: Timestamp::now(),
            arrived: Instant::now(),
            members,
            request: None,
            embed: None,
            sent: None,
            cannot_think: false,
            progress: None,
        }
    }

    /// Goes on in another accent, which may read the request otherwise.
    pub fn speak(&mut self, accent: Accent) {
        if std::mem::replace(&mut self.accent, accent) != accent {
            (self.request, self.embed) = (None, None);
        }
    }

    /// Is the request as it should be? Reads all of it, and takes model and stream from what was read.
    pub fn check(&mut self) -> Result<(), Failure> {
        (self.model, self.stream) = match self.wire.operation() {
            Operation::Chat | Operation::Complete => {
                let request = self.read()?;
                (request.model.clone(), request.stream)
            }
            Operation::Embed => (self.embed()?.model.clone(), false),
        };
        Ok(())
    }

    /// The texts to embed; read once.
    pub fn embed(&mut self) -> Result<&EmbedRequest, Failure> {
        let embed = match self.embed.take() {
            Some(embed) => embed,
            None => {
                let mut embed = self.wire.read_embed(self.accent, &self.body)?;
                if self.wire.is_told_by_path() {
                    embed.model.clone_from(&self.model);
                }
                embed
            }
        };
        Ok(self.embed.insert(embed))
    }

    /// The request in the neutral form; read once.
    pub fn request(&mut self) -> Result<&Request, Failure> {
        self.read().map(|request| &*request)
    }

    /// The request in the neutral form, asking for the model by the name that its provider knows.
    pub(super) fn request_for(&mut self, target: &Target) -> Result<&Request, Failure> {
        let name = self.name_at(target).to_owned();
        let request = self.read()?;
        request.model = name;
        Ok(request)
    }

    /// The model's name at a provider. A server that lists models under Ollama's names says it in errors as it was typed.
    pub(super) fn name_at<'a>(&'a self, target: &'a Target) -> &'a str {
        if target.provider.is_local { as_typed(&self.model, &target.model) } else { &target.model }
    }

    fn read(&mut self) -> Result<&mut Request, Failure> {
        let request = match self.request.take() {
            Some(request) => request,
            None => {
                let mut request = self.wire.read_request_in(self.accent, &self.body)?;
                if self.wire.is_told_by_path() {
                    request.model.clone_from(&self.model);
                    request.stream = self.stream;
                }
                request
            }
        };
        Ok(self.request.insert(request))
    }

    /// What the answer needs to know; the neutral form is looked at only where it was needed anyway.
    pub fn reply(&self) -> Reply {
        let request = self.request.as_ref();
        let echo = request.and_then(|r| r.prompt.as_ref()).filter(|prompt| prompt.echo);
        let counted = request.filter(|_| matches!(self.wire.dialect(), Dialect::Ollama | Dialect::Anthropic));
        Reply {
            model: self.model.clone(),
            started: self.started,
            sent: self.sent,
            prompt_tokens: counted.map(|request| Estimate::of_request(request).likely()),
            stream_usage: request.is_some_and(|request| request.stream_usage),
            accent: self.accent,
            hides_thoughts: request.is_some_and(|request| request.hides_thoughts),
            is_begun: false,
            encoding: self.embed.as_ref().map(|embed| embed.encoding).unwrap_or_default(),
            echo: echo.and_then(|prompt| prompt.text.as_ref()).map(|text| text.as_str().into_owned()),
        }
    }

    /// It leaves now.
    pub(super) fn leaves(&mut self) {
        self.sent = Some(Timestamp::now());
    }

    /// The client wants no thinking of a model that has none: there is nothing to ask for, and some would refuse to be asked.
    pub fn cannot_think(&mut self) {
        self.cannot_think = true;
        if let Some(request) = &mut self.request {
            request.reasoning = None;
        }
    }

    /// Did the client say that the model shall not think?
    pub(super) fn wants_no_thinking(&self) -> bool {
        let is_off = |request: &Request| request.reasoning == Some(Reasoning::Off);
        self.cannot_think || self.request.as_ref().is_some_and(is_off)
    }

    /// Takes the wish to think out of the request, for a model that can't. An Ollama drops it for Anthropic's clients and tells all
    /// others (measured on Ollama 0.33). `false`: there was none, or it is not to be dropped.
    pub(super) fn gives_up_thinking(&mut self) -> bool {
        let request = self.request.as_mut().filter(|_| self.wire == Wire::Anthropic);
        request.and_then(|request| request.reasoning.take()).is_some()
    }

    /// The body with another model's name and without state of other providers, in ids of tool calls and in what this wire's
    /// providers would refuse; everything else as it came.
    pub fn spliced(&self, model: &str) -> Bytes {
        let mut edits = self.wire.edits(&self.body, model);
        if !self.wire.is_told_by_path() {
            edits.extend(self.model_edits(model));
        }
        edits.extend(id_edits(&self.body));
        splice::apply(&self.body, &self.members, &edits)
    }

    fn model_edits(&self, model: &str) -> Vec<Edit> {
        let quoted = serde_json::to_string(model).unwrap_or_default();
        let says = |member: &Member| self.body.get(member.value.clone()).unwrap_or_default();
        let is_other = |m: &Member| serde_json::from_slice::<Cow<'_, str>>(says(m)).map_or(true, |name| name != model);
        let named = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, m)| is_key(&m.key, self.wire, self.accent, "model") && is_other(m));
        named.map(|(index, _)| Edit::Value(index, quoted.clone())).collect()
    }
}

/// The member that a reader of this wire takes: the last one; Ollama's names match ignoring case.
fn last<'a>(members: &'a [Member], wire: Wire, accent: Accent, key: &str) -> Option<&'a Member> {
    members.iter().rev().find(|member| is_key(&member.key, wire, accent, key))
}

fn is_key(name: &str, wire: Wire, accent: Accent, key: &str) -> bool {
    match wire.dialect() {
        Dialect::OpenAi if accent == Accent::Ollama => name.eq_ignore_ascii_case(key),
        Dialect::Ollama => name.eq_ignore_ascii_case(key),
        Dialect::OpenAi | Dialect::Gemini | Dialect::Anthropic => name == key,
    }
}

/// Cuts what [`opaque::join`] appended to ids: from our mark to the end of the string. The mark may also stand in what people
/// say, so only values of members whose name ends in `id` are looked at.
fn id_edits(body: &Bytes) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut from = 0;
    while let Some(found) = body.get(from..).and_then(|rest| memchr::memmem::find(rest, opaque::MARK.as_bytes())) {
        let start = from + found;
        let rest = body.get(start..).unwrap_or_default();
        let len = rest.iter().position(|byte| !is_of_id(*byte)).unwrap_or(rest.len());
        // Behind all that was looked at: further marks in it are part of the same state.
        from = start + len;
        if rest.get(len) == Some(&b'"') && is_in_id(body.get(..start).unwrap_or_default()) {
            edits.push(Edit::Range(start..from, String::new()));
        }
    }
    edits
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// No provider's ids are longer; looking back further would make a long text of ours cost its square.
const ID_BYTES_MAX: usize = 256;

/// Does the string that is open at the end of `before` belong to a member like `id` or `tool_call_id`?
fn is_in_id(before: &[u8]) -> bool {
    let near = before.get(before.len().saturating_sub(ID_BYTES_MAX)..).unwrap_or_default();
    let quote = memchr::memrchr(b'"', near).and_then(|at| near.get(..at));
    let name = quote.and_then(|head| head.trim_ascii_end().strip_suffix(b":"));
    name.is_some_and(|head| head.trim_ascii_end().ends_with(b"id\""))
}

/// The name to send to a server that lists models under Ollama's names: as typed where that means the same there.
pub fn as_typed<'a>(typed: &'a str, listed: &'a str) -> &'a str {
    let bare = |name: &'a str| without_latest(name.trim());
    if bare(typed).eq_ignore_ascii_case(bare(listed)) { typed } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(wire: Wire, body: &str) -> Ask {
        Ask::new(wire, Bytes::copy_from_slice(body.as_bytes()), HeaderMap::new()).unwrap()
    }

    #[test]
    fn only_the_name_of_the_model_changes() {
        let body =
            r#"{ "Model":"no", "messages":[{"model":"a"}], "mod\u0065l" : "a" ,"t":1.50,"model":"b" , "x":null}"#;
        let spliced = ask(Wire::OpenAiChat, body).spliced("c:d");
        let want =
            r#"{ "Model":"no", "messages":[{"model":"a"}], "mod\u0065l" : "c:d" ,"t":1.50,"model":"c:d" , "x":null}"#;
        assert_eq!(spliced, want);
        let spliced = ask(Wire::OllamaChat, r#"{"MODEL":"a","model":"b"}"#).spliced("c");
        assert_eq!(spliced, r#"{"MODEL":"c","model":"c"}"#);
    }

    #[test]
    fn the_last_name_counts_and_long_bodies_are_looked_through() {
        let long = "x".repeat(1 << 20);
        let body = |first: &str| format!(r#"{{"model":"{first}","messages":"{long}","model":"b","stream":true}}"#);
        let ask = ask(Wire::OpenAiChat, &body("a"));
        assert_eq!((ask.model.as_str(), ask.stream), ("b", true));
        assert!(ask.spliced("b") == body("b"), "a name that differs is made the same, whoever reads the first one");
    }

    #[test]
    fn appended_state_is_cut_from_ids() {
        let id = opaque::join("call_1", "c2ln+/=");
        let body = format!(r#"{{"model":"m","messages":[{{"tool_call_id":"{id}","content":"say __thought__ not"}}]}}"#);
        let want = r#"{"model":"m","messages":[{"tool_call_id":"call_1","content":"say __thought__ not"}]}"#;
        assert_eq!(ask(Wire::OpenAiChat, &body).spliced("m"), want);
    }

    #[test]
    fn what_people_say_of_appended_state_stays() {
        let said = opaque::join("call_1", "c2ln");
        let body = format!(r#"{{"model":"m","messages":[{{"content":"my id: {said}"}},{{"content": "{said}"}}]}}"#);
        assert_eq!(ask(Wire::OpenAiChat, &body).spliced("m"), body);
    }

    #[test]
    fn a_body_full_of_marks_is_looked_through_once() {
        let marks = opaque::MARK.repeat(100_000);
        let body = format!(r#"{{"model":"m","id":"{marks}","x":"{marks} "}}"#);
        let spliced = ask(Wire::OpenAiChat, &body).spliced("m");
        assert_eq!(spliced, format!(r#"{{"model":"m","id":"","x":"{marks} "}}"#));
    }

    #[test]
    fn names_stay_as_typed_where_ollama_knows_them_so() {
        assert_eq!(as_typed("Tiny", "tiny:latest"), "Tiny");
        assert_eq!(as_typed("tiny:LATEST", "tiny:latest"), "tiny:LATEST");
        assert_eq!(as_typed("llama2", "llama3:latest"), "llama3:latest");
    }
}

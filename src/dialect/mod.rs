//! The wire languages, each in a folder of its own, and what every one of them offers.
//!
//! A dialect reads its wire into the neutral form of [`crate::chat`] and writes it out. It knows nothing of other dialects,
//! of providers, sockets or HTTP; what differs between providers of one dialect reaches it as [`Quirks`].
//!
//! The folders have the same files: `request` (wire ↔ neutral request), `answer` (whole answers), `stream` (decoder and
//! encoder, small state machines), `embed` (requests and answers of embeddings), `error`, `models`; Gemini's clients are served
//! by `read` and `encode`.

pub mod anthropic;
mod call_arguments;
mod call_ids;
mod dropped;
pub mod error_body;
pub mod framing;
pub mod gemini;
mod go;
#[cfg(test)]
mod many_calls_tests;
pub mod ollama;
pub mod openai;
pub mod quirks;

use bytes::Bytes;
use jiff::Timestamp;

use crate::chat::{Answer, Class, EmbedRequest, Embedded, Encoding, Event, Failure, Input, Request, Told};
use crate::json::Json;
use crate::json::splice::Edit;
pub use framing::{Framer, Framing, Record};
pub use openai::Accent;
pub use quirks::Quirks;

/// A wire language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Ollama's own API, under `/api`.
    Ollama,
    /// OpenAI's, under `/v1`, which most providers speak.
    OpenAi,
    /// Google's `generateContent`.
    Gemini,
    /// Anthropic's Messages.
    Anthropic,
}

/// A form of request and answer within a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// `/api/chat`
    OllamaChat,
    /// `/api/generate`
    OllamaGenerate,
    /// `/v1/chat/completions`
    OpenAiChat,
    /// `/v1/completions`
    OpenAiCompletions,
    /// `:generateContent` and `:streamGenerateContent`
    Gemini,
    /// `/v1/messages`
    Anthropic,
    /// `/api/embed`
    OllamaEmbed,
    /// `/api/embeddings`, Ollama's older form
    OllamaEmbeddings,
    /// `/v1/embeddings`
    OpenAiEmbeddings,
    /// `:streamGenerateContent` without `alt=sse`: one JSON array
    GeminiArray,
    /// `:batchEmbedContents`
    GeminiEmbed,
    /// `:embedContent`
    GeminiEmbedOne,
}

/// What is asked for, whatever the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Going on with a conversation.
    Chat,
    /// Completing a prompt.
    Complete,
    /// Turning texts into vectors.
    Embed,
}

/// A request in a wire's form.
#[derive(Debug)]
pub struct Written {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Parameters that this wire can't express, by the neutral or the client's name. Never content.
    pub dropped: Vec<String>,
}

/// What an answer to a client needs to know of its request.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The model as the client named it.
    pub model: String,
    /// When the request arrived.
    pub started: Timestamp,
    /// When it was sent on: what came before was not the model's time.
    pub sent: Option<Timestamp>,
    /// So many tokens the prompt has by our own estimate, for where the provider doesn't count.
    pub prompt_tokens: Option<u64>,
    /// The client asked for token counts at the end of the stream.
    pub stream_usage: bool,
    /// OpenAI's legacy completions: text to repeat before the answer.
    pub echo: Option<String>,
    /// How vectors are wanted.
    pub encoding: Encoding,
    /// OpenAI's language: how it is spoken.
    pub accent: Accent,
    /// The client didn't ask to see what the model thinks.
    pub hides_thoughts: bool,
    /// Records of this stream have left before, as the provider wrote them, and what stands between records with them.
    pub is_begun: bool,
}

/// Reads a stream's records into events.
///
/// A record that can't be read becomes an [`Event::Failure`], or is passed over where that loses nothing; never a panic.
pub trait Decoder: Send {
    /// Takes one record in.
    fn record(&mut self, record: &Record, events: &mut Vec<Event>);
    /// The stream is over: closes what is open, or says that the answer was cut.
    fn end(&mut self, events: &mut Vec<Event>);
}

/// Writes events as a stream's records.
pub trait Encoder: Send {
    /// Takes one event in. `now` is the time it came.
    fn event(&mut self, event: Event, now: Timestamp, out: &mut Vec<u8>);
    /// No event comes any more; not called after a failure.
    fn end(&mut self, now: Timestamp, out: &mut Vec<u8>);
}

/// What a provider's error body says, before anyone judges it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderError {
    /// The message, unwrapped from what it was wrapped in; at most some hundred characters of a body that is no JSON.
    pub message: String,
    /// The code that the dialect shows to clients (`error.code`).
    pub code: Option<String>,
    /// The error type (`error.type`, Google's `status`).
    pub kind: Option<String>,
    /// The request field at fault.
    pub param: Option<String>,
    /// Every code, type, reason and quota name found in the body, for the rules to match.
    pub marks: Vec<String>,
    /// When to try again, as the body tells it.
    pub retry_after: Option<std::time::Duration>,
    /// The body has the form that this dialect's clients expect, and may be handed on.
    pub has_own_form: bool,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::Ollama, Dialect::OpenAi, Dialect::Gemini, Dialect::Anthropic];

    /// Its name in configuration, logs and [`crate::chat::Extra`].
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Ollama => "ollama",
            Dialect::OpenAi => "openai",
            Dialect::Gemini => "gemini",
            Dialect::Anthropic => "anthropic",
        }
    }

    /// The wire that serves an operation. One without embeddings stands for all: nobody asks it for them.
    pub fn wire(self, operation: Operation) -> Wire {
        match (self, operation) {
            (Dialect::Ollama, Operation::Chat) => Wire::OllamaChat,
            (Dialect::Ollama, Operation::Complete) => Wire::OllamaGenerate,
            (Dialect::Ollama, Operation::Embed) => Wire::OllamaEmbed,
            (Dialect::OpenAi, Operation::Chat) => Wire::OpenAiChat,
            (Dialect::OpenAi, Operation::Complete) => Wire::OpenAiCompletions,
            (Dialect::OpenAi, Operation::Embed) => Wire::OpenAiEmbeddings,
            (Dialect::Gemini, Operation::Embed) => Wire::GeminiEmbed,
            (Dialect::Gemini, Operation::Chat | Operation::Complete) => Wire::Gemini,
            (Dialect::Anthropic, _) => Wire::Anthropic,
        }
    }

    /// Reads the body of an answer that is an error, or might hide one.
    pub fn read_error(self, status: u16, body: &Bytes) -> ProviderError {
        match self {
            Dialect::Ollama => ollama::error::read(status, body),
            Dialect::OpenAi => openai::error::read(status, body),
            Dialect::Gemini => gemini::error::read(status, body),
            Dialect::Anthropic => anthropic::error::read(status, body),
        }
    }

    /// The body that tells a client of this dialect what went wrong; the status is the failure's.
    pub fn write_error(self, failure: &Failure) -> Vec<u8> {
        self.write_error_in(Accent::default(), failure)
    }

    /// The same in an accent.
    pub fn write_error_in(self, accent: Accent, failure: &Failure) -> Vec<u8> {
        match self {
            Dialect::Ollama => ollama::error::write(failure),
            Dialect::OpenAi => openai::error::write(failure, accent),
            Dialect::Gemini => gemini::error::write(failure),
            Dialect::Anthropic => anthropic::error::write(failure),
        }
    }

    /// Does a provider refuse the request because the model can't think?
    pub fn refuses_thinking(self, failure: &Failure) -> bool {
        match self {
            Dialect::Ollama => ollama::error::refuses_thinking(failure),
            Dialect::OpenAi | Dialect::Gemini | Dialect::Anthropic => false,
        }
    }

    /// The failure with an id for the client, where this dialect tells one in its body and in a header.
    pub fn identified(self, failure: Failure) -> Failure {
        match self {
            Dialect::Anthropic => anthropic::error::identified(failure),
            Dialect::Ollama | Dialect::OpenAi | Dialect::Gemini => failure,
        }
    }

    /// The status that tells a client of this dialect what went wrong.
    pub fn status(self, failure: &Failure) -> u16 {
        match self {
            Dialect::Anthropic => anthropic::error::status(failure),
            Dialect::Ollama => ollama::error::status(failure),
            Dialect::OpenAi | Dialect::Gemini => failure.status,
        }
    }
}

impl Dialect {
    /// A provider's error for a client of another dialect, in that accent: as it came where both speak the same; as an Ollama
    /// server's own OpenAI face would tell it; else `None`, and its words are written anew. `status`: where it had none of an
    /// error.
    pub fn hand_on(self, told: Told, status: u16, client: Dialect, accent: Accent) -> Option<Told> {
        match (self, client, accent) {
            _ if self == client => Some(told),
            (Dialect::Ollama, Dialect::OpenAi, Accent::Ollama) => {
                let status = if told.status < 400 { status } else { told.status };
                openai::error::retold(status, &told.body)
            }
            _ => None,
        }
    }
}

impl Wire {
    /// The language it belongs to.
    pub fn dialect(self) -> Dialect {
        match self {
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OllamaEmbed | Wire::OllamaEmbeddings => Dialect::Ollama,
            Wire::OpenAiChat | Wire::OpenAiCompletions | Wire::OpenAiEmbeddings => Dialect::OpenAi,
            Wire::Gemini | Wire::GeminiArray | Wire::GeminiEmbed | Wire::GeminiEmbedOne => Dialect::Gemini,
            Wire::Anthropic => Dialect::Anthropic,
        }
    }

    /// What it serves.
    pub fn operation(self) -> Operation {
        match self {
            Wire::OllamaChat | Wire::OpenAiChat | Wire::Gemini | Wire::GeminiArray | Wire::Anthropic => Operation::Chat,
            Wire::OllamaGenerate | Wire::OpenAiCompletions => Operation::Complete,
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => Operation::Embed,
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => Operation::Embed,
        }
    }

    /// Does a server of this wire look for thoughts in the text itself? Ollama does, where the model's template has them; and a
    /// bare completion is text and nothing else.
    pub fn has_taken_thoughts_out(self) -> bool {
        self.dialect() == Dialect::Ollama || self.operation() == Operation::Complete
    }

    /// How its streams are cut into records.
    pub fn framing(self) -> Framing {
        match self.dialect() {
            Dialect::Ollama => Framing::Ndjson,
            Dialect::Gemini if self == Wire::GeminiArray => Framing::Array,
            Dialect::OpenAi | Dialect::Gemini | Dialect::Anthropic => Framing::Sse,
        }
    }

    /// The path below a provider's base URL. `model` is the provider's id.
    pub fn path(self, model: &str, stream: bool) -> String {
        match self {
            Wire::OllamaChat => "/api/chat".to_owned(),
            Wire::OllamaGenerate => "/api/generate".to_owned(),
            Wire::OpenAiChat => "/chat/completions".to_owned(),
            Wire::OpenAiCompletions => "/completions".to_owned(),
            Wire::Gemini => gemini::path(model, stream),
            Wire::Anthropic => "/messages".to_owned(),
            Wire::OllamaEmbed => "/api/embed".to_owned(),
            Wire::OllamaEmbeddings => "/api/embeddings".to_owned(),
            Wire::OpenAiEmbeddings => "/embeddings".to_owned(),
            Wire::GeminiArray => gemini::path_of_array(model),
            Wire::GeminiEmbed => gemini::embed::path(model),
            Wire::GeminiEmbedOne => gemini::embed::path_of_one(model),
        }
    }

    /// Do path and query of a request name the model and say whether to stream, rather than its body?
    pub fn is_told_by_path(self) -> bool {
        self.dialect() == Dialect::Gemini
    }

    /// What to change in a client's body before it passes, beside a model's name at the top: names of the model inside it, and
    /// parts that this wire's providers refuse because another made them.
    pub fn edits(self, body: &Bytes, model: &str) -> Vec<Edit> {
        match self.dialect() {
            Dialect::Gemini => gemini::edits(body, model),
            Dialect::Anthropic => {
                anthropic::foreign::cuts(body).into_iter().map(|range| Edit::Range(range, String::new())).collect()
            }
            Dialect::Ollama | Dialect::OpenAi => Vec::new(),
        }
    }

    /// The content type of an answer in this wire.
    pub fn content_type(self, stream: bool) -> &'static str {
        match (self.framing(), stream) {
            (Framing::Ndjson, true) => "application/x-ndjson",
            (Framing::Sse, true) => "text/event-stream",
            (Framing::Ndjson, false) => "application/json; charset=utf-8",
            (Framing::Array, _) => "application/json; charset=UTF-8",
            (Framing::Sse, false) if self.dialect() == Dialect::Gemini => "application/json; charset=UTF-8",
            (Framing::Sse, false) => "application/json",
        }
    }

    /// Reads a client's request. The failure names what is wrong, in the words that this dialect's clients know.
    pub fn read_request(self, body: &Bytes) -> Result<Request, Failure> {
        self.read_request_in(Accent::default(), body)
    }

    /// The same in an accent.
    pub fn read_request_in(self, accent: Accent, body: &Bytes) -> Result<Request, Failure> {
        match self {
            Wire::OllamaChat => ollama::request::read_chat(body),
            Wire::OllamaGenerate => ollama::request::read_generate(body),
            Wire::OpenAiChat => openai::request::read_chat(body, accent),
            Wire::OpenAiCompletions => openai::request::read_completions(body, accent),
            Wire::Gemini | Wire::GeminiArray => gemini::read::read(body),
            Wire::Anthropic => anthropic::request::read(body),
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => Err(misread()),
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => Err(misread()),
        }
    }

    /// Writes a request for a provider. Fails where content can't be expressed.
    pub fn write_request(self, request: &Request, quirks: &Quirks) -> Result<Written, Failure> {
        match self {
            Wire::OllamaChat => ollama::request::write_chat(request, quirks),
            Wire::OllamaGenerate => ollama::request::write_generate(request, quirks),
            Wire::OpenAiChat => openai::request::write_chat(request, quirks),
            Wire::OpenAiCompletions => openai::request::write_completions(request, quirks),
            Wire::Gemini | Wire::GeminiArray => gemini::request::write(request, quirks),
            Wire::Anthropic => anthropic::request::write(request, quirks),
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => Err(misread()),
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => Err(misread()),
        }
    }

    /// Reads a client's request for embeddings.
    pub fn read_embed(self, accent: Accent, body: &Bytes) -> Result<EmbedRequest, Failure> {
        match self {
            Wire::OllamaEmbed => ollama::embed::read_request(body),
            Wire::OllamaEmbeddings => ollama::embed::read_old_request(body),
            Wire::OpenAiEmbeddings => openai::embed::read_request(body, accent),
            Wire::GeminiEmbed => gemini::embed::read_batch(body),
            Wire::GeminiEmbedOne => gemini::embed::read_one(body),
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OpenAiChat | Wire::OpenAiCompletions => Err(misread()),
            Wire::Gemini | Wire::GeminiArray | Wire::Anthropic => Err(misread()),
        }
    }

    /// Writes a request for the embeddings of `inputs`, which are some of the request's. Fails where they can't be expressed.
    pub fn write_embed(self, request: &EmbedRequest, inputs: &[Input]) -> Result<Written, Failure> {
        match self {
            Wire::OllamaEmbed | Wire::OllamaEmbeddings => ollama::embed::write_request(request, inputs),
            Wire::OpenAiEmbeddings => openai::embed::write_request(request, inputs),
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => gemini::embed::write_request(request, inputs),
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OpenAiChat | Wire::OpenAiCompletions => Err(misread()),
            Wire::Gemini | Wire::GeminiArray | Wire::Anthropic => Err(misread()),
        }
    }

    /// Reads a provider's vectors.
    pub fn read_embedded(self, body: &Json) -> Result<Embedded, Failure> {
        match self {
            Wire::OllamaEmbed | Wire::OllamaEmbeddings => ollama::embed::read_answer(body),
            Wire::OpenAiEmbeddings => openai::embed::read_answer(body),
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => gemini::embed::read_answer(body),
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OpenAiChat | Wire::OpenAiCompletions => Err(misread()),
            Wire::Gemini | Wire::GeminiArray | Wire::Anthropic => Err(misread()),
        }
    }

    /// Writes vectors for a client.
    pub fn write_embedded(self, answer: &Embedded, reply: &Reply, now: Timestamp) -> Vec<u8> {
        match self {
            Wire::OllamaEmbed => ollama::embed::write_answer(answer, reply, now),
            Wire::OllamaEmbeddings => ollama::embed::write_old_answer(answer),
            Wire::OpenAiEmbeddings => openai::embed::write_answer(answer, reply),
            Wire::GeminiEmbed => gemini::embed::write_batch(answer),
            Wire::GeminiEmbedOne => gemini::embed::write_one(answer),
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OpenAiChat | Wire::OpenAiCompletions => Vec::new(),
            Wire::Gemini | Wire::GeminiArray | Wire::Anthropic => Vec::new(),
        }
    }

    /// Reads a provider's whole answer into the events that a stream of it would have been. One that is no answer of this
    /// wire gives an [`Event::Failure`]. Vectors are no events: of them only a failure is told.
    pub fn read_answer(self, body: &Json, events: &mut Vec<Event>) {
        match self {
            Wire::OllamaChat | Wire::OllamaGenerate => ollama::answer::read(body, events),
            Wire::OpenAiChat => openai::answer::read_chat(body, events),
            Wire::OpenAiCompletions => openai::answer::read_completions(body, events),
            Wire::Gemini | Wire::GeminiArray => gemini::answer::read(body, events),
            Wire::Anthropic => anthropic::answer::read(body, events),
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => {
                events.extend(self.read_embedded(body).err().map(Event::Failure));
            }
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => {
                events.extend(self.read_embedded(body).err().map(Event::Failure));
            }
        }
    }

    /// Writes a whole answer for a client.
    pub fn write_answer(self, answer: &Answer, reply: &Reply, now: Timestamp) -> Vec<u8> {
        match self {
            Wire::OllamaChat => ollama::answer::write_chat(answer, reply, now),
            Wire::OllamaGenerate => ollama::answer::write_generate(answer, reply, now),
            Wire::OpenAiChat => openai::answer::write_chat(answer, reply),
            Wire::OpenAiCompletions => openai::answer::write_completions(answer, reply),
            Wire::Gemini | Wire::GeminiArray => gemini::answer::write(answer, reply),
            Wire::Anthropic => anthropic::answer::write(answer, reply),
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => Vec::new(),
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => Vec::new(),
        }
    }

    /// A reader of a provider's stream. Embeddings never stream; what the dialect reads of a conversation stands for them.
    pub fn decoder(self) -> Box<dyn Decoder> {
        match self {
            Wire::OllamaChat | Wire::OllamaGenerate | Wire::OllamaEmbed | Wire::OllamaEmbeddings => {
                Box::new(ollama::stream::Decoder::default())
            }
            Wire::OpenAiChat | Wire::OpenAiEmbeddings => Box::new(openai::stream::ChatDecoder::default()),
            Wire::OpenAiCompletions => Box::new(openai::stream::CompletionsDecoder::default()),
            Wire::Gemini | Wire::GeminiArray | Wire::GeminiEmbed | Wire::GeminiEmbedOne => {
                Box::new(gemini::stream::Decoder::default())
            }
            Wire::Anthropic => Box::new(anthropic::stream::Decoder::default()),
        }
    }

    /// A writer of a client's stream; `None` where clients of this wire are never served with a stream.
    pub fn encoder(self, reply: Reply) -> Option<Box<dyn Encoder>> {
        Some(match self {
            Wire::OllamaChat => Box::new(ollama::stream::ChatEncoder::new(reply)),
            Wire::OllamaGenerate => Box::new(ollama::stream::GenerateEncoder::new(reply)),
            Wire::OpenAiChat => Box::new(openai::stream::ChatEncoder::new(reply)),
            Wire::OpenAiCompletions => Box::new(openai::stream::CompletionsEncoder::new(reply)),
            Wire::Gemini => Box::new(gemini::encode::Encoder::new(reply, gemini::encode::Form::Events)),
            Wire::GeminiArray => Box::new(gemini::encode::Encoder::new(reply, gemini::encode::Form::Array)),
            Wire::Anthropic => Box::new(anthropic::stream::Encoder::new(reply)),
            Wire::OllamaEmbed | Wire::OllamaEmbeddings | Wire::OpenAiEmbeddings => return None,
            Wire::GeminiEmbed | Wire::GeminiEmbedOne => return None,
        })
    }
}

/// Vectors asked of a wire for conversations, or the other way round.
fn misread() -> Failure {
    Failure::new(Class::Internal, "this wire serves another operation")
}

//! The two accents in which this language is spoken to clients.

use std::borrow::Cow;

use super::answer::random;
use crate::json::{Style, Writer};

/// How OpenAI's language is spoken to a client: as OpenAI does, or as the `/v1` face of an Ollama server.
///
/// A client of a model at an Ollama server gets what that server's own face would have said: what it reads and refuses, the
/// words of its errors, the members of its answers and their order (measured on Ollama 0.33). Its losses are not copied: a
/// stream that breaks off says so, and what a client asks for is done or refused. Both satisfy OpenAI's own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accent {
    /// OpenAI's own (its API description, 2026-08).
    #[default]
    OpenAi,
    /// Ollama's.
    Ollama,
}

impl Accent {
    pub(super) fn is_ollama(self) -> bool {
        self == Accent::Ollama
    }

    /// The name of a top-level member as it is looked up. Go finds names ignoring case.
    pub(super) fn key(self, key: Cow<'_, str>) -> Cow<'_, str> {
        match self {
            Accent::Ollama if key.bytes().any(|byte| byte.is_ascii_uppercase()) => key.to_ascii_lowercase().into(),
            Accent::Ollama | Accent::OpenAi => key,
        }
    }

    /// A writer for one body.
    pub(super) fn writer(self) -> Writer {
        self.writer_behind(Vec::with_capacity(256))
    }

    /// A writer that goes on behind what `out` holds.
    pub(super) fn writer_behind(self, out: Vec<u8>) -> Writer {
        let style = match self {
            Accent::OpenAi => Style::Plain,
            Accent::Ollama => Style::Go,
        };
        Writer::behind(out, style)
    }

    /// The body that was written. Ollama's ends its line.
    pub(super) fn body(self, writer: Writer) -> Vec<u8> {
        let mut body = writer.into_bytes();
        if self.is_ollama() {
            body.push(b'\n');
        }
        body
    }

    /// A new id of an answer: Ollama counts no further than 998.
    pub(super) fn new_id(self, prefix: &str) -> String {
        match self {
            Accent::OpenAi => format!("{prefix}{}", random(29)),
            Accent::Ollama => format!("{prefix}{}", fastrand::u16(..999)),
        }
    }

    /// The model, and what stands behind it.
    pub(super) fn write_model(self, w: &mut Writer, model: &str) {
        w.key("model").str(model);
        if self.is_ollama() {
            w.key("system_fingerprint").str("fp_ollama");
        }
    }

    /// The end of an alternative: OpenAI tells the probabilities first, Ollama the reason.
    pub(super) fn write_end(
        self,
        w: &mut Writer,
        probabilities: impl FnOnce(&mut Writer),
        reason: impl FnOnce(&mut Writer),
    ) {
        match self {
            Accent::OpenAi => {
                probabilities(w);
                reason(w);
            }
            Accent::Ollama => {
                reason(w);
                probabilities(w);
            }
        }
    }
}

//! How many tokens a text or a request is, told without any model's tokenizer.
//!
//! Two bounds instead of one figure: who must not run out of room takes `most`, who must not refuse what would have fitted takes
//! `least`. The weights, by script, follow the spread between vocabularies of 32 000 entries, which spell much in bytes, and
//! of 250 000, which have whole words of most languages.

use super::{Media, Message, Part, Request, Tool};

/// What a picture takes in a prompt: the figure that Ollama itself reckons with (0.33).
const IMAGE_TOKENS: u64 = 768;

/// What a template writes around a message: role, marks of beginning and end.
const MESSAGE: Estimate = Estimate { least: 2, most: 8 };

/// What a template writes around each tool, and around each call and its result.
const TOOL: Estimate = Estimate { least: 4, most: 24 };

/// What a template writes by itself: a date, a word on tools.
const TEMPLATE: Estimate = Estimate { least: 1, most: 32 };

/// Bounds of a number of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Hardly any tokenizer needs fewer.
    pub least: u64,
    /// Hardly any tokenizer needs more.
    pub most: u64,
}

impl Estimate {
    /// A number that is known.
    pub fn exactly(tokens: u64) -> Estimate {
        Estimate { least: tokens, most: tokens }
    }

    /// Of a text.
    pub fn of_text(text: &str) -> Estimate {
        let mut sum = Sum::default();
        sum.add(text);
        sum.estimate()
    }

    /// Of all that a request gives a model to read: messages, pictures, tools, what a template puts around them.
    pub fn of_request(request: &Request) -> Estimate {
        let messages = request.messages.iter().map(of_message);
        let tools = request.tools.iter().map(of_tool);
        let suffix = request.prompt.iter().filter_map(|prompt| prompt.suffix.as_ref());
        let suffix = suffix.map(|text| Estimate::of_text(&text.as_str()));
        messages.chain(tools).chain(suffix).fold(TEMPLATE, Estimate::and)
    }

    /// The most likely number, for where one must be told.
    pub fn likely(self) -> u64 {
        self.least.midpoint(self.most)
    }

    /// Of both together.
    pub fn and(self, other: Estimate) -> Estimate {
        Estimate { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }
}

fn of_message(message: &Message) -> Estimate {
    let name = message.name.iter().map(|name| Estimate::of_text(&name.as_str()));
    message.parts.iter().map(of_part).chain(name).fold(MESSAGE, Estimate::and)
}

fn of_part(part: &Part) -> Estimate {
    match part {
        Part::Text { text, .. } | Part::Thinking { text, .. } | Part::Refusal(text) | Part::Redacted(text) => {
            Estimate::of_text(&text.as_str())
        }
        Part::Media(media) => of_media(media),
        Part::ToolCall { name, arguments, .. } => {
            TOOL.and(Estimate::of_text(&name.as_str())).and(Estimate::of_text(arguments.as_str()))
        }
        Part::ToolResult { name, content, .. } => {
            let name = name.iter().map(|name| Estimate::of_text(&name.as_str()));
            content.iter().map(of_part).chain(name).fold(TOOL, Estimate::and)
        }
        Part::CacheMark(_) => Estimate::default(),
    }
}

/// Whatever its size: a model sees a picture in a grid of its own.
fn of_media(_: &Media) -> Estimate {
    Estimate { least: IMAGE_TOKENS / 8, most: IMAGE_TOKENS }
}

/// A schema is shown to the model as the JSON that it is, or near it.
fn of_tool(tool: &Tool) -> Estimate {
    let texts = [Some(&tool.name), tool.description.as_ref()].into_iter().flatten();
    let told = texts.map(|text| Estimate::of_text(&text.as_str())).fold(TOOL, Estimate::and);
    // Of a schema a template may show little more than names: some show it whole.
    let schema = tool.parameters.as_ref().map(|schema| Estimate::of_text(schema.as_str())).unwrap_or_default();
    told.and(Estimate { least: schema.least / 4, most: schema.most })
}

/// About so many tokens an answer has of which the length alone is known, where nobody counted.
pub fn tokens_in(bytes: usize) -> u64 {
    const TOKEN_BYTES: usize = 4;
    bytes.div_ceil(TOKEN_BYTES) as u64
}

/// A twentieth more than was counted: no table of weights knows all vocabularies.
const MARGIN: u64 = 20;

/// Sums in hundredths of a token.
#[derive(Default)]
struct Sum {
    least: u64,
    most: u64,
}

impl Sum {
    fn estimate(&self) -> Estimate {
        Estimate { least: self.least / 100, most: (self.most + self.most / MARGIN).div_ceil(100) }
    }

    fn count(&mut self, least: u64, most: u64) {
        self.least += least;
        self.most += most;
    }

    /// Pieces of ASCII letters and digits, runs of one other ASCII character, and single characters of all else.
    fn add(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&first) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            at += if first.is_ascii_alphanumeric() {
                let piece = head(rest, u8::is_ascii_alphanumeric);
                self.piece(piece);
                piece.len()
            } else if first.is_ascii() {
                let run = head(rest, |byte| *byte == first).len();
                self.run(first, run as u64);
                run
            } else {
                let character = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
                let (least, most) = weights(character);
                self.count(least, most);
                character.len_utf8()
            };
        }
    }

    /// Letters and digits without a break.
    fn piece(&mut self, piece: &[u8]) {
        let before = self.most;
        let mut at = 0;
        while let Some(first) = piece.get(at) {
            let rest = piece.get(at..).unwrap_or_default();
            let len = if first.is_ascii_digit() {
                let digits = head(rest, u8::is_ascii_digit).len();
                // Three to a token, or each one its own.
                self.count(digits as u64 * 33, digits as u64 * 100);
                digits
            } else {
                self.word(rest)
            };
            at += len.max(1);
        }
        if is_blob(piece) {
            self.most = self.most.max(before + piece.len() as u64 * BLOB_LETTER);
        }
    }

    /// The word at the head of `rest`, up to a digit or to a capital behind a small letter; its length. Capitals are split
    /// finer than small letters.
    fn word(&mut self, rest: &[u8]) -> usize {
        let capitals = head(rest, u8::is_ascii_uppercase).len();
        let small = head(rest.get(capitals..).unwrap_or_default(), u8::is_ascii_lowercase).len();
        let len = capitals + small;
        let tokens = match len + capitals.saturating_sub(1) {
            split @ 0..=6 => split.div_ceil(4),
            split => (split * 2).div_ceil(5),
        };
        // A letter said over and over is many to a token.
        self.count(len as u64 * if len > 20 { 10 } else { 16 }, tokens as u64 * 100);
        len
    }

    /// The same blank, sign or control character so many times.
    fn run(&mut self, byte: u8, len: u64) {
        match byte {
            // One blank goes with the word behind it; more are an indentation.
            b' ' => self.count((len - 1).min(8) * 6, (len - 1).div_ceil(4) * 100),
            b'\n' | b'\r' | b'\t' => self.count(len.min(4) * 12, len * 100),
            // Next to each other signs of code become one token, and so do rows of one sign.
            _ => self.count(len.min(8) * 22, if len > 2 { len * 50 } else { len * 100 }),
        }
    }
}

/// Random letters and digits, such as base64, are many short tokens.
const BLOB_LETTER: u64 = 84;
const BLOB_MIN: usize = 24;

fn is_blob(piece: &[u8]) -> bool {
    piece.len() >= BLOB_MIN
        && piece.iter().any(u8::is_ascii_digit)
        && piece.iter().any(u8::is_ascii_uppercase)
        && piece.iter().any(u8::is_ascii_lowercase)
}

fn head(bytes: &[u8], is_in: impl Fn(&u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !is_in(byte)).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}

/// Hundredths of a token, least and most, of a character beyond ASCII.
fn weights(character: char) -> (u64, u64) {
    match character {
        '\u{80}'..='\u{ff}' => (12, 100),
        '\u{100}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => (12, 150),
        // Cyrillic
        '\u{400}'..='\u{52f}' => (15, 60),
        // Greek, Hebrew, Arabic
        '\u{370}'..='\u{3ff}' | '\u{590}'..='\u{6ff}' => (20, 120),
        '\u{0}'..='\u{7ff}' => (20, 200),
        // Dashes, quotes, the ellipsis
        '\u{2000}'..='\u{206f}' => (25, 150),
        // Kana, the signs of Chinese and Japanese, and letters of full width
        '\u{3000}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}' => (30, 120),
        // Chinese characters
        '\u{3400}'..='\u{9fff}' => (45, 180),
        // Korean
        '\u{ac00}'..='\u{d7a3}' => (35, 200),
        // Scripts of India and of South-East Asia, and signs
        '\u{800}'..='\u{ffff}' => (20, 200),
        // Pictures, rare characters: one token in a large vocabulary, each byte one in a small one
        '\u{10000}'..='\u{10ffff}' => (50, 400),
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;

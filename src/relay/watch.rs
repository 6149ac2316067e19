//! What is seen of bytes that pass: their end, and the token counts they tell. Nothing is decoded.

use bytes::Bytes;

use crate::chat::Usage;
use crate::dialect::{Dialect, Framing, Wire};
use crate::observe::Meter;

/// Looks at the pieces of a stream as they pass.
#[derive(Default)]
pub(super) struct Watch {
    saw_end: bool,
    /// The last bytes: a mark may lie across the border, where a line is too long to come in one piece.
    tail: Vec<u8>,
}

/// So much of a piece is kept to be looked at with the next one; longer than any mark.
const TAIL: usize = 32;

impl Watch {
    pub(super) fn look(&mut self, bytes: &Bytes, wire: Wire, meter: &Meter) {
        self.saw_end = self.saw_end || self.ends_at_border(bytes, wire) || ends(bytes, wire);
        meter.usage(counts(bytes, wire));
        if bytes.len() >= TAIL {
            self.tail.clear();
        }
        let kept = self.tail.len().saturating_sub(TAIL.saturating_sub(bytes.len()));
        self.tail.drain(..kept);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    }

    /// No mark lies across the end of a line.
    fn ends_at_border(&self, bytes: &Bytes, wire: Wire) -> bool {
        if self.tail.is_empty() || self.tail.ends_with(b"\n") {
            return false;
        }
        let border = [&self.tail, &bytes[..bytes.len().min(TAIL)]].concat();
        ends(&border, wire)
    }

    /// What only stands at the end of an answer has passed.
    pub(super) fn saw_end(&self) -> bool {
        self.saw_end
    }

    /// What must stand before a record of ours, so that it is one of its own.
    pub(super) fn separator(&self, framing: Framing) -> Vec<u8> {
        match framing {
            Framing::Sse if self.tail.ends_with(b"\n\n") || self.tail.ends_with(b"\r\n\r\n") => Vec::new(),
            Framing::Sse => b"\n\n".to_vec(),
            Framing::Array => match self.tail.trim_ascii_end().last() {
                None => b"[".to_vec(),
                Some(b'[' | b',') => Vec::new(),
                Some(_) => b",".to_vec(),
            },
            Framing::Ndjson if self.tail.ends_with(b"\n") || self.tail.is_empty() => Vec::new(),
            Framing::Ndjson => b"\n".to_vec(),
        }
    }
}

/// Do the bytes hold what only stands at the end of an answer, or an error? A quote inside content is escaped, so it can't
/// be mistaken.
fn ends(bytes: &[u8], wire: Wire) -> bool {
    let marks: &[&str] = match wire {
        Wire::OpenAiChat | Wire::OpenAiCompletions | Wire::OpenAiEmbeddings => {
            &["\"finish_reason\":", "[DONE]", "\"error\":", "\nerror:"]
        }
        Wire::OllamaChat | Wire::OllamaGenerate | Wire::OllamaEmbed | Wire::OllamaEmbeddings => {
            &["\"done\":", "\"error\":"]
        }
        Wire::Anthropic => &["\"message_stop\"", "\"stop_reason\":", "\"error\":"],
        Wire::Gemini | Wire::GeminiArray | Wire::GeminiEmbed | Wire::GeminiEmbedOne => {
            &["\"finishReason\":", "\"blockReason\":", "\"error\":"]
        }
    };
    let is_openai = wire.dialect() == Dialect::OpenAi;
    (is_openai && bytes.starts_with(b"error:"))
        || marks.iter().any(|mark| {
            memchr::memmem::find_iter(bytes, mark).any(|at| {
                let value = bytes.get(at + mark.len()..).unwrap_or_default().trim_ascii_start();
                // A value that is not all there yet is looked at again with the next piece.
                !mark.ends_with(':') || matches!(value, [b'{' | b'[', ..] | [b'"', b'!' | b'#'..=b'~', ..] | [b't', ..])
            })
        })
}

/// Where Anthropic counts what was read from a cache or written to it.
const CACHED: [&str; 2] = ["\"cache_read_input_tokens\"", "\"cache_creation_input_tokens\""];

/// Token counts in bytes that pass: the last ones found.
pub(super) fn counts(bytes: &[u8], wire: Wire) -> Option<Usage> {
    let (block, prompt, completion) = match wire {
        Wire::OpenAiChat | Wire::OpenAiCompletions | Wire::OpenAiEmbeddings => {
            ("\"usage\"", "\"prompt_tokens\"", "\"completion_tokens\"")
        }
        Wire::OllamaChat | Wire::OllamaGenerate => ("\"eval_count\"", "\"prompt_eval_count\"", "\"eval_count\""),
        Wire::OllamaEmbed | Wire::OllamaEmbeddings => {
            ("\"prompt_eval_count\"", "\"prompt_eval_count\"", "\"eval_count\"")
        }
        Wire::Anthropic => ("\"usage\"", "\"input_tokens\"", "\"output_tokens\""),
        Wire::Gemini | Wire::GeminiArray | Wire::GeminiEmbed | Wire::GeminiEmbedOne => {
            ("\"usageMetadata\"", "\"promptTokenCount\"", "\"candidatesTokenCount\"")
        }
    };
    memchr::memmem::rfind(bytes, block.as_bytes())?;
    let number = |name: &str| {
        let at = memchr::memmem::rfind(bytes, name.as_bytes())? + name.len();
        let after = bytes.get(at..)?;
        let start = after.iter().position(|byte| !matches!(byte, b':' | b' '))?;
        // A number that ends with the piece may go on in the next.
        let len = after.get(start..)?.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(after.get(start..start + len)?).ok()?.parse().ok()
    };
    // What a cache had is counted beside the prompt there.
    let beside: &[&str] = if wire == Wire::Anthropic { &CACHED } else { &[] };
    let cached: u64 = beside.iter().filter_map(|name| number(name)).sum();
    let prompt = number(prompt).map(|count: u64| count.saturating_add(cached));
    Some(Usage { prompt, completion: number(completion), ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_seen_across_any_border() {
        let stream = br#"data: {"choices":[{"delta":{"content":"\"finish_reason\":\"stop\""},"finish_reason":null}]}

data: {"choices":[{"delta":{},"finish_reason": "stop"}]}"#;
        for at in 0..stream.len() {
            let mut watch = Watch::default();
            let meter = Meter::default();
            watch.look(&Bytes::copy_from_slice(&stream[..at]), Wire::OpenAiChat, &meter);
            let seen_early = watch.saw_end && at < stream.len() - 10;
            assert!(!seen_early, "an end was seen at {at}");
            watch.look(&Bytes::copy_from_slice(&stream[at..]), Wire::OpenAiChat, &meter);
            assert!(watch.saw_end(), "no end was seen, split at {at}");
        }
    }

    #[test]
    fn counts_are_found_where_they_stand() {
        let body = br#"{"choices":[],"usage":{"prompt_tokens": 12,"completion_tokens":34,"total_tokens":46}}"#;
        let usage = counts(body, Wire::OpenAiChat).unwrap();
        assert_eq!((usage.prompt, usage.completion), (Some(12), Some(34)));
        let line = br#"{"done":true,"prompt_eval_count":5,"prompt_eval_duration":9,"eval_count":7,"eval_duration":8}"#;
        let usage = counts(line, Wire::OllamaChat).unwrap();
        assert_eq!((usage.prompt, usage.completion), (Some(5), Some(7)));
        let vectors = br#"{"model":"m1","embeddings":[[0.5]],"prompt_eval_count":8}"#;
        assert_eq!(counts(vectors, Wire::OllamaEmbed).unwrap().prompt, Some(8));
        let vectors = br#"{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":9,"total_tokens":9}}"#;
        assert_eq!(counts(vectors, Wire::OpenAiEmbeddings).unwrap().prompt, Some(9));
    }
}

//! Embeddings: what a client asks for, and the vectors that a provider answers with.

use std::borrow::Cow;

use super::{Extra, Usage};
use crate::json::{Json, Kind, Text, Value};

/// Texts to turn into vectors.
#[derive(Debug, Clone, Default)]
pub struct EmbedRequest {
    /// The model: as the client named it when read, the provider's own id when written.
    pub model: String,
    /// What to embed, in order. Empty: Ollama's request to load the model.
    pub inputs: Vec<Input>,
    /// The wanted length of the vectors; never 0.
    pub dimensions: Option<usize>,
    /// Ollama: may the end of a text that is too long be left out?
    pub truncate: Option<bool>,
    /// How the client wants the vectors written.
    pub encoding: Encoding,
    /// What only the client's dialect has.
    pub extras: Vec<Extra>,
}

/// One thing to embed.
#[derive(Debug, Clone)]
pub enum Input {
    /// A text.
    Text(Text),
    /// A text as the numbers of its tokens, which mean something to one family of models only: an array of integers.
    Tokens(Json),
}

/// How vectors are written (OpenAI's `encoding_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// An array of numbers.
    #[default]
    Floats,
    /// Base64 of little-endian 32-bit floats.
    Base64,
}

/// A provider's answer.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    /// A vector for each input, in their order.
    pub vectors: Vec<Vector>,
    /// Token counts.
    pub usage: Usage,
}

/// One vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// As the provider wrote it: an array of numbers, with its own digits.
    Told(Json),
    /// Computed here, or told in another form than digits.
    Made(Vec<f32>),
}

impl Vector {
    /// A vector from an array of numbers; `None` when it is something else.
    pub fn read(value: Value<'_>) -> Option<Vector> {
        let is_number = |item: Value<'_>| item.as_str().parse::<f32>().is_ok_and(f32::is_finite);
        let is_vector = value.kind() == Kind::Array && value.items().all(is_number);
        is_vector.then(|| Vector::Told(value.to_json()))
    }

    /// Its numbers.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        match self {
            Vector::Told(json) => json.value().items().filter_map(|item| item.as_str().parse().ok()).collect(),
            Vector::Made(floats) => Cow::Borrowed(floats),
        }
    }

    /// Its first numbers at unit length; as it is when it is no longer than that.
    fn cut(self, dimensions: usize) -> Vector {
        match self.floats().get(..dimensions) {
            Some(kept) if self.floats().len() > dimensions => Vector::Made(unit(kept)),
            _ => self,
        }
    }
}

/// The vector at length 1; reckoned in 64 bits, so that one of that length keeps its digits. One of zeros stays as it is.
pub fn unit(floats: &[f32]) -> Vec<f32> {
    let square: f64 = floats.iter().map(|float| f64::from(*float).powi(2)).sum();
    let length = square.sqrt().max(1e-12);
    floats.iter().map(|float| (f64::from(*float) / length) as f32).collect()
}

impl Embedded {
    /// The answers to the parts of one request as one; counts are summed where every part has one.
    pub fn join(parts: impl IntoIterator<Item = Embedded>) -> Embedded {
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap_or_default();
        for part in parts {
            whole.vectors.extend(part.vectors);
            whole.usage.prompt = whole.usage.prompt.zip(part.usage.prompt).map(|(a, b)| a.saturating_add(b));
            let loads = whole.usage.timings.as_mut().zip(part.usage.timings);
            loads.into_iter().for_each(|(timings, more)| timings.load += more.load);
        }
        whole
    }

    /// With the vectors no longer than the client wants them, whatever the provider made of that wish.
    pub fn cut(mut self, dimensions: Option<usize>) -> Embedded {
        if let Some(dimensions) = dimensions {
            self.vectors = self.vectors.into_iter().map(|vector| vector.cut(dimensions)).collect();
        }
        self
    }

    /// With a count of tokens, estimated where the provider told none: clients divide by it.
    pub fn counted(mut self, inputs: &[Input]) -> Embedded {
        let told = self.usage.prompt.filter(|count| *count > 0);
        self.usage.prompt = told.or_else(|| Some(inputs.iter().map(Input::estimate).sum::<u64>().max(1)));
        self
    }
}

/// So many bytes make a token, about.
const BYTES_A_TOKEN: usize = 4;

impl Input {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&Text> {
        match self {
            Input::Text(text) => Some(text),
            Input::Tokens(_) => None,
        }
    }

    fn estimate(&self) -> u64 {
        let tokens = match self {
            Input::Text(text) => text.len().div_ceil(BYTES_A_TOKEN),
            Input::Tokens(tokens) => tokens.value().items().count(),
        };
        tokens.max(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &'static str) -> Vector {
        Vector::read(Json::known(text).value()).unwrap()
    }

    #[test]
    fn a_vector_is_cut_and_made_unit_length_again() {
        let part = Embedded { vectors: vec![told("[3, 4.0, 12]"), told("[1,2]")], usage: Usage::default() };
        let cut = part.cut(Some(2)).vectors;
        assert_eq!(cut, [Vector::Made(vec![0.6, 0.8]), told("[1,2]")], "what is short enough keeps its digits");
        assert_eq!(unit(&[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn only_numbers_make_a_vector() {
        for wrong in ["[1,\"2\"]", "[null]", "[1e99]", "{}", "\"AAAA\"", "7"] {
            assert!(Vector::read(Json::known(wrong).value()).is_none(), "{wrong}");
        }
        assert_eq!(told("[1e-3,-2]").floats().as_ref(), [0.001, -2.0]);
    }

    #[test]
    fn parts_are_joined_in_order_and_counts_summed() {
        let part = |text, prompt| Embedded { vectors: vec![told(text)], usage: Usage { prompt, ..Usage::default() } };
        let whole = Embedded::join([part("[1]", Some(2)), part("[2]", Some(3))]);
        assert_eq!((whole.vectors.len(), whole.usage.prompt), (2, Some(5)));
        let untold = Embedded::join([part("[1]", Some(2)), part("[2]", None)]);
        assert_eq!(untold.usage.prompt, None);
        let inputs = [Input::Text("five five".into()), Input::Text("".into()), Input::Tokens(Json::known("[1,2]"))];
        assert_eq!(untold.counted(&inputs).usage.prompt, Some(3 + 1 + 2));
    }
}

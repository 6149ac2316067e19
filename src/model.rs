//! What is known of a model, in no dialect's words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One row of the model list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// The name that clients see and use: `google:gemini-2.5-pro`, or Ollama's own name.
    pub name: String,
    /// The provider's prefix.
    pub provider: String,
    /// The provider's own id.
    pub id: String,
    /// Is it one of an Ollama server's own models, rather than a cloud model that an Ollama client shall see as one?
    pub is_local: bool,
    /// Made or changed at, where the provider tells.
    pub created: Option<Timestamp>,
    /// Ollama's `modified_at`, with its own zone and digits.
    pub modified_at: Option<String>,
    /// In bytes; Ollama tells it.
    pub size: Option<u64>,
    /// 64 hex digits; Ollama tells it, others get a hash of their name.
    pub digest: Option<String>,
    /// The most tokens of prompt and answer.
    pub context_length: Option<u64>,
    /// The most tokens of a prompt, where that is less than the whole window.
    pub input_limit: Option<u64>,
    /// The length of an embedding vector.
    pub embedding_length: Option<u64>,
    /// The most tokens of an answer.
    pub output_limit: Option<u64>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Ollama's family (`llama`, `gemma3`), or one read from the name.
    pub family: Option<String>,
    /// Such as `7.6B`.
    pub parameter_size: Option<String>,
    /// Such as `Q4_K_M`.
    pub quantization: Option<String>,
    /// Such as `gguf`.
    pub format: Option<String>,
    /// Ollama's stub for a model elsewhere: its name there and that host.
    pub remote: Option<(String, String)>,
    /// Ollama's `parent_model`.
    pub parent: Option<String>,
    /// The row of an Ollama server's own list, as it came: it may tell more than is read here.
    pub own_row: Option<String>,
    /// Who told what of this.
    #[serde(skip)]
    pub sources: Sources,
}

/// What a client wants to know of a model before it asks it. `None`: this source doesn't tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// As [`Model::context_length`].
    pub context_length: Option<u64>,
    /// As [`Model::input_limit`].
    pub input_limit: Option<u64>,
    /// As [`Model::output_limit`].
    pub output_limit: Option<u64>,
    /// As [`Model::embedding_length`].
    pub embedding_length: Option<u64>,
    /// As [`Model::capabilities`].
    pub capabilities: Capabilities,
    /// As [`Model::family`].
    pub family: Option<String>,
    /// As [`Model::parameter_size`].
    pub parameter_size: Option<String>,
}

/// Where a fact is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The operator's configuration.
    Config,
    /// The provider's own list.
    List,
    /// The table in the binary.
    Table,
    /// The model's name.
    Name,
}

impl Source {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Config => "config",
            Source::List => "list",
            Source::Table => "table",
            Source::Name => "name",
        }
    }
}

/// Where each of a model's facts is from; of its capabilities, the best source that told one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources {
    /// Of the window.
    pub context_length: Option<Source>,
    /// Of the most tokens of a prompt.
    pub input_limit: Option<Source>,
    /// Of the most tokens of an answer.
    pub output_limit: Option<Source>,
    /// Of a vector's length.
    pub embedding_length: Option<Source>,
    /// Of what it can do.
    pub capabilities: Option<Source>,
    /// Of the family.
    pub family: Option<Source>,
    /// Of the size.
    pub parameter_size: Option<Source>,
}

impl Model {
    /// Takes from a source what no better one told before it: the best source goes first.
    pub fn learn(&mut self, facts: Facts, source: Source) {
        let by = &mut self.sources;
        fill(&mut self.context_length, facts.context_length, &mut by.context_length, source);
        // A part of another window says nothing of this one.
        let part = facts.input_limit.filter(|_| facts.context_length == self.context_length);
        fill(&mut self.input_limit, part, &mut by.input_limit, source);
        fill(&mut self.output_limit, facts.output_limit, &mut by.output_limit, source);
        fill(&mut self.embedding_length, facts.embedding_length, &mut by.embedding_length, source);
        fill(&mut self.family, facts.family, &mut by.family, source);
        fill(&mut self.parameter_size, facts.parameter_size, &mut by.parameter_size, source);
        if self.capabilities.learn(&facts.capabilities) {
            by.capabilities.get_or_insert(source);
        }
    }

    /// Takes out all that [`Model::learn`] puts in.
    pub fn take_facts(&mut self) -> Facts {
        self.sources = Sources::default();
        Facts {
            context_length: self.context_length.take(),
            input_limit: self.input_limit.take(),
            output_limit: self.output_limit.take(),
            embedding_length: self.embedding_length.take(),
            capabilities: std::mem::take(&mut self.capabilities),
            family: self.family.take(),
            parameter_size: self.parameter_size.take(),
        }
    }

    /// The window for clients that know one figure only, and fill all of it with a prompt.
    pub fn prompt_window(&self) -> Option<u64> {
        self.input_limit.or(self.context_length)
    }
}

fn fill<T>(known: &mut Option<T>, told: Option<T>, by: &mut Option<Source>, source: Source) {
    if known.is_none() && told.is_some() {
        *known = told;
        *by = Some(source);
    }
}

/// What a model can do. `None`: nobody says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Conversation or completion.
    pub completion: Option<bool>,
    /// Calling functions.
    pub tools: Option<bool>,
    /// Looking at pictures.
    pub vision: Option<bool>,
    /// Thinking before it answers.
    pub thinking: Option<bool>,
    /// Filling a gap.
    pub insert: Option<bool>,
    /// Embeddings.
    pub embedding: Option<bool>,
    /// Making pictures.
    pub image: Option<bool>,
    /// Listening.
    pub audio: Option<bool>,
}

impl Capabilities {
    /// The names that [`Capabilities::of`] knows, in Ollama's order.
    pub const NAMES: [&str; 8] = ["completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio"];

    /// A whole list by Ollama's names: what is not in it, the model can't.
    pub fn of(names: &[&str]) -> Capabilities {
        let has = |name: &str| Some(names.contains(&name));
        Capabilities {
            completion: has("completion"),
            tools: has("tools"),
            insert: has("insert"),
            vision: has("vision"),
            embedding: has("embedding"),
            thinking: has("thinking"),
            image: has("image"),
            audio: has("audio"),
        }
    }

    /// Takes what wasn't known. Says whether that was anything.
    fn learn(&mut self, told: &Capabilities) -> bool {
        let before = *self;
        self.completion = self.completion.or(told.completion);
        self.tools = self.tools.or(told.tools);
        self.insert = self.insert.or(told.insert);
        self.vision = self.vision.or(told.vision);
        self.embedding = self.embedding.or(told.embedding);
        self.thinking = self.thinking.or(told.thinking);
        self.image = self.image.or(told.image);
        self.audio = self.audio.or(told.audio);
        *self != before
    }

    /// Ollama's names for them, in Ollama's order. A model that nobody knows claims `completion` and `tools`: clients hide a
    /// model without, and the provider refuses what it can't.
    pub fn names(&self) -> Vec<&'static str> {
        let embeds = self.embedding == Some(true) && self.completion != Some(true);
        let draws = self.image == Some(true) && self.completion != Some(true);
        let has = [
            !embeds && !draws && self.completion.unwrap_or(true),
            !embeds && !draws && self.tools.unwrap_or(true),
            self.insert == Some(true),
            self.vision == Some(true),
            embeds,
            self.thinking == Some(true),
            self.image == Some(true),
            self.audio == Some(true),
        ];
        Capabilities::NAMES.into_iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(tokens: u64) -> Facts {
        Facts { context_length: Some(tokens), ..Facts::default() }
    }

    #[test]
    fn the_best_source_goes_first_and_others_fill_the_gaps() {
        let mut model = Model::default();
        let listed = Capabilities { vision: Some(false), ..Capabilities::default() };
        model.learn(Facts { capabilities: listed, ..window(1000) }, Source::List);
        let in_table = Capabilities { vision: Some(true), thinking: Some(true), ..Capabilities::default() };
        model.learn(Facts { capabilities: in_table, output_limit: Some(100), ..window(2000) }, Source::Table);
        assert_eq!((model.context_length, model.output_limit), (Some(1000), Some(100)));
        assert_eq!((model.capabilities.vision, model.capabilities.thinking), (Some(false), Some(true)));
        let by = model.sources;
        assert_eq!((by.context_length, by.output_limit), (Some(Source::List), Some(Source::Table)));
        assert_eq!((by.capabilities, by.family), (Some(Source::List), None));
    }

    #[test]
    fn a_limit_of_prompts_belongs_to_its_window() {
        let facts = || Facts { input_limit: Some(272), ..window(400) };
        let mut same = Model::default();
        same.learn(window(400), Source::List);
        same.learn(facts(), Source::Table);
        assert_eq!(same.prompt_window(), Some(272));
        let mut other = Model::default();
        other.learn(window(500), Source::Config);
        other.learn(facts(), Source::Table);
        assert_eq!((other.input_limit, other.prompt_window()), (None, Some(500)));
    }

    #[test]
    fn what_nobody_knows_chats_and_calls_tools() {
        assert_eq!(Capabilities::default().names(), ["completion", "tools"]);
        let embeds = Capabilities { embedding: Some(true), ..Capabilities::default() };
        assert_eq!(embeds.names(), ["embedding"]);
        assert_eq!(Capabilities::of(&["image"]).names(), ["image"]);
        let all = ["completion", "tools", "insert", "vision", "thinking", "audio"];
        assert_eq!(Capabilities::of(&["audio", "thinking", "vision", "insert", "tools", "completion"]).names(), all);
    }
}

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
}

/// What a model can do. `None`: nobody says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Capabilities {
    /// Ollama's names for them, in Ollama's order. A model that nobody knows claims `completion` and `tools`: clients hide a
    /// model without, and the provider refuses what it can't.
    pub fn names(&self) -> Vec<&'static str> {
        let embeds = self.embedding == Some(true) && self.completion != Some(true);
        let rows = [
            ("completion", !embeds && self.completion.unwrap_or(true)),
            ("tools", !embeds && self.tools.unwrap_or(true)),
            ("insert", self.insert == Some(true)),
            ("vision", self.vision == Some(true)),
            ("embedding", embeds),
            ("thinking", self.thinking == Some(true)),
        ];
        rows.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
    }
}

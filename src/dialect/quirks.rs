//! What differs between providers of one dialect and is not a matter of single top-level parameters: columns of a
//! provider's entry, handed to the dialect as values.

use serde::Deserialize;

/// How one provider departs from its dialect. The default is OpenAI's own behaviour for models that don't reason.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// How the depth of thinking is asked for.
    pub reasoning: ReasoningStyle,
    /// The effort names that the provider takes, from least to most; another is moved to the nearest. Empty: all.
    pub efforts: Vec<String>,
    /// The role `developer` is known; else it becomes `system`.
    pub developer_role: bool,
    /// The field of an assistant message in which its earlier thoughts go back (`reasoning_content`, `reasoning`); none: they
    /// stay out.
    pub reasoning_history: Option<String>,
    /// The form that ids of tool calls must have.
    pub tool_ids: ToolIds,
    /// `stream_options.include_usage` is known, and is asked for.
    pub stream_usage: bool,
    /// The sampling parameters beyond OpenAI's own that are known here: `top_k`, `min_p`, `repetition_penalty`.
    pub sampling_extras: Vec<String>,
    /// Keys to take out of tool and answer schemas, at any depth.
    pub schema_drop: Vec<String>,
    /// `response_format` with a schema is known; else plain JSON mode is asked for and the schema said in a system message.
    pub json_schema: bool,
    /// Signatures of calls go back in `extra_content.google.thought_signature` (Google's OpenAI face); others refuse the member.
    pub google_signatures: bool,
    /// Whole answers can't be had with thinking on: it is switched off for them (Qwen's open models).
    pub whole_needs_thinking_off: bool,
}

impl Default for Quirks {
    fn default() -> Quirks {
        Quirks {
            reasoning: ReasoningStyle::default(),
            efforts: Vec::new(),
            developer_role: false,
            reasoning_history: None,
            tool_ids: ToolIds::default(),
            stream_usage: true,
            sampling_extras: Vec::new(),
            schema_drop: Vec::new(),
            json_schema: true,
            google_signatures: false,
            whole_needs_thinking_off: false,
        }
    }
}

/// How the depth of thinking is asked for in the OpenAI dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningStyle {
    /// `reasoning_effort: "low"`; `"none"` for off.
    #[default]
    Effort,
    /// `reasoning: {effort, enabled, max_tokens}` (OpenRouter, Akash).
    Object,
    /// `enable_thinking` and `thinking_budget` (Qwen).
    EnableThinking,
    /// `thinking: {type: "enabled" | "disabled"}` (DeepSeek, Z.ai, Moonshot).
    ThinkingType,
    /// No such parameter.
    Unsupported,
}

/// The form that ids of tool calls must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolIds {
    /// Any string.
    #[default]
    Any,
    /// Exactly nine letters and digits (Mistral): others are replaced by a hash of themselves, the same every time.
    Nine,
    /// Letters, digits, `_` and `-` (Anthropic): others are replaced by a hash of themselves.
    Word,
}

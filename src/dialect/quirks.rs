//! What differs between providers of one dialect and is not a matter of single top-level parameters: columns of a
//! provider's entry, handed to the dialect as values.

use regex_lite::Regex;
use serde::Deserialize;

/// How one provider departs from its dialect. The default is OpenAI's own behaviour for models that don't reason.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// How the depth of thinking is asked for.
    pub reasoning: ReasoningStyle,
    /// The effort names that the provider takes, from least to most; another is moved to the nearest. Empty: those from low to
    /// max as they are, and no `none`, which a provider that doesn't know it refuses (for [`ReasoningStyle::ThinkingType`]: no
    /// efforts).
    pub efforts: Vec<String>,
    /// The role `developer` is known; else it becomes `system`.
    pub developer_role: bool,
    /// The field of an assistant message in which its earlier thoughts go back (`reasoning_content`, `reasoning`); none: they
    /// stay out.
    pub reasoning_history: Option<String>,
    /// A message with tool calls is refused without its thoughts: a blank stands for those that the client has not kept.
    pub thoughts_with_calls: bool,
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
    /// `response_format` is known at all; else a system message says what form the answer must have.
    pub json_mode: bool,
    /// Parts of content take Anthropic's `cache_control`; elsewhere marks of a cache stay behind.
    pub cache_marks: bool,
    /// Signatures of calls go back in `extra_content.google.thought_signature` (Google's OpenAI face); others refuse the member.
    pub google_signatures: bool,
    /// The models whose text begins within a thought, since their template says the opening tag.
    pub begins_in_thought: Option<Pattern>,
    /// Whole answers can't be had with thinking on (Qwen's open models): it is switched off for them, or, where the client asks
    /// for thinking, the provider streams and the answer is put together here.
    pub whole_needs_thinking_off: bool,
}

impl Default for Quirks {
    fn default() -> Quirks {
        Quirks {
            reasoning: ReasoningStyle::default(),
            efforts: Vec::new(),
            developer_role: false,
            reasoning_history: None,
            thoughts_with_calls: false,
            tool_ids: ToolIds::default(),
            stream_usage: true,
            sampling_extras: Vec::new(),
            schema_drop: Vec::new(),
            json_schema: true,
            json_mode: true,
            cache_marks: false,
            google_signatures: false,
            begins_in_thought: None,
            whole_needs_thinking_off: false,
        }
    }
}

/// A regular expression on the ids of models.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Does the model's id fit?
    pub(crate) fn fits(&self, model: &str) -> bool {
        self.0.is_match(model)
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex_lite::Error;

    fn try_from(text: String) -> Result<Pattern, regex_lite::Error> {
        Regex::new(&text).map(Pattern)
    }
}

/// Equality of the text.
impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// How the depth of thinking is asked for in the OpenAI dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningStyle {
    /// `reasoning_effort: "low"`; `"none"` for off, where it is listed among the efforts.
    #[default]
    Effort,
    /// `reasoning: {effort, enabled, max_tokens}` (OpenRouter, Akash).
    Object,
    /// `enable_thinking` and `thinking_budget` (Qwen); an effort becomes a budget.
    EnableThinking,
    /// `thinking: {type: "enabled" | "disabled"}` (DeepSeek, Z.ai, Moonshot), with `reasoning_effort` beside it where efforts are
    /// listed.
    ThinkingType,
    /// `chat_template_kwargs: {enable_thinking}`, which the templates of open models read, and `reasoning_effort` beside it (vLLM
    /// and its like).
    ChatTemplate,
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

//! What a client asks for.

use super::Failure;
use crate::json::{Json, Text};

/// A conversation to go on with, or a prompt to complete.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model: as the client named it when read, the provider's own id when written.
    pub model: String,
    /// The conversation, oldest first. A prompt to complete stands here too, as a system and a user message, so that a
    /// dialect without a completion wire needs no special case.
    pub messages: Vec<Message>,
    /// Set when this is a prompt to complete rather than a conversation.
    pub prompt: Option<Prompt>,
    /// The functions that the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it may or must call; `None` leaves it to the provider.
    pub tool_choice: Option<ToolChoice>,
    /// May one answer hold several calls?
    pub parallel_tool_calls: Option<bool>,
    /// Sampling, limits and the like.
    pub settings: Settings,
    /// The form of the answer, when it is not free text.
    pub format: Option<Format>,
    /// How much thinking, when the client says.
    pub reasoning: Option<Reasoning>,
    /// The client doesn't want to see what the model thinks (Gemini's, unless they ask for it).
    pub hides_thoughts: bool,
    /// Streamed or whole.
    pub stream: bool,
    /// Did the client ask for token counts at the end of a stream (OpenAI's `include_usage`)?
    pub stream_usage: bool,
    /// What only the client's dialect has, at the top level.
    pub extras: Vec<Extra>,
}

/// What a completion has beside its prompt (Ollama's generate, OpenAI's legacy completions).
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// The prompt itself.
    pub text: Option<Text>,
    /// What comes after the gap that the model shall fill.
    pub suffix: Option<Text>,
    /// Ollama: no template is put around the prompt.
    pub raw: bool,
    /// OpenAI: the prompt is repeated before the answer.
    pub echo: bool,
}

/// Whose turn a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, by OpenAI's newer name.
    Developer,
    /// The person, or the program in their place.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls; its parts are [`Part::ToolResult`]s.
    Tool,
    /// A role that no one knows, as it came.
    Other(String),
}

/// One turn.
#[derive(Debug, Clone)]
pub struct Message {
    /// Whose turn.
    pub role: Role,
    /// What it holds, in order.
    pub parts: Vec<Part>,
    /// The name of who speaks (OpenAI's `name`).
    pub name: Option<Text>,
    /// What only the client's dialect has.
    pub extras: Vec<Extra>,
}

impl Message {
    /// A message without name and extras.
    pub fn new(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts, name: None, extras: Vec::new() }
    }
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub enum Part {
    /// Plain text. `signature`: see [`Part::ToolCall`].
    Text {
        /// What it says.
        text: Text,
        /// Opaque state of the provider that must come back with this text.
        signature: Option<Text>,
    },
    /// A picture, sound or document.
    Media(Media),
    /// What the model thought before it answered.
    Thinking {
        /// What it says.
        text: Text,
        /// Opaque state of the provider that must come back with this thought.
        signature: Option<Text>,
    },
    /// A thought that only its provider can read (Anthropic's `redacted_thinking`): opaque, and must come back.
    Redacted(Text),
    /// A call that the model made.
    ToolCall {
        /// Pairs it with its result; some dialects have none.
        id: Option<Text>,
        /// The function.
        name: Text,
        /// A JSON object.
        arguments: Json,
        /// Opaque state of the provider that must come back with this call (Gemini's thought signature).
        signature: Option<Text>,
    },
    /// What a call gave.
    ToolResult {
        /// The id of the call; some dialects have none.
        id: Option<Text>,
        /// The function; some dialects have none.
        name: Option<Text>,
        /// Text and media.
        content: Vec<Part>,
        /// The call failed.
        is_error: bool,
    },
    /// The model's refusal, kept in the history (OpenAI).
    Refusal(Text),
    /// All that stands before it may be kept in the provider's cache. Nothing is lost where it stays behind but money and time.
    CacheMark(CacheMark),
}

/// A mark up to which a provider may cache a prompt (Anthropic's `cache_control`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CacheMark {
    /// How long, in Anthropic's words (`5m`, `1h`); the provider's usual time when absent.
    pub ttl: Option<Text>,
}

impl Part {
    /// Text without a signature.
    pub fn text(text: impl Into<Text>) -> Part {
        Part::Text { text: text.into(), signature: None }
    }
}

/// A picture, sound or document.
#[derive(Debug, Clone)]
pub struct Media {
    /// The kind, as a MIME type (`image/png`): told by the client, or found from the first bytes.
    pub mime: String,
    /// Where its bytes are.
    pub source: Source,
    /// OpenAI's `detail` of an image.
    pub detail: Option<Text>,
    /// The name of a document.
    pub filename: Option<Text>,
}

/// Where the bytes of a [`Media`] are.
#[derive(Debug, Clone)]
pub enum Source {
    /// Here, in standard base64.
    Base64(Text),
    /// At an address that the provider must fetch.
    Url(Text),
    /// At the provider, under this id.
    FileId(Text),
}

/// A function that the model may call.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name.
    pub name: Text,
    /// What it does.
    pub description: Option<Text>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Json>,
    /// OpenAI: hold the model to the schema.
    pub strict: Option<bool>,
    /// A cache mark behind it.
    pub cache: Option<CacheMark>,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Function(Text),
}

/// The form of the answer.
#[derive(Debug, Clone)]
pub enum Format {
    /// Any JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// OpenAI's name for it.
        name: Option<Text>,
        /// OpenAI's description of it.
        description: Option<Text>,
        /// JSON Schema.
        schema: Json,
        /// OpenAI: hold the model to the schema.
        strict: Option<bool>,
    },
}

/// How much thinking before the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// None, where the model can do without.
    Off,
    /// On, as deep as the model likes.
    On,
    /// To this depth.
    Effort(Effort),
    /// At most so many tokens.
    Budget(i64),
}

/// Depth of thinking, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// OpenAI's `minimal`.
    Minimal,
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// OpenAI's `xhigh`.
    XHigh,
    /// `max`
    Max,
}

impl Effort {
    /// The name that OpenAI, Ollama and most others use.
    pub fn name(self) -> &'static str {
        match self {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// The effort of that name; `ultra` is Ollama's other word for the most.
    pub fn from_name(name: &str) -> Option<Effort> {
        Some(match name {
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::XHigh,
            "max" | "ultra" => Effort::Max,
            _ => return None,
        })
    }

    /// The tokens that stand for it where thinking has a budget; `None`: as many as the model may take. Google's own OpenAI face
    /// and several gateways draw these lines, so that a model thinks alike behind each dialect.
    pub fn tokens(self) -> Option<i64> {
        match self {
            Effort::Minimal => Some(512),
            Effort::Low => Some(1024),
            Effort::Medium => Some(8192),
            Effort::High => Some(24_576),
            Effort::XHigh | Effort::Max => None,
        }
    }

    /// The depth that a budget of tokens means where there are only depths. `minimal` is none that a budget asks for: Anthropic's
    /// least is low's, and many providers don't know the word.
    pub fn of_budget(tokens: i64) -> Effort {
        match tokens {
            ..=2048 => Effort::Low,
            2049..=8192 => Effort::Medium,
            8193..=24_576 => Effort::High,
            24_577.. => Effort::XHigh,
        }
    }
}

/// Sampling, limits and the like. Numbers keep the text form in which the client wrote them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The most tokens to answer with. Never negative; absent means no limit.
    pub max_tokens: Option<i64>,
    /// Sampling temperature.
    pub temperature: Option<Json>,
    /// Nucleus sampling.
    pub top_p: Option<Json>,
    /// Choose among so many.
    pub top_k: Option<Json>,
    /// Least probability beside the best.
    pub min_p: Option<Json>,
    /// For the same answer again.
    pub seed: Option<Json>,
    /// Texts that end the answer.
    pub stop: Vec<Text>,
    /// OpenAI's penalty on what was said at all.
    pub presence_penalty: Option<Json>,
    /// OpenAI's penalty on what was said often.
    pub frequency_penalty: Option<Json>,
    /// llama.cpp's penalty, 1 for none (Ollama's `repeat_penalty`, others' `repetition_penalty`).
    pub repeat_penalty: Option<Json>,
    /// Probabilities of the tokens are wanted.
    pub logprobs: Option<bool>,
    /// So many alternatives a token.
    pub top_logprobs: Option<i64>,
    /// So many answers; 1 when absent.
    pub choices: Option<i64>,
    /// Ollama's `num_ctx`, in tokens.
    pub context_length: Option<i64>,
}

/// Something that only one dialect has: kept for the way back to that dialect, and so that others can tell it is there.
#[derive(Debug, Clone)]
pub struct Extra {
    /// The dialect's name.
    pub dialect: &'static str,
    /// The member's name in that dialect.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// What is lost where it can't be said.
    pub loss: Loss,
}

/// What is lost when an [`Extra`] stays behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing that another provider would do otherwise: how a model is loaded, say.
    Nothing,
    /// A wish, which is counted.
    Parameter,
    /// Something that was said: the request can't be asked without it.
    Content,
}

impl Extra {
    /// A parameter.
    pub fn new(dialect: &'static str, name: impl Into<String>, value: Json) -> Extra {
        Extra { dialect, name: name.into(), value, loss: Loss::Parameter }
    }

    /// Its name, where it has to be counted when it stays behind. Content can't stay behind.
    pub fn left_out(&self) -> Result<Option<&str>, Failure> {
        match self.loss {
            Loss::Nothing => Ok(None),
            Loss::Parameter => Ok(Some(&self.name)),
            Loss::Content => {
                let message =
                    format!("'{}' means nothing to this model's provider, and says too much to be left out", self.name);
                Err(Failure::bad_request(message).with_param(self.name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_and_budgets_mean_the_same_both_ways() {
        for effort in [Effort::Low, Effort::Medium, Effort::High] {
            assert_eq!(effort.tokens().map(Effort::of_budget), Some(effort));
        }
        assert_eq!(Effort::Minimal.tokens(), Some(512));
        assert_eq!((Effort::XHigh.tokens(), Effort::Max.tokens()), (None, None));
        let rows = [
            (1, Effort::Low),
            (2048, Effort::Low),
            (2049, Effort::Medium),
            (4000, Effort::Medium),
            (10_000, Effort::High),
            (31_999, Effort::XHigh),
        ];
        for (tokens, effort) in rows {
            assert_eq!(Effort::of_budget(tokens), effort, "{tokens}");
        }
    }
}

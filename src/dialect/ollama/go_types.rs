//! The Go types that Ollama decodes its requests into, and what their own decoders say.

use super::go_json::quoted;
use crate::dialect::go::tool::TOOL;
pub(super) use crate::dialect::go::types::{Struct, Type, check};
use crate::json::{Kind, Value};

/// `ChatRequest` of Ollama's API.
pub(super) static CHAT_REQUEST: Type = Type::Struct(&Struct {
    name: "ChatRequest",
    full_name: "api.ChatRequest",
    fields: &[
        ("model", Type::Str),
        ("messages", Type::Slice("[]api.Message", &MESSAGE)),
        ("stream", Type::Bool),
        ("format", Type::Any),
        ("keep_alive", Type::Rule(check_keep_alive)),
        ("tools", Type::Slice("api.Tools", &TOOL)),
        ("options", Type::Map("map[string]interface {}")),
        ("think", Type::Rule(check_think)),
        ("truncate", Type::Bool),
        ("shift", Type::Bool),
        ("_debug_render_only", Type::Bool),
        ("logprobs", Type::Bool),
        ("top_logprobs", Type::Int),
    ],
});

/// `GenerateRequest` of Ollama's API.
pub(super) static GENERATE_REQUEST: Type = Type::Struct(&Struct {
    name: "GenerateRequest",
    full_name: "api.GenerateRequest",
    fields: &[
        ("model", Type::Str),
        ("prompt", Type::Str),
        ("suffix", Type::Str),
        ("system", Type::Str),
        ("template", Type::Str),
        ("context", Type::Slice("[]int", &Type::Int)),
        ("stream", Type::Bool),
        ("raw", Type::Bool),
        ("format", Type::Any),
        ("keep_alive", Type::Rule(check_keep_alive)),
        ("images", Type::Slice("[]api.ImageData", &IMAGE)),
        ("options", Type::Map("map[string]interface {}")),
        ("think", Type::Rule(check_think)),
        ("truncate", Type::Bool),
        ("shift", Type::Bool),
        ("_debug_render_only", Type::Bool),
        ("logprobs", Type::Bool),
        ("top_logprobs", Type::Int),
    ],
});

/// `EmbedRequest` of Ollama's API.
pub(super) static EMBED_REQUEST: Type = Type::Struct(&Struct {
    name: "EmbedRequest",
    full_name: "api.EmbedRequest",
    fields: &[
        ("model", Type::Str),
        ("input", Type::Any),
        ("keep_alive", Type::Rule(check_keep_alive)),
        ("truncate", Type::Bool),
        ("dimensions", Type::Int),
        ("options", Type::Map("map[string]interface {}")),
    ],
});

/// `EmbeddingRequest` of Ollama's API, the older form.
pub(super) static EMBEDDING_REQUEST: Type = Type::Struct(&Struct {
    name: "EmbeddingRequest",
    full_name: "api.EmbeddingRequest",
    fields: &[
        ("model", Type::Str),
        ("prompt", Type::Str),
        ("keep_alive", Type::Rule(check_keep_alive)),
        ("options", Type::Map("map[string]interface {}")),
    ],
});

/// `ShowRequest` of Ollama's API.
pub(super) static SHOW_REQUEST: Type = Type::Struct(&Struct {
    name: "ShowRequest",
    full_name: "api.ShowRequest",
    fields: &[
        ("model", Type::Str),
        ("system", Type::Str),
        ("template", Type::Str),
        ("verbose", Type::Bool),
        ("options", Type::Map("map[string]interface {}")),
        ("name", Type::Str),
    ],
});

static IMAGE: Type = Type::Bytes("api.ImageData");

/// Decodes itself through an alias, which is the name that shows when a message is no object.
pub(super) static MESSAGE: Type = Type::Own(&Type::Struct(&Struct {
    name: "Alias",
    full_name: "api.Alias",
    fields: &[
        ("role", Type::Str),
        ("content", Type::Str),
        ("thinking", Type::Str),
        ("images", Type::Slice("[]api.ImageData", &IMAGE)),
        ("tool_calls", Type::Slice("[]api.ToolCall", &TOOL_CALL)),
        ("tool_name", Type::Str),
        ("tool_call_id", Type::Str),
    ],
}));

static TOOL_CALL: Type = Type::Struct(&Struct {
    name: "ToolCall",
    full_name: "api.ToolCall",
    fields: &[
        ("id", Type::Str),
        (
            "function",
            Type::Struct(&Struct {
                name: "ToolCallFunction",
                full_name: "api.ToolCallFunction",
                fields: &[("index", Type::Int), ("name", Type::Str), ("arguments", Type::OwnMap(&Type::Any))],
            }),
        ),
    ],
});

fn check_think(value: Value<'_>) -> Result<(), String> {
    let allowed = r#""high", "medium", "low", "max", true, or false"#;
    match value.kind() {
        Kind::Bool => Ok(()),
        Kind::String => match value.string().as_deref() {
            Some("high" | "medium" | "low" | "max") => Ok(()),
            other => Err(format!("invalid think value: {} (must be {allowed})", quoted(other.unwrap_or_default()))),
        },
        _ => Err(format!("think must be a boolean or string ({allowed})")),
    }
}

fn check_keep_alive(value: Value<'_>) -> Result<(), String> {
    match value.kind() {
        Kind::Null | Kind::Number => Ok(()),
        Kind::String => duration_seconds(&value.string().unwrap_or_default()).map(drop),
        Kind::Bool => Err("Unsupported type: 'bool'".to_owned()),
        Kind::Array => Err("Unsupported type: '[]interface {}'".to_owned()),
        Kind::Object => Err("Unsupported type: 'map[string]interface {}'".to_owned()),
    }
}

/// A duration as Go writes it (`1h30m`, `-1.5s`, `0`), in seconds.
pub(super) fn duration_seconds(text: &str) -> Result<f64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, text.get(1..).unwrap_or_default()),
        Some(b'+') => (1.0, text.get(1..).unwrap_or_default()),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Ok(0.0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let is_part = |c: char| c == '.' || c.is_ascii_digit();
        let (digits, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        let number: f64 = digits.parse().map_err(|_| invalid())?;
        let (unit, after) = after.split_at(after.find(is_part).unwrap_or(after.len()));
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted(text)));
        }
        let unit_seconds = unit_seconds(unit)
            .ok_or_else(|| format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text)))?;
        seconds += number * unit_seconds;
        rest = after;
    }
    // Go counts nanoseconds in 63 bits.
    if seconds > 9_223_372_036.854 { Err(invalid()) } else { Ok(sign * seconds) }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::go::types::NOT_AN_OBJECT;
    use crate::json::Json;

    fn chat(body: &'static str) -> String {
        check(Json::known(body).value(), &CHAT_REQUEST).err().unwrap_or_default()
    }

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let field = |rest: &str| format!("json: cannot unmarshal {rest}");
        let rows = [
            ("[1]", field("array into Go value of type api.ChatRequest")),
            (r#"{"model":5}"#, field("number into Go struct field ChatRequest.model of type string")),
            (r#"{"MODEL":{}}"#, field("object into Go struct field ChatRequest.model of type string")),
            (
                r#"{"messages":[{"content":[]}]}"#,
                field("array into Go struct field ChatRequest.messages.content of type string"),
            ),
            (r#"{"messages":["hi"]}"#, field("string into Go struct field ChatRequest.messages of type api.Alias")),
            (
                r#"{"messages":[{"tool_calls":[{"function":{"name":1}}]}]}"#,
                field("number into Go struct field ChatRequest.messages.tool_calls.function.name of type string"),
            ),
            (r#"{"top_logprobs":1.5}"#, field("number 1.5 into Go struct field ChatRequest.top_logprobs of type int")),
            (
                r#"{"options":[]}"#,
                field("array into Go struct field ChatRequest.options of type map[string]interface {}"),
            ),
            (
                r#"{"tools":[{"function":{"parameters":{"properties":{"a":{"description":1}}}}}]}"#,
                field(
                    "number into Go struct field ToolFunctionParameters.tools.function.parameters.properties.description of type string",
                ),
            ),
            (
                r#"{"tools":[{"function":{"description":1}}]}"#,
                field("number into Go struct field ToolFunction.tools.function.description of type string"),
            ),
            // The first wrong type is told …
            (r#"{"stream":1,"model":2}"#, field("number into Go struct field ChatRequest.stream of type bool")),
            // … but a type that decodes itself ends the reading.
            (
                r#"{"stream":1,"think":2}"#,
                r#"think must be a boolean or string ("high", "medium", "low", "max", true, or false)"#.to_owned(),
            ),
            (r#"{"messages":[{"images":["data:x"]}]}"#, "illegal base64 data at input byte 4".to_owned()),
            (r#"{"messages":[{"tool_calls":[{"function":{"arguments":"{}"}}]}]}"#, NOT_AN_OBJECT.to_owned()),
            (
                r#"{"model":null,"messages":[null],"stream":null,"think":null,"keep_alive":null,"unknown":[1]}"#,
                String::new(),
            ),
        ];
        for (body, want) in rows {
            assert_eq!(chat(body), want, "{body}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let ok =
            [("0", 0.0), ("0s", 0.0), ("10m", 600.0), ("-1s", -1.0), ("1h1.5s", 3601.5), (".5s", 0.5), ("1µs", 1e-6)];
        for (text, want) in ok {
            assert_eq!(duration_seconds(text), Ok(want), "{text}");
        }
        let wrong = [
            ("", "time: invalid duration \"\""),
            ("soon", "time: invalid duration \"soon\""),
            ("5", "time: missing unit in duration \"5\""),
            ("-1", "time: missing unit in duration \"-1\""),
            ("5 s", "time: unknown unit \" s\" in duration \"5 s\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
        ];
        for (text, want) in wrong {
            assert_eq!(duration_seconds(text), Err(want.to_owned()), "{text}");
        }
    }
}

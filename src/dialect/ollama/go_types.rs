//! Checking a request against the Go types that Ollama decodes it into, with the error that Go's decoder would give.
//!
//! Go notes a wrong type and reads on, so the first one is reported; but a type that decodes itself ends the reading at
//! once when it fails, and its error wins. The error names the innermost plain struct, the path of JSON keys and the Go type.

use crate::json::{Kind, Value};

use super::go_json::{base64_error, quoted};

/// A Go type, as far as decoding shows it.
pub(super) enum Type {
    /// Takes anything (`any`, `json.RawMessage`).
    Any,
    /// `string`
    Str,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// A byte slice, base64 on the wire; with its name.
    Bytes(&'static str),
    /// A map that takes any value; with its name.
    Map(&'static str),
    /// A slice: its name and what it holds.
    Slice(&'static str, &'static Type),
    /// A struct.
    Struct(&'static Struct),
    /// A type that decodes itself into another.
    Own(&'static Type),
    /// A map that decodes itself: an object whose values are all of one type.
    OwnMap(&'static Type),
    /// A type that decodes itself by rules of its own; the error is its text.
    Rule(fn(Value<'_>) -> Result<(), String>),
}

/// A Go struct: its name without the package, its name in full, and its fields by JSON key.
pub(super) struct Struct {
    /// `ChatRequest`
    pub(super) name: &'static str,
    /// `api.ChatRequest`
    pub(super) full_name: &'static str,
    /// In any order.
    pub(super) fields: &'static [(&'static str, Type)],
}

/// The text that Go answers with when `value` is no `wanted`.
pub(super) fn check(value: Value<'_>, wanted: &Type) -> Result<(), String> {
    decode(value, wanted, 0).map_err(|error| error.text())
}

/// Schemas that nest deeper are taken as they are, so that a hostile one can't exhaust the stack.
const DEPTH_MAX: usize = 64;

enum Error {
    /// What stood there, in which struct at which path, and what Go wanted.
    Type {
        found: String,
        place: Place,
        wanted: &'static str,
    },
    Text(String),
}

#[derive(Clone, Default)]
struct Place {
    structure: &'static str,
    path: Vec<String>,
}

impl Error {
    fn text(self) -> String {
        match self {
            Error::Text(text) => text,
            Error::Type { found, place, wanted } if place.path.is_empty() => {
                format!("json: cannot unmarshal {found} into Go value of type {wanted}")
            }
            Error::Type { found, place, wanted } => {
                let path = place.path.join(".");
                format!(
                    "json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}",
                    place.structure
                )
            }
        }
    }

    /// The same, seen from the decoder around the one that found it.
    fn inside(self, outer: &Place) -> Error {
        match self {
            Error::Type { found, place, wanted } if !outer.path.is_empty() => {
                let path = outer.path.iter().cloned().chain(place.path).collect();
                Error::Type { found, place: Place { structure: outer.structure, path }, wanted }
            }
            error => error,
        }
    }
}

/// One decoder of Go's; a type that decodes itself starts another.
struct Decoder {
    /// How many decoders are around it.
    depth: usize,
    place: Place,
    /// The first wrong type; the reading goes on.
    noted: Option<Error>,
}

fn decode(value: Value<'_>, wanted: &Type, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let mut decoder = Decoder { depth, place: Place::default(), noted: None };
    decoder.value(value, wanted)?;
    decoder.noted.map_or(Ok(()), Err)
}

impl Decoder {
    /// Fails only where Go stops reading.
    fn value(&mut self, value: Value<'_>, wanted: &Type) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        match (wanted, value.kind()) {
            (Type::Any, _) | (Type::Str, Kind::String) | (Type::Bool, Kind::Bool) | (Type::Map(_), Kind::Object) => {}
            (Type::Int, Kind::Number) => self.integer(value),
            (Type::Bytes(_), Kind::String) => self.base64(value),
            (Type::Slice(_, item), Kind::Array) => value.items().try_for_each(|v| self.value(v, item))?,
            (Type::Struct(structure), Kind::Object) => self.structure(value, structure)?,
            (Type::Own(inner), _) => decode(value, inner, self.depth + 1).map_err(|e| e.inside(&self.place))?,
            (Type::OwnMap(inner), Kind::Object) => {
                let deeper = self.depth + 1;
                value.members().try_for_each(|(_, v)| decode(v, inner, deeper)).map_err(|e| e.inside(&self.place))?;
            }
            (Type::OwnMap(_), _) => return Err(Error::Text(NOT_AN_OBJECT.to_owned())),
            (Type::Rule(rule), _) => rule(value).map_err(Error::Text)?,
            (wanted, kind) => self.wrong(kind_name(kind).to_owned(), wanted.name()),
        }
        Ok(())
    }

    fn structure(&mut self, value: Value<'_>, structure: &'static Struct) -> Result<(), Error> {
        for (key, member) in value.members() {
            let Some((name, wanted)) = structure.field(&key) else { continue };
            let outer = std::mem::replace(&mut self.place.structure, structure.name);
            self.place.path.push((*name).to_owned());
            let checked = self.value(member, wanted);
            self.place.path.pop();
            self.place.structure = outer;
            checked?;
        }
        Ok(())
    }

    fn integer(&mut self, value: Value<'_>) {
        if value.as_str().parse::<i64>().is_err() {
            self.wrong(format!("number {}", value.as_str()), "int");
        }
    }

    fn base64(&mut self, value: Value<'_>) {
        let at = value.string().and_then(|text| base64_error(text.as_bytes()));
        if let Some(at) = at {
            self.note(Error::Text(format!("illegal base64 data at input byte {at}")));
        }
    }

    fn wrong(&mut self, found: String, wanted: &'static str) {
        let place = self.place.clone();
        self.note(Error::Type { found, place, wanted });
    }

    fn note(&mut self, error: Error) {
        self.noted.get_or_insert(error);
    }
}

/// What the library behind Ollama's ordered maps says of anything that is no object.
const NOT_AN_OBJECT: &str = "Value looks like object, but can't find closing '}' symbol";

impl Struct {
    /// Go prefers the exact key, then takes one that differs in case alone.
    fn field(&'static self, key: &str) -> Option<&'static (&'static str, Type)> {
        self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))
    }
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Type::Any => "interface {}",
            Type::Str => "string",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Bytes(name) | Type::Map(name) | Type::Slice(name, _) => name,
            Type::Struct(structure) => structure.full_name,
            Type::Own(inner) => inner.name(),
            Type::OwnMap(_) | Type::Rule(_) => "",
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "bool",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}

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
static STRINGS: Type = Type::Slice("[]string", &Type::Str);

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

static TOOL: Type = Type::Struct(&Struct {
    name: "Tool",
    full_name: "api.Tool",
    fields: &[
        ("type", Type::Str),
        (
            "function",
            Type::Struct(&Struct {
                name: "ToolFunction",
                full_name: "api.ToolFunction",
                fields: &[("name", Type::Str), ("description", Type::Str), ("parameters", PARAMETERS)],
            }),
        ),
    ],
});

const PARAMETERS: Type = Type::Struct(&Struct {
    name: "ToolFunctionParameters",
    full_name: "api.ToolFunctionParameters",
    fields: &[("type", Type::Str), ("required", STRING_LIST), ("properties", Type::OwnMap(&PROPERTY))],
});

const STRING_LIST: Type = Type::Slice("[]string", &Type::Str);

static PROPERTY: Type = Type::Struct(&Struct {
    name: "ToolProperty",
    full_name: "api.ToolProperty",
    fields: &[
        ("anyOf", Type::Slice("[]api.ToolProperty", &Type::Own(&PROPERTY))),
        ("type", Type::Rule(check_property_type)),
        ("description", Type::Str),
        ("enum", Type::Slice("[]interface {}", &Type::Any)),
        ("properties", Type::OwnMap(&PROPERTY)),
        ("required", STRING_LIST),
    ],
});

fn check_property_type(value: Value<'_>) -> Result<(), String> {
    if value.kind() == Kind::String { Ok(()) } else { check(value, &STRINGS) }
}

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

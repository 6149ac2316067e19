//! The Go type of a tool.

use super::types::{Struct, Type, check};
use crate::json::{Kind, Value};

/// `Tool` of Ollama's API. Its own face and the one for OpenAI's clients decode tools into it.
pub(in crate::dialect) static TOOL: Type = Type::Struct(&Struct {
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
    if value.kind() == Kind::String { Ok(()) } else { check(value, &STRING_LIST) }
}

//! Google's own schema language (a subset of OpenAPI 3.0's) as JSON Schema.
//!
//! Types in capitals, `nullable` and `example` become what JSON Schema has for them, whole numbers in quotes lose these, and
//! `propertyOrdering` goes: members keep the order in which they stand. What JSON Schema has by the same name stays as it is.

use super::field::members;
use crate::json::{Json, Kind, Style, Value, Writer};

/// What is nested deeper is handed on as it stands.
const DEPTH_MAX: usize = 64;

/// The schema as JSON Schema.
pub(super) fn to_json_schema(schema: Value<'_>) -> Json {
    let mut w = Writer::new(Style::Plain);
    write(&mut w, schema, 0);
    Json::known(w.into_bytes())
}

fn write(w: &mut Writer, schema: Value<'_>, depth: usize) {
    if schema.kind() != Kind::Object || depth > DEPTH_MAX {
        return w.raw(schema.as_str());
    }
    let is_nullable = members(schema).any(|(name, value)| name == "nullable" && value.bool() == Some(true));
    w.object(|w| {
        for (name, value) in members(schema) {
            match name.as_ref() {
                "nullable" | "propertyOrdering" => {}
                "type" => write_type(w, value, is_nullable),
                "enum" => write_enum(w, value, is_nullable),
                "example" => w.key("examples").array(|w| w.raw(value.as_str())),
                "properties" | "defs" | "$defs" => write_named(w.key(own_name(&name)), value, depth),
                "items" | "additionalProperties" => write(w.key(&name), value, depth + 1),
                "anyOf" => w.key("anyOf").array(|w| value.items().for_each(|branch| write(w, branch, depth + 1))),
                "maxItems" | "minItems" | "maxProperties" | "minProperties" | "maxLength" | "minLength" => {
                    w.key(&name).raw(&whole_number(value));
                }
                name => w.key(own_name(name)).raw(value.as_str()),
            }
        }
    });
}

/// Google's `ref` and `defs` are JSON Schema's, whose names begin with a dollar.
fn own_name(name: &str) -> &str {
    match name {
        "ref" => "$ref",
        "defs" => "$defs",
        name => name,
    }
}

/// Members that the client named.
fn write_named(w: &mut Writer, named: Value<'_>, depth: usize) {
    w.object(|w| named.members().for_each(|(name, schema)| write(w.key(&name), schema, depth + 1)));
}

fn write_type(w: &mut Writer, value: Value<'_>, is_nullable: bool) {
    let Some(name) = value.string().map(|name| name.to_ascii_lowercase()) else {
        return w.key("type").raw(value.as_str());
    };
    match (name.as_str(), is_nullable) {
        ("type_unspecified", _) => {}
        ("null", _) | (_, false) => w.key("type").str(&name),
        (_, true) => w.key("type").array(|w| [name.as_str(), "null"].into_iter().for_each(|name| w.str(name))),
    }
}

fn write_enum(w: &mut Writer, value: Value<'_>, is_nullable: bool) {
    w.key("enum").array(|w| {
        value.items().for_each(|item| w.raw(item.as_str()));
        if is_nullable && !value.items().any(Value::is_null) {
            w.null();
        }
    });
}

/// Whole numbers of 64 bits stand in quotes in protobuf's JSON.
fn whole_number(value: Value<'_>) -> String {
    let digits = value.string().filter(|digits| digits.parse::<i64>().is_ok());
    digits.map_or_else(|| value.as_str().to_owned(), |digits| digits.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_words_become_json_schemas() {
        let rows = [
            (
                r#"{"type":"OBJECT","properties":{"any_of":{"type":"STRING"}}}"#,
                r#"{"type":"object","properties":{"any_of":{"type":"string"}}}"#,
            ),
            (r#"{"type":"INTEGER","nullable":true,"minimum":1.0}"#, r#"{"type":["integer","null"],"minimum":1.0}"#),
            (
                r#"{"type":"STRING","format":"enum","enum":["a"],"nullable":true}"#,
                r#"{"type":["string","null"],"format":"enum","enum":["a",null]}"#,
            ),
            (
                r#"{"type":"ARRAY","items":{"type":"NUMBER"},"min_items":"1","maxItems":2}"#,
                r#"{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2}"#,
            ),
            (
                r#"{"any_of":[{"type":"NULL"},{"type":"BOOLEAN"}],"property_ordering":["x"],"example":{"nullable":true}}"#,
                r#"{"anyOf":[{"type":"null"},{"type":"boolean"}],"examples":[{"nullable":true}]}"#,
            ),
            (
                r##"{"type":"TYPE_UNSPECIFIED","ref":"#/defs/a","defs":{"a":{"type":"STRING"}}}"##,
                r##"{"$ref":"#/defs/a","$defs":{"a":{"type":"string"}}}"##,
            ),
            (r#"{"type":"object","additionalProperties":false}"#, r#"{"type":"object","additionalProperties":false}"#),
        ];
        for (given, want) in rows {
            assert_eq!(to_json_schema(Json::known(given).value()).as_str(), want);
        }
    }

    #[test]
    fn a_deep_schema_is_cut_from_rewriting() {
        let deep = format!("{}{}{}", r#"{"items":"#.repeat(5000), r#"{"type":"STRING"}"#, "}".repeat(5000));
        assert!(to_json_schema(Json::known(deep).value()).as_str().contains(r#"{"type":"STRING"}"#));
    }
}

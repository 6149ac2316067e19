//! JSON Schema of answers, in the part of it that Anthropic compiles (structured outputs guide, 2026-08).

use crate::json::{Json, Kind, Style, Value, Writer};

/// Keywords that are refused. The model still reads what else the schema says; who needs more must check the answer.
const REFUSED: [&str; 15] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "not",
    "$schema",
    "additionalProperties",
];

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Members whose value is data, not a schema.
const DATA: [&str; 6] = ["enum", "const", "default", "examples", "required", "type"];

/// Members whose members are schemas by name.
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// Deeper than any schema that is taken: copied as it is.
const DEPTH_MAX: usize = 64;

/// The schema without what is refused, and with every object closed, which must be said.
pub(super) fn of_answer(schema: &Json) -> Json {
    let mut writer = Writer::new(Style::Plain);
    copy(&mut writer, schema.value(), 0);
    Json::known(writer.into_bytes())
}

fn copy(w: &mut Writer, value: Value<'_>, depth: usize) {
    match value.kind() {
        Kind::Object if depth < DEPTH_MAX => w.object(|w| {
            for (key, member) in value.members().filter(|(key, member)| is_taken(key, *member)) {
                copy_member(w.key(&key), &key, member, depth);
            }
            if is_object(value) {
                w.key("additionalProperties").bool(false);
            }
        }),
        Kind::Array if depth < DEPTH_MAX => w.array(|w| value.items().for_each(|item| copy(w, item, depth + 1))),
        _ => w.raw(value.as_str()),
    }
}

fn copy_member(w: &mut Writer, key: &str, member: Value<'_>, depth: usize) {
    if DATA.contains(&key) {
        w.raw(member.as_str());
    } else if NAMED.contains(&key) && member.kind() == Kind::Object {
        w.object(|w| member.members().for_each(|(name, schema)| copy(w.key(&name), schema, depth + 1)));
    } else {
        copy(w, member, depth + 1);
    }
}

fn is_taken(key: &str, member: Value<'_>) -> bool {
    match key {
        "minItems" => matches!(member.int(), Some(0 | 1)),
        "format" => member.string().is_some_and(|name| FORMATS.contains(&name.as_ref())),
        _ => !REFUSED.contains(&key),
    }
}

fn is_object(schema: Value<'_>) -> bool {
    let kind = schema.get("type");
    let is_named = |value: Value<'_>| value.string().as_deref() == Some("object");
    kind.is_some_and(|kind| is_named(kind) || kind.items().any(is_named)) || schema.get("properties").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_goes_and_objects_are_closed() {
        let schema = Json::known(
            r#"{"$schema":"x","type":"object","properties":{"pattern":{"type":"string","pattern":"a+","format":"uuid"},
               "n":{"type":["integer","null"],"minimum":1,"enum":[1,{"minimum":2}]},
               "list":{"type":"array","minItems":2,"items":{"type":"object","additionalProperties":true}}},
               "required":["pattern"]}"#,
        );
        assert_eq!(
            of_answer(&schema).as_str(),
            concat!(
                r#"{"type":"object","properties":{"pattern":{"type":"string","format":"uuid"},"#,
                r#""n":{"type":["integer","null"],"enum":[1,{"minimum":2}]},"#,
                r#""list":{"type":"array","items":{"type":"object","additionalProperties":false}}},"#,
                r#""required":["pattern"],"additionalProperties":false}"#
            )
        );
    }
}

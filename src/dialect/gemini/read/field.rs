//! Members of a client's JSON, as protobuf's JSON takes them: names in either spelling, numbers as strings, one value where a
//! list of them is due; and Google's words for what is wrong (error messages in public threads, 2025 and 2026).

use std::borrow::Cow;

use bytes::Bytes;

use crate::chat::Failure;
use crate::json::{Json, Kind, Text, Value};

/// The body, which must be an object.
pub(in crate::dialect::gemini) fn document(body: &Bytes) -> Result<Json, Failure> {
    let body = if body.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { body.clone() };
    let json = Json::parse(body)
        .map_err(|error| Failure::bad_request(format!("Invalid JSON payload received. Unexpected token. {error}")))?;
    match json.value().kind() {
        Kind::Object => Ok(json),
        _ => Err(Failure::bad_request("Invalid JSON payload received. Root element must be a message.")),
    }
}

/// The members that say something, by their names in camel case.
pub(in crate::dialect::gemini) fn members(value: Value<'_>) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    value.members().filter(|(_, value)| !value.is_null()).map(|(name, value)| (camel(name), value))
}

/// The member of that name in camel case.
pub(in crate::dialect::gemini) fn member<'a>(value: Value<'a>, name: &str) -> Option<Value<'a>> {
    members(value).filter(|(key, _)| key == name).last().map(|(_, value)| value)
}

/// `inline_data` as `inlineData`; Google's `_responseJsonSchema` has a name without the line, too.
fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut out = String::with_capacity(name.len());
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !out.is_empty() => out.extend(first.to_uppercase()),
            Some(first) => out.push(first),
            None => {}
        }
        out.push_str(letters.as_str());
    }
    Cow::Owned(out)
}

/// The items of a list, or the one value that stands for a list with one.
pub(in crate::dialect::gemini) fn list(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let single = (value.kind() != Kind::Array).then_some(value);
    value.items().chain(single)
}

/// An object. `message` is the name of its type, such as `Content`.
pub(in crate::dialect::gemini) fn object<'a>(
    place: &str,
    message: &str,
    value: Value<'a>,
) -> Result<Value<'a>, Failure> {
    match value.kind() {
        Kind::Object => Ok(value),
        Kind::Array => Err(not_a_list(place)),
        _ => Err(invalid(place, &format!("type.googleapis.com/google.ai.generativelanguage.v1beta.{message}"), value)),
    }
}

/// A string as it travels.
pub(in crate::dialect::gemini) fn text(place: &str, value: Value<'_>) -> Result<Text, Failure> {
    value.text().ok_or_else(|| invalid(place, "TYPE_STRING", value))
}

/// `true` or `false`.
pub(in crate::dialect::gemini) fn boolean(place: &str, value: Value<'_>) -> Result<bool, Failure> {
    match value.string().as_deref() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => value.bool().ok_or_else(|| invalid(place, "TYPE_BOOL", value)),
    }
}

/// A number with its own digits.
pub(in crate::dialect::gemini) fn number(place: &str, value: Value<'_>) -> Result<Json, Failure> {
    let digits = unquoted(value);
    match digits.value().float().filter(|number| number.is_finite()) {
        Some(_) => Ok(digits),
        None => Err(invalid(place, "TYPE_FLOAT", value)),
    }
}

/// A number without a fraction.
pub(in crate::dialect::gemini) fn integer(place: &str, value: Value<'_>) -> Result<i64, Failure> {
    let digits = unquoted(value);
    let is_whole = digits.value().float().is_some_and(|number| number.fract() == 0.0);
    digits.value().int().filter(|_| is_whole).ok_or_else(|| invalid(place, "TYPE_INT32", value))
}

/// A number that may stand in quotes.
fn unquoted(value: Value<'_>) -> Json {
    match value.string() {
        Some(digits) => Json::known(digits.into_owned()),
        None => value.to_json(),
    }
}

/// A value that its type doesn't take.
pub(in crate::dialect::gemini) fn invalid(place: &str, kind: &str, value: Value<'_>) -> Failure {
    /// A longer value isn't repeated.
    const SHOWN: usize = 100;
    if value.kind() == Kind::Array {
        return not_a_list(place);
    }
    let shown: String = value.as_str().chars().take(SHOWN).collect();
    Failure::bad_request(format!("Invalid value at '{place}' ({kind}), {shown}")).with_param(place)
}

fn not_a_list(place: &str) -> Failure {
    let (parent, name) = place.rsplit_once('.').unwrap_or(("", place));
    let at = if parent.is_empty() { String::new() } else { format!(" at '{parent}'") };
    let message = format!(
        "Invalid JSON payload received. Unknown name \"{name}\"{at}: Proto field is not repeating, cannot start list."
    );
    Failure::bad_request(message).with_param(place)
}

/// A rule of Google's that a request breaks. `place` in the form `contents[0].parts`.
pub(in crate::dialect::gemini) fn broken(place: &str, rule: &str) -> Failure {
    Failure::bad_request(format!("* GenerateContentRequest.{place}: {rule}\n")).with_param(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_spellings() {
        for (given, want) in [
            ("inline_data", "inlineData"),
            ("inlineData", "inlineData"),
            ("_responseJsonSchema", "responseJsonSchema"),
            ("_response_json_schema", "responseJsonSchema"),
            ("top_k", "topK"),
            ("__", ""),
        ] {
            assert_eq!(camel(Cow::Borrowed(given)), want);
        }
        let json = Json::known(r#"{"a_b":1,"aB":null,"c":[2]}"#);
        assert_eq!(member(json.value(), "aB").and_then(Value::int), Some(1));
    }

    #[test]
    fn one_value_stands_for_a_list() {
        let shown = |text: &'static str| -> Vec<String> {
            list(Json::known(text).value()).map(|item| item.as_str().to_owned()).collect()
        };
        assert_eq!(shown("[1,[2]]"), ["1", "[2]"]);
        assert_eq!(shown(r#"{"a":1}"#), [r#"{"a":1}"#]);
        assert!(shown("[]").is_empty());
    }

    #[test]
    fn numbers_may_stand_in_quotes() {
        let json = Json::known(r#"["0.50", 2, 3.0, "7", 1.5, "x", true]"#);
        let values: Vec<Value<'_>> = json.value().items().collect();
        assert_eq!(number("t", values[0]).unwrap().as_str(), "0.50");
        assert_eq!(integer("t", values[2]).unwrap(), 3);
        assert_eq!(integer("t", values[3]).unwrap(), 7);
        let wrong = integer("generation_config.top_k", values[4]).unwrap_err();
        assert_eq!(wrong.message, "Invalid value at 'generation_config.top_k' (TYPE_INT32), 1.5");
        assert_eq!(number("t", values[5]).unwrap_err().message, r#"Invalid value at 't' (TYPE_FLOAT), "x""#);
        assert!(number("t", values[6]).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_in_googles_words() {
        let body = Bytes::from_static(b"[1]");
        assert!(document(&body).unwrap_err().message.ends_with("Root element must be a message."));
        assert!(document(&Bytes::from_static(b"{")).unwrap_err().message.contains("Unexpected token"));
        let list = Json::known("[1]");
        assert_eq!(
            text("contents[0].parts[0].text", list.value()).unwrap_err().message,
            "Invalid JSON payload received. Unknown name \"text\" at 'contents[0].parts[0]': Proto field is not repeating, \
             cannot start list."
        );
        let wrong = object("system_instruction", "Content", Json::known(r#""Be brief.""#).value()).unwrap_err();
        assert_eq!(
            wrong.message,
            "Invalid value at 'system_instruction' \
             (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"Be brief.\""
        );
    }
}

//! Arguments of tool calls, for dialects in which they are an object and no text.

use crate::json::{Json, Kind, Style, Writer};

/// The object that a model's text is. Some providers put the object into a string once more; half or broken JSON is handed on
/// as a text, so that nothing of it is lost.
pub(in crate::dialect) fn object(text: String) -> Json {
    if text.trim().is_empty() {
        return Json::known("{}");
    }
    let read = Json::parse(text.clone().into()).ok();
    let wrapped = || Json::parse(read.as_ref()?.value().string()?.into_owned().into()).ok();
    let object = read.clone().filter(is_object).or_else(|| wrapped().filter(is_object));
    match object {
        Some(json) => json,
        None if read.is_some_and(|json| json.value().is_null()) => Json::known("{}"),
        None => {
            let mut writer = Writer::new(Style::Plain);
            writer.object(|w| w.key("_raw").str(&text));
            Json::known(writer.into_bytes())
        }
    }
}

fn is_object(json: &Json) -> bool {
    json.value().kind() == Kind::Object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_many_forms() {
        let rows = [
            (r#"{"a":1.50}"#, r#"{"a":1.50}"#),
            ("", "{}"),
            (" \n", "{}"),
            ("null", "{}"),
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#""a""#, r#"{"_raw":"\"a\""}"#),
            ("[1]", r#"{"_raw":"[1]"}"#),
            ("{oops", r#"{"_raw":"{oops"}"#),
        ];
        for (text, want) in rows {
            assert_eq!(object(text.to_owned()).as_str(), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arguments_are_an_object_whatever_came(text in r#"[ \n]{0,2}(\{[\[\]{}:,"0-9a-z.\\ ]{0,12}\}?|"[{}\\":a]{0,8}"|.{0,12})"#) {
            let read = object(text.clone());
            proptest::prop_assert_eq!(read.value().kind(), Kind::Object);
            let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<serde_json::Value>(&text).is_ok();
            if is_object {
                proptest::prop_assert_eq!(read.as_str(), text.trim());
            } else if let Some(raw) = read.value().get("_raw") {
                proptest::prop_assert_eq!(raw.string().unwrap(), text);
            }
        }
    }
}

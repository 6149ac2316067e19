//! The members of Ollama's bodies that are about contexts: read from requests and from what a server tells of its models,
//! spliced into requests (measured on Ollama 0.33, 2026-08).

use bytes::Bytes;

use super::context::Facts;
use super::request::is_zero_duration;
use crate::chat::Estimate;
use crate::json::splice::{self, Edit, Member};
use crate::json::{Json, Kind, Value};

/// What a request says that bears on its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// `options.num_ctx`
    pub context: Option<u64>,
    /// `options.num_predict`
    pub output: Option<u64>,
    /// `truncate`
    pub truncate: Option<bool>,
    /// The model is to be unloaded after it: `keep_alive` of nothing.
    pub unloads: bool,
    /// What the prompt has that stands in no message: a template of the client's own, the tokens of a conversation before.
    pub beside: Estimate,
}

impl Wishes {
    /// Of a body of any of Ollama's wires. What can't be read says nothing.
    pub fn of(body: &Bytes) -> Wishes {
        let members = splice::members(body).unwrap_or_default();
        let member = |key: &str| last(&members, key).and_then(|(_, member)| value_of(body, member));
        let options = member("options");
        let option = |key: &str| options.as_ref().and_then(|json| json.value().get(key)).and_then(size);
        let length = |list: Json| Estimate::exactly(list.value().items().count() as u64);
        let template = member("template").and_then(|json| json.value().string().map(|text| Estimate::of_text(&text)));
        Wishes {
            context: option("num_ctx"),
            output: option("num_predict"),
            truncate: member("truncate").and_then(|json| json.value().bool()),
            unloads: member("keep_alive").is_some_and(|json| is_zero_duration(json.value())),
            beside: member("context").map(length).unwrap_or_default().and(template.unwrap_or_default()),
        }
    }
}

fn value_of(body: &Bytes, member: &Member) -> Option<Json> {
    Json::parse(body.slice(member.value.clone())).ok()
}

/// Ollama finds members ignoring case, and takes the last of equal ones.
fn last<'a>(members: &'a [Member], key: &str) -> Option<(usize, &'a Member)> {
    members.iter().enumerate().rev().find(|(_, member)| member.key.eq_ignore_ascii_case(key))
}

/// A number of tokens; none and less mean that nothing was said.
fn size(value: Value<'_>) -> Option<u64> {
    value.int().and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0)
}

/// A request with `num_ctx`, and with the word that its prompt must not be cut; every other byte as it was.
pub fn with_context(body: &Bytes, context: Option<u64>, is_whole: bool) -> Bytes {
    let Some(members) = splice::members(body) else { return body.clone() };
    let mut edits: Vec<Edit> = context.into_iter().map(|context| context_edit(body, &members, context)).collect();
    if is_whole {
        edits.push(match last(&members, "truncate") {
            Some((index, _)) => Edit::Value(index, "false".to_owned()),
            None => Edit::Insert("truncate".to_owned(), "false".to_owned()),
        });
    }
    splice::apply(body, &members, &edits)
}

/// At the end of the options: of equal ones the last counts.
fn context_edit(body: &Bytes, members: &[Member], context: u64) -> Edit {
    let object = format!("{{\"num_ctx\":{context}}}");
    let Some((index, member)) = last(members, "options") else { return Edit::Insert("options".to_owned(), object) };
    let options = value_of(body, member).filter(|options| options.value().kind() == Kind::Object);
    let Some(options) = options else { return Edit::Value(index, object) };
    let end = member.value.end.saturating_sub(1);
    let comma = if options.value().members().next().is_some() { "," } else { "" };
    Edit::Range(end..end, format!("{comma}\"num_ctx\":{context}"))
}

/// What `/api/show` tells of a model.
pub fn read_facts(show: &Json) -> Facts {
    let show = show.value();
    let info = show.get("model_info");
    let architecture = info.and_then(|info| info.get("general.architecture")).and_then(Value::string);
    let longest = architecture.and_then(|name| info?.get(&format!("{name}.context_length"))).and_then(size);
    let parameters = show.get("parameters").and_then(Value::string).unwrap_or_default();
    let system = show.get("system").and_then(Value::string).unwrap_or_default();
    let messages = show.get("messages").map_or("", Value::as_str);
    Facts {
        longest,
        usual: parameter(&parameters, "num_ctx"),
        own: Estimate::of_text(&system).and(Estimate::of_text(messages)).most,
        is_elsewhere: show.get("remote_host").is_some(),
    }
}

/// A parameter of a model: a line each, the name, blanks, the value.
fn parameter(parameters: &str, name: &str) -> Option<u64> {
    let mut rows = parameters.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let (_, value) = rows.rfind(|(key, _)| *key == name)?;
    value.trim().parse().ok().filter(|size| *size > 0)
}

/// What `/api/ps` tells: the models that are loaded, and with what context.
pub fn read_loaded(running: &Json) -> Vec<(String, Option<u64>)> {
    let rows = running.value().get("models");
    let row = |row: Value<'_>| {
        let name = row.get("model").or_else(|| row.get("name")).and_then(Value::string)?;
        Some((name.into_owned(), row.get("context_length").and_then(size)))
    };
    rows.map(|rows| rows.items().filter_map(row).collect()).unwrap_or_default()
}

/// What the refusal of a prompt that is too long tells: its tokens, and the context that was there.
pub fn read_refusal(message: &str) -> Option<(u64, u64)> {
    let mut counts = message.split('(').skip(1).filter_map(|piece| {
        let (count, _) = piece.split_once(" tokens)")?;
        count.parse().ok()
    });
    Some((counts.next()?, counts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn a_request_tells_what_it_wishes() {
        let body = bytes(
            r#"{"model":"m","OPTIONS":{"num_ctx":2048.0,"num_predict":-1},"truncate":true,"keep_alive":"0s","context":[1,2,3]}"#,
        );
        let wishes = Wishes::of(&body);
        let want = Wishes {
            context: Some(2048),
            output: None,
            truncate: Some(true),
            unloads: true,
            beside: Estimate::exactly(3),
        };
        assert_eq!(wishes, want);
        let nothing = bytes(r#"{"options":{"num_ctx":0,"num_predict":0},"keep_alive":"5m","truncate":null}"#);
        assert_eq!(Wishes::of(&nothing), Wishes::default());
        assert_eq!(Wishes::of(&bytes(r#"{"options":[],"#)), Wishes::default());
    }

    #[test]
    fn a_context_is_spliced_in_wherever_options_stand() {
        let rows = [
            (r#"{"model":"m"}"#, r#"{"model":"m","options":{"num_ctx":8192}}"#),
            (r#"{"options":{ },"model":"m"}"#, r#"{"options":{ "num_ctx":8192},"model":"m"}"#),
            (
                r#"{"Options": {"seed":1.50, "x":{"y":[]} }}"#,
                r#"{"Options": {"seed":1.50, "x":{"y":[]} ,"num_ctx":8192}}"#,
            ),
            (r#"{"options":null,"model":"m"}"#, r#"{"options":{"num_ctx":8192},"model":"m"}"#),
            (r#"{"options":{"num_ctx":0}}"#, r#"{"options":{"num_ctx":0,"num_ctx":8192}}"#),
        ];
        for (body, want) in rows {
            assert_eq!(with_context(&bytes(body), Some(8192), false), want);
            assert_eq!(Wishes::of(&bytes(want)).context, Some(8192), "{want}");
        }
        assert_eq!(with_context(&bytes(r#"{"a":1}"#), None, true), r#"{"a":1,"truncate":false}"#);
        assert_eq!(with_context(&bytes(r#"{"truncate":null}"#), None, true), r#"{"truncate":false}"#);
        assert_eq!(with_context(&bytes("no object"), Some(1), true), "no object");
    }

    #[test]
    fn what_a_server_tells_of_a_model_is_read() {
        let show = r#"{"parameters":"stop                           \"<end>\"\nnum_ctx                        512\ntemperature                    1",
            "model_info":{"general.architecture":"gemma3","gemma3.context_length":32768,"llama.context_length":1}}"#;
        let facts = read_facts(&Json::known(show));
        assert_eq!((facts.longest, facts.usual, facts.is_elsewhere), (Some(32_768), Some(512), false));
        let stub = read_facts(&Json::known(r#"{"remote_host":"https://ollama.com","model_info":{}}"#));
        assert_eq!((stub.longest, stub.usual, stub.is_elsewhere), (None, None, true));
        let running = r#"{"models":[{"name":"a:latest","model":"a:latest","context_length":4096},{"name":"b:1b"}]}"#;
        let loaded = read_loaded(&Json::known(running));
        assert_eq!(loaded, [("a:latest".to_owned(), Some(4096)), ("b:1b".to_owned(), None)]);
    }

    #[test]
    fn a_refusal_tells_both_counts() {
        let told = "request (610 tokens) exceeds the available context size (512 tokens), try increasing it";
        assert_eq!(read_refusal(told), Some((610, 512)));
        assert_eq!(read_refusal("the input length exceeds the context length"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_body_stays_an_object(context in 1u64..1_000_000, is_whole: bool, options in "(\\{\\}|null|\\{\"a\":1\\}|7)") {
            let body = bytes(&format!(r#"{{"model":"m","options":{options},"x":"y"}}"#));
            let fitted = with_context(&body, Some(context), is_whole);
            let read: serde_json::Value = serde_json::from_slice(&fitted).unwrap();
            proptest::prop_assert_eq!(read["options"]["num_ctx"].as_u64(), Some(context));
            proptest::prop_assert_eq!(read.get("truncate").is_some(), is_whole);
            proptest::prop_assert_eq!(&read["x"], "y");
        }
    }
}

//! Embeddings: `/v1/embeddings` (OpenAI's API description, 2026-08; where it is silent, the words of Ollama's own face).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Accent;
use super::request::{document, face, integer, missing, text, wrong_value};
use crate::chat::{Class, EmbedRequest, Embedded, Encoding, Extra, Failure, Input, Usage, Vector};
use crate::dialect::dropped::Dropped;
use crate::dialect::{Reply, Written};
use crate::json::{Json, Kind, Style, Value, Writer};

/// Reads the body of a request.
pub fn read_request(body: &Bytes, accent: Accent) -> Result<EmbedRequest, Failure> {
    let json = match accent {
        Accent::OpenAi => document(body)?,
        Accent::Ollama => face::read_embed(body)?,
    };
    let mut request = EmbedRequest::default();
    for (key, value) in json.value().members().filter(|(_, value)| !value.is_null()) {
        match accent.key(key).as_ref() {
            "model" => request.model = text("model", value)?.as_str().into_owned(),
            "input" => request.inputs = read_inputs(value)?,
            "encoding_format" => request.encoding = read_encoding(value)?,
            // No length at all to Go.
            "dimensions" if accent.is_ollama() && value.int().is_some_and(|count| count <= 0) => {}
            "dimensions" => request.dimensions = Some(read_dimensions(value)?),
            key => request.extras.push(Extra::new("openai", key, value.to_json())),
        }
    }
    if request.model.is_empty() {
        let message = "you must provide a model parameter";
        return Err(Failure { message: message.to_owned(), ..missing("model") });
    }
    if request.inputs.is_empty() {
        return Err(wrong_input("invalid input"));
    }
    Ok(request)
}

fn wrong_input(message: &str) -> Failure {
    Failure::bad_request(message).with_param("input")
}

/// A text, texts, the tokens of a text, or those of several texts.
fn read_inputs(value: Value<'_>) -> Result<Vec<Input>, Failure> {
    let wrong = || wrong_input("invalid input type");
    let is_tokens =
        |value: Value<'_>| value.items().next().is_some() && value.items().all(|item| item.kind() == Kind::Number);
    let one = |value: Value<'_>| match value.kind() {
        Kind::String => value.text().map(Input::Text).ok_or_else(wrong),
        Kind::Array if is_tokens(value) => Ok(Input::Tokens(value.to_json())),
        _ => Err(wrong()),
    };
    match value.kind() {
        Kind::Array if !is_tokens(value) => value.items().map(one).collect(),
        _ => Ok(vec![one(value)?]),
    }
}

fn read_encoding(value: Value<'_>) -> Result<Encoding, Failure> {
    match value.string().map(|name| name.to_ascii_lowercase()).as_deref() {
        Some("float" | "") => Ok(Encoding::Floats),
        Some("base64") => Ok(Encoding::Base64),
        _ => Err(Failure::bad_request(wrong_encoding(value)).with_param("encoding_format")),
    }
}

/// What both accents say of an encoding that no one knows.
pub(super) fn wrong_encoding(value: Value<'_>) -> String {
    let shown = value.string().unwrap_or(value.as_str().into());
    format!("Invalid value for 'encoding_format' = {shown}. Supported values: ['float', 'base64'].")
}

fn read_dimensions(value: Value<'_>) -> Result<usize, Failure> {
    let count = usize::try_from(integer("dimensions", value)?).ok().filter(|count| *count > 0);
    count.ok_or_else(|| wrong_value("dimensions", format!("{} is less than 1", value.as_str())))
}

/// A request's body. Numbers are asked for as digits, in whatever form the client wants them: every provider has those.
pub fn write_request(request: &EmbedRequest, inputs: &[Input]) -> Result<Written, Failure> {
    let mut w = Writer::new(Style::Plain);
    let is_own = |extra: &&Extra| extra.dialect == "openai";
    w.object(|w| {
        w.key("model").str(&request.model);
        w.key("input").array(|w| {
            for input in inputs {
                match input {
                    Input::Text(text) => w.text(text),
                    Input::Tokens(tokens) => w.json(tokens),
                }
            }
        });
        request.dimensions.into_iter().for_each(|count| w.key("dimensions").int(count as u64));
        request.extras.iter().filter(is_own).for_each(|extra| w.key(&extra.name).json(&extra.value));
    });
    let mut dropped = Dropped::default();
    dropped.leave(request.extras.iter().filter(|extra| !is_own(extra)))?;
    // A text that is too long is an error here, which is what `truncate: false` asks for.
    dropped.note(request.truncate == Some(true), "truncate");
    Ok(Written { body: w.into_bytes(), dropped: dropped.into_names() })
}

/// Reads an answer; vectors go where their index says.
pub fn read_answer(body: &Json) -> Result<Embedded, Failure> {
    let value = body.value();
    if value.get("error").is_some() {
        let told = super::error::read(200, body.bytes()).message;
        return Err(Failure::new(Class::BadAnswer, told));
    }
    let wrong = || Failure::new(Class::BadAnswer, "its answer has no embeddings");
    let rows = value.get("data").filter(|rows| rows.kind() == Kind::Array).ok_or_else(wrong)?;
    let mut indexed = Vec::new();
    for (place, row) in rows.items().enumerate() {
        let index = row.get("index").and_then(Value::int).and_then(|index| usize::try_from(index).ok());
        let vector = row.get("embedding").and_then(read_vector).ok_or_else(wrong)?;
        indexed.push((index.unwrap_or(place), vector));
    }
    indexed.sort_by_key(|(index, _)| *index);
    let usage = value.get("usage");
    let count = |key: &str| u64::try_from(usage?.get(key)?.int()?).ok();
    let prompt = count("prompt_tokens").or_else(|| count("total_tokens"));
    let vectors = indexed.into_iter().map(|(_, vector)| vector).collect();
    Ok(Embedded { vectors, usage: Usage { prompt, ..Usage::default() } })
}

fn read_vector(value: Value<'_>) -> Option<Vector> {
    let Some(packed) = value.string() else { return Vector::read(value) };
    let bytes = STANDARD.decode(packed.as_bytes()).ok()?;
    let (packed, rest) = bytes.as_chunks::<4>();
    let floats: Vec<f32> = packed.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (rest.is_empty() && floats.iter().all(|float| float.is_finite())).then_some(Vector::Made(floats))
}

/// An answer: digits as the provider told them, or base64.
pub fn write_answer(answer: &Embedded, reply: &Reply) -> Vec<u8> {
    let mut w = reply.accent.writer();
    w.object(|w| {
        w.key("object").str("list");
        w.key("data").array(|w| {
            for (index, vector) in answer.vectors.iter().enumerate() {
                w.object(|w| {
                    w.key("object").str("embedding");
                    write_vector(w.key("embedding"), vector, reply.encoding);
                    w.key("index").int(index as u64);
                });
            }
        });
        w.key("model").str(&reply.model);
        let count = answer.usage.prompt.unwrap_or(0);
        w.key("usage").object(|w| {
            w.key("prompt_tokens").int(count);
            w.key("total_tokens").int(count);
        });
    });
    reply.accent.body(w)
}

fn write_vector(w: &mut Writer, vector: &Vector, encoding: Encoding) {
    match (encoding, vector) {
        (Encoding::Floats, Vector::Told(json)) => {
            w.array(|w| json.value().items().for_each(|item| w.raw(item.as_str())));
        }
        (Encoding::Floats, Vector::Made(floats)) => {
            w.array(|w| floats.iter().for_each(|float| w.raw(&float.to_string())));
        }
        (Encoding::Base64, vector) => {
            let bytes: Vec<u8> = vector.floats().iter().flat_map(|float| float.to_le_bytes()).collect();
            w.str(&STANDARD.encode(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<EmbedRequest, String> {
        read_request(&Bytes::copy_from_slice(body.as_bytes()), Accent::OpenAi)
            .map_err(|f| format!("{} {}", f.status, f.message))
    }

    #[test]
    fn every_form_of_input_is_read() {
        for (input, want) in [
            (r#""a""#, r#"[Text("a")]"#),
            (r#""""#, r#"[Text("")]"#),
            (r#"["a","b"]"#, r#"[Text("a"), Text("b")]"#),
            ("[1,2,3]", "[Tokens([1,2,3])]"),
            ("[[1,2],[3]]", "[Tokens([1,2]), Tokens([3])]"),
        ] {
            let request = read(&format!(r#"{{"model":"m","input":{input}}}"#)).unwrap();
            assert_eq!(format!("{:?}", request.inputs), want);
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_known_words() {
        for (body, want) in [
            (r#"{"model":"m"}"#, "400 invalid input"),
            (r#"{"model":"m","input":[]}"#, "400 invalid input"),
            (r#"{"model":"m","input":null}"#, "400 invalid input"),
            (r#"{"model":"m","input":5}"#, "400 invalid input type"),
            (r#"{"model":"m","input":["a",5]}"#, "400 invalid input type"),
            (r#"{"model":"m","input":[[]]}"#, "400 invalid input type"),
            (
                r#"{"model":"m","input":"x","encoding_format":"hex"}"#,
                "400 Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
            ),
            (r#"{"model":"m","input":"x","dimensions":0}"#, "400 Invalid value for 'dimensions': 0 is less than 1."),
            (r#"{"input":"x"}"#, "400 you must provide a model parameter"),
        ] {
            assert_eq!(read(body).unwrap_err(), want, "{body}");
        }
    }

    #[test]
    fn a_request_is_written_with_what_this_wire_has() {
        let mut request =
            read(r#"{"model":"m","input":["a",[1,2]],"dimensions":8,"encoding_format":"base64","user":"u"}"#).unwrap();
        request.truncate = Some(true);
        let written = write_request(&request, &request.inputs).unwrap();
        let want = r#"{"model":"m","input":["a",[1,2]],"dimensions":8,"user":"u"}"#;
        assert_eq!(String::from_utf8(written.body).unwrap(), want);
        assert_eq!(written.dropped, ["truncate"]);
    }

    #[test]
    fn answers_in_digits_and_base64_are_put_in_order() {
        let body = r#"{"object":"list","data":[{"object":"embedding","embedding":"AACAPwAAAMA=","index":1},
            {"object":"embedding","embedding":[0.10,-2],"index":0}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        let answer = read_answer(&Json::known(body)).unwrap();
        assert_eq!(answer.vectors[1], Vector::Made(vec![1.0, -2.0]));
        assert_eq!(answer.usage.prompt, Some(3));
        let written = |encoding| {
            let reply = Reply { model: "p:m".to_owned(), encoding, ..Reply::default() };
            String::from_utf8(write_answer(&answer, &reply)).unwrap()
        };
        assert_eq!(
            written(Encoding::Floats),
            r#"{"object":"list","data":[{"object":"embedding","embedding":[0.10,-2],"index":0},{"object":"embedding","embedding":[1,-2],"index":1}],"model":"p:m","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
        // 0.1 and -2 as 32-bit floats: cdcccc3d, 000000c0.
        assert!(written(Encoding::Base64).contains(r#""embedding":"zczMPQAAAMA=","index":0"#));
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        // Two bytes too few, and no number.
        for body in [
            r#"{"data":[{"embedding":"AAA="}]}"#,
            r#"{"data":[{"embedding":"AADAfw=="}]}"#,
            r#"{"data":[{}]}"#,
            "{}",
            "[]",
            r#"{"data":7}"#,
        ] {
            assert_eq!(read_answer(&Json::known(body)).unwrap_err().class, Class::BadAnswer, "{body}");
        }
        let told = read_answer(&Json::known(r#"{"error":{"message":"no such luck"}}"#)).unwrap_err();
        assert_eq!(told.message, "no such luck");
    }
}

//! Embeddings: `/api/embed`, and the older `/api/embeddings`, which takes one text (measured on Ollama 0.33, 2026-08).

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::go_types::{EMBED_REQUEST, EMBEDDING_REQUEST};
use super::request::{Load, Object, check_name, extra, is_own, keep_alive, read_document};
use crate::chat::{Class, EmbedRequest, Embedded, Extra, Failure, Input, Timings, Usage, Vector, unit};
use crate::dialect::dropped::Dropped;
use crate::dialect::{Reply, Wire, Written};
use crate::json::{Json, Kind, Style, Text, Value, Writer};

/// Reads the body of `POST /api/embed`.
///
/// The input is looked at before the model's name. An empty one asks for nothing but the model to be loaded.
pub fn read_request(body: &Bytes) -> Result<EmbedRequest, Failure> {
    let json = read_document(body, &EMBED_REQUEST)?;
    let object = Object::of(json.value());
    let inputs = object.get("input").map_or(Ok(Vec::new()), read_inputs)?;
    let model = object.string("model");
    if model.trim().is_empty() {
        return Err(Failure::new(Class::UnknownModel, format!("model '{model}' not found")));
    }
    let dimensions = object.get("dimensions").and_then(Value::int);
    Ok(EmbedRequest {
        inputs,
        dimensions: dimensions.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0),
        truncate: object.get("truncate").and_then(Value::bool),
        ..common(&object, &model)?
    })
}

/// Reads the body of `POST /api/embeddings`.
pub fn read_old_request(body: &Bytes) -> Result<EmbedRequest, Failure> {
    let json = read_document(body, &EMBEDDING_REQUEST)?;
    let object = Object::of(json.value());
    let model = object.string("model");
    if model.trim().is_empty() {
        return Err(Failure::bad_request("model is required").with_param("model"));
    }
    let prompt = object.get("prompt").and_then(Value::text).filter(|text| !text.is_empty());
    Ok(EmbedRequest { inputs: prompt.map(Input::Text).into_iter().collect(), ..common(&object, &model)? })
}

fn common(object: &Object<'_>, model: &str) -> Result<EmbedRequest, Failure> {
    check_name(model)?;
    let kept = ["keep_alive", "options"].iter().filter_map(|name| Some(extra(name, object.get(name)?)));
    let is_said = |extra: &Extra| extra.value.as_str() != "{}";
    Ok(EmbedRequest { model: model.to_owned(), extras: kept.filter(is_said).collect(), ..EmbedRequest::default() })
}

fn read_inputs(input: Value<'_>) -> Result<Vec<Input>, Failure> {
    let wrong = || Failure::bad_request("invalid input type").with_param("input");
    match input.kind() {
        Kind::String => Ok(input.text().filter(|text| !text.is_empty()).map(Input::Text).into_iter().collect()),
        Kind::Array => input.items().map(|item| item.text().map(Input::Text).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

/// Does it ask for nothing but the model to be loaded, or unloaded?
pub fn load_of(request: &EmbedRequest) -> Option<Load> {
    let unloads = keep_alive(&request.extras) == Some(Duration::ZERO);
    request.inputs.is_empty().then_some(if unloads { Load::Unload } else { Load::Load })
}

/// The answer to such a request.
pub fn write_load(wire: Wire, model: &str) -> Vec<u8> {
    let reply = Reply { model: model.to_owned(), ..Reply::default() };
    match wire {
        Wire::OllamaEmbeddings => write_old_answer(&Embedded::default()),
        _ => write_answer(&Embedded::default(), &reply, reply.started),
    }
}

/// The body of `POST /api/embed`. Fails for tokens: Ollama takes text only.
pub fn write_request(request: &EmbedRequest, inputs: &[Input]) -> Result<Written, Failure> {
    let texts = texts(inputs)?;
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("model").str(&request.model);
        w.key("input").array(|w| texts.iter().for_each(|text| w.text(text)));
        request.truncate.into_iter().for_each(|truncate| w.key("truncate").bool(truncate));
        request.dimensions.into_iter().for_each(|count| w.key("dimensions").int(count as u64));
        request.extras.iter().filter(|extra| is_own(extra)).for_each(|extra| w.key(&extra.name).json(&extra.value));
    });
    let mut dropped = Dropped::default();
    dropped.leave(request.extras.iter().filter(|extra| !is_own(extra)))?;
    Ok(Written { body: w.into_bytes(), dropped: dropped.into_names() })
}

fn texts(inputs: &[Input]) -> Result<Vec<&Text>, Failure> {
    let refused = || Failure::bad_request("invalid input type: this model takes text, not tokens").with_param("input");
    inputs.iter().map(|input| input.text().ok_or_else(refused)).collect()
}

/// Reads an answer of `/api/embed`, or of `/api/embeddings`, which has one vector and no count.
pub fn read_answer(body: &Json) -> Result<Embedded, Failure> {
    let value = body.value();
    if let Some(message) = value.get("error").and_then(super::error::message) {
        return Err(Failure::new(Class::BadAnswer, message));
    }
    let wrong = || Failure::new(Class::BadAnswer, "its answer has no embeddings");
    let vectors = match (value.get("embeddings"), value.get("embedding")) {
        (Some(list), _) if list.kind() == Kind::Array => list.items().map(Vector::read).collect::<Option<_>>(),
        (None, Some(one)) => Vector::read(one).map(|vector| vec![vector]),
        _ => None,
    };
    let count = |key: &str| value.get(key).and_then(Value::int).and_then(|count| u64::try_from(count).ok());
    let nanos = |key: &str| count(key).map(Duration::from_nanos);
    let timings = nanos("total_duration").map(|total| Timings {
        total,
        load: nanos("load_duration").unwrap_or_default(),
        ..Timings::default()
    });
    let usage = Usage { prompt: count("prompt_eval_count"), timings, ..Usage::default() };
    Ok(Embedded { vectors: vectors.ok_or_else(wrong)?, usage })
}

/// The answer of `/api/embed`: vectors of length 1 in 32-bit floats. Nothing but the name and an empty list where nothing was
/// embedded.
pub fn write_answer(answer: &Embedded, reply: &Reply, now: Timestamp) -> Vec<u8> {
    let mut w = Writer::new(Style::Go);
    w.object(|w| {
        w.key("model").str(&reply.model);
        w.key("embeddings").array(|w| {
            for vector in &answer.vectors {
                w.array(|w| unit(&vector.floats()).iter().for_each(|float| w.raw(&digits(&float.to_string(), *float))));
            }
        });
        if answer.vectors.is_empty() {
            return;
        }
        let total = now.duration_since(reply.started).as_nanos().max(1);
        w.key("total_duration").int(total);
        let load = answer.usage.timings.map(|timings| timings.load.as_nanos()).filter(|nanos| *nanos > 0);
        load.into_iter().for_each(|nanos| w.key("load_duration").int(i128::try_from(nanos).unwrap_or(i128::MAX)));
        w.key("prompt_eval_count").int(answer.usage.prompt.unwrap_or(1).max(1));
    });
    w.into_bytes()
}

/// The answer of `/api/embeddings`: the first vector as the provider told it, in 64-bit floats.
pub fn write_old_answer(answer: &Embedded) -> Vec<u8> {
    let numbers: Vec<f64> = match answer.vectors.first() {
        Some(Vector::Told(json)) => json.value().items().filter_map(Value::float).collect(),
        Some(Vector::Made(floats)) => floats.iter().copied().map(f64::from).collect(),
        None => Vec::new(),
    };
    let mut w = Writer::new(Style::Go);
    w.object(|w| {
        w.key("embedding").array(|w| {
            numbers.iter().for_each(|number| w.raw(&digits(&number.to_string(), *number)));
        });
    });
    w.into_bytes()
}

/// A float as Go writes it: `plain`, its shortest digits, or with an exponent where it is very small or very large.
fn digits<F: Copy + Into<f64> + std::fmt::LowerExp>(plain: &str, float: F) -> String {
    let size = float.into().abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return plain.to_owned();
    }
    let exponent = format!("{float:e}");
    if size < 1.0 { exponent } else { exponent.replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<EmbedRequest, (u16, String)> {
        read_request(&Bytes::copy_from_slice(body.as_bytes())).map_err(|f| (f.status, f.message))
    }

    fn said(request: &EmbedRequest) -> Vec<String> {
        request.inputs.iter().map(|input| format!("{input:?}")).collect()
    }

    #[test]
    fn inputs_are_judged_as_ollama_judges_them() {
        assert_eq!(said(&read(r#"{"model":"m","input":"a\nb"}"#).unwrap()), [r#"Text("a\nb")"#]);
        assert_eq!(said(&read(r#"{"MODEL":"m","input":["","b"]}"#).unwrap()), [r#"Text("")"#, r#"Text("b")"#]);
        for empty in [r#"{"model":"m"}"#, r#"{"model":"m","input":null}"#, r#"{"model":"m","input":""}"#] {
            assert_eq!(load_of(&read(empty).unwrap()), Some(Load::Load), "{empty}");
        }
        assert_eq!(load_of(&read(r#"{"model":"m","keep_alive":"0s"}"#).unwrap()), Some(Load::Unload));
        assert_eq!(load_of(&read(r#"{"model":"m","input":"x","keep_alive":0}"#).unwrap()), None);
        let text = "invalid input type".to_owned();
        for wrong in [r#"{"input":5}"#, r#"{"model":"m","input":["a",5]}"#, r#"{"model":"m","input":{"a":1}}"#] {
            assert_eq!(read(wrong).unwrap_err(), (400, text.clone()), "{wrong}");
        }
        assert_eq!(read("{}").unwrap_err(), (404, "model '' not found".to_owned()));
        assert_eq!(read("").unwrap_err(), (400, "missing request body".to_owned()));
        let types = "json: cannot unmarshal number into Go struct field EmbedRequest.model of type string";
        assert_eq!(read(r#"{"model":5,"input":"x"}"#).unwrap_err(), (400, types.to_owned()));
        let types = "json: cannot unmarshal array into Go value of type api.EmbedRequest";
        assert_eq!(read("[1]").unwrap_err(), (400, types.to_owned()));
        let request = read(r#"{"model":"m","input":"x","dimensions":-1,"truncate":false,"options":{}}"#).unwrap();
        assert_eq!((request.dimensions, request.truncate, request.extras.len()), (None, Some(false), 0));
    }

    #[test]
    fn the_old_form_has_a_prompt() {
        let read = |body: &str| read_old_request(&Bytes::copy_from_slice(body.as_bytes()));
        assert_eq!(said(&read(r#"{"model":"m","prompt":"a"}"#).unwrap()), [r#"Text("a")"#]);
        assert_eq!(load_of(&read(r#"{"model":"m","prompt":""}"#).unwrap()), Some(Load::Load));
        assert_eq!(read("{}").unwrap_err().message, "model is required");
        let types = "json: cannot unmarshal number into Go struct field EmbeddingRequest.prompt of type string";
        assert_eq!(read(r#"{"model":"m","prompt":1}"#).unwrap_err().message, types);
        assert_eq!(write_load(Wire::OllamaEmbeddings, "m"), br#"{"embedding":[]}"#);
        assert_eq!(write_load(Wire::OllamaEmbed, "m<"), br#"{"model":"m\u003c","embeddings":[]}"#);
    }

    #[test]
    fn a_request_is_written_and_tokens_are_refused() {
        let request = read(r#"{"model":"m","input":["a","b"],"dimensions":2,"truncate":true,"keep_alive":"5m"}"#);
        let request = request.unwrap();
        let written = write_request(&request, &request.inputs).unwrap();
        let want = r#"{"model":"m","input":["a","b"],"truncate":true,"dimensions":2,"keep_alive":"5m"}"#;
        assert_eq!(String::from_utf8(written.body).unwrap(), want);
        assert!(written.dropped.is_empty());
        let refused = write_request(&request, &[Input::Tokens(Json::known("[1]"))]).unwrap_err();
        assert_eq!(refused.status, 400);
        assert!(refused.message.starts_with("invalid input type"), "{}", refused.message);
    }

    /// The vectors were recorded: a runner that told 0.1, -0.2, 0.3 and 0.4.
    #[test]
    fn vectors_are_written_with_ollamas_digits() {
        let told = Vector::read(Json::known("[0.1,-0.2,0.3,0.4]").value()).unwrap();
        let usage = Usage { prompt: Some(4), ..Usage::default() };
        let answer = Embedded { vectors: vec![told], usage };
        let reply = Reply { model: "m".to_owned(), started: Timestamp::UNIX_EPOCH, ..Reply::default() };
        let write = |answer: &Embedded| {
            String::from_utf8(write_answer(answer, &reply, Timestamp::from_second(2).unwrap())).unwrap()
        };
        assert_eq!(
            write(&answer),
            r#"{"model":"m","embeddings":[[0.18257418,-0.36514837,0.5477226,0.73029673]],"total_duration":2000000000,"prompt_eval_count":4}"#
        );
        assert!(write(&answer.cut(Some(2))).contains("[[0.4472136,-0.8944272]]"));
    }

    #[test]
    fn the_old_answer_is_raw_in_64_bits() {
        let write = |vector| {
            let answer = Embedded { vectors: vec![vector], usage: Usage::default() };
            String::from_utf8(write_old_answer(&answer)).unwrap()
        };
        let made = Vector::Made(vec![0.1, -0.2, 0.3, 0.4]);
        let want = r#"{"embedding":[0.10000000149011612,-0.20000000298023224,0.30000001192092896,0.4000000059604645]}"#;
        assert_eq!(write(made), want);
        let told = Vector::read(Json::known("[0.1, 1.0, 1e-7, -2.5e21, 0.000001, -0.0]").value()).unwrap();
        assert_eq!(write(told), r#"{"embedding":[0.1,1,1e-7,-2.5e+21,0.000001,-0]}"#);
    }

    #[test]
    fn answers_of_a_server_are_read() {
        let body = r#"{"model":"m1","embeddings":[[0.5,-1],[2,3]],"total_duration":9,"load_duration":4,"prompt_eval_count":8}"#;
        let answer = read_answer(&Json::known(body)).unwrap();
        assert_eq!(answer.vectors[1].floats().as_ref(), [2.0, 3.0]);
        assert_eq!(answer.usage.prompt, Some(8));
        assert_eq!(answer.usage.timings.unwrap().load, Duration::from_nanos(4));
        for wrong in [r#"{"embeddings":[["x"]]}"#, r#"{"embeddings":null}"#, "[]", r#"{"error":"no"}"#] {
            assert_eq!(read_answer(&Json::known(wrong)).unwrap_err().class, Class::BadAnswer, "{wrong}");
        }
    }
}

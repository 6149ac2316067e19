//! Embeddings: `:batchEmbedContents` and `:embedContent` (Google's API description, 2026-08, and recorded answers).

use bytes::Bytes;

use super::read::field::{document, integer, invalid, list, member, members, object};
use super::{DIALECT, read, resource};
use crate::chat::{EmbedRequest, Embedded, Extra, Failure, Input, Usage, Vector};
use crate::dialect::Written;
use crate::dialect::dropped::Dropped;
use crate::json::{Json, Style, Value, Writer};

/// The path of a model's call below the base URL.
pub fn path(model: &str) -> String {
    format!("/{}:batchEmbedContents", resource(model))
}

/// The path of a model's call for one text.
pub fn path_of_one(model: &str) -> String {
    format!("/{}:embedContent", resource(model))
}

/// Reads the body of `:embedContent`. The path names the model.
pub fn read_one(body: &Bytes) -> Result<EmbedRequest, Failure> {
    let mut request = EmbedRequest::default();
    read_into(&mut request, "EmbedContentRequest", document(body)?.value())?;
    Ok(request)
}

/// Reads the body of `:batchEmbedContents`. All its requests must ask for the same sort of vectors.
pub fn read_batch(body: &Bytes) -> Result<EmbedRequest, Failure> {
    let json = document(body)?;
    let mut whole: Option<EmbedRequest> = None;
    for (at, item) in member(json.value(), "requests").into_iter().flat_map(list).enumerate() {
        let place = format!("requests[{at}]");
        let mut one = EmbedRequest::default();
        read_into(&mut one, &place, object(&place, "EmbedContentRequest", item)?)?;
        match &mut whole {
            None => whole = Some(one),
            Some(whole) if is_alike(whole, &one) => whole.inputs.append(&mut one.inputs),
            Some(_) => {
                let message =
                    "the requests of one batch must ask for the same taskType, title and outputDimensionality";
                return Err(Failure::bad_request(message).with_param(place));
            }
        }
    }
    whole.ok_or_else(|| {
        let message = "* BatchEmbedContentsRequest.requests: requests is not specified\n";
        Failure::bad_request(message).with_param("requests")
    })
}

fn read_into(request: &mut EmbedRequest, place: &str, value: Value<'_>) -> Result<(), Failure> {
    for (name, value) in members(value) {
        match name.as_ref() {
            "content" => request.inputs.push(Input::Text(read::text_of(place, value)?)),
            "outputDimensionality" => {
                let count = integer("output_dimensionality", value)?;
                let count =
                    usize::try_from(count).map_err(|_| invalid("output_dimensionality", "TYPE_INT32", value))?;
                request.dimensions = Some(count).filter(|count| *count > 0);
            }
            "model" => {}
            name => request.extras.push(Extra::new(DIALECT, name, value.to_json())),
        }
    }
    if request.inputs.is_empty() {
        let message = format!("* {place}.content: content is not specified\n");
        return Err(Failure::bad_request(message).with_param("content"));
    }
    Ok(())
}

fn is_alike(one: &EmbedRequest, other: &EmbedRequest) -> bool {
    let extras = |request: &EmbedRequest| -> Vec<(String, String)> {
        let pair = |extra: &Extra| (extra.name.clone(), extra.value.as_str().to_owned());
        request.extras.iter().map(pair).collect()
    };
    one.dimensions == other.dimensions && extras(one) == extras(other)
}

/// Writes the answer to `:embedContent`.
pub fn write_one(answer: &Embedded) -> Vec<u8> {
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("embedding").object(|w| answer.vectors.first().into_iter().for_each(|vector| write_values(w, vector)));
    });
    w.into_bytes()
}

/// Writes the answer to `:batchEmbedContents`.
pub fn write_batch(answer: &Embedded) -> Vec<u8> {
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("embeddings").array(|w| answer.vectors.iter().for_each(|vector| w.object(|w| write_values(w, vector))));
    });
    w.into_bytes()
}

fn write_values(w: &mut Writer, vector: &Vector) {
    w.key("values");
    match vector {
        Vector::Told(json) => w.raw(json.as_str()),
        Vector::Made(floats) => w.array(|w| floats.iter().for_each(|float| w.raw(&float.to_string()))),
    }
}

/// Members of Google's own that a client of another dialect may have added.
const OWN: [&str; 2] = ["taskType", "title"];

/// A request's body: each text is a request of its own, and names the model again. Fails for tokens.
pub fn write_request(request: &EmbedRequest, inputs: &[Input]) -> Result<Written, Failure> {
    let refused = || Failure::bad_request("invalid input type: this model takes text, not tokens").with_param("input");
    let is_own = |extra: &&Extra| OWN.contains(&extra.name.as_str());
    let model = resource(&request.model);
    let texts = inputs.iter().map(|input| input.text().ok_or_else(refused)).collect::<Result<Vec<_>, _>>()?;
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("requests").array(|w| {
            for text in texts {
                w.object(|w| {
                    w.key("model").str(&model);
                    w.key("content").object(|w| {
                        w.key("parts").array(|w| w.object(|w| w.key("text").text(text)));
                    });
                    request.extras.iter().filter(is_own).for_each(|extra| w.key(&extra.name).json(&extra.value));
                    request.dimensions.into_iter().for_each(|n| w.key("outputDimensionality").int(n as u64));
                });
            }
        });
    });
    let mut dropped = Dropped::default();
    dropped.leave(request.extras.iter().filter(|extra| !is_own(extra)))?;
    dropped.note(request.truncate.is_some(), "truncate");
    Ok(Written { body: w.into_bytes(), dropped: dropped.into_names() })
}

/// Reads an answer; older models tell no usage.
pub fn read_answer(body: &Json) -> Result<Embedded, Failure> {
    let value = body.value();
    if value.get("error").is_some() {
        return Err(super::error::in_answer(body.bytes()));
    }
    let wrong = || Failure::new(crate::chat::Class::BadAnswer, "its answer has no embeddings");
    let rows = value.get("embeddings").ok_or_else(wrong)?;
    let vectors = rows.items().map(|row| row.get("values").and_then(Vector::read)).collect::<Option<_>>();
    let prompt = value.path(&["usageMetadata", "promptTokenCount"]).and_then(Value::int);
    let prompt = prompt.and_then(|count| u64::try_from(count).ok());
    Ok(Embedded { vectors: vectors.ok_or_else(wrong)?, usage: Usage { prompt, ..Usage::default() } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Class;

    #[test]
    fn each_text_is_a_request_of_its_own() {
        assert_eq!(path("models/gemini-embedding-001"), "/models/gemini-embedding-001:batchEmbedContents");
        let request = EmbedRequest {
            model: "gemini-embedding-001".to_owned(),
            inputs: vec![Input::Text("a".into()), Input::Text("b\"".into())],
            dimensions: Some(256),
            truncate: Some(true),
            ..EmbedRequest::default()
        };
        let written = write_request(&request, &request.inputs).unwrap();
        let want = concat!(
            r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":256},"#,
            r#"{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b\""}]},"outputDimensionality":256}]}"#
        );
        assert_eq!(String::from_utf8(written.body).unwrap(), want);
        assert_eq!(written.dropped, ["truncate"]);
        let refused = write_request(&request, &[Input::Tokens(Json::known("[1]"))]).unwrap_err();
        assert_eq!((refused.status, refused.param.as_deref()), (400, Some("input")));
    }

    #[test]
    fn clients_requests_are_read() {
        let one = Bytes::from_static(
            br#"{"model":"models/x","content":{"parts":[{"text":"a"},{"text":"b"}]},"task_type":"RETRIEVAL_QUERY","outputDimensionality":8}"#,
        );
        let request = read_one(&one).unwrap();
        assert_eq!(request.inputs[0].text().unwrap(), &"ab");
        assert_eq!((request.dimensions, request.extras[0].name.as_str()), (Some(8), "taskType"));
        let two = Bytes::from_static(
            br#"{"requests":[{"content":{"parts":{"text":"a"}}},{"content":{"parts":[{"text":"b"}]}}]}"#,
        );
        assert_eq!(read_batch(&two).unwrap().inputs.len(), 2);
        for wrong in [
            r#"{}"#,
            r#"{"requests":[]}"#,
            r#"{"requests":[{}]}"#,
            r#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"taskType":"X"}]}"#,
            r#"{"requests":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}]}"#,
        ] {
            assert_eq!(read_batch(&Bytes::from_static(wrong.as_bytes())).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn vectors_are_written() {
        let vectors = vec![Vector::Told(Json::known("[0.50,1]")), Vector::Made(vec![0.25])];
        let answer = Embedded { vectors, usage: Usage::default() };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(write_one(&answer)), r#"{"embedding":{"values":[0.50,1]}}"#);
        assert_eq!(text(write_batch(&answer)), r#"{"embeddings":[{"values":[0.50,1]},{"values":[0.25]}]}"#);
    }

    #[test]
    fn answers_are_read() {
        let body = r#"{"embeddings":[{"values":[0.5,-0.25]},{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}"#;
        let answer = read_answer(&Json::known(body)).unwrap();
        assert_eq!(answer.vectors[0].floats().as_ref(), [0.5, -0.25]);
        assert_eq!((answer.vectors.len(), answer.usage.prompt), (2, Some(7)));
        let untold = read_answer(&Json::known(r#"{"embeddings":[{"values":[1]}]}"#)).unwrap();
        assert_eq!(untold.usage.prompt, None);
        for wrong in ["{}", r#"{"embeddings":[{}]}"#, "[]"] {
            assert_eq!(read_answer(&Json::known(wrong)).unwrap_err().class, Class::BadAnswer, "{wrong}");
        }
        let told = r#"{"error":{"code":404,"message":"no such model","status":"NOT_FOUND"}}"#;
        assert_eq!(read_answer(&Json::known(told)).unwrap_err().message, "no such model");
    }
}

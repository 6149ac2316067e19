//! Embeddings: `:batchEmbedContents` (Google's API description, 2026-08, and recorded answers).

use super::resource;
use crate::chat::{EmbedRequest, Embedded, Extra, Failure, Input, Loss, Usage, Vector};
use crate::dialect::Written;
use crate::json::{Json, Style, Value, Writer};

/// The path of a model's call below the base URL.
pub fn path(model: &str) -> String {
    format!("/{}:batchEmbedContents", resource(model))
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
    let truncate = request.truncate.map(|_| "truncate".to_owned());
    let foreign = request
        .extras
        .iter()
        .filter(|extra| !is_own(extra) && extra.loss != Loss::Nothing)
        .map(|extra| extra.name.clone());
    Ok(Written { body: w.into_bytes(), dropped: foreign.chain(truncate).collect() })
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

//! Probabilities, from Google's form into OpenAI's, which the neutral form has, and back.

use crate::json::{Json, Style, Value, Writer};

/// `logprobsResult` as an array of `{token, logprob, bytes, top_logprobs}`.
pub(super) fn read(result: Value<'_>) -> Option<Json> {
    let chosen = result.get("chosenCandidates")?;
    let mut alternatives = result.get("topCandidates").into_iter().flat_map(Value::items);
    let mut w = Writer::new(Style::Plain);
    w.array(|w| {
        for token in chosen.items() {
            let beside = alternatives.next().and_then(|top| top.get("candidates"));
            w.object(|w| {
                write_token(w, token);
                w.key("top_logprobs").array(|w| {
                    let all = beside.into_iter().flat_map(Value::items);
                    all.for_each(|other| w.object(|w| write_token(w, other)));
                });
            });
        }
    });
    Some(Json::known(w.into_bytes()))
}

/// A probability of one is zero here, and zeros are left out on Google's wire.
fn write_token(w: &mut Writer, token: Value<'_>) {
    let text = token.get("token").and_then(Value::string).unwrap_or_default();
    w.key("token").str(&text);
    w.key("logprob").raw(token.get("logProbability").map_or("0", Value::as_str));
    w.key("bytes").array(|w| text.bytes().for_each(|byte| w.int(byte)));
}

/// Arrays of `{token, logprob, top_logprobs}` as `avgLogprobs` and `logprobsResult`.
pub(super) fn write(w: &mut Writer, lists: &[Json]) {
    let tokens = || lists.iter().flat_map(|list| list.value().items());
    let told: Vec<f64> = tokens().filter_map(|token| token.get("logprob")?.float()).collect();
    if !told.is_empty() {
        w.key("avgLogprobs").float(told.iter().sum::<f64>() / told.len() as f64);
    }
    w.key("logprobsResult").object(|w| {
        w.key("topCandidates").array(|w| {
            for token in tokens() {
                let others = token.get("top_logprobs").into_iter().flat_map(Value::items);
                w.object(|w| w.key("candidates").array(|w| others.for_each(|other| write_candidate(w, other))));
            }
        });
        w.key("chosenCandidates").array(|w| tokens().for_each(|token| write_candidate(w, token)));
    });
}

fn write_candidate(w: &mut Writer, token: Value<'_>) {
    w.object(|w| {
        if let Some(text) = token.get("token") {
            w.key("token").raw(text.as_str());
        }
        if let Some(number) = token.get("logprob") {
            w.key("logProbability").raw(number.as_str());
        }
    });
}

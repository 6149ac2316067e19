//! Probabilities, from Google's form into OpenAI's.

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

//! `generationConfig`, read.

use super::field::{self, boolean, integer, list, member, members, number, object};
use super::{extra, schema};
use crate::chat::{Effort, Failure, Format, Reasoning, Request, Settings};
use crate::json::{Json, Value};

const PLACE: &str = "generation_config";

/// Reads all members; those that no other dialect has are kept by their name.
pub(super) fn read(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    let mut form = Form::default();
    for (name, value) in members(object(PLACE, "GenerationConfig", value)?) {
        match name.as_ref() {
            "responseMimeType" => {
                let place = format!("{PLACE}.response_mime_type");
                form.mime = Some(field::text(&place, value)?.as_str().to_ascii_lowercase());
            }
            "responseJsonSchema" => form.schema = Some(value.to_json()),
            "responseSchema" => {
                let own = object(&format!("{PLACE}.response_schema"), "Schema", value)?;
                form.own_schema = Some(schema::to_json_schema(own));
            }
            "thinkingConfig" => thinking(value, request)?,
            "responseModalities" if says_text_only(value) => {}
            name if sampling(name, value, &mut request.settings)? => {}
            name => extra(request, &format!("generationConfig.{name}"), value),
        }
    }
    request.format = form.format(request);
    Ok(())
}

/// The members that become [`Settings`]. `false`: it is none of them.
fn sampling(name: &str, value: Value<'_>, settings: &mut Settings) -> Result<bool, Failure> {
    let int = |name: &str| integer(&format!("{PLACE}.{name}"), value);
    let float = |name: &str| number(&format!("{PLACE}.{name}"), value).map(Some);
    match name {
        // Zero is protobuf's way to say nothing.
        "maxOutputTokens" => settings.max_tokens = Some(int("max_output_tokens")?).filter(|most| *most > 0),
        "candidateCount" => settings.choices = Some(int("candidate_count")?).filter(|count| *count > 0),
        "temperature" => settings.temperature = float("temperature")?,
        "topP" => settings.top_p = float("top_p")?,
        // Google's SDKs send 40 as 40.0, which other providers refuse.
        "topK" => settings.top_k = Some(Json::known(int("top_k")?.to_string())),
        "seed" => settings.seed = Some(Json::known(int("seed")?.to_string())),
        "presencePenalty" => settings.presence_penalty = float("presence_penalty")?,
        "frequencyPenalty" => settings.frequency_penalty = float("frequency_penalty")?,
        "responseLogprobs" => {
            settings.logprobs = Some(boolean(&format!("{PLACE}.response_logprobs"), value)?);
        }
        "logprobs" => settings.top_logprobs = Some(int("logprobs")?),
        "stopSequences" => {
            let stops = list(value).enumerate();
            let read = stops.map(|(at, stop)| field::text(&format!("{PLACE}.stop_sequences[{at}]"), stop));
            settings.stop = read.collect::<Result<_, _>>()?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn says_text_only(modalities: Value<'_>) -> bool {
    list(modalities).all(|item| item.string().is_some_and(|name| name.eq_ignore_ascii_case("text")))
}

/// Depth of thinking. Thoughts are shown to who asks for them alone.
fn thinking(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    let place = "generation_config.thinking_config";
    let value = object(place, "ThinkingConfig", value)?;
    let shows = member(value, "includeThoughts").map(|value| boolean(&format!("{place}.include_thoughts"), value));
    request.hides_thoughts = !shows.transpose()?.unwrap_or(false);
    let budget = member(value, "thinkingBudget").map(|value| integer(&format!("{place}.thinking_budget"), value));
    let level = member(value, "thinkingLevel").and_then(Value::string).map(|name| name.to_ascii_lowercase());
    let effort = level.and_then(|name| Effort::from_name(&name)).map(Reasoning::Effort);
    let budget = budget.transpose()?.map(|tokens| match tokens {
        0 => Reasoning::Off,
        ..0 => Reasoning::On,
        tokens => Reasoning::Budget(tokens),
    });
    request.reasoning = budget.or(effort).or((!request.hides_thoughts).then_some(Reasoning::On));
    Ok(())
}

/// What is said of the form of the answer.
#[derive(Default)]
struct Form {
    mime: Option<String>,
    schema: Option<Json>,
    own_schema: Option<Json>,
}

impl Form {
    /// A type of its own (`text/x.enum`) is a wish that no other provider knows.
    fn format(self, request: &mut Request) -> Option<Format> {
        match self.mime.as_deref() {
            Some("text/plain" | "") => return None,
            Some("application/json") | None => {}
            Some(other) => {
                extra(request, "generationConfig.responseMimeType", Json::string(other).value());
                return None;
            }
        }
        let is_json = self.mime.is_some();
        let schema = |schema| Format::Schema { name: None, description: None, schema, strict: None };
        self.schema.or(self.own_schema).map(schema).or(is_json.then_some(Format::Json))
    }
}

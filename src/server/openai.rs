//! OpenAI's lists, and LM Studio's older one.

use http::{HeaderMap, Response};

use super::{Gateway, completion, ollama, reply};
use crate::chat::Failure;
use crate::dialect::openai::models::{self, Loaded};
use crate::dialect::{Accent, Dialect, ollama::name};
use crate::json::{Json, Value};
use crate::model::Model;
use crate::relay::Body;

/// `/v1/models`, or one of them.
pub(super) async fn models(gateway: &Gateway, one: Option<&str>) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let (catalogue, accent) = (gateway.discovery.catalogue(), gateway.accent());
    let Some(asked) = one else {
        let rows: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).collect();
        return reply::content(200, reply::JSON, models::write_list(&rows, accent));
    };
    match catalogue.model(asked) {
        Ok(model) => reply::content(200, reply::JSON, models::write_one(&model, asked, accent)),
        Err(failure) => unknown(accent, asked, failure),
    }
}

/// LM Studio's `/api/v0/models`, or one of them: some tools know which models there are by nothing else.
pub(super) async fn detailed_models(gateway: &Gateway, headers: &HeaderMap, one: Option<&str>) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let running = ollama::loaded(gateway, headers).await;
    let (catalogue, accent) = (gateway.discovery.catalogue(), gateway.accent());
    let Some(asked) = one else {
        let rows = catalogue.models().iter().map(|model| (model.as_ref(), is_loaded(model, &running)));
        return reply::content(200, reply::JSON, models::write_detailed_list(rows, accent));
    };
    match catalogue.model(asked) {
        Ok(model) => {
            let details = models::write_detailed(&model, asked, is_loaded(&model, &running), accent);
            reply::content(200, reply::JSON, details)
        }
        Err(failure) => unknown(accent, asked, failure),
    }
}

/// A cloud's model answers at once, an Ollama's where it runs.
fn is_loaded(model: &Model, running: &[Json]) -> Loaded {
    if !model.is_local {
        return Loaded::Yes(model.context_length);
    }
    let is_it = |row: &&Json| row.value().get("name").and_then(Value::string).as_deref() == Some(model.name.as_str());
    let context = |row: &Json| row.value().get("context_length")?.int().and_then(|tokens| u64::try_from(tokens).ok());
    running.iter().find(is_it).map_or(Loaded::No, |row| Loaded::Yes(context(row)))
}

/// An Ollama server looks for details by the name in full, and says so.
fn unknown(accent: Accent, asked: &str, failure: Failure) -> Response<Body> {
    let failure = match accent {
        Accent::OpenAi => failure,
        Accent::Ollama => name::unknown(asked, failure, true),
    };
    reply::failure_in(accent, Dialect::OpenAi, &failure)
}

//! Ollama's lists and details. Models of an Ollama server are described by that server, all others from what is known.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use jiff::Timestamp;

use super::{Gateway, completion, reply};
use crate::catalogue::Route;
use crate::chat::{Class, Failure};
use crate::dialect::{Dialect, ollama};
use crate::json::splice::{self, Edit};
use crate::json::{Json, Style, Value, Writer};
use crate::model::Model;
use crate::relay::{Body, Errand, as_typed};

/// So long an Ollama server may take to say what it runs.
const RUNNING_WAIT: Duration = Duration::from_secs(5);

/// So long an Ollama server may take to describe a model; after that, what is known of it is told.
const SHOW_WAIT: Duration = Duration::from_secs(10);

/// `/api/version`
pub(super) fn version() -> Response<Body> {
    reply::content(200, reply::JSON_UTF8, ollama::models::write_version())
}

/// `/api/status`: Ollama's own cloud is not switched off here.
pub(super) fn status() -> Response<Body> {
    reply::content(200, reply::JSON_UTF8, r#"{"cloud":{"disabled":false,"source":"none"}}"#)
}

/// `/api/tags`
pub(super) async fn tags(gateway: &Gateway) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let catalogue = gateway.discovery.catalogue();
    let rows: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).collect();
    reply::content(200, reply::JSON_UTF8, ollama::models::write_tags(&rows, gateway.started))
}

/// `/api/ps`: what the Ollama servers run, then what was used lately elsewhere.
pub(super) async fn running(gateway: &Gateway, headers: &HeaderMap) -> Response<Body> {
    let mut rows = loaded(gateway, headers).await;
    let catalogue = gateway.discovery.catalogue();
    let used = gateway.running.list();
    let mut models: Vec<_> =
        used.iter().filter_map(|(name, until)| Some((catalogue.model(name).ok()?, *until))).collect();
    // Asked for under several names it is one model, and stays as long as under the one that keeps it longest.
    let mut names = HashSet::new();
    models.retain(|(model, _)| names.insert(model.name.clone()));
    let shown: Vec<ollama::models::Running<'_>> =
        models.iter().map(|(model, expires_at)| ollama::models::Running { model, expires_at: *expires_at }).collect();
    rows.extend(rows_of(Bytes::from(ollama::models::write_ps(&shown))));
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| w.key("models").array(|w| rows.iter().for_each(|row| w.json(row))));
    reply::content(200, reply::JSON_UTF8, writer.into_bytes())
}

/// What the Ollama servers run, a row each.
pub(super) async fn loaded(gateway: &Gateway, headers: &HeaderMap) -> Vec<Json> {
    let local = gateway.discovery.providers().iter().filter(|provider| provider.is_local);
    let asked = local.map(|provider| async move {
        let fetched = gateway.relay.fetch(provider, "/api/ps", headers);
        tokio::time::timeout(RUNNING_WAIT, fetched).await
    });
    // A server that does not answer runs nothing that could be shown.
    let bodies = futures_util::future::join_all(asked).await.into_iter().flatten().flatten();
    merged(bodies.flat_map(rows_of))
}

/// A model that several servers run is one model, there as long as any of them keeps it.
fn merged(rows: impl Iterator<Item = Json>) -> Vec<Json> {
    let name = |row: &Json| row.value().get("name").and_then(Value::string).map(Cow::into_owned);
    let until = |row: &Json| row.value().get("expires_at")?.string()?.parse::<Timestamp>().ok();
    let mut merged: Vec<Json> = Vec::new();
    for row in rows {
        match merged.iter_mut().find(|known| name(known) == name(&row)) {
            Some(known) if until(&row) > until(known) => *known = row,
            Some(_) => {}
            None => merged.push(row),
        }
    }
    merged
}

fn rows_of(body: Bytes) -> Vec<Json> {
    let Ok(json) = Json::parse(body) else { return Vec::new() };
    json.value().get("models").map(|rows| rows.items().map(|row| row.to_json()).collect()).unwrap_or_default()
}

/// `/api/show`
pub(super) async fn show(gateway: &Gateway, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    let asked = match ollama::models::read_show(&body) {
        Ok(asked) => asked,
        Err(failure) => return reply::failure(Dialect::Ollama, &failure),
    };
    let route = match completion::look_up(gateway, &asked).await {
        Ok(route) => route,
        Err(failure) => return reply::failure(Dialect::Ollama, &ollama::name::unknown(&asked, failure, true)),
    };
    let told = match shown_by_server(gateway, &route, &asked, headers, &body).await {
        Some(Ok(answer)) if !answer.status().is_server_error() => return answer,
        told => told,
    };
    // A server that is away for now hides none of its models.
    if let Some(told) = told.filter(|_| gateway.discovery.catalogue().listed(&asked).is_none()) {
        return told.unwrap_or_else(|failure| reply::failure(Dialect::Ollama, &failure));
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    match gateway.discovery.catalogue().model(&asked) {
        Ok(model) => {
            let details = ollama::models::write_show(&model, &asked, gateway.started, agent);
            reply::content(200, reply::JSON_UTF8, details)
        }
        Err(failure) => reply::failure(Dialect::Ollama, &failure),
    }
}

/// What the servers that have a model say of it: the first that can say anything, else the last failure. `None`: no server has it.
async fn shown_by_server(
    gateway: &Gateway,
    route: &Route,
    asked: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Result<Response<Body>, Failure>> {
    let mut told = None;
    for target in route.targets.iter().filter(|target| target.provider.is_local) {
        let body = with_model(body, asked, &target.model);
        let asking = gateway.relay.forward(&target.provider, Errand::ollama(Method::POST, "/api/show", headers, body));
        let late = || Failure::new(Class::Timeout, "its server did not describe the model in time");
        told = Some(tokio::time::timeout(SHOW_WAIT, asking).await.unwrap_or_else(|_| Err(late())));
        if let Some(Ok(answer)) = &told
            && !answer.status().is_server_error()
        {
            break;
        }
    }
    told
}

/// A body with another model's name under `model` and `name`, the rest as it came.
fn with_model(body: &Bytes, asked: &str, model: &str) -> Bytes {
    if as_typed(asked, model) == asked {
        return body.clone();
    }
    let members = splice::members(body).unwrap_or_default();
    let quoted = serde_json::to_string(model).unwrap_or_default();
    let names = |key: &str| key.eq_ignore_ascii_case("model") || key.eq_ignore_ascii_case("name");
    let is_named = |(_, member): &(usize, &splice::Member)| names(&member.key) && member.value.len() > 2;
    let edits: Vec<Edit> =
        members.iter().enumerate().filter(is_named).map(|(index, _)| Edit::Value(index, quoted.clone())).collect();
    splice::apply(body, &members, &edits)
}

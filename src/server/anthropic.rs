//! Anthropic's lists, and its counting of tokens.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use super::{Gateway, completion, reply};
use crate::catalogue::Target;
use crate::chat::{Estimate, Failure};
use crate::dialect::{Dialect, Wire, anthropic};
use crate::json::{Style, Writer};
use crate::model::Model;
use crate::relay::{Ask, Body, Errand, full};

/// Clients of this dialect send it with every request.
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Set on counts that no provider made.
const ESTIMATED: HeaderName = HeaderName::from_static("x-polyllama-estimated");

/// Does the client of a path that two dialects share speak this one?
pub(super) fn is_spoken(headers: &HeaderMap) -> bool {
    headers.contains_key(VERSION)
}

/// `/v1/models`, a page of it, or one of them.
pub(super) async fn models(gateway: &Gateway, one: Option<&str>, query: &str) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let catalogue = gateway.discovery.catalogue();
    let written = match one {
        Some(asked) => catalogue.model(asked).map(|model| anthropic::models::write_one(&model, asked)),
        None => anthropic::models::read_query(query).and_then(|wanted| {
            let rows: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).collect();
            anthropic::models::write_list(&rows, &wanted)
        }),
    };
    match written {
        Ok(body) => reply::content(200, reply::JSON, body),
        Err(failure) => reply::failure(Dialect::Anthropic, &failure),
    }
}

/// `/v1/messages/count_tokens`: the provider's own count where it has one, else an estimate that says so. Clients ask often and
/// take no answer for trouble, so that a provider which fails is no failure here.
pub(super) async fn count_tokens(gateway: &Gateway, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    match counted(gateway, headers, body).await {
        Ok(response) => response,
        Err(failure) => reply::failure(Dialect::Anthropic, &failure),
    }
}

async fn counted(gateway: &Gateway, headers: &HeaderMap, body: Bytes) -> Result<Response<Body>, Failure> {
    let request = anthropic::request::read_to_count(&body)?;
    let route = completion::look_up(gateway, &request.model).await?;
    let own = |target: &&Target| target.provider.faces.iter().any(|face| face.dialect == Dialect::Anthropic);
    if let Some(target) = route.targets.first().filter(own) {
        let body = Ask::new(Wire::Anthropic, body, headers.clone())?.spliced(&target.model);
        let errand = Errand {
            dialect: Dialect::Anthropic,
            method: Method::POST,
            path: "/messages/count_tokens",
            client: headers,
            body: full(body),
            is_slow: false,
        };
        let asked = gateway.relay.forward(&target.provider, errand);
        // What is wrong with the request is the client's to know.
        match asked.await {
            Ok(told) if told.status().is_success() || told.status() == 400 => return Ok(told),
            Ok(_) | Err(_) => {}
        }
    }
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| w.key("input_tokens").int(Estimate::of_request(&request).likely()));
    let mut response = reply::content(200, reply::JSON, writer.into_bytes());
    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
    Ok(response)
}

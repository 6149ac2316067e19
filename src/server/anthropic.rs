//! Anthropic's lists, and its counting of tokens.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};

use super::{Gateway, completion, reply};
use crate::chat::{Estimate, Failure};
use crate::dialect::{Dialect, Wire, anthropic};
use crate::model::Model;
use crate::relay::{Ask, Body};

/// Clients of this dialect send it with every request.
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Does the client of a path that several dialects share speak this one?
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
    if let Some(target) = route.targets.first() {
        let own = Ask::new(Wire::Anthropic, body, headers.clone())?.spliced(&target.model);
        let path = anthropic::count::PATH;
        if let Some(counted) = gateway.relay.count(target, Wire::Anthropic, path, headers, own).await {
            return counted;
        }
    }
    let tokens = Estimate::of_request(&request).likely();
    Ok(reply::estimated(reply::JSON, anthropic::count::write(tokens)))
}

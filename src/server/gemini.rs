//! Google's lists, and counts of tokens.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{Gateway, completion, reply};
use crate::chat::{Estimate, Failure};
use crate::dialect::{Dialect, Wire, gemini};
use crate::json::splice;
use crate::model::Model;
use crate::relay::Body;

/// Google's content type for JSON.
const JSON: &str = "application/json; charset=UTF-8";

/// Does the client of a path that several dialects share speak this one?
pub(super) fn is_spoken(headers: &HeaderMap) -> bool {
    headers.contains_key("x-goog-api-key") || headers.contains_key("x-goog-api-client")
}

/// `/v1beta/models`, or one of them.
pub(super) async fn models(
    gateway: &Gateway,
    one: Option<&str>,
    size: Option<String>,
    token: Option<String>,
) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let catalogue = gateway.discovery.catalogue();
    if let Some(name) = one {
        return match catalogue.model(name) {
            Ok(model) => reply::content(200, JSON, gemini::models::write_one(&model, name)),
            Err(failure) => reply::failure(Dialect::Gemini, &failure),
        };
    }
    let rows: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).collect();
    let size = match size.filter(|size| !size.is_empty()).map(|size| size.parse::<usize>()).transpose() {
        Ok(size) => size,
        Err(_) => return reply::failure(Dialect::Gemini, &Failure::bad_request("page_size must be a positive number")),
    };
    match gemini::models::write_page(&rows, size, token.as_deref().filter(|token| !token.is_empty())) {
        Some(page) => reply::content(200, JSON, page),
        None => reply::failure(Dialect::Gemini, &Failure::bad_request("page_token is not one of this list's")),
    }
}

/// `:countTokens`: the provider's own count where it speaks this dialect, else an estimate that says so.
pub(super) async fn count(gateway: &Gateway, headers: &HeaderMap, model: &str, body: Bytes) -> Response<Body> {
    match counted(gateway, headers, model, body).await {
        Ok(response) => response,
        Err(failure) => reply::failure(Dialect::Gemini, &failure),
    }
}

async fn counted(gateway: &Gateway, headers: &HeaderMap, model: &str, body: Bytes) -> Result<Response<Body>, Failure> {
    let route = completion::look_up(gateway, model).await?;
    if let Some(target) = route.targets.first() {
        let own = splice::apply(&body, &[], &Wire::Gemini.edits(&body, &target.model));
        let path = gemini::count::path(&target.model);
        if let Some(counted) = gateway.relay.count(target, Wire::Gemini, &path, headers, own).await {
            return counted;
        }
    }
    let tokens = Estimate::of_request(&gemini::read::read_count(&body)?).likely();
    Ok(reply::estimated(JSON, gemini::count::write(tokens)))
}

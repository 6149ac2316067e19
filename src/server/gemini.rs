//! Google's lists, and counts of tokens.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::{Gateway, completion, reply};
use crate::catalogue::Target;
use crate::chat::{Estimate, Failure};
use crate::dialect::{Dialect, Wire, gemini};
use crate::json::splice;
use crate::model::Model;
use crate::relay::{Body, Errand, full};

/// Google's content type for JSON.
const JSON: &str = "application/json; charset=UTF-8";

/// Set on counts that no provider made.
const ESTIMATED: HeaderName = HeaderName::from_static("x-polyllama-estimated");

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
    let own = |target: &&Target| target.provider.faces.iter().any(|face| face.dialect == Dialect::Gemini);
    if let Some(target) = route.targets.first().filter(own) {
        let edits = Wire::Gemini.edits(&body, &target.model);
        let (path, body) = (gemini::count::path(&target.model), splice::apply(&body, &[], &edits));
        let errand = Errand {
            dialect: Dialect::Gemini,
            method: Method::POST,
            path: &path,
            client: headers,
            body: full(body),
            is_slow: false,
        };
        let asked = gateway.relay.forward(&target.provider, errand).await;
        // What is wrong with the request is the client's to know.
        match asked {
            Ok(told) if told.status().is_success() || told.status() == StatusCode::BAD_REQUEST => return Ok(told),
            Ok(_) | Err(_) => {}
        }
    }
    let request = gemini::read::read_count(&body)?;
    let tokens = Estimate::of_request(&request).likely();
    let mut response = reply::content(200, JSON, gemini::count::write(tokens));
    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
    Ok(response)
}

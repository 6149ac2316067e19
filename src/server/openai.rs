//! OpenAI's lists.

use http::Response;

use super::{Gateway, completion, reply};
use crate::dialect::{Dialect, openai};
use crate::model::Model;
use crate::relay::Body;

/// `/v1/models`, or one of them.
pub(super) async fn models(gateway: &Gateway, one: Option<&str>) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let catalogue = gateway.discovery.catalogue();
    let Some(asked) = one else {
        let rows: Vec<&Model> = catalogue.models().iter().map(AsRef::as_ref).collect();
        return reply::content(200, reply::JSON, openai::models::write_list(&rows));
    };
    match catalogue.model(asked) {
        Ok(model) => reply::content(200, reply::JSON, openai::models::write_one(&model, asked)),
        Err(failure) => reply::failure(Dialect::OpenAi, &failure),
    }
}

//! What people and orchestrators look at: the root, and whether the gateway can serve.

use http::{HeaderMap, Response, header};

use super::{Gateway, ollama, reply};
use crate::json::{Style, Writer};
use crate::relay::Body;

/// Ollama's own greeting, by which clients know it; the version to a program that asks for JSON, a page to a browser.
pub(super) fn root(gateway: &Gateway, headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept == "application/json" {
        return ollama::version();
    }
    if accept.starts_with("text/html") {
        return reply::content(200, "text/html; charset=utf-8", page(gateway));
    }
    reply::content(200, "text/plain; charset=utf-8", "Ollama is running")
}

/// A page without scripts: what runs here, and how to ask it.
fn page(gateway: &Gateway) -> String {
    let rows: String = gateway
        .discovery
        .states()
        .iter()
        .map(|(provider, state, models)| {
            let state = if state.error.is_some() { "not answering" } else { "ready" };
            format!("<tr><td>{}</td><td>{models}</td><td>{state}</td></tr>", escaped(&provider.prefix))
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>polyllama</title><style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}}\
         td,th{{padding:.2rem 1rem .2rem 0;text-align:left}}code{{background:#8882;padding:.1rem .3rem}}</style>\
         <h1>polyllama {}</h1><p>Every model below answers Ollama clients at <code>/api</code> and OpenAI clients at \
         <code>/v1</code>.</p><table><tr><th>provider</th><th>models</th><th>state</th></tr>{rows}</table>\
         <p><a href=\"/v1/models\">models</a> · <a href=\"/readyz\">readiness</a></p></html>",
        env!("CARGO_PKG_VERSION"),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// 200 when at least one provider can be used; each provider's state either way.
pub(super) fn ready(gateway: &Gateway) -> Response<Body> {
    let states = gateway.discovery.states();
    let is_ready = states.iter().any(|(_, state, models)| state.is_listed || *models > 0);
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("ready").bool(is_ready);
        w.key("providers").array(|w| {
            for (provider, state, models) in &states {
                w.object(|w| {
                    w.key("provider").str(&provider.prefix);
                    w.key("keys").int(provider.pool.len() as i64);
                    w.key("models").int(*models as i64);
                    w.key("listed").bool(state.is_listed);
                    if let Some(error) = &state.error {
                        w.key("error").str(error);
                    }
                });
            }
        });
        if states.is_empty() {
            w.key("error").str(&gateway.discovery.catalogue().without_provider().message);
        }
    });
    reply::content(if is_ready { 200 } else { 503 }, reply::JSON, writer.into_bytes())
}

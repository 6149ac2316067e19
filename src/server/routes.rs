//! Which path is served by what, and what every request goes through before and after.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::completion::Pending;
use super::guard::Verdict;
use super::manage::{self, Own};
use super::reply;
use super::{Gateway, anthropic, completion, gemini, input, ollama, openai, operation};
use crate::chat::{Class, Failure};
use crate::dialect::gemini::call::{self, Call};
use crate::dialect::ollama::manage::Action;
use crate::dialect::{Dialect, Wire};
use crate::observe::Record;
use crate::relay::{Ask, Body};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Root,
    Health,
    Ready,
    Version,
    Status,
    Tags,
    Running,
    Show,
    /// Managing models.
    Change(Action),
    Blob,
    /// What an Ollama server is asked about itself.
    Own(Own),
    Completion(Wire),
    Models,
    /// LM Studio's list.
    DetailedModels,
    /// Below Google's version: the path's end says what it is.
    Google,
    CountTokens,
    /// A route that a real Ollama or OpenAI server has and this gateway does not serve yet.
    Later(Dialect),
}

/// The routes: path (`:` stands for one more step, `*` for any number), methods as Ollama writes them in `Allow`, and what it is.
const ROUTES: [(&str, &str, Route); 44] = [
    ("/", "HEAD, GET", Route::Root),
    ("/healthz", "HEAD, GET", Route::Health),
    ("/readyz", "HEAD, GET", Route::Ready),
    ("/api/version", "HEAD, GET", Route::Version),
    ("/api/status", "GET", Route::Status),
    ("/api/tags", "HEAD, GET", Route::Tags),
    ("/api/models", "HEAD, GET", Route::Tags),
    ("/api/ps", "GET", Route::Running),
    ("/api/show", "POST", Route::Show),
    ("/api/chat", "POST", Route::Completion(Wire::OllamaChat)),
    ("/api/generate", "POST", Route::Completion(Wire::OllamaGenerate)),
    ("/api/embed", "POST", Route::Completion(Wire::OllamaEmbed)),
    ("/api/embeddings", "POST", Route::Completion(Wire::OllamaEmbeddings)),
    ("/api/pull", "POST", Route::Change(Action::Pull)),
    ("/api/push", "POST", Route::Change(Action::Push)),
    ("/api/create", "POST", Route::Change(Action::Create)),
    ("/api/copy", "POST", Route::Change(Action::Copy)),
    ("/api/delete", "DELETE", Route::Change(Action::Delete)),
    ("/api/blobs/:", "HEAD, POST", Route::Blob),
    ("/api/me", "POST", Route::Own(Own::Account)),
    ("/api/signout", "POST", Route::Own(Own::SignOut)),
    ("/api/user/keys/:", "DELETE", Route::Own(Own::SignOut)),
    ("/api/experimental/web_search", "POST", Route::Own(Own::Web)),
    ("/api/experimental/web_fetch", "POST", Route::Own(Own::Web)),
    ("/api/experimental/model-recommendations", "GET", Route::Own(Own::Recommendations)),
    ("/v1/chat/completions", "POST", Route::Completion(Wire::OpenAiChat)),
    ("/v1/completions", "POST", Route::Completion(Wire::OpenAiCompletions)),
    ("/v1/models", "HEAD, GET", Route::Models),
    ("/v1/models/*", "HEAD, GET", Route::Models),
    ("/v1/embeddings", "POST", Route::Completion(Wire::OpenAiEmbeddings)),
    ("/api/v0/models", "HEAD, GET", Route::DetailedModels),
    ("/api/v0/models/*", "HEAD, GET", Route::DetailedModels),
    ("/api/v0/chat/completions", "POST", Route::Completion(Wire::OpenAiChat)),
    ("/api/v0/completions", "POST", Route::Completion(Wire::OpenAiCompletions)),
    ("/api/v0/embeddings", "POST", Route::Completion(Wire::OpenAiEmbeddings)),
    ("/v1/responses", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1/messages", "POST", Route::Completion(Wire::Anthropic)),
    ("/v1/messages/count_tokens", "POST", Route::CountTokens),
    ("/v1/audio/*", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1/images/*", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1/moderations", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1/rerank", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1/fim/completions", "POST", Route::Later(Dialect::OpenAi)),
    ("/v1beta/*", "GET, POST", Route::Google),
];

/// Answers one request.
pub(super) async fn handle(
    gateway: &Arc<Gateway>,
    request: Request<Incoming>,
    peer: SocketAddr,
    local: SocketAddr,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    if let Some(refused) = without_host(&head) {
        return refused;
    }
    let path = clean(head.uri.path());
    let found = ROUTES.iter().find(|(pattern, _, _)| fits(pattern, &path));
    let allow = found.map(|(_, methods, _)| *methods);
    let cors = match gateway.guard.check(&head.method, &head.uri, &head.headers, local.ip(), allow) {
        Verdict::Answer(response) => return response,
        Verdict::Pass(cors) => cors,
    };
    let mut response = match found {
        None => text(StatusCode::NOT_FOUND, "404 page not found", "text/plain"),
        Some((_, methods, _)) if !is_allowed(methods, &head.method) => not_allowed(methods),
        Some((_, _, route)) => {
            let visit = Visit { gateway, path: &path, head: &head, peer };
            visit.answer(*route, body).await
        }
    };
    let headers = std::mem::take(response.headers_mut());
    *response.headers_mut() = with_cors(headers, cors);
    gateway.relay.upstream().mark_answer(&head.headers, response.headers_mut());
    response
}

/// HTTP/1.1 wants one Host, no more and no less. What is wrong with it is told as Ollama's server tells it.
fn without_host(head: &http::request::Parts) -> Option<Response<Body>> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let told = match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.as_bytes().iter().copied().all(is_of_host) => return None,
        (Some(_), None) => "400 Bad Request: malformed Host header",
        (None, _) if head.version < http::Version::HTTP_11 => return None,
        (None, _) => "400 Bad Request: missing required Host header",
        (Some(_), Some(_)) => "400 Bad Request",
    };
    let mut response = text(StatusCode::BAD_REQUEST, told, "text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// May it stand in a Host header (RFC 3986, host and port)?
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

/// With the headers for a web page, sorted among the others as Ollama has them.
fn with_cors(headers: HeaderMap, cors: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    if cors.is_empty() {
        return headers;
    }
    let mut cors = cors.into_iter();
    let mut sorted: HeaderMap = cors.by_ref().take(1).collect();
    sorted.extend(headers);
    sorted.extend(cors);
    sorted
}

/// One request at its route.
struct Visit<'a> {
    gateway: &'a Arc<Gateway>,
    path: &'a str,
    head: &'a http::request::Parts,
    peer: SocketAddr,
}

impl Visit<'_> {
    async fn answer(&self, route: Route, body: Incoming) -> Response<Body> {
        if let Err(looped) = self.gateway.relay.upstream().check_hops(&self.head.headers) {
            let mut response = reply::failure(Dialect::OpenAi, &looped);
            *response.status_mut() = StatusCode::LOOP_DETECTED;
            return response;
        }
        let is_open = matches!(route, Route::Root | Route::Health);
        let asked = self.query("key").filter(|_| route == Route::Google);
        let who = match self.gateway.guard.identify(&self.head.headers, asked.as_deref()) {
            Err(_) if is_open => String::new(),
            Err(failure) => return self.unauthorized(route, &failure),
            Ok(0) => self.peer.ip().to_string(),
            Ok(key) => format!("{}#{key}", self.peer.ip()),
        };
        let gateway = self.gateway;
        match route {
            Route::Root => operation::root(gateway, &self.head.headers),
            Route::Health => text(StatusCode::OK, "ok", "text/plain; charset=utf-8"),
            Route::Ready => operation::ready(gateway),
            Route::Version => ollama::version(),
            Route::Status => ollama::status(),
            Route::Tags => ollama::tags(gateway).await,
            Route::Running => ollama::running(gateway, &self.head.headers).await,
            Route::Show => {
                self.with_body(Dialect::Ollama, body, |body| ollama::show(gateway, &self.head.headers, body)).await
            }
            Route::Change(action) => {
                self.with_body(Dialect::Ollama, body, async |body| self.managing().change(action, body).await).await
            }
            Route::Blob => self.managing().blob(body).await,
            Route::Own(own) => {
                self.with_body(Dialect::Ollama, body, async |body| self.managing().own(own, body).await).await
            }
            Route::Completion(wire) => self.complete(wire, body, who).await,
            Route::Google => self.google(body, who).await,
            Route::Models => self.models().await,
            Route::DetailedModels => {
                let one = self.path.strip_prefix("/api/v0/models/");
                openai::detailed_models(gateway, &self.head.headers, one).await
            }
            Route::CountTokens => {
                let headers = &self.head.headers;
                self.with_body(Dialect::Anthropic, body, |body| anthropic::count_tokens(gateway, headers, body)).await
            }
            Route::Later(dialect) => later(dialect, self.path),
        }
    }

    fn managing(&self) -> manage::Request<'_> {
        let (method, headers) = (&self.head.method, &self.head.headers);
        manage::Request { gateway: self.gateway, method, path: self.path, headers }
    }

    /// One path for three dialects.
    async fn models(&self) -> Response<Body> {
        let one = self.path.strip_prefix("/v1/models/");
        match self.dialect_of(Route::Models) {
            Dialect::Anthropic => anthropic::models(self.gateway, one, self.head.uri.query().unwrap_or_default()).await,
            Dialect::Gemini => self.google_models().await,
            Dialect::OpenAi | Dialect::Ollama => openai::models(self.gateway, one).await,
        }
    }

    async fn with_body(
        &self,
        dialect: Dialect,
        body: Incoming,
        answer: impl AsyncFnOnce(bytes::Bytes) -> Response<Body>,
    ) -> Response<Body> {
        match input::read(&self.head.headers, body, &self.gateway.limits).await {
            Ok(body) => answer(body).await,
            Err(failure) => reply::failure(dialect, &failure),
        }
    }

    async fn complete(&self, wire: Wire, body: Incoming, who: String) -> Response<Body> {
        let mut pending = self.pending(wire, who);
        let headers = &self.head.headers;
        let response = match input::read(headers, body, &self.gateway.limits).await {
            Ok(body) => completion::answer(self.gateway, wire, headers, body, &mut pending).await,
            Err(failure) => reply::failure_in(self.gateway.accent(), wire.dialect(), &failure),
        };
        pending.answered(response)
    }

    /// What a client of Google's asks for.
    async fn google(&self, body: Incoming, who: String) -> Response<Body> {
        if let Some((model, wire, stream)) = self.asked_by_path() {
            return self.complete_for(model, wire, stream, body, who).await;
        }
        match self.call() {
            Call::List | Call::Model(_) => self.google_models().await,
            Call::Count(model) => {
                let headers = &self.head.headers;
                let count = |body| gemini::count(self.gateway, headers, model, body);
                self.with_body(Dialect::Gemini, body, count).await
            }
            _ => later(Dialect::Gemini, self.path),
        }
    }

    /// Model, wire, and whether to stream, of a request of Google's that a model answers.
    fn asked_by_path(&self) -> Option<(&str, Wire, bool)> {
        let is_array = || self.query("alt").is_none_or(|alt| !alt.eq_ignore_ascii_case("sse"));
        Some(match self.call() {
            Call::Generate(model) => (model, Wire::Gemini, false),
            Call::Stream(model) if is_array() => (model, Wire::GeminiArray, true),
            Call::Stream(model) => (model, Wire::Gemini, true),
            Call::Embed(model) => (model, Wire::GeminiEmbedOne, false),
            Call::EmbedBatch(model) => (model, Wire::GeminiEmbed, false),
            Call::List | Call::Model(_) | Call::Count(_) | Call::Other => return None,
        })
    }

    async fn complete_for(&self, model: &str, wire: Wire, stream: bool, body: Incoming, who: String) -> Response<Body> {
        let mut pending = self.pending(wire, who);
        let headers = &self.head.headers;
        let response = match input::read(headers, body, &self.gateway.limits).await {
            Ok(body) => {
                let ask = Ask::for_model(wire, model.to_owned(), stream, body, headers.clone());
                completion::answer_to(self.gateway, ask, &mut pending).await
            }
            Err(failure) => reply::completion_failure(wire, self.gateway.accent(), stream, &failure),
        };
        pending.answered(response)
    }

    /// Google's list, or one of its rows.
    async fn google_models(&self) -> Response<Body> {
        let (size, token) = (self.query("pageSize"), self.query("pageToken"));
        gemini::models(self.gateway, self.call().model(), size, token).await
    }

    fn call(&self) -> Call<'_> {
        let below = self.path.splitn(3, '/').nth(2).unwrap_or_default();
        call::read(below, self.head.method == Method::POST)
    }

    fn query(&self, name: &str) -> Option<String> {
        call::parameter(self.head.uri.query()?, name)
    }

    fn pending(&self, wire: Wire, who: String) -> Pending {
        Pending::new(self.gateway, Record::new(self.path, wire.dialect().name(), who))
    }

    fn dialect_of(&self, route: Route) -> Dialect {
        match route {
            Route::Models if anthropic::is_spoken(&self.head.headers) => Dialect::Anthropic,
            Route::Models if gemini::is_spoken(&self.head.headers) => Dialect::Gemini,
            Route::Models | Route::DetailedModels => Dialect::OpenAi,
            Route::Google => Dialect::Gemini,
            Route::CountTokens => Dialect::Anthropic,
            Route::Completion(wire) => wire.dialect(),
            Route::Later(dialect) => dialect,
            Route::Root | Route::Health | Route::Ready | Route::Version | Route::Status => Dialect::Ollama,
            Route::Tags | Route::Running | Route::Show => Dialect::Ollama,
            Route::Change(_) | Route::Blob | Route::Own(_) => Dialect::Ollama,
        }
    }

    fn unauthorized(&self, route: Route, failure: &Failure) -> Response<Body> {
        let refused = reply::failure_in(self.gateway.accent(), self.dialect_of(route), failure);
        let wire = match route {
            Route::Completion(wire) => Some(wire),
            Route::Google => self.asked_by_path().map(|(_, wire, _)| wire),
            _ => None,
        };
        match wire {
            Some(wire) => self.pending(wire, self.peer.ip().to_string()).answered(refused),
            None => refused,
        }
    }
}

/// The path that is meant: without doubled and trailing slashes and dots, with escapes read, and with the prefixes undone that people
/// paste into a base URL.
fn clean(path: &str) -> Cow<'_, str> {
    let is_whole = !path.contains("//") && !path.contains("/.") && (path.len() == 1 || !path.ends_with('/'));
    let is_plain = is_whole && !path.contains('%');
    let is_googles = path.starts_with("/v1") && (path.contains(':') || !path.starts_with("/v1/"));
    let doubled = ["/v1/v1", "/v1/api", "/api/v1", "/api/api"];
    if is_plain && !is_googles && !doubled.iter().any(|doubled| path.starts_with(doubled)) {
        return Cow::Borrowed(path);
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let parts: &[&str] = match parts.as_slice() {
        ["v1" | "api", "v1" | "v1beta" | "v1alpha" | "api", rest @ ..] => &parts[parts.len() - rest.len() - 1..],
        ["v1beta", "v1beta", ..] => &parts[1..],
        all => all,
    };
    Cow::Owned(match parts {
        // Google's face for OpenAI's clients.
        ["v1beta", "openai", rest @ ..] => format!("/v1/{}", rest.join("/")),
        // What its SDKs ask for when they are set to another version.
        ["v1alpha", rest @ ..] => format!("/v1beta/{}", rest.join("/")),
        ["v1", rest @ ..] if is_call(rest) => format!("/v1beta/{}", rest.join("/")),
        parts => format!("/{}", parts.join("/")),
    })
}

/// Does a path below a version end in one of Google's methods?
fn is_call(parts: &[&str]) -> bool {
    let below = parts.join("/");
    !matches!(call::read(&below, true), Call::Other)
}

fn fits(pattern: &str, path: &str) -> bool {
    let rest_of = |start: &str| path.strip_prefix(start).filter(|rest| !rest.is_empty());
    if let Some(start) = pattern.strip_suffix(':') {
        return rest_of(start).is_some_and(|rest| !rest.contains('/'));
    }
    pattern.strip_suffix('*').map_or(pattern == path, |start| rest_of(start).is_some())
}

/// Is it among the methods of a route?
pub(super) fn is_allowed(methods: &str, method: &Method) -> bool {
    methods.split(", ").any(|allowed| allowed == method.as_str())
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed", "text/plain");
    let mut sorted: HeaderMap = [(header::ALLOW, HeaderValue::from_static(methods))].into_iter().collect();
    sorted.extend(std::mem::take(response.headers_mut()));
    *response.headers_mut() = sorted;
    response
}

fn text(status: StatusCode, body: &'static str, content_type: &'static str) -> Response<Body> {
    reply::content(status.as_u16(), content_type, body)
}

fn later(dialect: Dialect, path: &str) -> Response<Body> {
    let message = format!("{path} is not served by this version of polyllama");
    reply::failure(dialect, &Failure::new(Class::Unsupported, message).with_code("not_implemented"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_paths_mean_what_they_look_like() {
        for (path, want) in [
            ("/", "/"),
            ("/api/tags/", "/api/tags"),
            ("//api//chat", "/api/chat"),
            ("/api/../api/./version", "/api/version"),
            ("/../..", "/"),
            ("/v1/v1/models", "/v1/models"),
            ("/v1/api/tags", "/api/tags"),
            ("/api/v1/models", "/v1/models"),
            ("/api/%76ersion", "/api/version"),
            ("/v1/models/google%3Agemini-pro", "/v1/models/google:gemini-pro"),
            ("/v1/models/openrouter:a%2Fb:free", "/v1/models/openrouter:a/b:free"),
            ("/v1/models/openrouter:a/b:free", "/v1/models/openrouter:a/b:free"),
            ("/v1/models/a%2Fb:free:generateContent", "/v1beta/models/a/b:free:generateContent"),
            ("/v1alpha/models/a:countTokens", "/v1beta/models/a:countTokens"),
            ("/v1/v1beta/models/a:generateContent", "/v1beta/models/a:generateContent"),
            ("/v1beta/v1beta/models", "/v1beta/models"),
            ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
        ] {
            assert_eq!(clean(path), want);
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for (pattern, _, route) in ROUTES {
            let path = pattern.replace('*', "x/y").replace(':', "x");
            let found = ROUTES.iter().find(|(pattern, _, _)| fits(pattern, &path)).map(|(_, _, route)| *route);
            assert_eq!(found, Some(route), "{pattern}");
        }
    }
}

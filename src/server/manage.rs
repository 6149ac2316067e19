//! Managing models, which Ollama servers do: each request goes to the server that it is about, and comes back as that says it.
//!
//! Which server: the one that its prefix names, or that lists the model; a model that nobody lists is the business of the first
//! server that answers. So are uploaded files, and a model made of them goes where they are. Models of a cloud provider are
//! there already: pulling one is done at once, and nothing else can be done to it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Gateway, completion, reply};
use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure};
use crate::dialect::Dialect;
use crate::dialect::ollama::manage::{self, Action, Managing};
use crate::provider::Provider;
use crate::relay::{Body, BodyError, Errand, as_typed, streamed};

/// Where a request to manage a model goes.
enum Place {
    /// To the servers that have it, or the one that shall have it.
    Servers(Vec<Target>),
    /// To this server, though the name could also mean a cloud provider's model.
    Guess(Target),
    /// To nobody: a cloud provider has it.
    Cloud(Target),
    /// To nobody: no server is there.
    Nowhere,
}

/// `/api/pull`, `/api/push`, `/api/create`, `/api/copy`, `/api/delete`
pub(super) async fn change(
    gateway: &Arc<Gateway>,
    action: Action,
    method: &Method,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let read = manage::read(action, &body);
    // A request that can't be read is for a server to refuse, in its own words.
    let asked = read.clone().unwrap_or_else(|_| Managing::unread(action));
    let targets = match place(gateway, &asked, headers).await {
        Place::Servers(targets) => targets,
        Place::Guess(target) => {
            let answer = tell(gateway, &asked, method, headers, &body, &[target]).await;
            return if action == Action::Pull { or_cloud(&asked, answer).await } else { told(read, &asked, answer) };
        }
        Place::Cloud(_) if action == Action::Pull => return pulled(&asked),
        Place::Cloud(target) => return away(read, &asked, &not_stored(&asked, &target)),
        Place::Nowhere => return nowhere(gateway, read),
    };
    let answer = tell(gateway, &asked, method, headers, &body, &targets).await;
    told(read, &asked, answer)
}

/// Tells the servers, one after the other, up to one that does not do it.
async fn tell(
    gateway: &Arc<Gateway>,
    asked: &Managing,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
    targets: &[Target],
) -> Result<Response<Body>, Failure> {
    let mut answer = Err(no_server(gateway));
    for Target { provider, model } in targets {
        let body = asked.renamed(body, as_typed(&asked.model, model), |name| own_name(provider, name));
        let errand = Errand::ollama(method.clone(), asked.action.path(), headers, body).slow();
        answer = send(gateway, provider, errand).await;
        if let Ok(answer) = &answer {
            let (path, status) = (asked.action.path(), answer.status().as_u16());
            tracing::info!(model = asked.model, server = provider.prefix, status, "{path}");
        }
        match answer {
            Ok(done) if done.status().is_success() => answer = Ok(changed(gateway, provider, done).await),
            _ => break,
        }
    }
    answer
}

fn told(read: Result<Managing, Failure>, asked: &Managing, answer: Result<Response<Body>, Failure>) -> Response<Body> {
    answer.unwrap_or_else(|failure| away(read, asked, &failure))
}

/// The pull of a name that may be a cloud model's: it is one where the registry has none of that name.
async fn or_cloud(asked: &Managing, answer: Result<Response<Body>, Failure>) -> Response<Body> {
    let Ok(answer) = answer else { return pulled(asked) };
    let (head, mut body) = answer.into_parts();
    let mut looked = VecDeque::new();
    let mut start = Vec::new();
    // The first line says only that it is being looked up.
    while memchr::memchr_iter(b'\n', &start).count() < 2 && start.len() < LOOK_BYTES {
        let Some(frame) = body.frame().await else { break };
        let bytes = frame.map(|frame| frame.into_data().unwrap_or_default());
        start.extend_from_slice(bytes.as_deref().unwrap_or_default());
        let is_cut = bytes.is_err();
        looked.push_back(bytes);
        if is_cut {
            break;
        }
    }
    if memchr::memmem::find(&start, UNKNOWN.as_bytes()).is_some() {
        return pulled(asked);
    }
    let rest = streamed((looked, body), |(mut looked, mut body)| async move {
        let next = match looked.pop_front() {
            Some(bytes) => bytes,
            None => body.frame().await?.map(|frame| frame.into_data().unwrap_or_default()),
        };
        Some((next, (looked, body)))
    });
    Response::from_parts(head, rest)
}

/// What Ollama's error says where a registry has no such model. Clients know it too: the `ollama` command then looks for a cloud
/// model of that name.
const UNKNOWN: &str = "pull model manifest: file does not exist";

/// So much of a pull's answer is looked at for that.
const LOOK_BYTES: usize = 64 << 10;

/// `/api/blobs/:digest`: a file for a model that will be made of it. It goes through as it comes, whatever its size.
pub(super) async fn blob(
    gateway: &Gateway,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Response<Body> {
    let digest = path.rsplit('/').next().unwrap_or_default();
    let told = |failure: Failure| reply::failure(Dialect::Ollama, &failure);
    if !manage::is_digest(digest) {
        return told(Failure::bad_request("invalid digest format"));
    }
    completion::wait_for_lists(gateway).await;
    let servers = servers(gateway);
    let Some(server) = servers.first() else {
        // A client looks before it uploads, and reads only what the upload is told.
        let status = if method == Method::HEAD { 404 } else { 503 };
        return told(no_server(gateway).with_status(status));
    };
    let look = send(gateway, &server.provider, Errand::ollama(Method::HEAD, path, headers, Bytes::new())).await;
    if method == Method::HEAD {
        return look.unwrap_or_else(told);
    }
    if let Ok(found) = look.as_ref().map(Response::status)
        && found == StatusCode::OK
    {
        // Who waits to be told to go on sends nothing now. All others send all, and only then look.
        let _rest = (!headers.contains_key(header::EXPECT)).then(|| gateway.relay.upload(body));
        return reply::empty(StatusCode::OK);
    }
    let errand = Errand::ollama(Method::POST, path, headers, Bytes::new()).slow();
    send(gateway, &server.provider, errand.with_body(gateway.relay.upload(body))).await.unwrap_or_else(told)
}

/// What a server is asked for that is about itself, or its account, and no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// Who is signed in at it.
    Account,
    /// Nobody shall be signed in at it any more.
    SignOut,
    /// A search in the web, or a page of it.
    Web,
    /// Which models it recommends.
    Recommendations,
}

/// `/api/me`, `/api/signout`, `/api/user/keys/:key`, `/api/experimental/…`: the first server's answer.
pub(super) async fn own(
    gateway: &Gateway,
    own: Own,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    completion::wait_for_lists(gateway).await;
    let path = percent_encoding::utf8_percent_encode(path, PATH).to_string();
    let answer = match servers(gateway).first() {
        None => Err(no_server(gateway)),
        Some(server) => {
            let errand = Errand::ollama(method.clone(), &path, headers, body.clone());
            send(gateway, &server.provider, errand).await
        }
    };
    answer.unwrap_or_else(|failure| without_server(own, &body, &failure))
}

/// What must be escaped in a path.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Models of cloud providers are asked for with the gateway's own keys, so that whoever asks here is signed in: the `ollama`
/// command would else run none of them whose name ends in `cloud`.
fn without_server(own: Own, body: &Bytes, away: &Failure) -> Response<Body> {
    let json = |body: &'static str| reply::content(200, reply::JSON_UTF8, body);
    let failure = |failure: &Failure| reply::failure(Dialect::Ollama, failure);
    match own {
        Own::Account => {
            json(r#"{"id":"00000000-0000-0000-0000-000000000000","email":"","name":"polyllama","plan":"free"}"#)
        }
        Own::SignOut => failure(&Failure::bad_request("you are not currently signed in").with_status(401)),
        Own::Web if body.trim_ascii().is_empty() => failure(&Failure::bad_request("missing request body")),
        Own::Web => failure(away),
        Own::Recommendations => json(r#"{"recommendations":[]}"#),
    }
}

/// Where it goes, by what is known now.
async fn place(gateway: &Gateway, asked: &Managing, headers: &HeaderMap) -> Place {
    completion::wait_for_lists(gateway).await;
    let servers = servers(gateway);
    if let Some(server) = holder(gateway, asked, &servers, headers).await {
        return Place::Servers(vec![as_asked(server, asked)]);
    }
    let catalogue = gateway.discovery.catalogue();
    if let Some(route) = catalogue.listed(&asked.model) {
        return of_listed(route, asked.action);
    }
    let guess = catalogue.look_up(&asked.model).ok().and_then(|route| route.targets.into_iter().next());
    match (guess, servers.first()) {
        (Some(target), _) if target.provider.is_local => Place::Servers(vec![target]),
        // A provider's prefix is a model's name to Ollama (`qwen:7b`), and a short name may be a model's that it could fetch.
        (Some(_), Some(server)) if server.is_up => Place::Guess(as_asked(&server.provider, asked)),
        (Some(target), _) => Place::Cloud(target),
        (None, Some(server)) => Place::Servers(vec![as_asked(&server.provider, asked)]),
        (None, None) => Place::Nowhere,
    }
}

/// A model that is listed: it goes from all servers that have it, all else is done at the first.
fn of_listed(route: Route, action: Action) -> Place {
    let (mut local, mut cloud): (Vec<_>, Vec<_>) =
        route.targets.into_iter().partition(|target| target.provider.is_local);
    if action != Action::Delete {
        local.truncate(1);
    }
    match (local.is_empty(), cloud.pop()) {
        (true, Some(target)) => Place::Cloud(target),
        _ => Place::Servers(local),
    }
}

fn as_asked(server: &Arc<Provider>, asked: &Managing) -> Target {
    let model = own_name(server, &asked.model).unwrap_or_else(|| asked.model.clone());
    Target { provider: Arc::clone(server), model }
}

/// The server that has the files of which a model shall be made, where there are several.
async fn holder<'a>(
    gateway: &Gateway,
    asked: &Managing,
    servers: &'a [Server],
    headers: &HeaderMap,
) -> Option<&'a Arc<Provider>> {
    let digest = asked.blobs.first().filter(|digest| servers.len() > 1 && manage::is_digest(digest))?;
    let path = format!("/api/blobs/{digest}");
    for Server { provider, .. } in servers {
        let look = gateway.relay.forward(provider, Errand::ollama(Method::HEAD, &path, headers, Bytes::new())).await;
        if look.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            return Some(provider);
        }
    }
    None
}

/// An Ollama server.
struct Server {
    provider: Arc<Provider>,
    /// It answered when it was last asked for its list.
    is_up: bool,
}

/// The Ollama servers, those first that are up. One that would be on if it answered and doesn't is none.
fn servers(gateway: &Gateway) -> Vec<Server> {
    let local = gateway.discovery.states().into_iter().filter(|(provider, ..)| provider.is_local);
    let all = local.map(|(provider, state, _)| Server { provider, is_up: state.is_listed && state.error.is_none() });
    let (mut servers, down): (Vec<_>, Vec<_>) = all.partition(|server| server.is_up);
    servers.extend(down.into_iter().filter(|server| !server.provider.is_optional));
    servers
}

/// A server's own name for a model that a client names with the server's prefix.
fn own_name(server: &Provider, name: &str) -> Option<String> {
    let (prefix, model) = name.trim().split_once(':')?;
    let is_name = !model.is_empty() && !model.eq_ignore_ascii_case("latest");
    (is_name && server.has_prefix(prefix)).then(|| model.to_owned())
}

async fn send(gateway: &Gateway, server: &Provider, errand: Errand<'_>) -> Result<Response<Body>, Failure> {
    let told = gateway.relay.forward(server, errand).await;
    let mut answer = told.map_err(|failure| match failure.class {
        Class::ProviderDown => {
            let message = format!("{}; start an Ollama server there, or {WHERE}", failure.message);
            Failure { message, ..failure }
        }
        _ => failure,
    })?;
    if let Ok(prefix) = HeaderValue::from_str(&server.prefix) {
        answer.headers_mut().insert(completion::PROVIDER, prefix);
    }
    Ok(answer)
}

/// The answer of a server that did something: the list that a client asks for after it shows what was done.
async fn changed(gateway: &Arc<Gateway>, server: &Arc<Provider>, answer: Response<Body>) -> Response<Body> {
    gateway.discovery.changes(server);
    if answer.headers().contains_key(header::CONTENT_LENGTH) {
        gateway.discovery.refresh_local().await;
        return answer;
    }
    let (head, body) = answer.into_parts();
    let progress = Progress {
        body,
        gateway: Arc::clone(gateway),
        server: Arc::clone(server),
        is_within_line: false,
        is_over: false,
    };
    Response::from_parts(head, streamed(progress, Progress::next))
}

/// The lines of a server that does something, on their way to the client.
struct Progress {
    body: Body,
    gateway: Arc<Gateway>,
    server: Arc<Provider>,
    is_within_line: bool,
    is_over: bool,
}

impl Progress {
    async fn next(mut self) -> Option<(Result<Bytes, BodyError>, Progress)> {
        let frame = if self.is_over { None } else { self.body.frame().await };
        let Some(frame) = frame else {
            self.gateway.discovery.refresh_local().await;
            return None;
        };
        // Some clients go on at the line that tells of success, before the end.
        self.gateway.discovery.changes(&self.server);
        let bytes = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(_) => {
                self.is_over = true;
                manage::write_broken(self.is_within_line).into()
            }
        };
        self.is_within_line = !bytes.ends_with(b"\n");
        Some((Ok(bytes), self))
    }
}

fn pulled(asked: &Managing) -> Response<Body> {
    let content_type = if asked.is_stream { LINES } else { reply::JSON };
    reply::content(200, content_type, manage::write_pulled(asked.is_stream))
}

/// Ollama's content type for lines of JSON.
const LINES: &str = "application/x-ndjson";

/// A request that no server is there for.
fn nowhere(gateway: &Gateway, read: Result<Managing, Failure>) -> Response<Body> {
    let refused = read.and_then(|asked| asked.refusal().map_or(Ok(asked), Err));
    match refused {
        Err(refusal) => reply::failure(Dialect::Ollama, &refusal),
        Ok(asked) if asked.action == Action::Pull => failed(&asked, &unknown_to_pull(gateway, &asked.model)),
        Ok(asked) => failed(&asked, &no_server(gateway)),
    }
}

fn unknown_to_pull(gateway: &Gateway, model: &str) -> Failure {
    let no_server = no_server(gateway);
    let why = match gateway.discovery.catalogue().look_up(model) {
        Err(failure) if failure.class == Class::UnknownModel => format!("{}; {}", failure.message, no_server.message),
        Err(failure) => failure.message,
        Ok(_) => no_server.message,
    };
    Failure::new(Class::UnknownModel, format!("{UNKNOWN}: {why}"))
}

/// Nobody can do it; what is wrong with the request comes before why.
fn away(read: Result<Managing, Failure>, asked: &Managing, failure: &Failure) -> Response<Body> {
    let wrong = read.map_or_else(Some, |asked| asked.refusal()).filter(|wrong| wrong.class == Class::BadRequest);
    wrong.map_or_else(|| failed(asked, failure), |wrong| reply::failure(Dialect::Ollama, &wrong))
}

/// A failure, in the form in which the action is answered.
fn failed(asked: &Managing, failure: &Failure) -> Response<Body> {
    match manage::write_failed_lines(asked.action, &failure.message) {
        Some(lines) if asked.is_stream => reply::content(200, LINES, lines),
        Some(_) => reply::content(500, reply::JSON, Dialect::Ollama.write_error(failure)),
        None if asked.action == Action::Create => {
            reply::content(failure.status, reply::JSON, Dialect::Ollama.write_error(failure))
        }
        None => reply::failure(Dialect::Ollama, failure),
    }
}

/// What to do where no server is found.
const WHERE: &str = "set OLLAMA_BASE_URL to where one runs";

fn no_server(gateway: &Gateway) -> Failure {
    let local = gateway.discovery.providers().iter().filter(|provider| provider.is_local);
    let addresses: Vec<&str> = local.filter_map(|provider| Some(provider.faces.first()?.base_url.as_str())).collect();
    let place = if addresses.is_empty() { String::new() } else { format!(" at {}", addresses.join(", ")) };
    let message = format!("no Ollama server answers{place}: start one, or {WHERE}");
    Failure::new(Class::ProviderDown, message).with_status(503)
}

/// What is asked for can be done to a stored model only.
fn not_stored(asked: &Managing, target: &Target) -> Failure {
    let can_not = match asked.action {
        Action::Pull | Action::Push => "can't be pushed",
        Action::Create => "nothing can be built on it; a second name for it is an alias in polyllama.toml",
        Action::Copy => "can't be copied; a second name for it is an alias in polyllama.toml",
        Action::Delete => "can't be deleted; `exclude` at its provider in polyllama.toml hides it",
    };
    let (model, provider) = (&asked.model, &target.provider.prefix);
    Failure::bad_request(format!(
        "model '{model}' is not stored on an Ollama server but served by '{provider}': {can_not}"
    ))
}

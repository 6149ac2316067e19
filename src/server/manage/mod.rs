//! Managing models, which Ollama servers do: each request goes to the server that it is about, and comes back as that says it.
//!
//! Which server: the one that its prefix names, or that lists the model; a model that nobody lists is the business of the first
//! server that answers. So are uploaded files, and a model made of them goes where they are. Models of a cloud provider are
//! there already: pulling one is done at once, and nothing else can be done to it.

mod place;
mod progress;

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{Gateway, completion, reply};
use crate::catalogue::Target;
use crate::chat::{Class, Failure};
use crate::dialect::Dialect;
use crate::dialect::ollama::manage::{self, Action, Managing};
use crate::provider::Provider;
use crate::relay::{Body, Errand, as_typed};
use place::{Place, no_server, own_name};

/// Ollama's content type for lines of JSON.
const LINES: &str = "application/x-ndjson";

/// What Ollama's error says where a registry has no such model. Clients know it too: the `ollama` command then looks for a cloud
/// model of that name.
const UNKNOWN: &str = "pull model manifest: file does not exist";

/// A request about stored models or their server, but for its body.
pub(super) struct Request<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
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

impl Request<'_> {
    /// `/api/pull`, `/api/push`, `/api/create`, `/api/copy`, `/api/delete`
    pub(super) async fn change(&self, action: Action, body: Bytes) -> Response<Body> {
        let read = manage::read(action, &body);
        // A request that can't be read is for a server to refuse, in its own words.
        let asked = read.clone().unwrap_or_else(|_| Managing::unread(action));
        let answer = match place::place(self.gateway, &asked, self.headers).await {
            Place::Servers(targets) => self.tell(&asked, &body, &targets).await,
            Place::Guess(target) if action == Action::Pull => return self.pull_or_cloud(&asked, &body, target).await,
            Place::Guess(target) => self.tell(&asked, &body, &[target]).await,
            Place::Cloud(_) if action == Action::Pull => return pulled(&asked),
            Place::Cloud(target) => Err(not_stored(&asked, &target)),
            Place::Nowhere => return nowhere(self.gateway, read),
        };
        answer.unwrap_or_else(|failure| undone(read, &asked, &failure))
    }

    /// Tells the servers, one after the other, up to one that does not do it.
    async fn tell(&self, asked: &Managing, body: &Bytes, targets: &[Target]) -> Result<Response<Body>, Failure> {
        if let Some(by) = place::hiding(self.gateway, &asked.made) {
            return Err(hidden(asked, &by));
        }
        let mut answer = Err(no_server(self.gateway));
        for Target { provider, model } in targets {
            let body = asked.renamed(body, as_typed(&asked.model, model), |name| own_name(provider, name));
            let done = self.send(provider, self.errand(asked.action.path(), body).slow()).await?;
            let (path, status) = (asked.action.path(), done.status());
            let (model, made) = (completion::logged(&asked.model), completion::logged(&asked.made));
            tracing::info!(model, made, server = provider.prefix, status = status.as_u16(), "{path}");
            if !status.is_success() {
                return Ok(done);
            }
            answer = Ok(progress::changed(self.gateway, provider, done).await);
        }
        answer
    }

    /// The pull of a name that may be a cloud model's: it is one where the registry has none of that name.
    async fn pull_or_cloud(&self, asked: &Managing, body: &Bytes, target: Target) -> Response<Body> {
        let Ok(answer) = self.tell(asked, body, &[target]).await else { return pulled(asked) };
        let (is_unknown, answer) = progress::says(answer, UNKNOWN).await;
        if is_unknown { pulled(asked) } else { answer }
    }

    /// `/api/blobs/:digest`: a file for a model that will be made of it. It goes through as it comes, whatever its size.
    pub(super) async fn blob(&self, body: Incoming) -> Response<Body> {
        let answer = match self.before_upload().await {
            ControlFlow::Break(answer) => answer,
            ControlFlow::Continue(server) => {
                let errand = self.errand(self.path, Bytes::new()).slow().with_body(self.gateway.relay.upload(body));
                return self.send(&server, errand).await.unwrap_or_else(|failure| told(&failure));
            }
        };
        // Who waits to be told to go on sends nothing now. All others send all, and only then look.
        let _rest = (!self.headers.contains_key(header::EXPECT)).then(|| self.gateway.relay.upload(body));
        answer
    }

    /// The server that takes the file, or the answer without a look into it: to HEAD, and where the file is there already.
    async fn before_upload(&self) -> ControlFlow<Response<Body>, Arc<Provider>> {
        if !manage::is_digest(self.path.rsplit('/').next().unwrap_or_default()) {
            return ControlFlow::Break(told(&Failure::bad_request("invalid digest format")));
        }
        let is_look = self.method == Method::HEAD;
        let Some(server) = place::servers(self.gateway).await.into_iter().next() else {
            // A client looks before it uploads, and reads only what the upload is told.
            let status = if is_look { 404 } else { 503 };
            return ControlFlow::Break(told(&no_server(self.gateway).with_status(status)));
        };
        let look = Errand::ollama(Method::HEAD, self.path, self.headers, Bytes::new());
        match self.send(&server.provider, look).await {
            Err(failure) => ControlFlow::Break(told(&failure)),
            Ok(answer) if is_look => ControlFlow::Break(answer),
            Ok(answer) if answer.status() == StatusCode::OK => ControlFlow::Break(reply::empty(StatusCode::OK)),
            Ok(_) => ControlFlow::Continue(server.provider),
        }
    }

    /// `/api/me`, `/api/signout`, `/api/user/keys/:key`, `/api/experimental/…`: the first server's answer.
    pub(super) async fn own(&self, own: Own, body: Bytes) -> Response<Body> {
        let path = percent_encoding::utf8_percent_encode(self.path, PATH).to_string();
        let answer = match place::servers(self.gateway).await.first() {
            Some(server) => self.send(&server.provider, self.errand(&path, body.clone())).await,
            None => Err(no_server(self.gateway)),
        };
        answer.unwrap_or_else(|failure| without_server(own, &body, &failure))
    }

    fn errand<'a>(&'a self, path: &'a str, body: Bytes) -> Errand<'a> {
        Errand::ollama(self.method.clone(), path, self.headers, body)
    }

    async fn send(&self, server: &Provider, errand: Errand<'_>) -> Result<Response<Body>, Failure> {
        let mut answer = self.gateway.relay.forward(server, errand).await.map_err(with_advice)?;
        if let Ok(prefix) = HeaderValue::from_str(&server.prefix) {
            answer.headers_mut().insert(completion::PROVIDER, prefix);
        }
        Ok(answer)
    }
}

fn told(failure: &Failure) -> Response<Body> {
    reply::failure(Dialect::Ollama, failure)
}

/// What must be escaped in a path.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn with_advice(failure: Failure) -> Failure {
    if failure.class != Class::ProviderDown {
        return failure;
    }
    let message = format!("{}; start an Ollama server there, or {}", failure.message, place::WHERE);
    Failure { message, ..failure }
}

/// Models of cloud providers are asked for with the gateway's own keys, so that whoever asks here is signed in: the `ollama`
/// command would else run none of them whose name ends in `cloud`.
fn without_server(own: Own, body: &Bytes, away: &Failure) -> Response<Body> {
    let json = |body: &'static str| reply::content(200, reply::JSON_UTF8, body);
    match own {
        Own::Account => {
            json(r#"{"id":"00000000-0000-0000-0000-000000000000","email":"","name":"polyllama","plan":"free"}"#)
        }
        Own::SignOut => told(&Failure::bad_request("you are not currently signed in").with_status(401)),
        Own::Web if body.trim_ascii().is_empty() => told(&Failure::bad_request("missing request body")),
        Own::Web => told(away),
        Own::Recommendations => json(r#"{"recommendations":[]}"#),
    }
}

fn pulled(asked: &Managing) -> Response<Body> {
    let content_type = if asked.is_stream { LINES } else { reply::JSON };
    reply::content(200, content_type, manage::write_pulled(asked.is_stream))
}

/// A request that no server is there for.
fn nowhere(gateway: &Gateway, read: Result<Managing, Failure>) -> Response<Body> {
    let refused = read.and_then(|asked| asked.refusal().map_or(Ok(asked), Err));
    match refused {
        Err(refusal) => told(&refusal),
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

/// Nobody could do it; what is wrong with the request comes before why.
fn undone(read: Result<Managing, Failure>, asked: &Managing, failure: &Failure) -> Response<Body> {
    let wrong = read.map_or_else(Some, |asked| asked.refusal()).filter(|wrong| wrong.class == Class::BadRequest);
    wrong.map_or_else(|| failed(asked, failure), |wrong| told(&wrong))
}

/// A failure, in the form in which the action is answered.
fn failed(asked: &Managing, failure: &Failure) -> Response<Body> {
    match manage::write_failed_lines(asked.action, &failure.message) {
        Some(lines) if asked.is_stream => reply::content(200, LINES, lines),
        Some(_) => reply::content(500, reply::JSON, Dialect::Ollama.write_error(failure)),
        None if asked.action == Action::Create => {
            reply::content(failure.status, reply::JSON, Dialect::Ollama.write_error(failure))
        }
        None => told(failure),
    }
}

/// A model of that name could neither be asked nor deleted: all that is said to it would go to the cloud's.
fn hidden(asked: &Managing, by: &Target) -> Failure {
    let (made, provider) = (&asked.made, &by.provider.prefix);
    Failure::bad_request(format!("'{made}' is the name of a model that is served by '{provider}': choose another"))
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

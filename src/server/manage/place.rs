//! Which server a request to manage a model goes to.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::Gateway;
use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure};
use crate::dialect::ollama::manage::{self, Action, Managing};
use crate::provider::Provider;
use crate::relay::Errand;
use crate::server::completion;

/// Where a request to manage a model goes.
pub(super) enum Place {
    /// To the servers that have it, or the one that shall have it.
    Servers(Vec<Target>),
    /// To this server, though the name could also mean a cloud provider's model.
    Guess(Target),
    /// To nobody: a cloud provider has it.
    Cloud(Target),
    /// To nobody: no server is there.
    Nowhere,
}

/// An Ollama server.
pub(super) struct Server {
    pub(super) provider: Arc<Provider>,
    /// It answered when it was last asked for its list.
    is_up: bool,
}

/// The Ollama servers, those first that are up. One that would be on if it answered and doesn't is none. They are asked anew, since
/// people manage models with more than one tool, and what is some seconds old could send a request to the wrong server.
pub(super) async fn servers(gateway: &Gateway) -> Vec<Server> {
    gateway.discovery.providers().iter().filter(|one| one.is_local).for_each(|one| gateway.discovery.changes(one));
    completion::wait_for_lists(gateway).await;
    let local = gateway.discovery.states().into_iter().filter(|(provider, ..)| provider.is_local);
    let all = local.map(|(provider, state, _)| Server { provider, is_up: state.is_listed && state.error.is_none() });
    let (mut servers, down): (Vec<_>, Vec<_>) = all.partition(|server| server.is_up);
    servers.extend(down.into_iter().filter(|server| !server.provider.is_optional));
    servers
}

/// Where it goes, by what is known now.
pub(super) async fn place(gateway: &Gateway, asked: &Managing, headers: &HeaderMap) -> Place {
    let servers = servers(gateway).await;
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

/// A model that is listed: it is deleted from all servers that have it, all else is done at the first.
fn of_listed(route: Route, action: Action) -> Place {
    let (mut stored, cloud): (Vec<_>, Vec<_>) = route.targets.into_iter().partition(|target| target.provider.is_local);
    if action != Action::Delete {
        stored.truncate(1);
    }
    match cloud.into_iter().next() {
        Some(target) if stored.is_empty() => Place::Cloud(target),
        _ => Place::Servers(stored),
    }
}

/// The cloud provider's model that would hide one made by this name: where it has that provider's prefix, and is listed.
pub(super) fn hiding(gateway: &Gateway, made: &str) -> Option<Target> {
    let (prefix, _) = made.trim().split_once(':')?;
    let target = gateway.discovery.catalogue().listed(made)?.targets.into_iter().next()?;
    (!target.provider.is_local && target.provider.has_prefix(prefix)).then_some(target)
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

fn as_asked(server: &Arc<Provider>, asked: &Managing) -> Target {
    let model = own_name(server, &asked.model).unwrap_or_else(|| asked.model.clone());
    Target { provider: Arc::clone(server), model }
}

/// A server's own name for a model that a client names with the server's prefix.
pub(super) fn own_name(server: &Provider, name: &str) -> Option<String> {
    let (prefix, model) = name.trim().split_once(':')?;
    let is_name = !model.is_empty() && !model.eq_ignore_ascii_case("latest");
    (is_name && server.has_prefix(prefix)).then(|| model.to_owned())
}

/// What to do where no server is found.
pub(super) const WHERE: &str = "set OLLAMA_BASE_URL to where one runs";

/// There is no server to go to.
pub(super) fn no_server(gateway: &Gateway) -> Failure {
    let local = gateway.discovery.providers().iter().filter(|provider| provider.is_local);
    let addresses: Vec<&str> = local.filter_map(|provider| Some(provider.faces.first()?.base_url.as_str())).collect();
    let place = if addresses.is_empty() { String::new() } else { format!(" at {}", addresses.join(", ")) };
    let message = format!("no Ollama server answers{place}: start one, or {WHERE}");
    Failure::new(Class::ProviderDown, message).with_status(503)
}

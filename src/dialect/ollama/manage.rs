//! Requests that manage models: read as far as it takes to send them on, and what is said where no server can take them.
//!
//! A server judges a request that goes to it. What is refused here is refused in its words (measured on Ollama 0.33).

use bytes::Bytes;

use super::go_json::quoted;
use super::go_types::{MESSAGE, Type};
use super::name;
use super::request::{Object, read_document};
use crate::chat::{Class, Failure};
use crate::dialect::go::types::Struct;
use crate::json::splice::{self, Edit};
use crate::json::{Json, Style, Value, Writer};

/// What can be done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fetch it from a registry.
    Pull,
    /// Hand it to a registry.
    Push,
    /// Make one, from another or from files.
    Create,
    /// Give it a second name.
    Copy,
    /// Remove it.
    Delete,
}

/// A request to manage a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managing {
    /// What shall be done.
    pub action: Action,
    /// The model that must be there, or come (what is pulled, pushed, deleted, copied from, built on), as typed; empty when the
    /// request names none.
    pub model: String,
    /// The name of a model that the request makes, as typed.
    pub made: String,
    /// The answer is wanted in lines.
    pub is_stream: bool,
    /// Digests of the files that it is made from, which were uploaded before.
    pub blobs: Vec<String>,
}

impl Action {
    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Action::Pull => "/api/pull",
            Action::Push => "/api/push",
            Action::Create => "/api/create",
            Action::Copy => "/api/copy",
            Action::Delete => "/api/delete",
        }
    }

    fn request_type(self) -> &'static Type {
        match self {
            Action::Pull => &PULL_REQUEST,
            Action::Push => &PUSH_REQUEST,
            Action::Create => &CREATE_REQUEST,
            Action::Copy => &COPY_REQUEST,
            Action::Delete => &DELETE_REQUEST,
        }
    }

    /// The members that name the model that must be there, and those that name the one that is made.
    fn names(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Action::Pull | Action::Push | Action::Delete => (&["model", "name"], &[]),
            Action::Create => (&["from"], &["model", "name"]),
            Action::Copy => (&["source"], &["destination"]),
        }
    }
}

/// Reads a request. Fails with what Ollama says of one that it can't read.
pub fn read(action: Action, body: &Bytes) -> Result<Managing, Failure> {
    let json = read_document(body, action.request_type())?;
    let object = Object::of(json.value());
    let first_of = |keys: &[&str]| {
        let named = keys.iter().map(|key| object.string(key)).find(|name| !name.is_empty());
        named.unwrap_or_default().into_owned()
    };
    let (there, made) = action.names();
    // A stub for a model of another host is built on nothing that is here.
    let is_stub = action == Action::Create && !object.string("remote_host").is_empty();
    Ok(Managing {
        action,
        model: if is_stub { String::new() } else { first_of(there) },
        made: first_of(made),
        is_stream: object.get("stream").and_then(Value::bool) != Some(false),
        blobs: ["files", "adapters", "draft_files"].iter().flat_map(|key| digests(object.get(key))).collect(),
    })
}

/// The values of a map of file names to digests.
fn digests(files: Option<Value<'_>>) -> Vec<String> {
    let members = files.into_iter().flat_map(Value::members);
    members.filter_map(|(_, digest)| digest.string().map(|digest| digest.into_owned())).collect()
}

impl Managing {
    /// A request of which nothing can be read.
    pub fn unread(action: Action) -> Managing {
        Managing { action, model: String::new(), made: String::new(), is_stream: true, blobs: Vec::new() }
    }

    /// What Ollama says of it when the model is unknown, before it does anything; `None` where it tries.
    pub fn refusal(&self) -> Option<Failure> {
        let is_invalid = |name: &str| !name::is_valid(name);
        let invalid = |what: &str, name: &str| Failure::bad_request(format!("{what} {} is invalid", quoted(name)));
        let unknown = |message: String| Failure::new(Class::UnknownModel, message);
        let model = self.model.as_str();
        if let (Action::Pull | Action::Delete, Some(conflict)) = (self.action, name::conflict(model)) {
            return Some(conflict);
        }
        match self.action {
            Action::Push | Action::Delete if model.is_empty() => Some(Failure::bad_request("model is required")),
            Action::Pull if is_invalid(model) => Some(Failure::bad_request("invalid model name")),
            Action::Delete if is_invalid(model) => Some(invalid("name", model)),
            Action::Delete => Some(unknown(format!("model '{model}' not found"))),
            Action::Copy if is_invalid(model) => Some(invalid("source", model)),
            Action::Copy if is_invalid(&self.made) => Some(invalid("destination", &self.made)),
            Action::Copy => Some(unknown(format!("model {} not found", quoted(model)))),
            Action::Create if is_invalid(&self.made) => Some(Failure::bad_request("invalid model name")),
            Action::Pull | Action::Push | Action::Create => None,
        }
    }

    /// The request for a server that calls the model `model`. `own_name`: how the server would call one that is made.
    pub fn renamed(&self, body: &Bytes, model: &str, own_name: impl Fn(&str) -> Option<String>) -> Bytes {
        let members = splice::members(body).unwrap_or_default();
        let (there, made) = self.action.names();
        let new_name = |member: &splice::Member| {
            let is_one_of = |keys: &[&str]| keys.iter().any(|key| member.key.eq_ignore_ascii_case(key));
            let typed = Json::parse(body.slice(member.value.clone())).ok()?;
            let typed = typed.value().string().filter(|typed| !typed.is_empty())?;
            if is_one_of(there) {
                return (!model.is_empty() && *typed != *model).then(|| model.to_owned());
            }
            own_name(&typed).filter(|_| is_one_of(made))
        };
        let named = members.iter().enumerate().filter_map(|(index, member)| Some((index, new_name(member)?)));
        let edits: Vec<Edit> =
            named.map(|(index, name)| Edit::Value(index, Json::string(&name).as_str().to_owned())).collect();
        splice::apply(body, &members, &edits)
    }
}

/// The answer to a pull that has nothing to fetch.
pub fn write_pulled(is_stream: bool) -> Vec<u8> {
    if !is_stream {
        return object("status", "success");
    }
    let lines = ["pulling manifest", "verifying sha256 digest", "writing manifest", "success"];
    lines.iter().flat_map(|status| line("status", status)).collect()
}

/// A failure of an action that is answered in lines, after the first of them; `None` for those that answer with a status.
pub fn write_failed_lines(action: Action, message: &str) -> Option<Vec<u8>> {
    let first = match action {
        Action::Pull => "pulling manifest",
        Action::Push => "retrieving manifest",
        Action::Create | Action::Copy | Action::Delete => return None,
    };
    Some([line("status", first), line("error", message)].concat())
}

/// The last line of an answer whose server broke off.
pub fn write_broken(is_within_line: bool) -> Vec<u8> {
    let mut told = if is_within_line { b"\n".to_vec() } else { Vec::new() };
    told.extend(line("error", "the Ollama server broke off before the end"));
    told
}

fn object(key: &str, text: &str) -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| w.key(key).str(text));
    writer.into_bytes()
}

fn line(key: &str, text: &str) -> Vec<u8> {
    let mut line = object(key, text);
    line.push(b'\n');
    line
}

/// The digest of a blob, as Ollama takes it in a path.
pub fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").or_else(|| digest.strip_prefix("sha256-"));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

const STRINGS: Type = Type::Map("map[string]string");

/// The members of requests in which a registry takes part.
const WITH_REGISTRY: &[(&str, Type)] = &[
    ("model", Type::Str),
    ("insecure", Type::Bool),
    ("username", Type::Str),
    ("password", Type::Str),
    ("stream", Type::Bool),
    ("name", Type::Str),
];

static PULL_REQUEST: Type =
    Type::Struct(&Struct { name: "PullRequest", full_name: "api.PullRequest", fields: WITH_REGISTRY });

static PUSH_REQUEST: Type =
    Type::Struct(&Struct { name: "PushRequest", full_name: "api.PushRequest", fields: WITH_REGISTRY });

static CREATE_REQUEST: Type = Type::Struct(&Struct {
    name: "CreateRequest",
    full_name: "api.CreateRequest",
    fields: &[
        ("model", Type::Str),
        ("stream", Type::Bool),
        ("quantize", Type::Str),
        ("draft_quantize", Type::Str),
        ("from", Type::Str),
        ("remote_host", Type::Str),
        ("files", STRINGS),
        ("draft_files", STRINGS),
        ("adapters", STRINGS),
        ("template", Type::Str),
        ("license", Type::Any),
        ("system", Type::Str),
        ("parameters", Type::Map("map[string]interface {}")),
        ("messages", Type::Slice("[]api.Message", &MESSAGE)),
        ("renderer", Type::Str),
        ("parser", Type::Str),
        ("requires", Type::Str),
        ("info", Type::Map("map[string]interface {}")),
        ("name", Type::Str),
        ("quantization", Type::Str),
    ],
});

static COPY_REQUEST: Type = Type::Struct(&Struct {
    name: "CopyRequest",
    full_name: "api.CopyRequest",
    fields: &[("source", Type::Str), ("destination", Type::Str)],
});

static DELETE_REQUEST: Type = Type::Struct(&Struct {
    name: "DeleteRequest",
    full_name: "api.DeleteRequest",
    fields: &[("model", Type::Str), ("name", Type::Str)],
});

#[cfg(test)]
#[path = "manage_tests.rs"]
mod tests;

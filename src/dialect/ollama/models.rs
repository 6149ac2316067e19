//! Lists and details, written; requests for details, read.

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::go_types::SHOW_REQUEST;
use super::request::{Object, check_name, read_document};
use crate::chat::Failure;
use crate::json::splice::{self, Edit};
use crate::json::{Json, Style, Writer};
use crate::model::{Capabilities, Model};

/// Ollama's version that this face behaves like. Clients compare it, in three integers.
pub const OLLAMA_VERSION: &str = "0.33.0";

/// The `ollama` command wants its user signed in where `remote_host` begins with this behind `https://`; here a key does.
const SIGN_IN_HOST: &str = "ollama.com";

/// A model that was used lately, for [`write_ps`].
pub struct Running<'a> {
    /// It.
    pub model: &'a Model,
    /// Shown as loaded until.
    pub expires_at: Timestamp,
}

/// `GET /api/tags`, in the order in which the models are given. `started` stands for a time that no one knows.
pub fn write_tags(models: &[&Model], started: Timestamp) -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| {
        w.key("models").array(|w| models.iter().for_each(|model| write_row(w, model, started)));
    });
    writer.into_bytes()
}

/// `GET /api/ps`, in the order in which the models are given.
pub fn write_ps(running: &[Running<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| {
        w.key("models").array(|w| {
            for Running { model, expires_at } in running {
                w.object(|w| {
                    let name = shown_name(model);
                    w.key("name").str(&name);
                    w.key("model").str(&name);
                    w.key("size").int(model.size.unwrap_or(0));
                    w.key("digest").str(&digest(model));
                    w.key("details").object(|w| write_details(w, model, Lengths::Out));
                    w.key("expires_at").str(&expires_at.to_string());
                    w.key("size_vram").int(0);
                    w.key("context_length").int(model.prompt_window().unwrap_or(0));
                });
            }
        });
    });
    writer.into_bytes()
}

/// `POST /api/show` of a model that is not an Ollama server's own. `asked`: the name as the client wrote it.
pub fn write_show(model: &Model, asked: &str, started: Timestamp, user_agent: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| {
        w.key("modelfile").str(&modelfile(model));
        if let Some(length) = model.prompt_window() {
            // Ollama pads the key to 30 columns. Clients that find no num_ctx here assume a small one.
            w.key("parameters").str(&format!("{:<30} {length}", "num_ctx"));
        }
        w.key("template").str(template(model));
        w.key("details").object(|w| write_details(w, model, Lengths::Out));
        write_remote(w, model);
        w.key("model_info").object(|w| write_info(w, model, basename(model, asked, user_agent)));
        write_capabilities(w, model);
        w.key("modified_at").str(&modified_at(model, started));
    });
    writer.into_bytes()
}

/// Ollama's default; clients look for the suffix to know that a gap can be filled.
fn template(model: &Model) -> &'static str {
    if model.capabilities.insert == Some(true) { "{{ .Prompt }}{{ .Suffix }}" } else { "{{ .Prompt }}" }
}

/// What `ollama show --modelfile` prints: enough to make a model of another name from it.
fn modelfile(model: &Model) -> String {
    let window = model.prompt_window().map(|length| format!("PARAMETER num_ctx {length}\n")).unwrap_or_default();
    format!("FROM {}\nTEMPLATE {}\n{window}", shown_name(model), template(model))
}

/// `GET /api/version`: Ollama's and our own beside it.
pub fn write_version() -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| {
        w.key("version").str(OLLAMA_VERSION);
        w.key("polyllama").str(env!("CARGO_PKG_VERSION"));
    });
    writer.into_bytes()
}

/// A request of `/api/show`: the name (`model`, else `name`), as typed.
pub fn read_show(body: &Bytes) -> Result<String, Failure> {
    let json = read_document(body, &SHOW_REQUEST)?;
    let object = Object::of(json.value());
    let model = object.string("model");
    let name = if model.is_empty() { object.string("name") } else { model };
    if name.trim().is_empty() {
        return Err(Failure::bad_request("model is required").with_param("model"));
    }
    check_name(&name)?;
    Ok(name.into_owned())
}

fn write_row(w: &mut Writer, model: &Model, started: Timestamp) {
    if let Some(row) = own_row(model) {
        return w.raw(&row);
    }
    w.object(|w| {
        let name = shown_name(model);
        w.key("name").str(&name);
        w.key("model").str(&name);
        write_remote(w, model);
        w.key("modified_at").str(&modified_at(model, started));
        w.key("size").int(model.size.unwrap_or(0));
        w.key("digest").str(&digest(model));
        w.key("details").object(|w| write_details(w, model, Lengths::In));
        write_capabilities(w, model);
    });
}

/// The row of the Ollama server whose model it is, under the name that is listed.
fn own_row(model: &Model) -> Option<String> {
    let row = model.own_row.as_ref().filter(|_| model.is_local)?;
    if model.name == model.id {
        return Some(row.clone());
    }
    let row = Bytes::copy_from_slice(row.as_bytes());
    let members = splice::members(&row)?;
    let name = Json::string(&shown_name(model)).as_str().to_owned();
    let is_name = |(_, member): &(usize, &splice::Member)| member.key == "name" || member.key == "model";
    let named = members.iter().enumerate().filter(is_name).map(|(index, _)| Edit::Value(index, name.clone()));
    String::from_utf8(splice::apply(&row, &members, &named.collect::<Vec<_>>()).to_vec()).ok()
}

/// Clients append `:latest` to a name without a colon, and then don't find it.
fn shown_name(model: &Model) -> String {
    if model.name.contains(':') { model.name.clone() } else { format!("{}:latest", model.name) }
}

fn write_remote(w: &mut Writer, model: &Model) {
    let Some((name, host)) = &model.remote else { return };
    w.key("remote_model").str(name);
    match host.strip_prefix("https://").filter(|host| host.starts_with(SIGN_IN_HOST) && !model.is_local) {
        // The scheme's case means nothing but to the prefix that the command looks for.
        Some(host) => w.key("remote_host").str(&format!("HTTPS://{host}")),
        None => w.key("remote_host").str(host),
    }
}

fn modified_at(model: &Model, started: Timestamp) -> String {
    model.modified_at.clone().unwrap_or_else(|| model.created.unwrap_or(started).to_string())
}

/// 64 hex digits: the `ollama` command cuts it without a look at its length.
fn digest(model: &Model) -> String {
    model
        .digest
        .clone()
        .unwrap_or_else(|| Sha256::digest(model.name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The list alone tells the lengths in the details.
#[derive(PartialEq, Eq)]
enum Lengths {
    In,
    Out,
}

fn write_details(w: &mut Writer, model: &Model, lengths: Lengths) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let family = if model.is_local { text(&model.family) } else { architecture(model) };
    let in_list = lengths == Lengths::In;
    w.key("parent_model").str(&if in_list { text(&model.parent) } else { String::new() });
    w.key("format").str(&text(&model.format));
    w.key("family").str(&family);
    if family.is_empty() {
        w.key("families").null();
    } else {
        w.key("families").array(|w| w.str(&family));
    }
    w.key("parameter_size").str(&text(&model.parameter_size));
    w.key("quantization_level").str(&text(&model.quantization));
    if in_list {
        model.prompt_window().into_iter().for_each(|length| w.key("context_length").int(length));
        model.embedding_length.into_iter().for_each(|length| w.key("embedding_length").int(length));
    }
}

fn write_capabilities(w: &mut Writer, model: &Model) {
    // What a stub of an Ollama server's own can do is known to its host alone, and Ollama then says nothing.
    if model.is_local && model.remote.is_some() && model.capabilities == Capabilities::default() {
        return;
    }
    let names = model.capabilities.names();
    w.key("capabilities").array(|w| names.iter().for_each(|name| w.str(name)));
}

/// The word that clients put before `.context_length`: the family, else the provider. They split at dots.
fn architecture(model: &Model) -> String {
    let family = model.family.as_deref().filter(|family| !family.is_empty()).unwrap_or(&model.provider);
    family.chars().map(|c| if c == '.' { '-' } else { c }).collect()
}

/// The name that some clients show, so it has to tell models apart. Copilot shows nothing else and is given what it asked for,
/// as by Ollama.
fn basename<'a>(model: &'a Model, asked: &'a str, user_agent: Option<&str>) -> &'a str {
    let is_copilot = user_agent.is_some_and(|agent| agent.starts_with("GitHubCopilotChat/"));
    if is_copilot || model.name.is_empty() { asked } else { &model.name }
}

/// A flat map, its keys sorted as Go sorts them.
fn write_info(w: &mut Writer, model: &Model, basename: &str) {
    let architecture = architecture(model);
    let mut rows = vec![
        ("general.architecture".to_owned(), Json::string(&architecture)),
        ("general.basename".to_owned(), Json::string(basename)),
    ];
    let lengths = [("context_length", model.prompt_window()), ("embedding_length", model.embedding_length)];
    for (name, length) in lengths {
        rows.extend(length.map(|length| (format!("{architecture}.{name}"), Json::known(length.to_string()))));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.iter().for_each(|(key, value)| w.key(key).json(value));
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;

//! Reading any provider's model list.
//!
//! The forms were collected from the providers' documentation and recorded answers, 2026-11; fields are looked for under
//! every name that one of them uses, whoever the provider is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::json::{Json, Kind, Value};
use crate::model::{Capabilities, Model};

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// Its rows; `name` and `provider` are left empty.
    pub models: Vec<Model>,
    /// What to add to the query for the next page, such as `pageToken=abc`; none: it was the last.
    pub next: Option<String>,
}

/// Reads a page of a list in any of the known forms; `None` when it is none. Rows that neither converse nor embed (speech,
/// pictures, ranking, moderation) are left out, and so are other names of one model.
pub fn read(body: &Json) -> Option<Page> {
    let body = body.value();
    let rows = rows(body)?;
    let mut seen = BTreeSet::new();
    let twins = twins(rows);
    let kept = rows.items().filter(|row| id(*row).is_none_or(|id| !twins.contains(&id)));
    let models = kept.filter_map(model).filter(|model| seen.insert(model.id.clone())).collect();
    Some(Page { models, next: next(body) })
}

/// An array itself (Together), `data` (most; llama.cpp has `models` beside it), `models` (Google, Cohere, LM Studio, Ollama),
/// `result` (Cloudflare).
fn rows(body: Value<'_>) -> Option<Value<'_>> {
    let is_array = |value: &Value<'_>| value.kind() == Kind::Array;
    let by_name = || ["data", "models", "result"].iter().find_map(|name| body.get(name).filter(is_array));
    Some(body).filter(is_array).or_else(by_name)
}

/// Google, Cohere and Anthropic cut their lists into pages.
fn next(body: Value<'_>) -> Option<String> {
    let last = || body.get("has_more")?.bool().filter(|more| *more).and_then(|_| string(body, "last_id"));
    let (name, token) = string(body, "nextPageToken")
        .map(|token| ("pageToken", token))
        .or_else(|| string(body, "next_page_token").map(|token| ("page_token", token)))
        .or_else(|| last().map(|token| ("after_id", token)))?;
    Some(format!("{name}={}", utf8_percent_encode(&token, NON_ALPHANUMERIC)))
}

/// The string, unless it is empty.
fn string(value: Value<'_>, key: &str) -> Option<String> {
    value.get(key)?.string().map(|text| text.into_owned()).filter(|text| !text.is_empty())
}

/// The id as a request names it. Cloudflare's `id` is a number of its own, and its `name` is what counts.
fn id(row: Value<'_>) -> Option<String> {
    let keys: [&str; 4] =
        if row.get("task").is_some() { ["name", "id", "key", "model"] } else { ["id", "name", "key", "model"] };
    let id = keys.iter().find_map(|key| string(row, key))?;
    Some(id.strip_prefix("models/").map_or(id.clone(), str::to_owned))
}

/// Ids that are further names of a model that has a better row: of each group the `-latest` one stays, else the first
/// (Mistral lists a row for every alias).
fn twins(rows: Value<'_>) -> BTreeSet<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.items() {
        let Some(own) = id(row) else { continue };
        let aliases = row.get("aliases").into_iter().flat_map(Value::items).filter_map(Value::string);
        let names: BTreeSet<String> = aliases.map(|name| name.into_owned()).chain([own.clone()]).collect();
        if let (Some(first), true) = (names.first(), names.len() > 1) {
            groups.entry(first.clone()).or_default().push(own);
        }
    }
    let others = |group: Vec<String>| {
        let best = group.iter().position(|name| name.ends_with("-latest")).unwrap_or(0);
        group.into_iter().enumerate().filter(move |(index, _)| *index != best).map(|(_, name)| name)
    };
    groups.into_values().flat_map(others).collect()
}

/// A model of which nothing is known but its id.
pub fn by_id(id: &str) -> Model {
    let mut model = Model { id: id.to_owned(), ..Model::default() };
    (model.capabilities.completion, model.capabilities.embedding) = converses_or_embeds(by_name(id));
    model
}

/// One row; `None` for what is no model to talk to.
fn model(row: Value<'_>) -> Option<Model> {
    let id = id(row)?;
    let sort = sort(row, &id);
    // An Ollama server's list is shown as it is.
    let is_ollamas = row.get("digest").is_some();
    if (sort == Sort::Other && !is_ollamas) || row.get("active").and_then(Value::bool) == Some(false) {
        return None;
    }
    let modified_at = string(row, "modified_at");
    let details = |key: &str| row.get("details").and_then(|details| string(details, key));
    Some(Model {
        created: created(row).or_else(|| modified_at.as_deref()?.parse().ok()),
        modified_at,
        size: number(row, &["size"]).or_else(|| number(row, &["size_bytes"])),
        digest: string(row, "digest"),
        context_length: context(row),
        embedding_length: number(row, &["details", "embedding_length"]),
        output_limit: OUTPUT.iter().find_map(|path| number(row, path)),
        capabilities: capabilities(row, sort),
        family: details("family"),
        parameter_size: details("parameter_size").or_else(|| string(row, "params_string")),
        quantization: details("quantization_level")
            .or_else(|| string(row, "quantization"))
            .or_else(|| string(row.get("quantization")?, "name")),
        format: details("format").or_else(|| string(row, "format")),
        remote: string(row, "remote_model").zip(string(row, "remote_host")),
        parent: details("parent_model"),
        own_row: is_whole_row(row).then(|| row.as_str().to_owned()),
        id,
        ..Model::default()
    })
}

/// A row of an Ollama server's with all that its clients want; servers that are only like one leave things out.
fn is_whole_row(row: Value<'_>) -> bool {
    let has = |key: &str, kind: Kind| row.get(key).is_some_and(|value| value.kind() == kind);
    string(row, "digest").is_some_and(|digest| digest.len() == 64)
        && ["name", "model", "modified_at"].iter().all(|key| has(key, Kind::String))
        && has("size", Kind::Number)
        && has("details", Kind::Object)
}

/// Where the context's length stands, the best first.
const CONTEXT: [&[&str]; 11] = [
    &["context_length"],
    &["context_window"],
    &["max_context_length"],
    &["max_model_len"],
    &["inputTokenLimit"],
    &["max_input_tokens"],
    &["top_provider", "context_length"],
    &["metadata", "context_length"],
    &["meta", "n_ctx"],
    &["meta", "n_ctx_train"],
    &["details", "context_length"],
];

/// Where the most tokens of an answer stand, the best first.
const OUTPUT: [&[&str]; 7] = [
    &["max_completion_tokens"],
    &["max_output_length"],
    &["max_output_tokens"],
    &["outputTokenLimit"],
    &["max_tokens"],
    &["top_provider", "max_completion_tokens"],
    &["metadata", "max_tokens"],
];

/// A number above zero; some providers write floats or strings.
fn number(row: Value<'_>, path: &[&str]) -> Option<u64> {
    let value = row.path(path)?;
    let number = value.float().or_else(|| value.string()?.trim().parse().ok())?;
    (1.0..1e15).contains(&number).then_some(number as u64)
}

fn context(row: Value<'_>) -> Option<u64> {
    // Hugging Face: the longest of the hosts that serve the model.
    let hosts = || {
        let hosts = row.get("providers")?.items();
        let live = hosts.filter(|host| string(*host, "status").is_none_or(|status| status == "live"));
        live.filter_map(|host| number(host, &["context_length"])).max()
    };
    // Cloudflare: a list of properties.
    let property = || {
        let mut properties = row.get("properties")?.items();
        let found = properties.find(|p| string(*p, "property_id").as_deref() == Some("context_window"))?;
        number(found, &["value"])
    };
    CONTEXT.iter().find_map(|path| number(row, path)).or_else(hosts).or_else(property)
}

/// Seconds since 1970, or a date; zero says nothing.
fn created(row: Value<'_>) -> Option<Timestamp> {
    let value = row.get("created").or_else(|| row.get("created_at"))?;
    match value.string() {
        Some(date) => date.parse().ok(),
        None => value.int().filter(|seconds| *seconds > 0).and_then(|seconds| Timestamp::from_second(seconds).ok()),
    }
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Chat,
    Embedding,
    Other,
    /// Neither field nor name tells: it may well converse.
    Unknown,
}

/// By the provider's own fields, else by name.
fn sort(row: Value<'_>, id: &str) -> Sort {
    // Google's speech models claim generateContent like all others (recorded).
    if has_word(id, &["tts"]) {
        return Sort::Other;
    }
    by_methods(row)
        .or_else(|| by_endpoints(row))
        .or_else(|| by_capabilities(row))
        .or_else(|| by_type(row))
        .or_else(|| by_outputs(row))
        .unwrap_or_else(|| by_name(id))
}

/// Google.
fn by_methods(row: Value<'_>) -> Option<Sort> {
    let methods = names(row.get("supportedGenerationMethods")?);
    Some(either(methods.contains("generateContent"), methods.contains("embedContent")))
}

/// Cohere's own list.
fn by_endpoints(row: Value<'_>) -> Option<Sort> {
    let endpoints = names(row.get("endpoints")?);
    (!endpoints.is_empty()).then(|| either(endpoints.contains("chat"), endpoints.contains("embed")))
}

/// Mistral has an object with flags, Ollama a list of names.
fn by_capabilities(row: Value<'_>) -> Option<Sort> {
    let capabilities = row.get("capabilities")?;
    if let Some(chats) = capabilities.get("completion_chat").and_then(Value::bool) {
        let embeds = id(row).is_some_and(|id| by_name(&id) == Sort::Embedding);
        return Some(either(chats, embeds));
    }
    let names = names(capabilities);
    match (names.contains("completion"), names.contains("embedding")) {
        (false, false) => None,
        (chats, embeds) => Some(either(chats, embeds)),
    }
}

/// Together, Vercel, LM Studio; Cloudflare's task.
fn by_type(row: Value<'_>) -> Option<Sort> {
    let name = string(row, "type").or_else(|| string(row.get("task")?, "name"))?.to_ascii_lowercase();
    match name.as_str() {
        "chat" | "language" | "code" | "llm" | "vlm" | "text generation" => Some(Sort::Chat),
        "embedding" | "embeddings" | "text embeddings" => Some(Sort::Embedding),
        // Anthropic and Mistral say no more than that it is a model.
        "model" | "base" | "fine-tuned" => None,
        _ => Some(Sort::Other),
    }
}

/// OpenRouter and those who took over its form.
fn by_outputs(row: Value<'_>) -> Option<Sort> {
    let outputs = row.path(&["architecture", "output_modalities"]).or_else(|| row.get("output_modalities"))?;
    let outputs = names(outputs);
    (!outputs.is_empty()).then(|| either(outputs.contains("text"), outputs.contains("embeddings")))
}

fn either(chats: bool, embeds: bool) -> Sort {
    match (chats, embeds) {
        (true, _) => Sort::Chat,
        (false, true) => Sort::Embedding,
        (false, false) => Sort::Other,
    }
}

fn by_name(id: &str) -> Sort {
    let id = id.to_ascii_lowercase();
    let holds = |parts: &[&str]| parts.iter().any(|part| id.contains(part));
    if holds(&["rerank"]) {
        return Sort::Other;
    }
    if holds(&["embed"]) {
        return Sort::Embedding;
    }
    let others = ["whisper", "guard", "moderation", "image", "dall-e", "realtime", "transcribe"];
    if holds(&others) || has_word(&id, &["tts", "ocr", "sora", "flux"]) { Sort::Other } else { Sort::Unknown }
}

fn has_word(id: &str, words: &[&str]) -> bool {
    id.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

/// The strings of an array.
fn names(value: Value<'_>) -> BTreeSet<String> {
    value.items().filter_map(|item| item.string().map(|name| name.into_owned())).collect()
}

/// Where a row has a list of what the model can do: what is not in it, it can't.
fn capabilities(row: Value<'_>, sort: Sort) -> Capabilities {
    let list = |key: &str| row.get(key).filter(|value| value.kind() == Kind::Array).map(names);
    let own = list("capabilities");
    let parameters = list("supported_parameters").or_else(|| list("supported_features"));
    let inputs = row.path(&["architecture", "input_modalities"]).or_else(|| row.get("input_modalities")).map(names);
    let within = |set: &Option<BTreeSet<String>>, name: &str| set.as_ref().map(|set| set.contains(name));
    let flag = |paths: &[&[&str]]| paths.iter().find_map(|path| row.path(path)?.bool());
    let any_host = || {
        let mut flags = row.get("providers")?.items().filter_map(|host| host.get("supports_tools")?.bool()).peekable();
        flags.peek()?;
        Some(flags.any(|has| has))
    };
    let tools: [&[&str]; 3] =
        [&["capabilities", "function_calling"], &["capabilities", "trained_for_tool_use"], &["supports_tools"]];
    let vision: [&[&str]; 3] = [&["capabilities", "vision"], &["supports_image_in"], &["supports_image_input"]];
    let thinking: [&[&str]; 3] = [&["thinking"], &["supports_reasoning"], &["capabilities", "reasoning"]];
    let (completion, embedding) = converses_or_embeds(sort);
    let image = within(&own, "image");
    Capabilities {
        // Who draws and isn't said to converse doesn't.
        completion: completion.or(image.filter(|draws| *draws).map(|_| false)),
        tools: within(&own, "tools").or_else(|| flag(&tools)).or(within(&parameters, "tools")).or_else(any_host),
        vision: within(&own, "vision").or_else(|| flag(&vision)).or(within(&inputs, "image")),
        thinking: within(&own, "thinking").or_else(|| flag(&thinking)).or(within(&parameters, "reasoning")),
        insert: within(&own, "insert").or_else(|| flag(&[&["capabilities", "completion_fim"]])),
        embedding,
        image,
        audio: within(&own, "audio"),
    }
}

fn converses_or_embeds(sort: Sort) -> (Option<bool>, Option<bool>) {
    match sort {
        Sort::Chat => (Some(true), Some(false)),
        Sort::Embedding => (Some(false), Some(true)),
        Sort::Other | Sort::Unknown => (None, None),
    }
}

#[cfg(test)]
mod tests;

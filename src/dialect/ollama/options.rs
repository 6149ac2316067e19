//! `options`: what each is, and what it means to a provider that speaks another dialect.

use super::go_json::quoted;
use crate::chat::{Extra, Failure, Loss, Settings};
use crate::dialect::Dialect;
use crate::json::{Json, Kind, Value};

/// The types that Ollama looks at before it runs a model; other options pass unseen.
enum Type {
    Int,
    Float,
    Bool,
    Strings,
}

fn type_of(key: &str) -> Option<Type> {
    Some(match key {
        "num_keep" | "seed" | "num_predict" | "top_k" | "repeat_last_n" | "num_ctx" | "num_batch" | "num_gpu"
        | "main_gpu" | "num_thread" | "draft_num_predict" => Type::Int,
        "temperature" | "top_p" | "min_p" | "typical_p" | "repeat_penalty" | "presence_penalty"
        | "frequency_penalty" => Type::Float,
        "use_mmap" => Type::Bool,
        "stop" => Type::Strings,
        _ => return None,
    })
}

/// A wrong type is the server's fault in Ollama's eyes: 500.
pub(super) fn check_options(options: Value<'_>) -> Result<(), Failure> {
    for (key, value) in options.members().filter(|(_, value)| !value.is_null()) {
        let wanted = match (type_of(&key), value.kind()) {
            (Some(Type::Int), kind) if kind != Kind::Number => "type integer",
            (Some(Type::Float), kind) if kind != Kind::Number => "type float32",
            (Some(Type::Bool), kind) if kind != Kind::Bool => "type boolean",
            (Some(Type::Strings), kind) if kind != Kind::Array => "type array",
            (Some(Type::Strings), _) if value.items().any(|item| item.kind() != Kind::String) => "an array of strings",
            _ => continue,
        };
        let message = format!("option {} must be of {wanted}", quoted(&key));
        return Err(Failure::bad_request(message).with_status(500).with_param(format!("options.{key}")));
    }
    Ok(())
}

/// Options with a neutral counterpart become settings, the others extras.
pub(super) fn read_options(options: Value<'_>, settings: &mut Settings, extras: &mut Vec<Extra>) {
    for (key, value) in options.members().filter(|(_, value)| !value.is_null()) {
        match key.as_ref() {
            // No limit, 0 as well as the negative ones.
            "num_predict" => settings.max_tokens = value.int().filter(|count| *count > 0),
            // -1 asks for a random one.
            "seed" => settings.seed = value.int().filter(|seed| *seed >= 0).map(|_| whole(value)),
            "num_ctx" => settings.context_length = value.int().filter(|tokens| *tokens > 0),
            "stop" => settings.stop = value.items().filter_map(Value::text).collect(),
            "top_k" => settings.top_k = Some(whole(value)),
            "temperature" => settings.temperature = Some(value.to_json()),
            "top_p" => settings.top_p = Some(value.to_json()),
            "min_p" => settings.min_p = Some(value.to_json()),
            "presence_penalty" => settings.presence_penalty = Some(value.to_json()),
            "frequency_penalty" => settings.frequency_penalty = Some(value.to_json()),
            "repeat_penalty" => settings.repeat_penalty = Some(value.to_json()),
            other => {
                let name = format!("options.{other}");
                let loss = loss_of(other, value);
                extras.push(Extra { loss, ..Extra::new(Dialect::Ollama.name(), name, value.to_json()) });
            }
        }
    }
}

/// An integer that may stand there as a float, which Ollama cuts.
fn whole(value: Value<'_>) -> Json {
    match value.as_str().parse::<i64>() {
        Ok(_) => value.to_json(),
        Err(_) => Json::known(value.int().unwrap_or_default().to_string()),
    }
}

/// How a machine runs a model, older names among them: nothing that a cloud's answer depends on.
const OF_THE_MACHINE: [&str; 18] = [
    "num_gpu",
    "main_gpu",
    "num_thread",
    "num_batch",
    "use_mmap",
    "use_mlock",
    "low_vram",
    "f16_kv",
    "vocab_only",
    "numa",
    "num_gqa",
    "draft_num_predict",
    "num_keep",
    "embedding_only",
    "logits_all",
    "rope_frequency_base",
    "rope_frequency_scale",
    "num_parallel",
];

/// Samplers at the value at which they do nothing. The others of their family mean nothing without them.
const AT_REST: [(&str, f64); 4] = [("mirostat", 0.0), ("tfs_z", 1.0), ("typical_p", 1.0), ("repeat_last_n", 64.0)];

fn loss_of(option: &str, value: Value<'_>) -> Loss {
    let is_at_rest = AT_REST.iter().any(|(name, rest)| *name == option && value.float() == Some(*rest));
    if is_at_rest || OF_THE_MACHINE.contains(&option) { Loss::Nothing } else { Loss::Parameter }
}

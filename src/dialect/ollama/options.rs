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

/// Options at the value that Ollama gives them by itself (0.33): to send it is to ask for nothing.
const AT_REST: [(&str, f64); 9] = [
    ("mirostat", 0.0),
    ("tfs_z", 1.0),
    ("typical_p", 1.0),
    ("repeat_last_n", 64.0),
    ("num_keep", 4.0),
    ("num_batch", 512.0),
    ("num_gpu", -1.0),
    ("main_gpu", 0.0),
    ("num_thread", 0.0),
];

fn loss_of(option: &str, value: Value<'_>) -> Loss {
    let is_at_rest = AT_REST.iter().any(|(name, rest)| *name == option && value.float() == Some(*rest));
    if is_at_rest { Loss::Nothing } else { Loss::Parameter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_nothing_is_no_loss() {
        let loss = |option: &str, value: &'static str| loss_of(option, Json::known(value).value());
        assert_eq!((loss("mirostat", "0"), loss("mirostat", "2")), (Loss::Nothing, Loss::Parameter));
        assert_eq!((loss("typical_p", "1.0"), loss("typical_p", "0.9")), (Loss::Nothing, Loss::Parameter));
        assert_eq!((loss("num_gpu", "-1"), loss("num_gpu", "99")), (Loss::Nothing, Loss::Parameter));
        assert_eq!((loss("use_mmap", "true"), loss("odd", "null")), (Loss::Parameter, Loss::Parameter));
    }
}

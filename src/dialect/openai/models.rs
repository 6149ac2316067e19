//! Model lists, written: OpenAI's, and LM Studio's older one, which tells more.

use super::Accent;
use crate::json::Writer;
use crate::model::Model;

/// The list: `{"object": "list", "data": […]}`.
pub fn write_list(models: &[&Model], accent: Accent) -> Vec<u8> {
    list(accent, |w| models.iter().for_each(|model| write_row(w, model, &model.name)))
}

/// One model, under the id that the client asked for.
pub fn write_one(model: &Model, id: &str, accent: Accent) -> Vec<u8> {
    let mut writer = accent.writer();
    write_row(&mut writer, model, id);
    accent.body(writer)
}

/// LM Studio's list (`/api/v0/models`, its documentation of 2026).
pub fn write_detailed_list<'a>(models: impl Iterator<Item = (&'a Model, Loaded)>, accent: Accent) -> Vec<u8> {
    list(accent, |w| models.for_each(|(model, loaded)| detailed_row(w, model, &model.name, loaded)))
}

/// One model of it, under the id that the client asked for.
pub fn write_detailed(model: &Model, id: &str, loaded: Loaded, accent: Accent) -> Vec<u8> {
    let mut writer = accent.writer();
    detailed_row(&mut writer, model, id, loaded);
    accent.body(writer)
}

/// Is a model ready to answer at once, and with how many tokens of context?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It has to be brought into memory first.
    No,
    /// It is there; the length where it is known.
    Yes(Option<u64>),
}

fn list(accent: Accent, rows: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = accent.writer();
    writer.object(|w| {
        w.key("object").str("list");
        w.key("data").array(rows);
    });
    accent.body(writer)
}

/// A model at an Ollama server has the row that its own face gives it, in whatever company.
fn write_row(w: &mut Writer, model: &Model, id: &str) {
    if model.is_local { ollama_row(w, model, id) } else { row(w, model, id) }
}

/// Ollama's row: who owns it is the namespace in its name.
fn ollama_row(w: &mut Writer, model: &Model, id: &str) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("object").str("model");
        w.key("created").int(model.created.map_or(0, |created| created.as_second()));
        w.key("owned_by").str(namespace(id));
    });
}

/// Of `[host/][namespace/]model`; Ollama's own models have none in their names.
fn namespace(name: &str) -> &str {
    name.rsplit_once('/').map_or("library", |(path, _)| path.rsplit_once('/').map_or(path, |(_, namespace)| namespace))
}

fn detailed_row(w: &mut Writer, model: &Model, id: &str, loaded: Loaded) {
    let capabilities = model.capabilities.names();
    let can = |name: &str| capabilities.contains(&name);
    let kind = match () {
        () if can("embedding") => "embeddings",
        () if can("vision") => "vlm",
        () => "llm",
    };
    // Two formats are known there, and strict clients read no third.
    let is_mlx = model.format.as_deref().is_some_and(|format| format == "mlx" || format == "safetensors");
    w.object(|w| {
        w.key("id").str(id);
        w.key("object").str("model");
        w.key("type").str(kind);
        w.key("publisher").str(publisher(model));
        w.key("arch").str(model.family.as_deref().unwrap_or("unknown"));
        w.key("compatibility_type").str(if is_mlx { "mlx" } else { "gguf" });
        w.key("quantization").str(model.quantization.as_deref().unwrap_or("unknown"));
        w.key("state").str(if loaded == Loaded::No { "not-loaded" } else { "loaded" });
        model.context_length.into_iter().for_each(|tokens| w.key("max_context_length").int(tokens));
        if let Loaded::Yes(Some(tokens)) = loaded {
            w.key("loaded_context_length").int(tokens);
        }
        w.key("capabilities").array(|w| {
            if can("tools") {
                w.str("tool_use");
            }
        });
    });
}

/// Who made it, as far as its name tells, else who serves it.
fn publisher(model: &Model) -> &str {
    match model.id.split_once('/') {
        _ if model.is_local => namespace(&model.name),
        Some((vendor, _)) => vendor,
        None => &model.provider,
    }
}

/// OpenAI's four members, then what is known beside them, by the names that OpenRouter and others use.
fn row(w: &mut Writer, model: &Model, id: &str) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("object").str("model");
        w.key("created").int(model.created.map_or(0, |created| created.as_second()));
        w.key("owned_by").str("proxy");
        if let Some(tokens) = model.context_length {
            w.key("context_length").int(tokens);
        }
        if let Some(tokens) = model.input_limit {
            w.key("max_input_tokens").int(tokens);
        }
        if let Some(tokens) = model.output_limit {
            w.key("max_completion_tokens").int(tokens);
        }
        if model.capabilities != Default::default() {
            w.key("capabilities").array(|w| model.capabilities.names().into_iter().for_each(|name| w.str(name)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Capabilities;

    #[test]
    fn rows_hold_what_is_known() {
        let bare = Model { name: "google:gemini-2.5-pro".into(), ..Model::default() };
        let rich = Model {
            name: "a:b".into(),
            created: jiff::Timestamp::from_second(1_700_000_000).ok(),
            context_length: Some(8192),
            output_limit: Some(1024),
            capabilities: Capabilities { vision: Some(true), tools: Some(false), ..Capabilities::default() },
            ..Model::default()
        };
        assert_eq!(
            String::from_utf8(write_list(&[&bare, &rich], Accent::OpenAi)).unwrap(),
            concat!(
                r#"{"object":"list","data":[{"id":"google:gemini-2.5-pro","object":"model","created":0,"owned_by":"proxy"},"#,
                r#"{"id":"a:b","object":"model","created":1700000000,"owned_by":"proxy","context_length":8192,"#,
                r#""max_completion_tokens":1024,"capabilities":["completion","vision"]}]}"#
            )
        );
        assert!(write_one(&bare, "gemini", Accent::OpenAi).starts_with(br#"{"id":"gemini","#));
    }

    #[test]
    fn models_of_an_ollama_server_have_its_own_rows() {
        let model = |name: &str| Model {
            name: name.into(),
            is_local: true,
            created: jiff::Timestamp::from_second(7).ok(),
            context_length: Some(8),
            ..Model::default()
        };
        let (plain, theirs, far) = (model("m1:latest"), model("me/m1:7b"), model("hf.co/you/m1:Q4"));
        let row =
            |id: &str, owner: &str| format!(r#"{{"id":"{id}","object":"model","created":7,"owned_by":"{owner}"}}"#);
        let rows = [row("m1:latest", "library"), row("me/m1:7b", "me"), row("hf.co/you/m1:Q4", "you")].join(",");
        let written = write_list(&[&plain, &theirs, &far], Accent::Ollama);
        assert_eq!(String::from_utf8(written).unwrap(), format!("{{\"object\":\"list\",\"data\":[{rows}]}}\n"));
        assert_eq!(write_list(&[], Accent::Ollama), b"{\"object\":\"list\",\"data\":[]}\n");
    }

    #[test]
    fn the_detailed_list_tells_what_is_known() {
        let local = Model {
            name: "llava:7b".into(),
            is_local: true,
            family: Some("llama".into()),
            quantization: Some("Q4_0".into()),
            capabilities: Capabilities { vision: Some(true), tools: Some(false), ..Capabilities::default() },
            ..Model::default()
        };
        let cloud = Model {
            name: "openrouter:qwen/qwen3".into(),
            id: "qwen/qwen3".into(),
            context_length: Some(9),
            ..Model::default()
        };
        let embeds = Model {
            name: "a:e".into(),
            id: "e".into(),
            provider: "a".into(),
            capabilities: Capabilities { embedding: Some(true), ..Capabilities::default() },
            ..Model::default()
        };
        let rows = [(&local, Loaded::No), (&cloud, Loaded::Yes(Some(9))), (&embeds, Loaded::Yes(None))];
        assert_eq!(
            String::from_utf8(write_detailed_list(rows.into_iter(), Accent::OpenAi)).unwrap(),
            concat!(
                r#"{"object":"list","data":[{"id":"llava:7b","object":"model","type":"vlm","publisher":"library","#,
                r#""arch":"llama","compatibility_type":"gguf","quantization":"Q4_0","state":"not-loaded","capabilities":[]},"#,
                r#"{"id":"openrouter:qwen/qwen3","object":"model","type":"llm","publisher":"qwen","arch":"unknown","#,
                r#""compatibility_type":"gguf","quantization":"unknown","state":"loaded","max_context_length":9,"#,
                r#""loaded_context_length":9,"capabilities":["tool_use"]},"#,
                r#"{"id":"a:e","object":"model","type":"embeddings","publisher":"a","arch":"unknown","#,
                r#""compatibility_type":"gguf","quantization":"unknown","state":"loaded","capabilities":[]}]}"#
            )
        );
    }
}

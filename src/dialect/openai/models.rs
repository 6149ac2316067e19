//! Model lists, written.

use crate::json::{Style, Writer};
use crate::model::Model;

/// The list: `{"object": "list", "data": […]}`.
pub fn write_list(models: &[&Model]) -> Vec<u8> {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("object").str("list");
        w.key("data").array(|w| models.iter().for_each(|model| row(w, model, &model.name)));
    });
    writer.into_bytes()
}

/// One model, under the id that the client asked for.
pub fn write_one(model: &Model, id: &str) -> Vec<u8> {
    let mut writer = Writer::new(Style::Plain);
    row(&mut writer, model, id);
    writer.into_bytes()
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
            String::from_utf8(write_list(&[&bare, &rich])).unwrap(),
            concat!(
                r#"{"object":"list","data":[{"id":"google:gemini-2.5-pro","object":"model","created":0,"owned_by":"proxy"},"#,
                r#"{"id":"a:b","object":"model","created":1700000000,"owned_by":"proxy","context_length":8192,"#,
                r#""max_completion_tokens":1024,"capabilities":["completion","vision"]}]}"#
            )
        );
        assert!(write_one(&bare, "gemini").starts_with(br#"{"id":"gemini","#));
    }
}

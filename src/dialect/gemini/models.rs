//! Model lists, written.

use crate::json::{Style, Writer};
use crate::model::Model;

/// So many rows stand on a page, when the client doesn't say.
const PAGE_USUAL: usize = 50;
/// Never more.
const PAGE_MAX: usize = 1000;

/// One page: `{"models": […], "nextPageToken": …}`. `after` is the name behind which it begins, which is what
/// `nextPageToken` told; `None` when no model has that name.
pub fn write_page(models: &[&Model], size: Option<usize>, after: Option<&str>) -> Option<Vec<u8>> {
    let size = size.filter(|size| *size > 0).unwrap_or(PAGE_USUAL).min(PAGE_MAX);
    let start = match after {
        Some(name) => models.iter().position(|model| model.name == name)? + 1,
        None => 0,
    };
    let rest = models.get(start..).unwrap_or_default();
    let page = rest.get(..size).unwrap_or(rest);
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("models").array(|w| page.iter().for_each(|model| row(w, model, &model.name)));
        if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
            w.key("nextPageToken").str(&last.name);
        }
    });
    Some(w.into_bytes())
}

/// One model, under the name that the client asked for.
pub fn write_one(model: &Model, name: &str) -> Vec<u8> {
    let mut w = Writer::new(Style::Plain);
    row(&mut w, model, name);
    w.into_bytes()
}

fn row(w: &mut Writer, model: &Model, name: &str) {
    let can = &model.capabilities;
    let embeds = can.embedding == Some(true) && can.completion != Some(true);
    let methods: &[&str] = if embeds { &["embedContent", "countTokens"] } else { &["generateContent", "countTokens"] };
    w.object(|w| {
        w.key("name").str(&super::resource(name));
        w.key("displayName").str(name.strip_prefix("models/").unwrap_or(name));
        if let Some(tokens) = model.prompt_window() {
            w.key("inputTokenLimit").int(tokens);
        }
        if let Some(tokens) = model.output_limit {
            w.key("outputTokenLimit").int(tokens);
        }
        w.key("supportedGenerationMethods").array(|w| methods.iter().for_each(|method| w.str(method)));
        if let Some(thinks) = can.thinking {
            w.key("thinking").bool(thinks);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Capabilities;

    fn named(name: &str) -> Model {
        Model { name: name.to_owned(), ..Model::default() }
    }

    #[test]
    fn rows_hold_what_is_known() {
        let rich = Model {
            context_length: Some(9216),
            input_limit: Some(8192),
            output_limit: Some(1024),
            capabilities: Capabilities { thinking: Some(true), ..Capabilities::default() },
            ..named("a:b")
        };
        assert_eq!(
            String::from_utf8(write_one(&rich, "a:b")).unwrap(),
            concat!(
                r#"{"name":"models/a:b","displayName":"a:b","inputTokenLimit":8192,"outputTokenLimit":1024,"#,
                r#""supportedGenerationMethods":["generateContent","countTokens"],"thinking":true}"#
            )
        );
        let embeds = Model {
            capabilities: Capabilities { embedding: Some(true), ..Capabilities::default() },
            ..named("openai:text-embedding-3-small")
        };
        let row = String::from_utf8(write_one(&embeds, &embeds.name)).unwrap();
        assert!(row.contains(r#""supportedGenerationMethods":["embedContent","countTokens"]"#), "{row}");
    }

    #[test]
    fn pages_follow_each_other() {
        let models: Vec<Model> = ["a", "b", "c"].map(named).into();
        let models: Vec<&Model> = models.iter().collect();
        let page = |size, after| write_page(&models, size, after).map(|page| String::from_utf8(page).unwrap());
        let first = page(Some(2), None).unwrap();
        assert!(first.contains(r#""name":"models/b""#) && first.ends_with(r#""nextPageToken":"b"}"#), "{first}");
        let second = page(Some(2), Some("b")).unwrap();
        assert!(second.contains(r#""name":"models/c""#) && !second.contains("nextPageToken"), "{second}");
        assert!(!page(Some(3), None).unwrap().contains("nextPageToken"));
        assert!(page(None, Some("c")).unwrap().starts_with(r#"{"models":[]"#));
        assert_eq!(page(None, Some("gone")), None);
    }
}

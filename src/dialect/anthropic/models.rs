//! Model lists, written, in pages.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::chat::Failure;
use crate::json::{Style, Writer};
use crate::model::Model;

/// So many rows a page when no limit is told (Anthropic's API description, 2026-08).
const LIMIT: usize = 20;
/// And at most.
const LIMIT_MAX: usize = 1000;

/// Which rows of a list are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    limit: usize,
    /// Rows behind this one.
    after: Option<String>,
    /// Rows before this one, those next to it.
    before: Option<String>,
}

/// Reads the query: `limit`, `after_id`, `before_id`; others say nothing.
pub fn read_query(query: &str) -> Result<Wanted, Failure> {
    let mut wanted = Wanted { limit: LIMIT, after: None, before: None };
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "limit" => wanted.limit = limit(&value)?,
            "after_id" => wanted.after = Some(value).filter(|id| !id.is_empty()),
            "before_id" => wanted.before = Some(value).filter(|id| !id.is_empty()),
            _ => {}
        }
    }
    Ok(wanted)
}

fn limit(value: &str) -> Result<usize, Failure> {
    let number = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    number.ok_or_else(|| {
        Failure::bad_request(format!("limit: must be a number from 1 to {LIMIT_MAX}")).with_param("limit")
    })
}

/// A page: `{data, has_more, first_id, last_id}`. Fails where the list doesn't hold the row from which to count.
pub fn write_list(models: &[&Model], wanted: &Wanted) -> Result<Vec<u8>, Failure> {
    let place = |id: &Option<String>, name: &str| match id {
        None => Ok(None),
        Some(id) => models.iter().position(|model| model.name == *id).map(Some).ok_or_else(|| unknown(name, id)),
    };
    let start = place(&wanted.after, "after_id")?.map_or(0, |at| at + 1);
    let end = place(&wanted.before, "before_id")?.unwrap_or(models.len()).max(start);
    let is_backward = wanted.before.is_some() && wanted.after.is_none();
    let rows = models.get(start..end).unwrap_or_default();
    let cut = rows.len().saturating_sub(wanted.limit);
    let page = match is_backward {
        true => rows.get(cut..).unwrap_or_default(),
        false => rows.get(..rows.len() - cut).unwrap_or_default(),
    };
    Ok(write_page(page, cut > 0))
}

fn unknown(name: &str, id: &str) -> Failure {
    Failure::bad_request(format!("{name}: the list has no model '{id}'")).with_param(name)
}

fn write_page(page: &[&Model], has_more: bool) -> Vec<u8> {
    let id = |w: &mut Writer, model: Option<&&Model>| match model {
        Some(model) => w.str(&model.name),
        None => w.null(),
    };
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("data").array(|w| page.iter().for_each(|model| row(w, model, &model.name)));
        w.key("has_more").bool(has_more);
        id(w.key("first_id"), page.first());
        id(w.key("last_id"), page.last());
    });
    writer.into_bytes()
}

/// One model, under the id that the client asked for.
pub fn write_one(model: &Model, id: &str) -> Vec<u8> {
    let mut writer = Writer::new(Style::Plain);
    row(&mut writer, model, id);
    writer.into_bytes()
}

/// A time that nobody told is the epoch, as Anthropic does for models whose age it doesn't tell.
fn row(w: &mut Writer, model: &Model, id: &str) {
    let created = model.created.unwrap_or(Timestamp::UNIX_EPOCH);
    w.object(|w| {
        w.key("type").str("model");
        w.key("id").str(id);
        w.key("display_name").str(id);
        w.key("created_at").str(&created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        if let Some(tokens) = model.prompt_window() {
            w.key("max_input_tokens").int(tokens);
        }
        if let Some(tokens) = model.output_limit {
            w.key("max_tokens").int(tokens);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<String, Failure> {
        let names = ["a:1", "b:1", "c:1", "d:1"];
        let models = names.map(|name| Model { name: name.into(), ..Model::default() });
        let rows: Vec<&Model> = models.iter().collect();
        let body = write_list(&rows, &read_query(query)?)?;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let ids: Vec<&str> = body["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        Ok(format!("{} {} {} {}", ids.join(","), body["has_more"], body["first_id"], body["last_id"]))
    }

    #[test]
    fn a_list_is_told_in_pages() {
        assert_eq!(page("").unwrap(), r#"a:1,b:1,c:1,d:1 false "a:1" "d:1""#);
        assert_eq!(page("limit=2&beta=true").unwrap(), r#"a:1,b:1 true "a:1" "b:1""#);
        assert_eq!(page("limit=2&after_id=b%3A1").unwrap(), r#"c:1,d:1 false "c:1" "d:1""#);
        assert_eq!(page("limit=2&before_id=d%3A1").unwrap(), r#"b:1,c:1 true "b:1" "c:1""#);
        assert_eq!(page("after_id=d:1").unwrap(), " false null null");
        assert!(page("after_id=x").unwrap_err().message.contains("'x'"));
        assert_eq!(page("limit=0").unwrap_err().status, 400);
        assert_eq!(page("limit=1001").unwrap_err().status, 400);
    }

    #[test]
    fn rows_hold_what_is_known() {
        let rich = Model {
            name: "a:b".into(),
            created: Timestamp::from_second(1_700_000_000).ok(),
            context_length: Some(9216),
            input_limit: Some(8192),
            output_limit: Some(1024),
            ..Model::default()
        };
        assert_eq!(
            String::from_utf8(write_one(&rich, "b")).unwrap(),
            concat!(
                r#"{"type":"model","id":"b","display_name":"b","created_at":"2023-11-14T22:13:20Z","#,
                r#""max_input_tokens":8192,"max_tokens":1024}"#
            )
        );
        let bare = Model { name: "a:b".into(), ..Model::default() };
        assert!(String::from_utf8(write_one(&bare, "a:b")).unwrap().contains(r#""created_at":"1970-01-01T00:00:00Z""#));
    }
}

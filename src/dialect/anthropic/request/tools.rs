//! Functions that the model may call: `tools` and `tool_choice`, written.

use std::collections::BTreeSet;

use super::turns::write_mark;
use crate::chat::{Extra, Part, Request, Tool, ToolChoice};
use crate::dialect::anthropic::NAME;
use crate::dialect::anthropic::family::Family;
use crate::json::{Json, Kind, Writer};

/// Writes both members, with so many marks of a cache at most, the last ones. A history with calls needs tools to be named, so where the client sends none the functions that were
/// called are, and may not be called again.
pub(super) fn write(w: &mut Writer, request: &Request, family: Family, marks_max: usize) {
    let own = |extra: &&Extra| extra.dialect == NAME && extra.name == "tools";
    let others: Vec<&Extra> = request.extras.iter().filter(own).collect();
    if request.tools.is_empty() && others.is_empty() {
        return write_called(w, request);
    }
    let mut over = request.tools.iter().filter(|tool| tool.cache.is_some()).count().saturating_sub(marks_max);
    w.key("tools").array(|w| {
        for tool in &request.tools {
            let is_over = tool.cache.is_some() && over > 0;
            over -= usize::from(is_over);
            write_tool(w, tool, family, !is_over);
        }
        others.iter().flat_map(|extra| extra.value.value().items()).for_each(|tool| w.raw(tool.as_str()));
    });
    write_choice(w, request);
}

fn write_tool(w: &mut Writer, tool: &Tool, family: Family, is_marked: bool) {
    w.object(|w| {
        w.key("name").text(&tool.name);
        if let Some(description) = tool.description.as_ref().filter(|text| !text.is_empty()) {
            w.key("description").text(description);
        }
        write_schema(w.key("input_schema"), tool.parameters.as_ref());
        if let Some(strict) = tool.strict.filter(|_| family.has_schemas()) {
            w.key("strict").bool(strict);
        }
        write_mark(w, tool.cache.as_ref().filter(|_| is_marked));
    });
}

/// A schema must say that it is of an object.
fn write_schema(w: &mut Writer, schema: Option<&Json>) {
    let members = schema.map(Json::value).filter(|schema| schema.kind() == Kind::Object);
    match (schema, members) {
        (Some(schema), Some(members)) if members.get("type").is_some() => w.json(schema),
        (_, members) => w.object(|w| {
            w.key("type").str("object");
            for (key, member) in
                members.into_iter().flat_map(|members| members.members()).filter(|(key, _)| key != "type")
            {
                w.key(&key).raw(member.as_str());
            }
            if members.is_none_or(|members| members.get("properties").is_none()) {
                w.key("properties").object(|_| {});
            }
        }),
    }
}

fn write_choice(w: &mut Writer, request: &Request) {
    let is_single = request.parallel_tool_calls == Some(false);
    let (word, name) = match &request.tool_choice {
        None if !is_single => return,
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Function(name)) => ("tool", Some(name)),
    };
    w.key("tool_choice").object(|w| {
        w.key("type").str(word);
        name.iter().for_each(|name| w.key("name").text(name));
        if is_single && word != "none" {
            w.key("disable_parallel_tool_use").bool(true);
        }
    });
}

fn write_called(w: &mut Writer, request: &Request) {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let called = parts.filter_map(|part| match part {
        Part::ToolCall { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let called: BTreeSet<_> = called.collect();
    if called.is_empty() {
        return;
    }
    w.key("tools").array(|w| {
        for name in called {
            w.object(|w| {
                w.key("name").str(&name);
                write_schema(w.key("input_schema"), None);
            });
        }
    });
    w.key("tool_choice").object(|w| w.key("type").str("none"));
}

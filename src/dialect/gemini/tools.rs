//! Functions that the model may call: `tools` and `toolConfig`.

use super::family::Family;
use super::request::own_inside;
use super::schema::{self, Form};
use crate::chat::{Failure, Request, Tool, ToolChoice};
use crate::dialect::Quirks;
use crate::json::{Text, Writer};

/// The longest name of a function, in characters (Google's function calling guide; models before 2026 stop at 64 and say so).
const NAME_CHARS_MAX: usize = 128;

/// Refuses a tool whose name Google would refuse. It could be changed, but the answer is read without knowing the request, so
/// that nobody could change it back.
pub(super) fn check(tools: &[Tool]) -> Result<(), Failure> {
    let Some(wrong) = tools.iter().find(|tool| !is_name(&tool.name.as_str())) else { return Ok(()) };
    let name = wrong.name.as_str();
    Err(Failure::bad_request(format!(
        "the tool name {name:?} can't be sent to a Gemini model: it must begin with a letter or underscore, hold only letters, \
         digits and _ . : -, and be no longer than {NAME_CHARS_MAX} characters"
    ))
    .with_param("tools"))
}

fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
    starts_well && name.len() <= NAME_CHARS_MAX && name.bytes().all(fits)
}

/// Writes both members, when there are functions or tools of Google's own: a choice without any is refused.
pub(super) fn write(w: &mut Writer, request: &Request, quirks: &Quirks, family: Family) {
    let own: Vec<_> = own_inside(request, "tools").collect();
    if request.tools.is_empty() && own.is_empty() {
        return;
    }
    // All functions in one entry: older models refuse a second one.
    w.key("tools").array(|w| {
        if !request.tools.is_empty() {
            w.object(|w| {
                w.key("functionDeclarations").array(|w| {
                    request.tools.iter().for_each(|tool| write_declaration(w, tool, quirks, family));
                });
            });
        }
        own.into_iter().for_each(|(name, value)| w.object(|w| w.key(name).json(value)));
    });
    let mode = mode(request, family).filter(|_| !request.tools.is_empty());
    let own: Vec<_> = own_inside(request, "toolConfig").collect();
    if mode.is_none() && own.is_empty() {
        return;
    }
    w.key("toolConfig").object(|w| {
        if let Some((mode, only)) = mode {
            w.key("functionCallingConfig").object(|w| write_mode(w, mode, only));
        }
        own.into_iter().for_each(|(name, value)| w.key(name).json(value));
    });
}

fn write_mode(w: &mut Writer, mode: &str, only: Option<&Text>) {
    w.key("mode").str(mode);
    if let Some(name) = only {
        w.key("allowedFunctionNames").array(|w| w.text(name));
    }
}

fn write_declaration(w: &mut Writer, tool: &Tool, quirks: &Quirks, family: Family) {
    let (key, form) = match family.takes_json_schema() {
        true => ("parametersJsonSchema", Form::Json),
        false => ("parameters", Form::OpenApi),
    };
    let arguments = tool.parameters.as_ref().and_then(|json| schema::of_arguments(json, form, &quirks.schema_drop));
    w.object(|w| {
        w.key("name").text(&tool.name);
        if let Some(description) = tool.description.as_ref().filter(|text| !text.is_empty()) {
            w.key("description").text(description);
        }
        if let Some(arguments) = arguments {
            w.key(key).json(&arguments);
        }
    });
}

/// The mode of calling, and the one function that it is about. `VALIDATED` (2.5 and later) is what comes nearest to strict
/// tools; `ANY` holds the model to the schema anyway.
fn mode(request: &Request, family: Family) -> Option<(&'static str, Option<&Text>)> {
    let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true)) && family.is_gemini_from(2, 5);
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) if is_strict => Some(("VALIDATED", None)),
        None => None,
        Some(ToolChoice::Auto) => Some(("AUTO", None)),
        Some(ToolChoice::None) => Some(("NONE", None)),
        Some(ToolChoice::Required) => Some(("ANY", None)),
        Some(ToolChoice::Function(name)) => Some(("ANY", Some(name))),
    }
}

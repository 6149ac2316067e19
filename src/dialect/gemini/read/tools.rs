//! Functions that the model may call, read: `tools` and `toolConfig`.

use super::field::{self, list, member, members, object};
use super::{extra, schema};
use crate::chat::{Extra, Failure, Request, Tool, ToolChoice};
use crate::dialect::gemini::DIALECT;
use crate::json::{Text, Value};

/// Reads `tools`. Those that Google runs by itself (its search, say) are wishes that no other provider can grant.
pub(super) fn read(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    for (at, entry) in list(value).enumerate() {
        let place = format!("tools[{at}]");
        for (name, value) in members(object(&place, "Tool", entry)?) {
            if name != "functionDeclarations" {
                own_tool(request, &name, value);
                continue;
            }
            for (at, declaration) in list(value).enumerate() {
                request.tools.push(declared(&format!("{place}.function_declarations[{at}]"), declaration)?);
            }
        }
    }
    Ok(())
}

/// Its mere presence switches it on: an empty object says something here.
fn own_tool(request: &mut Request, name: &str, value: Value<'_>) {
    request.extras.push(Extra::new(DIALECT, format!("tools.{name}"), value.to_json()));
}

fn declared(place: &str, value: Value<'_>) -> Result<Tool, Failure> {
    let value = object(place, "FunctionDeclaration", value)?;
    let name = member(value, "name").ok_or_else(|| field::broken(&format!("{place}.name"), "[FIELD_INVALID]"))?;
    let own = member(value, "parameters");
    let parameters = match member(value, "parametersJsonSchema") {
        Some(schema) => Some(schema.to_json()),
        None => {
            let own = own.map(|own| object(&format!("{place}.parameters"), "Schema", own)).transpose()?;
            own.map(schema::to_json_schema)
        }
    };
    let text = |name: &str, value| field::text(&format!("{place}.{name}"), value);
    Ok(Tool {
        name: text("name", name)?,
        description: member(value, "description").map(|value| text("description", value)).transpose()?,
        parameters,
        strict: None,
        cache: None,
    })
}

/// Reads `toolConfig`. Leaving out the functions that may not be called says the same to every provider.
pub(super) fn read_config(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    for (name, value) in members(object("tool_config", "ToolConfig", value)?) {
        match name.as_ref() {
            "functionCallingConfig" => read_calling(value, request)?,
            name => extra(request, &format!("toolConfig.{name}"), value),
        }
    }
    Ok(())
}

fn read_calling(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    let place = "tool_config.function_calling_config";
    let value = object(place, "FunctionCallingConfig", value)?;
    let mode_place = format!("{place}.mode");
    let mode = member(value, "mode").map(|mode| field::text(&mode_place, mode)).transpose()?;
    let mode = mode.map(|mode| mode.as_str().to_ascii_uppercase());
    let names = member(value, "allowedFunctionNames").into_iter().flat_map(list);
    let allowed: Vec<Text> =
        names.map(|name| field::text(&format!("{place}.allowed_function_names"), name)).collect::<Result<_, _>>()?;
    match mode.as_deref() {
        None | Some("MODE_UNSPECIFIED") => {}
        Some("AUTO") => request.tool_choice = Some(ToolChoice::Auto),
        Some("NONE") => request.tool_choice = Some(ToolChoice::None),
        Some("VALIDATED") => {
            request.tool_choice = Some(ToolChoice::Auto);
            request.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
        }
        Some("ANY") => {
            request.tool_choice = Some(match allowed.as_slice() {
                [only] => ToolChoice::Function(only.clone()),
                _ => ToolChoice::Required,
            });
        }
        Some(_) => {
            let kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode";
            return Err(field::invalid(&mode_place, kind, member(value, "mode").unwrap_or(value)));
        }
    }
    if allowed.len() > 1 || (mode.as_deref() == Some("VALIDATED") && !allowed.is_empty()) {
        request.tools.retain(|tool| allowed.contains(&tool.name));
    }
    Ok(())
}

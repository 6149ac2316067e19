//! What people and models say, read: `contents` and `systemInstruction`.

use super::field::{self, list, member, members, object};
use crate::chat::{Extra, Failure, Media, Message, Part, Role, Source};
use crate::dialect::gemini::media::standard_base64;
use crate::dialect::gemini::{DIALECT, parts, signature};
use crate::json::{Json, Text, Value};

/// Reads `contents`: turns of the user and of the model.
pub(super) fn contents(value: Value<'_>) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    for (at, content) in list(value).enumerate() {
        turn(&format!("contents[{at}]"), content, &mut messages)?;
    }
    Ok(messages)
}

/// Reads `systemInstruction`, whose role says nothing.
pub(super) fn instruction(value: Value<'_>) -> Result<Message, Failure> {
    let place = "system_instruction";
    let content = object(place, "Content", value)?;
    let mut message = Message::new(Role::System, Vec::new());
    for (at, value) in member(content, "parts").into_iter().flat_map(list).enumerate() {
        let place = format!("{place}.parts[{at}]");
        let Some(part) = read(&place, value, &mut message.extras)? else { continue };
        if !matches!(part, Part::Text { .. }) {
            return Err(field::broken(&place, "instructions can hold text only"));
        }
        message.parts.push(part);
    }
    Ok(message)
}

/// One content. Results of calls make messages of their own.
fn turn(place: &str, value: Value<'_>, messages: &mut Vec<Message>) -> Result<(), Failure> {
    let content = object(place, "Content", value)?;
    let role = member(content, "role").map(|role| field::text(&format!("{place}.role"), role)).transpose()?;
    let side = match role.as_ref().map(Text::as_str).as_deref() {
        Some("model") => Role::Assistant,
        Some("user" | "function" | "") | None => Role::User,
        Some(_) => return Err(Failure::bad_request("Please use a valid role: user, model.").with_param(place)),
    };
    let first = messages.len();
    for (at, value) in member(content, "parts").into_iter().flat_map(list).enumerate() {
        let place = format!("{place}.parts[{at}]");
        let mut extras = Vec::new();
        let part = read(&place, value, &mut extras)?;
        let role = match &part {
            Some(Part::ToolResult { .. }) => Role::Tool,
            Some(Part::ToolCall { .. } | Part::Thinking { .. } | Part::Redacted(_)) if side == Role::User => {
                return Err(field::broken(&place, "only the role 'model' thinks and calls functions"));
            }
            _ => side.clone(),
        };
        let is_open = messages.len() > first && messages.last().is_some_and(|message| message.role == role);
        if !is_open {
            messages.push(Message::new(role, Vec::new()));
        }
        if let Some(message) = messages.last_mut() {
            message.parts.extend(part);
            message.extras.extend(extras);
        }
    }
    Ok(())
}

/// One part; none where it says nothing.
fn read(place: &str, value: Value<'_>, extras: &mut Vec<Extra>) -> Result<Option<Part>, Failure> {
    let (mut data, mut is_thought, mut signed) = (None, false, None);
    for (name, value) in members(object(place, "Part", value)?) {
        match name.as_ref() {
            "thought" => is_thought = field::boolean(&format!("{place}.thought"), value)?,
            "thoughtSignature" => {
                signed =
                    Some(field::text(&format!("{place}.thought_signature"), value)?).filter(|text| !text.is_empty());
            }
            "mediaResolution" | "mediaProcessing" => extras.push(own(&name, value)),
            name if name.ends_with("Metadata") => extras.push(own(name, value)),
            _ => data = Some((name, value)),
        }
    }
    let signature = signed.map(signature::read);
    let Some((name, value)) = data else {
        let is_bare = signature.is_none();
        let rule = "required oneof field 'data' must have one initialized field";
        let bare = || field::broken(&format!("{place}.data"), rule);
        // A signature may stand alone, at the end of a stream.
        return if is_bare { Err(bare()) } else { Ok(text_part(Text::empty(), is_thought, signature)) };
    };
    let place = format!("{place}.{}", snake(&name));
    match name.as_ref() {
        "text" => Ok(text_part(field::text(&place, value)?, is_thought, signature)),
        "inlineData" => inline_data(&place, value).map(Some),
        "fileData" => file_data(&place, value).map(Some),
        "functionCall" => call(&place, value, signature).map(Some),
        "functionResponse" => response(&place, value, extras).map(Some),
        "executableCode" => Ok(Some(Part::text(parts::code(object(&place, "ExecutableCode", value)?)))),
        "codeExecutionResult" => Ok(Some(Part::text(parts::outcome(object(&place, "CodeExecutionResult", value)?)))),
        other => {
            let message = format!("a part with '{other}' means something to Google's own models only");
            Err(Failure::bad_request(message).with_param(place))
        }
    }
}

/// Google refuses an empty text; it says nothing, unless it is signed.
fn text_part(text: Text, is_thought: bool, signature: Option<Text>) -> Option<Part> {
    if text.is_empty() && signature.is_none() {
        return None;
    }
    if let Some(data) = signature.as_ref().filter(|_| is_thought).and_then(signature::redacted) {
        return Some(Part::Redacted(data));
    }
    Some(if is_thought { Part::Thinking { text, signature } } else { Part::Text { text, signature } })
}

fn inline_data(place: &str, value: Value<'_>) -> Result<Part, Failure> {
    let value = object(place, "Blob", value)?;
    let data = member(value, "data").ok_or_else(|| field::broken(&format!("{place}.data"), "it is not specified"))?;
    let data = field::text(&format!("{place}.data"), data)?;
    // Google's SDK for Python writes the alphabet for URLs, which other providers don't read.
    let part = media(place, value, Source::Base64(standard_base64(&data)?))?;
    if part.mime.is_empty() {
        return Err(field::broken(&format!("{place}.mime_type"), "it is not specified"));
    }
    Ok(Part::Media(part))
}

/// A file that Google holds means nothing to others; an address does.
fn file_data(place: &str, value: Value<'_>) -> Result<Part, Failure> {
    let value = object(place, "FileData", value)?;
    let place_of_uri = format!("{place}.file_uri");
    let uri = member(value, "fileUri").ok_or_else(|| field::broken(&place_of_uri, "it is not specified"))?;
    let uri = field::text(&place_of_uri, uri)?;
    let is_held = {
        let uri = uri.as_str();
        uri.starts_with("files/") || uri.contains("generativelanguage.googleapis.com")
    };
    let guess = type_of(&uri.as_str());
    let mut part = media(place, value, if is_held { Source::FileId(uri) } else { Source::Url(uri) })?;
    if part.mime.is_empty() {
        guess.unwrap_or_default().clone_into(&mut part.mime);
    }
    Ok(Part::Media(part))
}

/// Google looks into a file; from outside the end of its name is all that tells.
fn type_of(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let (_, end) = path.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

fn media(place: &str, value: Value<'_>, source: Source) -> Result<Media, Failure> {
    let mime = member(value, "mimeType").map(|mime| field::text(&format!("{place}.mime_type"), mime)).transpose()?;
    let filename = member(value, "displayName").and_then(Value::text);
    let mime = mime.map(|mime| mime.as_str().into_owned()).unwrap_or_default();
    Ok(Media { mime, source, detail: None, filename })
}

fn call(place: &str, value: Value<'_>, signature: Option<Text>) -> Result<Part, Failure> {
    let value = object(place, "FunctionCall", value)?;
    let name = named(place, value)?;
    let arguments = member(value, "args").map(|args| object(&format!("{place}.args"), "Struct", args)).transpose()?;
    Ok(Part::ToolCall {
        id: id(place, value)?,
        name,
        arguments: arguments.map_or_else(|| Json::known("{}"), Value::to_json),
        signature,
    })
}

fn response(place: &str, value: Value<'_>, extras: &mut Vec<Extra>) -> Result<Part, Failure> {
    let value = object(place, "FunctionResponse", value)?;
    let name = named(place, value)?;
    let place_of_response = format!("{place}.response");
    let said = member(value, "response").map(|said| object(&place_of_response, "Struct", said)).transpose()?;
    let (text, is_error) = said.map_or_else(|| (Text::empty(), false), outcome);
    let mut content = vec![Part::text(text)];
    for (at, part) in member(value, "parts").into_iter().flat_map(list).enumerate() {
        match read(&format!("{place}.parts[{at}]"), part, extras)? {
            Some(part @ (Part::Media(_) | Part::Text { .. })) => content.push(part),
            Some(_) => return Err(field::broken(&format!("{place}.parts[{at}]"), "it must be media")),
            None => {}
        }
    }
    let wishes = members(value).filter(|(name, _)| matches!(name.as_ref(), "willContinue" | "scheduling"));
    extras.extend(wishes.map(|(name, value)| own(&name, value)));
    Ok(Part::ToolResult { id: id(place, value)?, name: Some(name), content, is_error })
}

/// What a function gave: the text that Google's own guide puts under `output` or `error`, else the object as it is.
fn outcome(response: Value<'_>) -> (Text, bool) {
    let mut members = response.members();
    if let (Some((name, value)), None) = (members.next(), members.next()) {
        match (name.as_ref(), value.text()) {
            ("output", Some(text)) if !looks_like_an_object(&text) => return (text, false),
            ("error", Some(text)) => return (text, true),
            _ => {}
        }
    }
    (response.as_str().to_owned().into(), false)
}

/// Such a text would go back to Google as the object that it looks like.
fn looks_like_an_object(text: &Text) -> bool {
    text.as_str().trim_start().starts_with('{')
}

fn named(place: &str, value: Value<'_>) -> Result<Text, Failure> {
    let place = format!("{place}.name");
    let name = member(value, "name").map(|name| field::text(&place, name)).transpose()?;
    name.filter(|name| !name.is_empty()).ok_or_else(|| field::broken(&place, "Name cannot be empty."))
}

fn id(place: &str, value: Value<'_>) -> Result<Option<Text>, Failure> {
    let id = member(value, "id").map(|id| field::text(&format!("{place}.id"), id)).transpose()?;
    Ok(id.filter(|id| !id.is_empty()))
}

fn own(name: &str, value: Value<'_>) -> Extra {
    Extra::new(DIALECT, name, value.to_json())
}

/// Google's messages name fields so.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

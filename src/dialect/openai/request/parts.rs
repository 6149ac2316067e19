//! Reading content: a string or a list of parts. And the words for what a client got wrong.

use crate::chat::{CacheMark, Failure, Media, Part, Source};
use crate::json::{Kind, Text, Value};

/// A value of the wrong type. `param` names the member, as OpenAI does: `messages[2].content`.
pub(super) fn wrong_type(param: &str, expected: &str, value: Value<'_>) -> Failure {
    let got = match value.kind() {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    let message = format!("Invalid type for '{param}': expected {expected}, but got {got}.");
    Failure::bad_request(message).with_param(param).with_code("invalid_type")
}

/// A value that no one knows what to do with.
pub(in crate::dialect::openai) fn wrong_value(param: &str, message: impl std::fmt::Display) -> Failure {
    Failure::bad_request(format!("Invalid value for '{param}': {message}."))
        .with_param(param)
        .with_code("invalid_value")
}

/// A member that must be there.
pub(in crate::dialect::openai) fn missing(param: &str) -> Failure {
    let message = format!("Missing required parameter: '{param}'.");
    Failure::bad_request(message).with_param(param).with_code("missing_required_parameter")
}

/// A string.
pub(in crate::dialect::openai) fn text(param: &str, value: Value<'_>) -> Result<Text, Failure> {
    value.text().ok_or_else(|| wrong_type(param, "a string", value))
}

/// The items of an array.
pub(super) fn items<'a>(param: &str, value: Value<'a>) -> Result<impl Iterator<Item = Value<'a>>, Failure> {
    if value.kind() == Kind::Array { Ok(value.items()) } else { Err(wrong_type(param, "an array", value)) }
}

/// A value that must be an object.
pub(super) fn object<'a>(param: &str, value: Value<'a>) -> Result<Value<'a>, Failure> {
    if value.kind() == Kind::Object { Ok(value) } else { Err(wrong_type(param, "an object", value)) }
}

/// The content of a message.
pub(super) fn content(param: &str, value: Value<'_>) -> Result<Vec<Part>, Failure> {
    match value.kind() {
        Kind::Null => Ok(Vec::new()),
        Kind::String => Ok(vec![Part::text(text(param, value)?)]),
        Kind::Array => {
            let mut parts = Vec::new();
            for (at, part) in value.items().enumerate() {
                parts.push(read_part(&format!("{param}[{at}]"), part)?);
                parts.extend(cache_mark(part).map(Part::CacheMark));
            }
            Ok(parts)
        }
        _ => Err(wrong_type(param, "a string or an array of parts", value)),
    }
}

/// The mark of a cache that some clients set as Anthropic has it (LiteLLM's, OpenRouter's).
pub(super) fn cache_mark(value: Value<'_>) -> Option<CacheMark> {
    let mark = value.get("cache_control").filter(|mark| mark.kind() == Kind::Object)?;
    Some(CacheMark { ttl: mark.get("ttl").and_then(Value::text) })
}

fn read_part(param: &str, part: Value<'_>) -> Result<Part, Failure> {
    if let Some(text) = part.text() {
        return Ok(Part::text(text));
    }
    let member = |key: &str| {
        let param = format!("{param}.{key}");
        part.get(key).ok_or_else(|| missing(&param)).map(|value| (param, value))
    };
    let kind = object(param, part)?.get("type").and_then(Value::string);
    match kind.as_deref() {
        Some("text" | "input_text" | "output_text") | None => {
            let (param, value) = member("text")?;
            Ok(Part::text(text(&param, value)?))
        }
        Some("image_url" | "input_image") => {
            let (param, value) = member("image_url")?;
            image(&param, value, part.get("detail").and_then(Value::text))
        }
        Some("video_url") => {
            let (param, value) = member("video_url")?;
            linked(&param, value.get("url").unwrap_or(value), "video/mp4").map(Part::Media)
        }
        Some("document_url") => {
            let (param, value) = member("document_url")?;
            linked(&param, value, "application/pdf").map(Part::Media)
        }
        Some("input_audio") => member("input_audio").and_then(|(param, value)| audio(&param, value)),
        Some("file" | "input_file") => file(param, part.get("file").unwrap_or(part)),
        Some("refusal") => member("refusal").and_then(|(param, value)| Ok(Part::Refusal(text(&param, value)?))),
        Some("thinking") => member("thinking").map(|(_, value)| thinking(value)),
        Some(other) => {
            let known = "'text', 'image_url', 'input_audio', 'file' and 'refusal' are known";
            Err(wrong_value(&format!("{param}.type"), format!("'{other}'; {known}")))
        }
    }
}

/// Mistral's form of an earlier thought: a string, or a list of texts.
fn thinking(value: Value<'_>) -> Part {
    let whole = value.text();
    let joined = || value.items().filter_map(|item| item.get("text")?.string()).collect::<String>().into();
    Part::Thinking { text: whole.unwrap_or_else(joined), signature: None }
}

/// `{url, detail}`, or the bare address that many clients send.
pub(super) fn image(param: &str, value: Value<'_>, detail: Option<Text>) -> Result<Part, Failure> {
    let (param, url) = match value.get("url") {
        Some(url) => (format!("{param}.url"), url),
        None => (param.to_owned(), value),
    };
    let media = linked(&param, url, "image/*")?;
    Ok(Part::Media(Media { detail: value.get("detail").and_then(Value::text).or(detail), ..media }))
}

/// What a `data:` URL holds, or what an address leads to. `usual` is the MIME type where nothing tells.
fn linked(param: &str, url: Value<'_>, usual: &str) -> Result<Media, Failure> {
    let url = text(param, url)?;
    let (mime, source) = match data_url(&url) {
        Some(found) => found.map_err(|message| wrong_value(param, message))?,
        None => (mime_of_address(&url.as_str()).to_owned(), Source::Url(url)),
    };
    let mime = if mime.is_empty() { usual.to_owned() } else { mime };
    Ok(Media { mime, source, detail: None, filename: None })
}

/// RFC 2397: `data:image/png;charset=x;base64,AAAA`. `None` when it is no such URL.
fn data_url(url: &Text) -> Option<Result<(String, Source), &'static str>> {
    let (head, data) = url.split_at_comma()?;
    let head = head.as_str();
    let described = head.trim_start().strip_prefix("data:")?;
    let mut words = described.split(';').map(str::trim);
    let mime = words.next().unwrap_or_default().to_ascii_lowercase();
    if !words.any(|word| word.eq_ignore_ascii_case("base64")) {
        return Some(Err("a data URL must be in base64"));
    }
    let mime = if mime.is_empty() { mime_of_bytes(&data).to_owned() } else { mime };
    Some(Ok((mime, Source::Base64(data))))
}

/// By the first bytes, as base64 shows them.
fn mime_of_bytes(data: &Text) -> &'static str {
    let head = data.as_str();
    let rows = [
        ("iVBOR", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lG", "image/gif"),
        ("UklG", "image/webp"),
        ("JVBER", "application/pdf"),
    ];
    rows.iter().find(|(start, _)| head.starts_with(start)).map_or("", |(_, mime)| mime)
}

fn mime_of_address(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let rows = [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".gif", "image/gif"),
        (".webp", "image/webp"),
    ];
    rows.iter().find(|(end, _)| path.ends_with(end)).map_or("", |(_, mime)| mime)
}

fn audio(param: &str, value: Value<'_>) -> Result<Part, Failure> {
    let member = |key: &str| object(param, value)?.get(key).ok_or_else(|| missing(&format!("{param}.{key}")));
    let data = text(&format!("{param}.data"), member("data")?)?;
    let format = value.get("format").and_then(Value::string).unwrap_or("wav".into());
    let mime = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
    Ok(Part::Media(Media { mime, source: Source::Base64(data), detail: None, filename: None }))
}

/// `{filename, file_data, file_id}`; the data as a `data:` URL, or bare base64.
fn file(param: &str, file: Value<'_>) -> Result<Part, Failure> {
    let filename = file.get("filename").and_then(Value::text);
    let named = filename.as_ref().map_or("", |name| mime_of_name(&name.as_str()));
    if let Some(id) = file.get("file_id") {
        let source = Source::FileId(text(&format!("{param}.file_id"), id)?);
        return Ok(Part::Media(Media { mime: or_binary(named), source, detail: None, filename }));
    }
    let param = format!("{param}.file_data");
    let data = text(&param, file.get("file_data").ok_or_else(|| missing(&param))?)?;
    let (mime, source) = match data_url(&data) {
        Some(found) => found.map_err(|message| wrong_value(&param, message))?,
        None => (String::new(), Source::Base64(data)),
    };
    let mime = if mime.is_empty() { or_binary(named) } else { mime };
    Ok(Part::Media(Media { mime, source, detail: None, filename }))
}

fn mime_of_name(name: &str) -> &'static str {
    match name.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("json") => "application/json",
        _ => "",
    }
}

fn or_binary(mime: &str) -> String {
    if mime.is_empty() { "application/octet-stream".to_owned() } else { mime.to_owned() }
}

//! Pictures and documents: `source`, read and written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::read::{expected, text};
use crate::chat::{Failure, Media, Source};
use crate::json::{Text, Value, Writer};

const PDF: &str = "application/pdf";

/// What a document without a title is called: some providers want a name.
const UNNAMED: &str = "document.pdf";

/// The picture of an `image` block.
pub(super) fn image(param: &str, block: Value<'_>) -> Result<Media, Failure> {
    let param = format!("{param}.source");
    let source = block.get("source").ok_or_else(|| expected(&param, "an object"))?;
    media(&param, source, "image/*", None)
}

/// The file of a `document` block, whose `source` is no text.
pub(super) fn document(param: &str, source: Value<'_>, title: Option<Text>) -> Result<Media, Failure> {
    let name = title.filter(|title| !title.is_empty()).unwrap_or_else(|| UNNAMED.into());
    media(param, source, PDF, Some(name))
}

fn media(param: &str, source: Value<'_>, usual: &str, filename: Option<Text>) -> Result<Media, Failure> {
    let told = source.get("media_type").and_then(Value::string).map(|mime| mime.into_owned());
    let mime = told.unwrap_or_else(|| usual.to_owned());
    let source = match source.get("type").and_then(Value::string).as_deref() {
        Some("base64") => Source::Base64(text(param, source, "data")?),
        Some("url") => Source::Url(text(param, source, "url")?),
        Some("file") => Source::FileId(text(param, source, "file_id")?),
        _ => return Err(expected(&format!("{param}.type"), "'base64', 'url' or 'file'")),
    };
    Ok(Media { mime, source, detail: None, filename })
}

/// A block that holds media, as it goes over the wire.
pub(super) enum Block {
    Image { source: Place },
    Document { source: Place, title: Option<Text> },
}

/// Where its bytes are.
pub(super) enum Place {
    Base64 { mime: String, data: Text },
    Text(Text),
    Url(Text),
}

impl Block {
    /// What a [`Media`] becomes; a failure where Anthropic has no form for it.
    pub(super) fn of(media: &Media) -> Result<Block, Failure> {
        let mime = media.mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let kind = mime.split('/').next().unwrap_or_default();
        let title = media.filename.clone();
        match (&media.source, kind) {
            (Source::FileId(id), _) => Err(refused(&format!("the file '{id}' is another provider's"))),
            (Source::Url(url), "image") => Ok(Block::Image { source: Place::Url(url.clone()) }),
            (Source::Base64(data), "image") => image_block(&mime, data),
            (Source::Url(url), _) if mime == PDF => Ok(Block::Document { source: Place::Url(url.clone()), title }),
            (Source::Base64(data), _) if mime == PDF => {
                Ok(Block::Document { source: Place::Base64 { mime, data: data.clone() }, title })
            }
            (Source::Base64(data), "text") => Ok(Block::Document { source: Place::Text(plain(data)?), title }),
            _ => Err(refused(&format!("{mime} can't be sent to this model"))),
        }
    }

    /// Writes the members of the block.
    pub(super) fn write_members(&self, w: &mut Writer) {
        match self {
            Block::Image { source } => {
                w.key("type").str("image");
                source.write(w.key("source"));
            }
            Block::Document { source, title } => {
                w.key("type").str("document");
                source.write(w.key("source"));
                title.iter().for_each(|title| w.key("title").text(title));
            }
        }
    }
}

impl Place {
    fn write(&self, w: &mut Writer) {
        w.object(|w| match self {
            Place::Base64 { mime, data } => {
                w.key("type").str("base64");
                w.key("media_type").str(mime);
                w.key("data").text(data);
            }
            Place::Text(text) => {
                w.key("type").str("text");
                w.key("media_type").str("text/plain");
                w.key("data").text(text);
            }
            Place::Url(url) => {
                w.key("type").str("url");
                w.key("url").text(url);
            }
        });
    }
}

fn refused(why: &str) -> Failure {
    Failure::bad_request(why).with_param("messages")
}

/// Four kinds are taken; a picture whose kind nobody told is known by how its bytes begin.
fn image_block(mime: &str, data: &Text) -> Result<Block, Failure> {
    let mime = match mime {
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" => mime,
        "image/jpg" => "image/jpeg",
        "image/*" => {
            let rows = [("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lG", "image/gif"), ("UklGR", "image/webp")];
            let head = data.as_str();
            rows.iter()
                .find(|(start, _)| head.starts_with(start))
                .map(|(_, mime)| *mime)
                .ok_or_else(|| refused("the type of a picture can't be told: send JPEG, PNG, GIF or WebP"))?
        }
        other => return Err(refused(&format!("{other} can't be sent to this model: send JPEG, PNG, GIF or WebP"))),
    };
    Ok(Block::Image { source: Place::Base64 { mime: mime.to_owned(), data: data.clone() } })
}

fn plain(data: &Text) -> Result<Text, Failure> {
    let bytes = STANDARD.decode(data.as_str().as_bytes()).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Text::from).ok_or_else(|| refused("a text document is not UTF-8 in base64"))
}

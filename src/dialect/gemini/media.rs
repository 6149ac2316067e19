//! Pictures, sound and documents: `inlineData` and `fileData`.

use std::borrow::Cow;

use crate::chat::{Failure, Media, Source};
use crate::json::{Text, Writer};

/// A part that is not text, as it goes over the wire.
#[derive(Debug)]
pub(super) enum Blob {
    /// `inlineData`: in standard base64, with padding and without blanks.
    Inline { mime: String, data: Text },
    /// `fileData`: Google fetches it, or has it. The type is told where it is known.
    File { mime: Option<String>, uri: Text },
}

impl Blob {
    /// What a [`Media`] becomes; a failure where the Gemini API has no form for it.
    pub(super) fn of(media: &Media) -> Result<Blob, Failure> {
        let mime = mime(&media.mime);
        match &media.source {
            Source::Base64(data) => {
                let mime = mime.ok_or_else(|| Failure::bad_request("the type of an attachment can't be told"))?;
                Ok(Blob::Inline { mime, data: standard_base64(data)? })
            }
            Source::Url(uri) => {
                let is_known = ["https://", "http://", "gs://"].iter().any(|scheme| uri.as_str().starts_with(scheme));
                let refusal =
                    || Failure::bad_request("attachments can be fetched from http, https and gs addresses only");
                if is_known { Ok(Blob::File { mime, uri: uri.clone() }) } else { Err(refusal()) }
            }
            Source::FileId(id) if is_file_name(&id.as_str()) => Ok(Blob::File { mime, uri: id.clone() }),
            Source::FileId(id) => Err(Failure::bad_request(format!(
                "the file {:?} is not one of this provider's: send its content, or the URI of a file uploaded there",
                id.as_str()
            ))
            .with_param("file_id")),
        }
    }

    /// Can it stand inside a `functionResponse`? Gemini 3 takes these kinds there.
    pub(super) fn fits_into_response(&self) -> bool {
        let mime = match self {
            Blob::Inline { mime, .. } => Some(mime),
            Blob::File { mime, .. } => mime.as_ref(),
        };
        let known = ["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"];
        mime.is_some_and(|mime| known.contains(&mime.as_str()))
    }

    /// Writes the member of a part.
    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Blob::Inline { mime, data } => w.key("inlineData").object(|w| {
                w.key("mimeType").str(mime);
                w.key("data").text(data);
            }),
            Blob::File { mime, uri } => w.key("fileData").object(|w| {
                if let Some(mime) = mime {
                    w.key("mimeType").str(mime);
                }
                w.key("fileUri").text(uri);
            }),
        }
    }
}

/// The bare type: parameters cut off, wrong names that are seen in the wild corrected. None for `image/*` and the like.
fn mime(told: &str) -> Option<String> {
    let bare = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match bare.as_str() {
        "" => None,
        _ if bare.contains('*') || !bare.contains('/') => None,
        "image/jpg" => Some("image/jpeg".to_owned()),
        "audio/x-wav" | "audio/wave" => Some("audio/wav".to_owned()),
        _ => Some(bare),
    }
}

/// `files/abc-123`, or the address of such a file.
fn is_file_name(id: &str) -> bool {
    id.starts_with("files/") || id.starts_with("https://") || id.starts_with("gs://")
}

/// Base64 as Google reads it. What is already in that form is not copied.
pub(super) fn standard_base64(data: &Text) -> Result<Text, Failure> {
    let given = data.as_str();
    if is_standard(given.as_bytes()) {
        return Ok(data.clone());
    }
    let mut clean = String::with_capacity(given.len() + 2);
    for c in given.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=') {
        clean.push(match c {
            '-' => '+',
            '_' => '/',
            c if c.is_ascii_alphanumeric() || matches!(c, '+' | '/') => c,
            _ => return Err(not_base64()),
        });
    }
    let missing: Cow<'_, str> = match clean.len() % 4 {
        0 => "".into(),
        2 => "==".into(),
        3 => "=".into(),
        _ => return Err(not_base64()),
    };
    clean.push_str(&missing);
    Ok(Text::from(clean))
}

fn is_standard(bytes: &[u8]) -> bool {
    let body = bytes.strip_suffix(b"==").or_else(|| bytes.strip_suffix(b"=")).unwrap_or(bytes);
    bytes.len().is_multiple_of(4) && body.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn not_base64() -> Failure {
    Failure::bad_request("the data of an attachment is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_brought_into_standard_form() {
        let rows = [("aGk=", "aGk="), ("aGk", "aGk="), (" aG\nk= ", "aGk="), ("-_-_", "+/+/"), ("YQ", "YQ==")];
        for (given, want) in rows {
            assert_eq!(standard_base64(&given.into()).unwrap(), want, "{given:?}");
        }
        for wrong in ["a", "a!b=", "é"] {
            assert!(standard_base64(&wrong.into()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn types_are_cleaned() {
        let rows =
            [("image/JPG; q=1", Some("image/jpeg")), ("image/*", None), ("", None), ("audio/mp3", Some("audio/mp3"))];
        for (given, want) in rows {
            assert_eq!(mime(given).as_deref(), want, "{given:?}");
        }
    }

    #[test]
    fn files_of_others_are_refused() {
        let media = |source| Media { mime: "image/png".into(), source, detail: None, filename: None };
        assert!(Blob::of(&media(Source::FileId("files/abc".into()))).is_ok());
        let failure = Blob::of(&media(Source::FileId("file-8Xy".into()))).unwrap_err();
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("file_id")));
        assert!(Blob::of(&media(Source::Url("ftp://x/y.png".into()))).is_err());
    }
}

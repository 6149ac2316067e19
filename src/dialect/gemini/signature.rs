//! Thought signatures on a client's wire.
//!
//! Google's are base64, which its SDKs decode and encode again. Opaque state of another provider is wrapped, so that it is
//! base64, too, and known when it comes back.

use base64::Engine;
use base64::alphabet::STANDARD as LETTERS;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;

use super::contents::SIGNATURE_STAND_IN;
use crate::json::Text;
use crate::json::splice::Edit;

/// Stands before the state of another provider. Twelve bytes make sixteen letters, whatever comes behind, and none of them is
/// one of those in which the two alphabets of base64 differ.
const MARK: &[u8] = b"polyllama/1:";

/// [`MARK`] in base64.
const MARK_IN_BASE64: &str = "cG9seWxsYW1hLzE6";

/// Padded or not: SDKs differ.
const READER: GeneralPurpose = GeneralPurpose::new(
    &LETTERS,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A signature as a client gets it.
pub(super) fn shown(signature: &Text) -> Text {
    let plain = signature.as_str();
    if READER.decode(standard(&plain)).is_ok() && !plain.starts_with(MARK_IN_BASE64) {
        return signature.clone();
    }
    STANDARD.encode([MARK, plain.as_bytes()].concat()).into()
}

/// The signature that came back.
pub(super) fn read(shown: Text) -> Text {
    let inside = {
        let shown = shown.as_str();
        let is_wrapped = shown.starts_with(MARK_IN_BASE64);
        let bytes = is_wrapped.then(|| READER.decode(standard(&shown)).ok()).flatten();
        bytes.and_then(|bytes| String::from_utf8(bytes.get(MARK.len()..)?.to_vec()).ok())
    };
    inside.map_or(shown, Text::from)
}

/// Stands before a thought that is nothing but state.
const REDACTED: &str = "redacted:";

/// The signature of a part that stands for a thought which only its provider can read.
pub(super) fn of_redacted(data: &Text) -> Text {
    format!("{REDACTED}{}", data.as_str()).into()
}

/// That thought, when a signature that was read is one.
pub(super) fn redacted(signature: &Text) -> Option<Text> {
    signature.as_str().strip_prefix(REDACTED).map(Text::from)
}

/// In the standard alphabet: some SDKs write the one for URLs.
fn standard(base64: &str) -> String {
    base64.replace('-', "+").replace('_', "/")
}

/// Puts Google's stand-in where a body that goes to Google has another provider's state.
pub(super) fn foreign_edits(body: &Bytes) -> Vec<Edit> {
    let wrapped = memchr::memmem::find_iter(body, MARK_IN_BASE64.as_bytes());
    let edit = |start: usize| {
        let before = body.get(..start)?.strip_suffix(b"\"")?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
        let is_signature = [&b"\"thoughtSignature\""[..], b"\"thought_signature\""].iter().any(|n| before.ends_with(n));
        let len = memchr::memchr(b'"', body.get(start..)?)?;
        is_signature.then(|| Edit::Range(start..start + len, SIGNATURE_STAND_IN.to_owned()))
    };
    wrapped.filter_map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::splice;

    #[test]
    fn googles_own_stay_as_they_are() {
        for own in ["Eo8B/a+=", "c2ln", "AbCd-_8", SIGNATURE_STAND_IN] {
            assert_eq!(shown(&own.into()), own);
            assert_eq!(read(own.into()), own);
        }
    }

    #[test]
    fn the_mark_is_the_same_in_both_alphabets() {
        assert_eq!(STANDARD.encode(MARK), MARK_IN_BASE64);
        assert!(MARK_IN_BASE64.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn others_goes_to_google_as_its_stand_in() {
        let foreign = shown(&"other:x".into());
        let body = format!(
            r#"{{"a":[{{"text":"{foreign}","thoughtSignature" : "{foreign}"}},{{"thought_signature":"{foreign}"}}]}}"#
        );
        let want = format!(
            r#"{{"a":[{{"text":"{foreign}","thoughtSignature" : "{SIGNATURE_STAND_IN}"}},{{"thought_signature":"{SIGNATURE_STAND_IN}"}}]}}"#
        );
        let body = Bytes::from(body);
        assert_eq!(splice::apply(&body, &[], &foreign_edits(&body)), want);
    }

    proptest::proptest! {
        #[test]
        fn any_state_comes_back(state: String) {
            let there = shown(&state.as_str().into());
            proptest::prop_assert!(read(there.clone()) == *state.as_str());
            let for_urls = there.as_str().replace('+', "-").replace('/', "_");
            let plain = READER.decode(standard(&state)).is_ok();
            proptest::prop_assert!(plain || read(for_urls.into()).as_str() == state);
        }
    }
}

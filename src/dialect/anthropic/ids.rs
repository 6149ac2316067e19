//! Ids of calls and signatures of thoughts as a client sees them. Clients bring back what they got, so these carry the
//! provider's own form and its opaque state; nothing is remembered here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::NAME;
use crate::chat::opaque;
use crate::json::Text;

/// Stands before a provider's id that has characters which no id may have here.
const WRAPPED: &str = "toolu_id_";

/// A new id, such as `msg_` with 24 letters and digits behind it.
pub(super) fn new(prefix: &str) -> String {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    format!("{prefix}{random}")
}

/// The id of a call for a client, whose pattern is `^[a-zA-Z0-9_-]+$`: the provider's where it fits, and its opaque state.
pub(super) fn shown(id: Option<&Text>, signature: Option<&Text>) -> String {
    let id = match id.map(Text::as_str) {
        None => new("toolu_"),
        Some(id) if fits(&id) => id.into_owned(),
        Some(id) => format!("{WRAPPED}{}", URL_SAFE_NO_PAD.encode(id.as_bytes())),
    };
    match signature {
        Some(signature) => opaque::join(&id, &signature.as_str()),
        None => id,
    }
}

fn fits(id: &str) -> bool {
    !id.is_empty()
        && !id.starts_with(WRAPPED)
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The id as the provider knows it, and the state that was appended to it.
pub(super) fn read(id: Text) -> (Text, Option<Text>) {
    let (id, state) = opaque::split_text(id);
    let inner = id.as_str().strip_prefix(WRAPPED).and_then(|wrapped| {
        let bytes = URL_SAFE_NO_PAD.decode(wrapped).ok()?;
        String::from_utf8(bytes).ok()
    });
    (inner.map_or(id, Text::from), state)
}

/// The signature of a thought for a client. One that this dialect's provider didn't make is marked as ours.
pub(super) fn shown_signature(signature: &Text) -> Text {
    opaque::of_own(NAME, signature).unwrap_or_else(|| opaque::join("", &signature.as_str()).into())
}

/// The signature that a client brings back, by its maker.
pub(super) fn read_signature(signature: &Text) -> Option<Text> {
    match opaque::split_text(signature.clone()) {
        (_, Some(state)) => Some(state),
        (own, None) => (!own.is_empty()).then(|| opaque::owned(NAME, &own)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_id_comes_back(id in ".{1,60}", state in proptest::option::of(".{0,60}")) {
            proptest::prop_assume!(!id.contains(opaque::MARK));
            let signature = state.clone().map(Text::from);
            let shown = shown(Some(&id.as_str().into()), signature.as_ref());
            proptest::prop_assert!(shown.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            proptest::prop_assert_eq!(read(shown.into()), (Text::from(id), signature));
        }
    }

    #[test]
    fn ids_that_fit_stay() {
        assert_eq!(shown(Some(&"toolu_01A-b".into()), None), "toolu_01A-b");
        assert_eq!(shown(Some(&"functions.f:0".into()), None), "toolu_id_ZnVuY3Rpb25zLmY6MA");
        assert!(shown(None, None).starts_with("toolu_"));
        assert_eq!(read("toolu_01".into()), ("toolu_01".into(), None));
    }

    #[test]
    fn signatures_keep_their_maker() {
        assert_eq!(read_signature(&"Eo8B/a=".into()), Some("anthropic:Eo8B/a=".into()));
        assert_eq!(shown_signature(&"anthropic:Eo8B/a=".into()), "Eo8B/a=");
        let googles = shown_signature(&"c2ln".into());
        assert_eq!(googles, "__thought__YzJsbg");
        assert_eq!(read_signature(&googles), Some("c2ln".into()));
        assert_eq!(read_signature(&Text::empty()), None);
    }
}

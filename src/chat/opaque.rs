//! Opaque state: how it rides in the id of a tool call, and whose it is.
//!
//! A provider may demand that a call comes back with the signature it was sent with (Gemini's thought signatures). Clients
//! drop fields that they don't know, but they all bring back the id. So the signature is appended to it, `__thought__`
//! between, in base64url without padding, which every dialect's pattern for ids takes. No memory is needed: it works after
//! a restart and on another replica.
//!
//! A signature is worth something to the provider that made it alone. In the neutral form one of Google's stands as it came,
//! and any other behind its dialect's name, so that each writer takes its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::Text;

/// Stands between the id and the state.
pub const MARK: &str = "__thought__";

/// The id with the state appended.
pub fn join(id: &str, state: &str) -> String {
    format!("{id}{MARK}{}", URL_SAFE_NO_PAD.encode(state))
}

/// The id as the provider knows it, and the state that was appended to it.
pub fn split(id: &str) -> (&str, Option<String>) {
    let Some((bare, appended)) = id.split_once(MARK) else {
        return (id, None);
    };
    let state = URL_SAFE_NO_PAD.decode(appended).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    (bare, state)
}

/// [`split`] over texts: an id without appended state is handed on as it came.
pub fn split_text(id: Text) -> (Text, Option<Text>) {
    let appended = {
        let whole = id.as_str();
        let (bare, state) = split(&whole);
        (bare.len() < whole.len()).then(|| (Text::from(bare), state.map(Text::from)))
    };
    appended.unwrap_or((id, None))
}

/// The signature as the neutral form holds it, made by a provider of `dialect`.
pub fn owned(dialect: &str, signature: &Text) -> Text {
    format!("{dialect}:{}", signature.as_str()).into()
}

/// The signature as a provider of `dialect` made it; `None` when another's did.
pub fn of_own(dialect: &str, signature: &Text) -> Option<Text> {
    signature.as_str().strip_prefix(dialect)?.strip_prefix(':').map(Text::from)
}

/// The signature when it stands as it came, so that it is one of Google's: their base64 has no colon.
pub fn unowned(signature: &Text) -> Option<&Text> {
    (!signature.as_str().contains(':')).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_joined_splits_again(id in "[a-zA-Z0-9_-]{0,40}", state: String) {
            let joined = join(&id, &state);
            proptest::prop_assert!(joined.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            proptest::prop_assert_eq!(split(&joined), (id.as_str(), Some(state)));
        }
    }

    #[test]
    fn a_signature_is_taken_by_its_maker_alone() {
        let signed = owned("anthropic", &"Eo8B/a=".into());
        assert_eq!(of_own("anthropic", &signed), Some("Eo8B/a=".into()));
        assert_eq!(of_own("other", &signed), None);
        assert_eq!(unowned(&signed), None);
        assert_eq!(unowned(&"c2ln".into()), Some(&"c2ln".into()));
        assert_eq!(of_own("anthropic", &"c2ln".into()), None);
    }

    #[test]
    fn ids_without_state_stay() {
        assert_eq!(split("call_1"), ("call_1", None));
        assert_eq!(split("call_1__thought__!!"), ("call_1", None));
    }
}

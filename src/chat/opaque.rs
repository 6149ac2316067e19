//! Opaque state that rides in the id of a tool call.
//!
//! A provider may demand that a call comes back with the signature it was sent with (Gemini's thought signatures). Clients
//! drop fields that they don't know, but they all bring back the id. So the signature is appended to it, `__thought__`
//! between, in base64url without padding, which every dialect's pattern for ids takes. No memory is needed: it works after
//! a restart and on another replica.

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
    fn ids_without_state_stay() {
        assert_eq!(split("call_1"), ("call_1", None));
        assert_eq!(split("call_1__thought__!!"), ("call_1", None));
    }
}

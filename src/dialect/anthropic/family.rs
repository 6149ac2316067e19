//! What differs between models, told by their names (Anthropic's model pages and error texts, 2026-08).

/// A line of models. One whose name says nothing is a model of another maker behind this dialect: it is asked in the form that
/// has been there longest, and what it refuses is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    /// `(4, 5)` of `claude-sonnet-4-5-20250929`.
    version: Option<(u32, u32)>,
    is_opus: bool,
}

/// A larger number in a name is a date.
const VERSION_MAX: u32 = 99;

impl Family {
    /// The family of a model.
    pub(super) fn of(model: &str) -> Family {
        let name = model.to_ascii_lowercase();
        let Some((_, behind)) = name.split_once("claude") else { return Family { version: None, is_opus: false } };
        let words: Vec<&str> = behind.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let number = |word: &&str| word.parse::<u32>().ok().filter(|number| *number <= VERSION_MAX);
        let first = words.iter().position(|word| number(word).is_some());
        let at = |place: usize| words.get(place).and_then(number);
        let version = first.and_then(|first| Some((at(first)?, at(first + 1).unwrap_or(0))));
        Family { version, is_opus: words.contains(&"opus") }
    }

    fn is_from(self, major: u32, minor: u32) -> bool {
        self.version.is_some_and(|version| version >= (major, minor))
    }

    fn is_before(self, major: u32, minor: u32) -> bool {
        self.version.is_some_and(|version| version < (major, minor))
    }

    /// Can it be told to think?
    pub(super) fn can_think(self) -> bool {
        !self.is_before(3, 7)
    }

    /// Does it size its thinking by itself, by an effort rather than a budget?
    pub(super) fn is_adaptive(self) -> bool {
        self.is_from(4, 6)
    }

    /// Is the effort `xhigh` known?
    pub(super) fn has_xhigh(self) -> bool {
        self.is_from(4, 7)
    }

    /// Are `temperature`, `top_p` and `top_k` refused?
    pub(super) fn samples_by_itself(self) -> bool {
        self.is_from(4, 7)
    }

    /// Are `temperature` and `top_p` together refused?
    pub(super) fn samples_one_way(self) -> bool {
        self.is_from(4, 5)
    }

    /// Can answers and arguments be held to a schema?
    pub(super) fn has_schemas(self) -> bool {
        self.is_from(4, 5)
    }

    /// The limit that is sent where the client sets none, since there must be one: what the model takes, or less where models of
    /// one version differ.
    pub(super) fn output_max(self) -> i64 {
        match self.version {
            Some(version) if version >= (4, 5) => 64_000,
            Some((4, _)) if self.is_opus => 32_000,
            Some((3, minor)) if minor < 5 => 4096,
            _ => 8192,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_version() {
        for (name, version) in [
            ("claude-3-haiku-20240307", Some((3, 0))),
            ("claude-3-5-sonnet-latest", Some((3, 5))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("anthropic/claude-opus-4.7", Some((4, 7))),
            ("us.anthropic.claude-sonnet-5-v1:0", Some((5, 0))),
            ("claude-sonnet-5", Some((5, 0))),
            ("kimi-k2.5", None),
            ("claude-next", None),
        ] {
            assert_eq!(Family::of(name).version, version, "{name}");
        }
    }

    #[test]
    fn versions_tell_what_is_taken() {
        let old = Family::of("claude-3-5-haiku-latest");
        assert!(!old.can_think() && !old.has_schemas() && old.output_max() == 8192);
        let budget = Family::of("claude-opus-4-1");
        assert!(budget.can_think() && !budget.is_adaptive() && budget.output_max() == 32_000);
        let adaptive = Family::of("claude-opus-4-6");
        assert!(adaptive.is_adaptive() && !adaptive.samples_by_itself() && adaptive.samples_one_way());
        let newest = Family::of("claude-opus-5");
        assert!(newest.samples_by_itself() && newest.has_xhigh() && newest.output_max() == 64_000);
        let other = Family::of("glm-5");
        assert!(other.can_think() && !other.is_adaptive() && !other.has_schemas());
    }
}

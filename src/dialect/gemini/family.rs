//! What a model's name tells about it.

/// The version that a name without a number has: the newest there is.
const NEWEST: (u32, u32) = (u32::MAX, 0);
/// A larger number in a name is a date or a build.
const VERSION_MAX: u32 = 99;

/// A model, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    line: Line,
    /// Major and minor number; [`NEWEST`] when the name has none.
    version: (u32, u32),
    size: Size,
    /// It makes pictures, speech or vectors; such models don't think.
    is_special: bool,
}

/// Whose rules a model follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Gemini,
    Gemma,
}

/// The size of a model within its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Pro,
    Flash,
    FlashLite,
    Other,
}

impl Family {
    /// Reads `gemini-2.5-flash-lite`, `models/gemma-3-27b-it`, `gemini-pro-latest`. A name that says nothing counts as the newest
    /// Gemini: new names come more often than old ones return.
    pub(super) fn of(model: &str) -> Family {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let line = if name.starts_with("gemma") { Line::Gemma } else { Line::Gemini };
        let version = name.split('-').skip(1).find_map(version).unwrap_or(NEWEST);
        let size = match () {
            () if name.contains("flash-lite") => Size::FlashLite,
            () if name.contains("flash") => Size::Flash,
            () if name.contains("-pro") => Size::Pro,
            () => Size::Other,
        };
        let is_special = ["image", "embedding", "tts", "audio"].iter().any(|word| name.contains(word));
        Family { line, version, size, is_special }
    }

    /// Pro, Flash or another.
    pub(super) fn size(self) -> Size {
        self.size
    }

    /// Is it a Gemini of this version or later?
    pub(super) fn is_gemini_from(self, major: u32, minor: u32) -> bool {
        self.line == Line::Gemini && self.version >= (major, minor)
    }

    /// Can it think at all? Gemma 4 is taken to be asked as the newest Gemini is.
    pub(super) fn can_think(self) -> bool {
        let first = match self.line {
            Line::Gemini => (2, 5),
            Line::Gemma => (4, 0),
        };
        self.version >= first && !self.is_special
    }

    /// Does it take whole JSON Schema, rather than the subset of OpenAPI's?
    pub(super) fn takes_json_schema(self) -> bool {
        match self.line {
            Line::Gemini => self.version >= (2, 0),
            Line::Gemma => self.version >= (4, 0),
        }
    }

    /// Does it take a system instruction? Gemma up to 3 refuses one.
    pub(super) fn takes_system(self) -> bool {
        self.line == Line::Gemini || self.version >= (4, 0)
    }

    /// Does it check that calls in the history carry their thought signatures?
    pub(super) fn checks_signatures(self) -> bool {
        self.is_gemini_from(3, 0)
    }

    /// Does it choose its sampling itself? `temperature`, `topP` and `topK` are ignored from 3.6 Flash and 3.5 Flash-Lite on,
    /// and a refusal is announced. A Pro without such a rule yet keeps them.
    pub(super) fn samples_by_itself(self) -> bool {
        match self.size {
            Size::Pro => false,
            Size::FlashLite => self.is_gemini_from(3, 5),
            Size::Flash | Size::Other => self.is_gemini_from(3, 6),
        }
    }
}

/// `2.5`, `3`, `3n`; nothing for words and dates.
fn version(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    let digits: &str = major.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let major: u32 = digits.parse().ok().filter(|number| *number <= VERSION_MAX)?;
    Some((major, minor.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let rows = [
            ("gemini-2.5-flash-lite-preview-09-2025", Line::Gemini, (2, 5), Size::FlashLite),
            ("models/gemini-3-pro-preview", Line::Gemini, (3, 0), Size::Pro),
            ("gemini-3.1-pro-preview", Line::Gemini, (3, 1), Size::Pro),
            ("gemini-flash-latest", Line::Gemini, NEWEST, Size::Flash),
            ("gemini-live-2.5-flash-preview", Line::Gemini, (2, 5), Size::Flash),
            ("gemini-exp-1206", Line::Gemini, NEWEST, Size::Other),
            ("gemma-3n-e4b-it", Line::Gemma, (3, 0), Size::Other),
            ("gemma-4-31b-it", Line::Gemma, (4, 0), Size::Other),
            ("who-knows", Line::Gemini, NEWEST, Size::Other),
        ];
        for (name, line, version, size) in rows {
            assert_eq!(Family::of(name), Family { line, version, size, is_special: false }, "{name}");
        }
    }

    #[test]
    fn what_models_take() {
        let can_think: Vec<bool> =
            ["gemini-2.0-flash", "gemini-2.5-flash-image", "gemma-3-27b-it", "gemini-2.5-pro", "new"]
                .map(|name| Family::of(name).can_think())
                .into();
        assert_eq!(can_think, [false, false, false, true, true]);
        let samples: Vec<bool> = [
            "gemini-3.5-flash",
            "gemini-3.5-flash-lite",
            "gemini-3.6-flash",
            "gemini-pro-latest",
            "gemini-4-argon",
            "gemma-4-26b-a4b-it",
        ]
        .map(|name| Family::of(name).samples_by_itself())
        .into();
        assert_eq!(samples, [false, true, true, false, true, false]);
        assert!(!Family::of("gemma-3-4b-it").takes_system());
        assert!(Family::of("gemini-2.0-flash").takes_json_schema());
        assert!(!Family::of("gemini-1.5-pro").takes_json_schema());
    }
}

//! How deep the model shall think: Google's `thinkingConfig`, which differs from family to family.
//!
//! Source: Google's thinking guide and what its SDKs and recordings show, 2026-08. A budget and a level together are refused;
//! without `includeThoughts` no thought is shown, though it is made and paid for.

use super::family::{Family, Size};
use crate::chat::{Effort, Reasoning};
use crate::json::Writer;

/// What is sent as `thinkingConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Config {
    include_thoughts: bool,
    depth: Depth,
}

/// How deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// As the model does by itself.
    Default,
    /// In tokens; -1 leaves it to the model, where it is not what the model does by itself.
    Budget(i64),
    Level(&'static str),
}

/// How a family is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    /// Not at all: `thinkingConfig` is refused.
    None,
    /// `thinkingBudget`, in tokens.
    Budget { min: i64, max: i64, off: i64, is_off_by_default: bool },
    /// `thinkingLevel`: the least there is, and what medium becomes.
    Level { least: &'static str, medium: &'static str },
}

/// One row for each family; the first that fits counts.
fn control(family: Family) -> Control {
    let budget = |min, max, off, is_off_by_default| Control::Budget { min, max, off, is_off_by_default };
    let level = |least, medium| Control::Level { least, medium };
    if !family.can_think() {
        return Control::None;
    }
    match family.size() {
        Size::Pro if family.is_gemini_from(3, 1) => level("low", "medium"),
        Size::Pro if family.is_gemini_from(3, 0) => level("low", "high"),
        _ if family.is_gemini_from(3, 7) => level("low", "medium"),
        _ if family.is_gemini_from(3, 0) => level("minimal", "medium"),
        Size::Flash if family.is_gemini_from(2, 5) => budget(1, 24_576, 0, false),
        Size::FlashLite if family.is_gemini_from(2, 5) => budget(512, 24_576, 0, true),
        Size::Pro if family.is_gemini_from(2, 5) => budget(128, 32_768, 128, false),
        // A special model of that time: what all others of it take.
        Size::Other if family.is_gemini_from(2, 5) => budget(512, 24_576, 512, false),
        _ => level("low", "medium"),
    }
}

/// What to send for what the client asks; the error is that this model has no way to be told.
pub(super) fn config(family: Family, reasoning: &Reasoning) -> Result<Option<Config>, CannotThink> {
    let depth = match (control(family), reasoning) {
        (Control::None, Reasoning::Off) => return Ok(None),
        (Control::None, _) => return Err(CannotThink),
        (Control::Budget { off, .. }, Reasoning::Off | Reasoning::Budget(0)) => Depth::Budget(off),
        (Control::Level { least, .. }, Reasoning::Off | Reasoning::Budget(0)) => Depth::Level(least),
        (Control::Budget { is_off_by_default: true, .. }, Reasoning::On) => Depth::Budget(-1),
        (_, Reasoning::On) => Depth::Default,
        (Control::Budget { .. }, Reasoning::Budget(tokens)) if *tokens < 0 => Depth::Budget(-1),
        (_, Reasoning::Budget(tokens)) if *tokens < 0 => Depth::Default,
        (Control::Budget { min, max, .. }, Reasoning::Budget(tokens)) => Depth::Budget((*tokens).clamp(min, max)),
        (Control::Budget { min, max, .. }, Reasoning::Effort(effort)) => {
            Depth::Budget(effort.tokens().unwrap_or(max).clamp(min, max))
        }
        (Control::Level { least, medium }, Reasoning::Effort(effort)) => Depth::Level(level(*effort, least, medium)),
        (Control::Level { least, medium }, Reasoning::Budget(tokens)) => {
            Depth::Level(level(Effort::of_budget(*tokens), least, medium))
        }
    };
    let include_thoughts = !matches!(reasoning, Reasoning::Off | Reasoning::Budget(0));
    Ok(Some(Config { include_thoughts, depth }))
}

/// The model does not think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CannotThink;

fn level(effort: Effort, least: &'static str, medium: &'static str) -> &'static str {
    match effort {
        Effort::Minimal => least,
        Effort::Low => "low",
        Effort::Medium => medium,
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

impl Config {
    /// Writes the object.
    pub(super) fn write(self, w: &mut Writer) {
        w.object(|w| {
            w.key("includeThoughts").bool(self.include_thoughts);
            match self.depth {
                Depth::Default => {}
                Depth::Budget(tokens) => w.key("thinkingBudget").int(tokens),
                Depth::Level(level) => w.key("thinkingLevel").str(level),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Style;

    /// What is sent to a model for the efforts and switches, one line.
    fn sent(model: &str, reasoning: Reasoning) -> String {
        match config(Family::of(model), &reasoning) {
            Err(CannotThink) => "refused".to_owned(),
            Ok(None) => "nothing".to_owned(),
            Ok(Some(config)) => {
                let mut w = Writer::new(Style::Plain);
                config.write(&mut w);
                String::from_utf8(w.into_bytes()).unwrap()
            }
        }
    }

    #[test]
    fn off_is_the_least_that_a_family_allows() {
        let rows = [
            ("gemini-2.0-flash", "nothing"),
            ("gemini-2.5-pro", r#"{"includeThoughts":false,"thinkingBudget":128}"#),
            ("gemini-2.5-flash", r#"{"includeThoughts":false,"thinkingBudget":0}"#),
            ("gemini-2.5-flash-lite", r#"{"includeThoughts":false,"thinkingBudget":0}"#),
            ("gemini-3-pro-preview", r#"{"includeThoughts":false,"thinkingLevel":"low"}"#),
            ("gemini-3-flash-preview", r#"{"includeThoughts":false,"thinkingLevel":"minimal"}"#),
            ("gemini-3.5-flash-lite", r#"{"includeThoughts":false,"thinkingLevel":"minimal"}"#),
            ("gemini-3.7-flash", r#"{"includeThoughts":false,"thinkingLevel":"low"}"#),
            ("gemini-flash-latest", r#"{"includeThoughts":false,"thinkingLevel":"low"}"#),
        ];
        for (model, want) in rows {
            assert_eq!(sent(model, Reasoning::Off), want, "{model}");
        }
    }

    #[test]
    fn efforts_and_budgets_become_what_the_family_knows() {
        use Reasoning::{Budget, Effort as E, On};
        let rows = [
            ("gemini-2.0-flash", On, "refused"),
            ("gemini-2.5-flash", On, r#"{"includeThoughts":true}"#),
            ("gemini-2.5-flash-lite", On, r#"{"includeThoughts":true,"thinkingBudget":-1}"#),
            ("gemini-2.5-flash", E(Effort::Medium), r#"{"includeThoughts":true,"thinkingBudget":8192}"#),
            ("gemini-2.5-flash", E(Effort::Max), r#"{"includeThoughts":true,"thinkingBudget":24576}"#),
            ("gemini-2.5-pro", E(Effort::Max), r#"{"includeThoughts":true,"thinkingBudget":32768}"#),
            ("gemini-2.5-pro", Budget(50), r#"{"includeThoughts":true,"thinkingBudget":128}"#),
            ("gemini-2.5-pro", Budget(-1), r#"{"includeThoughts":true,"thinkingBudget":-1}"#),
            ("gemini-3-pro-preview", E(Effort::Medium), r#"{"includeThoughts":true,"thinkingLevel":"high"}"#),
            ("gemini-3.1-pro-preview", E(Effort::Medium), r#"{"includeThoughts":true,"thinkingLevel":"medium"}"#),
            ("gemini-3-flash-preview", E(Effort::Minimal), r#"{"includeThoughts":true,"thinkingLevel":"minimal"}"#),
            ("gemini-3.8-flash", E(Effort::Minimal), r#"{"includeThoughts":true,"thinkingLevel":"low"}"#),
            ("gemini-3.8-flash", Budget(8000), r#"{"includeThoughts":true,"thinkingLevel":"medium"}"#),
            ("gemini-3.8-flash", Budget(-1), r#"{"includeThoughts":true}"#),
            ("gemini-3.8-flash", E(Effort::XHigh), r#"{"includeThoughts":true,"thinkingLevel":"high"}"#),
        ];
        for (model, reasoning, want) in rows {
            assert_eq!(sent(model, reasoning.clone()), want, "{model} {reasoning:?}");
        }
    }
}

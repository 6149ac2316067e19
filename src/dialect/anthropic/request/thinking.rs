//! How deep the model shall think: `thinking` and `output_config.effort`, which differ by model, and what they exclude.

use crate::chat::{Effort, Reasoning, Request, ToolChoice};
use crate::dialect::anthropic::family::Family;
use crate::json::Writer;

/// The least budget, in tokens.
const BUDGET_MIN: i64 = 1024;
/// What an effort may spend at most.
const BUDGET_MAX: i64 = 24_576;
/// What a model gets that shall think as it likes.
const BUDGET_USUAL: i64 = 8192;
/// What an answer needs beside its thoughts, where the client sets no limit.
const ANSWER_ROOM: i64 = 4096;

/// What is sent of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Nothing: the model does as it does by itself.
    Unsaid,
    /// `{type: "disabled"}`
    Disabled,
    /// `{type: "adaptive"}`, with an effort beside it.
    Adaptive(Option<&'static str>),
    /// `{type: "enabled", budget_tokens}`
    Budget(i64),
}

/// What is sent of thinking and of the limit, which depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) thinking: Thinking,
    /// `max_tokens`
    pub(super) limit: i64,
    /// The client wanted thoughts and can't have them.
    pub(super) is_dropped: bool,
}

impl Depth {
    /// `lacks_thought`: the turn that calls tools and is answered now has lost its thought. Where thinking has a budget, Anthropic
    /// takes such a turn only with thinking off. A call that is forced goes before thinking, which excludes it.
    pub(super) fn of(request: &Request, family: Family, lacks_thought: bool) -> Depth {
        let told = request.settings.max_tokens;
        let usual = told.unwrap_or(family.output_max());
        let without = |thinking, is_dropped| Depth { thinking, limit: usual, is_dropped };
        let wish = match &request.reasoning {
            None => return without(Thinking::Unsaid, false),
            Some(Reasoning::Off | Reasoning::Budget(0)) => {
                return without(if family.can_think() { Thinking::Disabled } else { Thinking::Unsaid }, false);
            }
            Some(wish) => wish,
        };
        let is_forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_)));
        if !family.can_think() || (is_forced && !request.tools.is_empty()) {
            return without(Thinking::Unsaid, true);
        }
        if family.is_adaptive() {
            return without(Thinking::Adaptive(effort(wish, family)), false);
        }
        let budget = told.map_or(budget(wish), |limit| budget(wish).min(limit / 2));
        if lacks_thought || budget < BUDGET_MIN {
            return without(Thinking::Unsaid, true);
        }
        let limit = told.unwrap_or_else(|| usual.max(budget + ANSWER_ROOM));
        Depth { thinking: Thinking::Budget(budget), limit, is_dropped: false }
    }

    /// Will there be thoughts? Then most sampling is refused.
    pub(super) fn is_on(self) -> bool {
        matches!(self.thinking, Thinking::Adaptive(_) | Thinking::Budget(_))
    }

    /// What stands in `output_config`.
    pub(super) fn effort(self) -> Option<&'static str> {
        match self.thinking {
            Thinking::Adaptive(effort) => effort,
            Thinking::Unsaid | Thinking::Disabled | Thinking::Budget(_) => None,
        }
    }

    /// Writes `thinking`, where there is something to say.
    pub(super) fn write(self, w: &mut Writer) {
        let word = match self.thinking {
            Thinking::Unsaid => return,
            Thinking::Disabled => "disabled",
            Thinking::Adaptive(_) => "adaptive",
            Thinking::Budget(_) => "enabled",
        };
        w.key("thinking").object(|w| {
            w.key("type").str(word);
            if let Thinking::Budget(tokens) = self.thinking {
                w.key("budget_tokens").int(tokens);
            }
        });
    }
}

/// The effort, for models that take one.
fn effort(wish: &Reasoning, family: Family) -> Option<&'static str> {
    let effort = match wish {
        Reasoning::Effort(effort) => *effort,
        Reasoning::Budget(tokens) if *tokens > 0 => Effort::of_budget(*tokens),
        Reasoning::Off | Reasoning::On | Reasoning::Budget(_) => return None,
    };
    Some(match effort {
        Effort::Minimal | Effort::Low => Effort::Low.name(),
        Effort::XHigh if !family.has_xhigh() => Effort::High.name(),
        other => other.name(),
    })
}

/// In tokens. An effort beyond high stays there: the models that take a budget have less room for an answer than those that take
/// an effort.
fn budget(wish: &Reasoning) -> i64 {
    match wish {
        Reasoning::Budget(tokens) if *tokens > 0 => (*tokens).max(BUDGET_MIN),
        Reasoning::Effort(effort) => effort.tokens().unwrap_or(BUDGET_MAX).max(BUDGET_MIN),
        Reasoning::On | Reasoning::Off | Reasoning::Budget(_) => BUDGET_USUAL,
    }
}

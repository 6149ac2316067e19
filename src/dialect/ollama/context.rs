//! How large a context to ask an Ollama server for, so that it cuts no prompt and loads no model anew without need.
//!
//! A server loads a model with a context of one size. A request that names another size in `num_ctx`, or none where the
//! loaded size is not the server's own default, makes it load the model again, which takes seconds; and a prompt that does
//! not fit is cut without a word (measured on Ollama 0.33, 2026-08). So a request that fits what is loaded asks for just
//! that; one that does not asks for the next power of two; and no request asks for less than what is there.
//!
//! Deciding alone: what is known comes in, what to ask for goes out. `window` reads and writes the members of bodies.

use crate::chat::Estimate;

/// What a server of Ollama takes by default where it has little memory; with more it is more.
const USUAL: u64 = 4096;

/// A prompt of so many tokens, and one that with its answer takes so many, fit every server: nothing is looked up for it.
const QUIET_PROMPT: u64 = 512;
const QUIET: u64 = 2048;

/// The room for an answer where the client names none, or that part of a small context; and the most that is kept free for
/// one: an answer that goes on longer is not cut, but forgets its beginning.
const OUTPUT: u64 = 1024;
const OUTPUT_PART: u64 = 4;
const OUTPUT_MAX: u64 = 8192;

/// An estimate is never wrong by more than this factor.
const DOUBT: u64 = 4;

/// No model known today has a longer context.
const LONGEST: u64 = 16 << 20;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The prompt, by bounds that hold for every tokenizer.
    pub prompt: Estimate,
    /// The same as this model's tokenizer counts, as far as its counts have told.
    pub corrected: u64,
    /// Room for the answer: so much is wanted, or none was named.
    pub output: Option<u64>,
}

impl Need {
    /// Of a prompt. `wanted`: the most tokens to answer with, where the client says; `ratio`: what the model's tokenizer counted of
    /// [`Estimate::most`] before, where it did.
    pub fn new(prompt: Estimate, wanted: Option<u64>, ratio: Option<f64>) -> Need {
        let output = wanted.map(|wanted| wanted.min(OUTPUT_MAX));
        // A tenth for texts of another kind than those that were counted.
        let scaled = |ratio: f64| match (prompt.most as f64 * ratio * 1.1) as u64 {
            scaled if ratio <= 1.0 => scaled.min(prompt.most),
            scaled => scaled,
        };
        Need { prompt, corrected: ratio.map_or(prompt.most, scaled), output }
    }

    /// Of texts to embed, which leave no room for an answer.
    pub fn to_embed(prompt: Estimate, ratio: Option<f64>) -> Need {
        Need::new(prompt, Some(0), ratio)
    }

    /// Prompt and answer.
    fn room(&self) -> u64 {
        self.corrected.saturating_add(self.output.unwrap_or(OUTPUT))
    }

    /// Do prompt and answer find room in a context of that size?
    fn fits(&self, context: u64) -> bool {
        let output = self.output.unwrap_or_else(|| OUTPUT.min(context / OUTPUT_PART));
        self.corrected.saturating_add(output) <= context
    }

    /// Does it fit every server?
    pub fn is_quiet(&self) -> bool {
        self.prompt.most <= QUIET_PROMPT && self.room() <= QUIET
    }
}

/// What a model is, as `/api/show` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The longest context that it was made for.
    pub longest: Option<u64>,
    /// Its own `PARAMETER num_ctx`.
    pub usual: Option<u64>,
    /// Its own system prompt and messages, which come beside the client's: tokens at the most.
    pub own: u64,
    /// It runs on another server, which has contexts of its own.
    pub is_elsewhere: bool,
}

/// What is known of a model on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The context that it is loaded with; none: it isn't loaded, or by the server's default.
    pub loaded: Option<u64>,
    /// The largest context that we asked for since it was loaded.
    pub raised: u64,
    /// What was looked up.
    pub facts: Option<Facts>,
    /// What this server was seen to load models with by default.
    pub default: Option<u64>,
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the default is right.
    Nothing,
    /// This `num_ctx`.
    Context(u64),
    /// The prompt can't fit; the most that could.
    TooLong(u64),
}

impl Known {
    /// The context that a request without `num_ctx` finds.
    pub fn usual(&self) -> u64 {
        self.facts.and_then(|facts| facts.usual).or(self.default).unwrap_or(USUAL).min(self.longest())
    }

    fn longest(&self) -> u64 {
        self.facts.and_then(|facts| facts.longest).unwrap_or(LONGEST)
    }

    /// Can it be told without asking the server what is loaded?
    pub fn is_enough_for(&self, need: &Need) -> bool {
        need.fits(self.loaded.unwrap_or_else(|| self.usual()))
    }

    /// What to ask for.
    pub fn decide(&self, need: &Need) -> Decision {
        if let Some(loaded) = self.loaded.filter(|loaded| need.fits(*loaded)) {
            return Decision::Context(loaded);
        }
        if self.loaded.is_none() && need.fits(self.usual()) {
            return Decision::Nothing;
        }
        let longest = self.longest();
        if need.prompt.least >= longest {
            return Decision::TooLong(longest);
        }
        let step = need.room().min(LONGEST).next_power_of_two();
        let floor = self.loaded.unwrap_or_default().max(self.raised).max(self.usual());
        Decision::Context(step.max(floor).min(longest))
    }

    /// What to ask for after the server refused a prompt that did not fit. `context`: what it had; `None` where more can't be
    /// had.
    pub fn decide_again(&self, need: &Need, context: u64) -> Option<u64> {
        let known = Known { loaded: Some(context), ..*self };
        let need = Need { corrected: need.corrected.max(context), ..*need };
        match known.decide(&need) {
            Decision::Context(more) if more > context => Some(more),
            Decision::Context(_) | Decision::Nothing | Decision::TooLong(_) => None,
        }
    }

    /// Shall the server be told not to cut? Wherever the prompt comes near to what the server has, should the estimate be wrong by
    /// far. A prompt of half the usual size is left as it came.
    pub fn is_doubtful(&self, need: &Need, decision: Decision) -> bool {
        let near = match (decision, self.facts.and_then(|facts| facts.usual)) {
            (Decision::Context(context), _) | (Decision::Nothing, Some(context)) => context / DOUBT,
            (Decision::Nothing, None) => USUAL / 2,
            (Decision::TooLong(_), _) => return true,
        };
        need.prompt.most >= near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Facts = Facts { longest: Some(32_768), usual: None, own: 0, is_elsewhere: false };

    fn known(loaded: Option<u64>) -> Known {
        Known { loaded, raised: 0, facts: Some(MODEL), default: None }
    }

    /// A prompt of that many tokens at the most, and half as many at the least, with 1024 for the answer.
    fn prompt(most: u64) -> Need {
        Need::new(Estimate { least: most / 2, most }, None, None)
    }

    #[test]
    fn what_fits_the_default_asks_for_nothing_and_what_does_not_for_a_power_of_two() {
        assert_eq!(known(None).decide(&prompt(3072)), Decision::Nothing);
        assert_eq!(known(None).decide(&prompt(3073)), Decision::Context(8192));
        assert_eq!(known(None).decide(&prompt(7168)), Decision::Context(8192));
        assert_eq!(known(None).decide(&prompt(7169)), Decision::Context(16_384));
    }

    #[test]
    fn what_is_loaded_is_asked_for_again_and_never_less() {
        assert_eq!(known(Some(16_384)).decide(&prompt(10)), Decision::Context(16_384));
        assert_eq!(known(Some(16_384)).decide(&prompt(15_360)), Decision::Context(16_384));
        assert_eq!(known(Some(16_384)).decide(&prompt(15_361)), Decision::Context(32_768));
        // An odd size stays, and what is larger than it is a power of two again.
        assert_eq!(known(Some(6000)).decide(&prompt(4976)), Decision::Context(6000));
        assert_eq!(known(Some(6000)).decide(&prompt(4977)), Decision::Context(8192));
    }

    #[test]
    fn the_model_s_own_parameter_is_its_default() {
        let small = Known { facts: Some(Facts { usual: Some(512), ..MODEL }), ..known(None) };
        assert_eq!(small.decide(&prompt(384)), Decision::Nothing);
        assert_eq!(small.decide(&prompt(600)), Decision::Context(2048));
        let large = Known { facts: Some(Facts { usual: Some(16_384), ..MODEL }), ..known(None) };
        assert_eq!(large.decide(&prompt(9000)), Decision::Nothing);
        assert_eq!(large.decide(&prompt(16_000)), Decision::Context(32_768));
    }

    #[test]
    fn a_server_with_much_memory_is_left_to_its_default() {
        let large = Known { default: Some(16_384), ..known(None) };
        assert_eq!(large.decide(&prompt(9000)), Decision::Nothing);
        assert_eq!(large.decide(&prompt(16_000)), Decision::Context(32_768));
        let own = Known { facts: Some(Facts { usual: Some(2048), ..MODEL }), ..large };
        assert_eq!(own.decide(&prompt(9000)), Decision::Context(16_384));
    }

    #[test]
    fn a_client_that_lowered_it_brings_back_what_was_raised() {
        let lowered = Known { raised: 32_768, ..known(Some(2048)) };
        assert_eq!(lowered.decide(&prompt(1000)), Decision::Context(2048));
        assert_eq!(lowered.decide(&prompt(3000)), Decision::Context(32_768));
    }

    #[test]
    fn at_the_model_s_end_the_answer_gets_what_is_left_and_what_cannot_fit_is_told() {
        assert_eq!(known(None).decide(&prompt(32_000)), Decision::Context(32_768));
        // The bounds leave it open: the server shall say.
        assert_eq!(known(Some(32_768)).decide(&prompt(60_000)), Decision::Context(32_768));
        assert!(known(None).is_doubtful(&prompt(60_000), Decision::Context(32_768)));
        assert_eq!(known(None).decide(&prompt(65_536)), Decision::TooLong(32_768));
        let odd = Known { facts: Some(Facts { longest: Some(10_000), ..MODEL }), ..known(None) };
        assert_eq!(odd.decide(&prompt(8000)), Decision::Context(10_000));
    }

    #[test]
    fn the_room_for_an_answer_counts_within_reason() {
        let asks = |wanted| known(None).decide(&Need::new(Estimate { least: 100, most: 200 }, Some(wanted), None));
        assert_eq!(asks(3000), Decision::Nothing);
        assert_eq!(asks(4000), Decision::Context(8192));
        assert_eq!(asks(100_000), Decision::Context(16_384));
    }

    #[test]
    fn what_a_model_counted_corrects_the_estimate() {
        let prompt = Estimate { least: 2000, most: 6000 };
        assert_eq!(known(None).decide(&Need::new(prompt, None, None)), Decision::Context(8192));
        assert_eq!(known(None).decide(&Need::new(prompt, None, Some(0.45))), Decision::Nothing);
        // But then the server is told not to cut.
        assert!(known(None).is_doubtful(&Need::new(prompt, None, Some(0.45)), Decision::Nothing));
    }

    #[test]
    fn a_refused_prompt_gets_more_as_long_as_there_is_more() {
        let need = Need { corrected: 5000, ..prompt(4000) };
        assert_eq!(known(None).decide_again(&need, 4096), Some(8192));
        assert_eq!(known(None).decide_again(&Need { corrected: 10, ..need }, 4096), Some(8192));
        assert_eq!(known(None).decide_again(&need, 32_768), None);
    }

    #[test]
    fn small_prompts_are_quiet() {
        assert!(prompt(512).is_quiet());
        assert!(!prompt(513).is_quiet());
        assert!(!Need::new(Estimate::exactly(5), Some(3000), None).is_quiet());
    }

    proptest::proptest! {
        /// Whatever is known, what is asked for holds the prompt, unless it is all that the model has.
        #[test]
        fn what_is_asked_for_is_enough(
            most in 0u64..200_000, loaded in proptest::option::of(256u64..40_000), usual in proptest::option::of(256u64..40_000),
            longest in 512u64..140_000, raised in 0u64..40_000,
        ) {
            let facts = Facts { longest: Some(longest), usual, own: 0, is_elsewhere: false };
            let loaded = loaded.map(|size| size.min(longest));
            let known = Known { loaded, raised: raised.min(longest), facts: Some(facts), default: None };
            match known.decide(&prompt(most)) {
                Decision::Nothing => proptest::prop_assert!(most < known.usual()),
                Decision::Context(context) => {
                    proptest::prop_assert!(context > most || context == longest);
                    proptest::prop_assert!(context <= longest && known.loaded.is_none_or(|loaded| context >= loaded));
                }
                Decision::TooLong(told) => proptest::prop_assert!(told == longest && most / 2 >= longest),
            }
        }
    }
}

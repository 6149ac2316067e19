//! What is known of a model: by the operator's words, by the provider's list, by a table in the binary, by the model's
//! name; the best source first, field by field.

mod family;
mod table;

use globset::GlobMatcher;

use crate::model::{Facts, Model, Source};
use crate::provider::Provider;

/// What the operator says of some models.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whose: a pattern of names (`google:gemini-*`) or of ids (`gpt-4o`), in whatever case.
    pub pattern: GlobMatcher,
    /// What.
    pub facts: Facts,
}

/// Makes a listed model's facts whole. An Ollama server's own are as it tells them: it alone knows, and it is asked for the details.
pub(super) fn complete(model: &mut Model, provider: &Provider, said: &[Said]) {
    let listed = model.take_facts();
    if model.is_local {
        return model.learn(listed, Source::List);
    }
    let fits = |said: &&Said| said.pattern.is_match(&model.name) || said.pattern.is_match(&model.id);
    // The last word counts.
    let words: Vec<Facts> = said.iter().rev().filter(fits).map(|said| said.facts.clone()).collect();
    words.into_iter().for_each(|facts| model.learn(facts, Source::Config));
    model.learn(listed, Source::List);
    table::of(&provider.prefix, &model.id).into_iter().for_each(|facts| model.learn(facts, Source::Table));
    model.learn(family::of(&model.id), Source::Name);
    // Whatever the model could do elsewhere.
    if !provider.fills_gaps() {
        model.capabilities.insert = None;
    }
}

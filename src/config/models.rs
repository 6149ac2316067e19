//! `[model."PATTERN"]`: what the operator says of models.

use std::num::NonZeroU64;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use toml::de::{DeValue, ValueDeserializer};
use toml::{Spanned, de};

use super::file::nearest;
use crate::catalogue::Said;
use crate::model::{Capabilities, Facts};

/// A section, as it stands in the file. What is left out is for other sources to tell.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Words {
    context_length: Option<NonZeroU64>,
    max_input: Option<NonZeroU64>,
    max_output: Option<NonZeroU64>,
    embedding_length: Option<NonZeroU64>,
    capabilities: Option<Vec<String>>,
    family: Option<String>,
    parameter_size: Option<String>,
}

impl Words {
    /// Reads the section.
    pub(super) fn read(value: &Spanned<DeValue<'_>>) -> Result<Words, de::Error> {
        Words::deserialize(ValueDeserializer::from(value.clone()))
    }

    /// As it could stand in the file, in one line.
    pub(super) fn show(&self) -> String {
        toml::Value::try_from(self).map(|value| value.to_string()).unwrap_or_default()
    }

    /// What it says, and of whom. `Err` says what would be right.
    pub(super) fn said(&self, pattern: &str) -> Result<Said, String> {
        let number = |number: Option<NonZeroU64>| number.map(NonZeroU64::get);
        let facts = Facts {
            context_length: number(self.context_length),
            input_limit: number(self.max_input),
            output_limit: number(self.max_output),
            embedding_length: number(self.embedding_length),
            capabilities: capabilities(self.capabilities.as_deref())?,
            family: self.family.clone(),
            parameter_size: self.parameter_size.clone(),
        };
        Ok(Said { pattern: matcher(pattern)?, facts })
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())
}

/// A list is a whole one: what is not in it, the model can't.
fn capabilities(names: Option<&[String]>) -> Result<Capabilities, String> {
    let Some(names) = names else { return Ok(Capabilities::default()) };
    let known = Capabilities::NAMES;
    if let Some(other) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = match nearest(other, known.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        return Err(format!("unknown capability `{other}`; {hint}"));
    }
    Ok(Capabilities::of(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

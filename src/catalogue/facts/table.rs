//! The table of models: a sorted text in the binary, of which a row is read when it is asked for.

use std::sync::LazyLock;

use super::family;
use crate::model::{Capabilities, Facts};

/// Rows as `scripts/model_table.py` makes them, below a few lines of comment.
const TABLE: &str = include_str!("table.txt");

/// Where its rows begin and end: some microseconds and 13 KB.
static ROWS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| TABLE.lines().filter(|line| !line.starts_with('#')).collect());

/// Under it stands what holds of a model wherever it is hosted.
const ANYWHERE: &str = "*";

/// How aggregators call the makers of models, and the prefix under which the table has the maker's own.
const MAKERS: [(&str, &str, Weights); 11] = [
    ("anthropic", "anthropic", Weights::Closed),
    ("cohere", "cohere", Weights::Closed),
    ("deepseek", "deepseek", Weights::Open),
    ("google", "google", Weights::Closed),
    ("minimax", "minimax", Weights::Open),
    ("mistralai", "mistral", Weights::Open),
    ("moonshotai", "moonshot", Weights::Open),
    ("openai", "openai", Weights::Closed),
    ("qwen", "qwen", Weights::Open),
    ("x-ai", "xai", Weights::Closed),
    ("z-ai", "zai", Weights::Open),
];

/// Who may host a maker's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weights {
    /// The maker alone: the figures are its own, whoever resells it.
    Closed,
    /// Anybody, with a window of their own.
    Open,
}

/// What the table tells of a provider's model, the nearest row first.
pub(super) fn of(prefix: &str, id: &str) -> Vec<Facts> {
    let id = id.trim_start_matches('~').to_ascii_lowercase();
    [own(prefix, &id), maker(&id), anywhere(&id)].into_iter().flatten().collect()
}

/// The provider's own row, under one of the spellings of the id.
fn own(prefix: &str, id: &str) -> Option<Facts> {
    spellings(id).iter().find_map(|id| row(prefix, id))
}

/// The row of the maker that the id names (`openai/gpt-4o`); of open weights without figures.
fn maker(id: &str) -> Option<Facts> {
    let (vendor, id) = id.split_once('/')?;
    let (_, prefix, weights) = MAKERS.iter().find(|(name, ..)| *name == vendor)?;
    let facts = own(prefix, id)?;
    let is_open = *weights == Weights::Open || family::of(id).parameter_size.is_some();
    Some(if is_open { without_figures(facts) } else { facts })
}

/// What holds of a model of this name at any host: of exactly this one, else of its family whatever the size.
fn anywhere(id: &str) -> Option<Facts> {
    let exact = family::shortened(id, family::Instruct::Kept)?;
    let name = family::shortened(id, family::Instruct::Dropped)?;
    let family = name.split('-').next()?;
    [&exact, name.as_str(), family].into_iter().find_map(|name| row(ANYWHERE, name))
}

fn without_figures(facts: Facts) -> Facts {
    Facts { context_length: None, input_limit: None, output_limit: None, ..facts }
}

/// The id, and others that mean the same model or its latest issue, the nearest first.
fn spellings(id: &str) -> Vec<String> {
    // A fine-tuned model has its base's facts: `ft:gpt-4o-2024-08-06:org::id`.
    let base = id.strip_prefix("ft:").and_then(|rest| rest.split(':').next());
    let untagged = base.unwrap_or_else(|| id.split(':').next().unwrap_or(id));
    let undated = family::without_date(untagged);
    let plain = ["-latest", "-preview", "-exp", "-experimental"].iter().find_map(|end| undated.strip_suffix(end));
    let plain = plain.unwrap_or(&undated).to_owned();
    let latest = format!("{plain}-latest");
    let dashed = plain.replace('.', "-");
    let mut all = vec![id.to_owned(), untagged.to_owned(), undated, plain, dashed, latest];
    all.dedup();
    all
}

/// The row of exactly this name.
fn row(prefix: &str, id: &str) -> Option<Facts> {
    let name = format!("{prefix}:{id}\t");
    let start = |row: &&'static str| row.get(..name.len()).unwrap_or(row);
    let at = ROWS.binary_search_by(|row| start(row).cmp(&name)).ok()?;
    facts(ROWS.get(at)?.get(name.len()..)?)
}

/// A row behind its name.
fn facts(cells: &str) -> Option<Facts> {
    let mut cells = cells.trim_end().split('\t');
    let mut number = || cells.next().map(|cell| cell.parse().ok());
    let (context_length, input_limit, output_limit, embedding_length) = (number()?, number()?, number()?, number()?);
    let words: Vec<&str> = cells.next()?.split(' ').collect();
    let facts = Facts { context_length, input_limit, output_limit, embedding_length, ..Facts::default() };
    Some(Facts { capabilities: capabilities(&words), ..facts })
}

/// What a row doesn't name is unknown, but a model of vectors doesn't converse, nor the other way round.
fn capabilities(words: &[&str]) -> Capabilities {
    let has = |word: &str| words.contains(&word).then_some(true);
    let embeds = has("embedding").is_some();
    let is_told = words != ["-"];
    Capabilities {
        completion: is_told.then_some(!embeds),
        tools: has("tools").or(has("no-tools").map(|_| false)),
        vision: has("vision"),
        thinking: has("thinking"),
        embedding: is_told.then_some(embeds),
        ..Capabilities::default()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

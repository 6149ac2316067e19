//! What a model's name tells: its family, its size, and which other names mean the same model elsewhere.

use super::super::name;
use crate::model::Facts;

/// Words that say nothing of what a model can do; `scripts/model_table.py` has the same.
const PLAIN: &str =
    "it hf versatile free cloud maas tee latest meta nvidia fp4 fp8 fp16 bf16 int4 int8 nvfp4 awq gptq gguf mlx";
/// Plain too where a size names the model; elsewhere they make another of it: `gpt-4` and `gpt-4-turbo`.
const PLAIN_BESIDE_SIZE: &str = "turbo fast chat text base preview";

/// Shall the word `instruct` count?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instruct {
    /// `qwen3-30b-a3b-instruct` is another model than `qwen3-30b-a3b`.
    Kept,
    /// `llama-3.3-70b-instruct` is `llama-3.3-70b`.
    Dropped,
}

/// Family and size, as far as the name tells.
pub(super) fn of(id: &str) -> Facts {
    let family = name::parse(id).map(|name| name.family).filter(|family| !name::is_common_word(family));
    // As Ollama has it: `gptoss`.
    let family = family.map(|family| family.replace('-', ""));
    Facts { family, parameter_size: parameter_size(id), ..Facts::default() }
}

/// As Ollama writes it: `70B`, `8x7B`, `135M`. Sizes of parts (`a3b`: at work at a time, `e4b`: in effect, `17b-16e`: of one
/// expert) aren't the model's.
fn parameter_size(id: &str) -> Option<String> {
    let id = id.to_ascii_lowercase();
    let words = words(&id);
    let is_count =
        |word: &&String| is_size(word) && word.starts_with(|c: char| c.is_ascii_digit()) && !word.ends_with('e');
    let of_experts = words.iter().any(|word| is_size(word) && word.ends_with('e'));
    let found = words.iter().find(is_count).filter(|_| !of_experts)?;
    Some(found.to_ascii_uppercase().replace('X', "x"))
}

/// A name without maker, dates and plain words: the rest as one, then its sizes, so that hosts' spellings come together:
/// `Meta-Llama-3-3-70B-Instruct` is `llama3.3-70b`.
pub(super) fn shortened(id: &str, instruct: Instruct) -> Option<String> {
    let words = undated(words(&id.to_ascii_lowercase()));
    let (sizes, names): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| is_size(word));
    let is_one_of = |list: &str, word: &str| list.split(' ').any(|plain| plain == word);
    let is_plain = |word: &str| {
        is_one_of(PLAIN, word)
            || (instruct == Instruct::Dropped && word == "instruct")
            || (!sizes.is_empty() && is_one_of(PLAIN_BESIDE_SIZE, word))
    };
    let mut short = String::new();
    for word in names.iter().filter(|word| !is_plain(word)) {
        let is_number = |c: char| c.is_ascii_digit();
        if short.ends_with(is_number) && word.starts_with(is_number) {
            short.push('.');
        }
        short.push_str(word);
    }
    (!short.is_empty()).then(|| std::iter::once(short).chain(sizes).collect::<Vec<_>>().join("-"))
}

/// The id without a date at its end.
pub(super) fn without_date(id: &str) -> String {
    let words: Vec<&str> = id.split('-').collect();
    let dated = (1..words.len()).find(|at| {
        let rest = words.get(*at..).unwrap_or_default();
        date_words(rest) == rest.len()
    });
    words.get(..dated.unwrap_or(words.len())).unwrap_or_default().join("-")
}

/// The words of the last step of a path.
fn words(id: &str) -> Vec<String> {
    let base = id.rsplit('/').next().unwrap_or(id);
    base.split(['-', '_', ':', '@', ' ']).filter(|word| !word.is_empty()).map(plain_version).collect()
}

/// `3.3` for `v3.3` and `v3p3`.
fn plain_version(word: &str) -> String {
    let word = word.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(word);
    let is_digit = |at: Option<usize>| at.and_then(|at| word.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let is_point = |at: usize, c: char| c == 'p' && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    word.char_indices().map(|(at, c)| if is_point(at, c) { '.' } else { c }).collect()
}

fn undated(words: Vec<String>) -> Vec<String> {
    let mut kept = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let rest: Vec<&str> = words.iter().skip(at).take(3).map(String::as_str).collect();
        match date_words(&rest) {
            0 => {
                kept.push(word.clone());
                at += 1;
            }
            count => at += count,
        }
    }
    kept
}

/// How many of the first words are a date: `2025-04-14`, `09-2025`, `20250414`, `2507`, `001`.
fn date_words(words: &[&str]) -> usize {
    let digits = |at: usize, count: usize| {
        words.get(at).is_some_and(|word| word.len() == count && word.bytes().all(|b| b.is_ascii_digit()))
    };
    let year = |at: usize| digits(at, 4) && words.get(at).is_some_and(|word| word.starts_with("20"));
    if year(0) && digits(1, 2) && digits(2, 2) {
        return 3;
    }
    if digits(0, 2) && year(1) {
        return 2;
    }
    let is_issue = digits(0, 3) && words.first().is_some_and(|word| word.starts_with("00"));
    usize::from(is_issue || [4, 6, 8].into_iter().any(|count| digits(0, count)))
}

/// `70b`, `8x22b`, `a3b`, `16e`.
fn is_size(word: &str) -> bool {
    let word = word.strip_prefix(['a', 'e']).unwrap_or(word);
    let Some(number) = word.strip_suffix(['b', 'm', 't', 'e']) else { return false };
    let is_decimal = |text: &str| !text.is_empty() && text.split('.').count() <= 2 && text.split('.').all(is_whole);
    match number.split_once('x') {
        Some((count, size)) => is_decimal(count) && is_whole(size),
        None => is_decimal(number),
    }
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

//! Short names for what discovery found, by rules: `gpt4`, `gemini`, `claude-sonnet`.
//!
//! Every model's name offers some shorter spellings; of the models that offer the same one, [`Rank`] says which it means.
//! Nothing depends on the order in which providers list their models.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::name::{self, Date, Name, Suits};

/// A model that can be meant.
#[derive(Debug, Clone)]
pub(super) struct Listed<'a> {
    /// The provider's own id.
    pub(super) id: &'a str,
    /// Its provider's prefix.
    pub(super) prefix: &'a str,
    /// The place of its provider in the order of look-up.
    pub(super) provider: usize,
    /// One of an Ollama server's own.
    pub(super) is_local: bool,
    /// Its provider says that it holds no conversations.
    pub(super) is_other: bool,
    /// When its provider says that it was made.
    pub(super) created: Option<Date>,
}

/// What the rules made.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Squashed spelling → index of the model.
    pub(super) by_key: HashMap<String, usize>,
    /// To be shown, in order: name, index of the model, reason.
    pub(super) shown: Vec<(String, usize, String)>,
}

/// The rules, the strongest first: where two make the same spelling, the first one's stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// `gpt`
    Family,
    /// `gpt-4`: of that version whatever is the newest general one.
    Version,
    /// `gpt-4o-mini`: without date, stage and words that say nothing.
    Undated,
    /// `gemini-flash`: the newest version of this variant.
    Variant,
    /// `gemma-4-31b`
    Sized,
    /// The name as it is, without separators; there are too many to show.
    Spelling,
}

const RULES: [Rule; 6] = [Rule::Family, Rule::Version, Rule::Undated, Rule::Variant, Rule::Sized, Rule::Spelling];

/// Makes the aliases. `is_real`: somebody lists a model of that name, which an alias may not hide.
pub(super) fn make(listed: &[Listed<'_>], is_real: impl Fn(&str) -> bool) -> Aliases {
    let candidates = candidates(listed);
    let mut aliases = Aliases::default();
    for rule in RULES {
        for (key, mut offers) in offers(rule, &candidates) {
            offers.sort_by_cached_key(|candidate| candidate.rank(&key));
            let Some(best) = offers.first() else { continue };
            if aliases.by_key.contains_key(&key) {
                continue;
            }
            // Of several orders of the same words only the model's own is worth showing.
            let spelling = best.spellings(rule).into_iter().next().filter(|spelling| name::squash(spelling) == key);
            for name in shown_names(rule, &key, spelling.as_deref()) {
                if !is_real(name) {
                    aliases.shown.push((name.to_owned(), best.index, best.reason(rule)));
                }
            }
            aliases.by_key.insert(key, best.index);
        }
    }
    aliases.shown.sort();
    aliases.shown.dedup_by(|a, b| a.0 == b.0);
    aliases
}

/// A model with its name taken apart.
#[derive(Debug)]
struct Candidate<'a> {
    index: usize,
    listed: &'a Listed<'a>,
    name: Name,
    /// For a rolling name: of the newest of its siblings.
    version: Option<Vec<u32>>,
    suffix: Option<char>,
    is_unstable: bool,
    /// For an undated name: of the newest of its dated siblings.
    date: Option<Date>,
}

/// How near a provider is to who made the model; the nearer, the smaller.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A provider that is called like the family.
    Maker,
    /// Perhaps the maker.
    Direct,
    /// The name tells of another maker: resold.
    Resold,
}

/// What makes one model a better meaning of a short name than another; smaller is better.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    /// What a local model could have meant stays on this machine.
    is_elsewhere: bool,
    source: Source,
    /// `mistral-large-latest` is what the provider itself calls its newest `mistral-large`.
    is_not_own_rolling: bool,
    is_narrow: bool,
    is_unstable: bool,
    suits: Suits,
    /// A cloud that lists `qwen-max` and `qwen-7b` means the first as its own.
    is_sized: bool,
    version: Reverse<(Option<Vec<u32>>, Option<char>)>,
    preference: (u8, bool),
    date: Reverse<Option<Date>>,
    is_dated: bool,
    is_fixed: bool,
    size: Reverse<u64>,
    length: usize,
    provider: usize,
    id: &'a str,
}

impl<'a> Candidate<'a> {
    fn rank(&self, key: &str) -> Rank<'a> {
        let name = &self.name;
        let is_local = self.listed.is_local;
        let is_rolling = name.is_rolling || name.is_default_tag;
        Rank {
            is_elsewhere: !is_local,
            source: self.source(),
            is_not_own_rolling: !(name.is_rolling && self.rolls_as(key)),
            is_narrow: name.suits >= Suits::Narrow,
            is_unstable: self.is_unstable,
            suits: name.suits,
            is_sized: !is_local && name.size.is_some(),
            version: Reverse((self.version.clone(), self.suffix)),
            preference: (name.preference, name.has_plain_words),
            date: Reverse(self.date),
            is_dated: name.date.is_some(),
            is_fixed: !is_rolling,
            size: Reverse(size(name)),
            length: self.listed.id.len(),
            provider: self.listed.provider,
            id: self.listed.id,
        }
    }

    fn source(&self) -> Source {
        match &self.name.vendor {
            _ if self.listed.is_local => Source::Direct,
            _ if self.listed.prefix.eq_ignore_ascii_case(&self.name.family) => Source::Maker,
            None => Source::Direct,
            Some(_) => Source::Resold,
        }
    }

    /// Is its name this one with a word like `latest`?
    fn rolls_as(&self, key: &str) -> bool {
        let squashed = name::squash(last_segment(self.listed.id));
        squashed.strip_suffix("latest").is_some_and(|base| base == key)
    }

    fn is_chat(&self) -> bool {
        self.name.suits < Suits::Other && !self.listed.is_other
    }

    /// The spellings that it offers under a rule, the one to show first.
    fn spellings(&self, rule: Rule) -> Vec<String> {
        let name = &self.name;
        let is_family = name.family.len() > 1 && !name::is_common_word(&name.family);
        let has_variant = !name.variant.is_empty();
        match rule {
            Rule::Family if is_family && self.is_chat() => vec![name.family.clone()],
            Rule::Version if self.is_chat() => versions(name, &[]),
            Rule::Undated if has_variant => versions(name, &name.variant),
            Rule::Undated => versions(name, &[]),
            Rule::Variant if has_variant => vec![join(&name.family, &name.variant, &[])],
            Rule::Sized => self.sized(),
            Rule::Spelling => vec![last_segment(self.listed.id).to_owned()],
            _ => Vec::new(),
        }
    }

    fn sized(&self) -> Vec<String> {
        let Some(size) = &self.name.size else { return Vec::new() };
        let plain = if self.name.version.is_none() {
            vec![join(&self.name.family, &self.name.variant, &[])]
        } else {
            versions(&self.name, &self.name.variant)
        };
        plain.into_iter().map(|spelling| format!("{spelling}-{size}")).collect()
    }

    fn reason(&self, rule: Rule) -> String {
        let name = &self.name;
        let version = name.version.as_ref().map(|version| version.text.as_str()).unwrap_or_default();
        match rule {
            Rule::Family => format!("family {}: {}", name.family, self.quality()),
            Rule::Version => format!("version {version} of {}: {}", name.family, self.quality()),
            Rule::Variant => format!("the newest {} {}", name.family, name.variant.join(" ")),
            _ if name.date.is_some() || name.is_rolling => "its name without the date or stage".to_owned(),
            _ => "its name in another spelling".to_owned(),
        }
    }

    fn quality(&self) -> &'static str {
        match (self.listed.is_local, self.is_unstable, self.name.suits) {
            (true, ..) => "the newest local model",
            (_, true, _) => "the newest preview, as nothing stable is listed",
            (_, _, Suits::General) => "the newest stable general model",
            (_, _, Suits::Small) => "the newest small model, as no larger one is listed",
            _ => "the newest model, as no general one is listed",
        }
    }
}

fn candidates<'a>(listed: &'a [Listed<'a>]) -> Vec<Candidate<'a>> {
    let mut all: Vec<Candidate<'a>> = listed
        .iter()
        .enumerate()
        .filter_map(|(index, listed)| {
            let name = name::parse(listed.id)?;
            let (version, suffix) = name.version.as_ref().map(|version| version.order()).unzip();
            let (is_unstable, date) = (name.is_unstable, name.date);
            Some(Candidate { index, listed, name, version, suffix: suffix.flatten(), is_unstable, date })
        })
        .collect();
    date_the_undated(&mut all);
    follow_the_rolling(&mut all);
    all
}

type Siblings<'a> = (usize, Option<String>, String, Vec<String>, Option<String>);

/// What an alternative name of the same model has in common with it.
fn siblings(candidate: &Candidate<'_>, version: Option<String>) -> Siblings<'static> {
    let name = &candidate.name;
    (candidate.listed.provider, name.vendor.clone(), name.family.clone(), name.variant.clone(), version)
}

/// `gpt-4-turbo` is as new as the newest of `gpt-4-turbo-2024-04-09` and its like.
fn date_the_undated(all: &mut [Candidate<'_>]) {
    let version = |candidate: &Candidate<'_>| candidate.name.version.as_ref().map(|version| version.text.clone());
    let mut newest: HashMap<Siblings<'static>, Date> = HashMap::new();
    for candidate in all.iter() {
        if let Some(date) = candidate.name.date {
            let known = newest.entry(siblings(candidate, version(candidate))).or_default();
            *known = date.max(*known);
        }
    }
    for candidate in all.iter_mut().filter(|candidate| candidate.name.date.is_none()) {
        let known = newest.get(&siblings(candidate, version(candidate))).copied();
        candidate.date = known.max(candidate.listed.created);
    }
}

/// `gemini-flash-latest` is the newest `gemini-…-flash`, a preview where that is one. Without any it is newer than all.
fn follow_the_rolling(all: &mut [Candidate<'_>]) {
    type Newest = (Vec<u32>, Option<char>, bool);
    let mut newest: HashMap<Siblings<'static>, Newest> = HashMap::new();
    for candidate in all.iter().filter(|candidate| !candidate.name.is_rolling) {
        let Some(version) = candidate.version.clone() else { continue };
        let this = (version, candidate.suffix, !candidate.is_unstable);
        let known = newest.entry(siblings(candidate, None)).or_insert_with(|| this.clone());
        if this > *known {
            *known = this;
        }
    }
    let rolling = |candidate: &&mut Candidate<'_>| candidate.name.is_rolling && candidate.version.is_none();
    for candidate in all.iter_mut().filter(rolling) {
        let (version, suffix, is_stable) =
            newest.get(&siblings(candidate, None)).cloned().unwrap_or((vec![u32::MAX], None, true));
        candidate.version = Some(version);
        candidate.suffix = suffix;
        candidate.is_unstable |= !is_stable;
    }
}

/// Squashed spelling → who offers it.
type Offers<'c, 'a> = BTreeMap<String, Vec<&'c Candidate<'a>>>;

fn offers<'c, 'a>(rule: Rule, candidates: &'c [Candidate<'a>]) -> Offers<'c, 'a> {
    let mut offers = Offers::new();
    for candidate in candidates {
        for spelling in candidate.spellings(rule) {
            offers.entry(name::squash(&spelling)).or_default().push(candidate);
        }
    }
    offers
}

fn shown_names<'n>(rule: Rule, key: &'n str, spelling: Option<&'n str>) -> Vec<&'n str> {
    match spelling {
        None => Vec::new(),
        _ if rule == Rule::Spelling => Vec::new(),
        Some(spelling) if key == spelling => vec![key],
        Some(spelling) => vec![key, spelling],
    }
}

/// Family, version and variant in the order in which the name has them, then in the other; `v3` also as `3`.
fn versions(name: &Name, variant: &[String]) -> Vec<String> {
    let Some(version) = &name.version else { return Vec::new() };
    let before = name.before_version.min(variant.len());
    let mut texts = vec![version.text.clone()];
    if version.series == Some('v') {
        texts.extend(version.text.strip_prefix('v').map(String::from));
    }
    let mut spellings = Vec::new();
    for text in texts {
        for place in [before, 0, variant.len()] {
            let (front, back) = variant.split_at(place);
            let spelling = join(&join(&name.family, front, std::slice::from_ref(&text)), back, &[]);
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}

fn join(first: &str, words: &[String], more: &[String]) -> String {
    words.iter().chain(more).fold(first.to_owned(), |joined, word| format!("{joined}-{word}"))
}

fn last_segment(id: &str) -> &str {
    let segment = id.rsplit('/').next().unwrap_or(id);
    segment.strip_suffix(":latest").unwrap_or(segment).trim_start_matches('~')
}

/// Roughly, in units of 100,000 parameters, for comparing.
fn size(name: &Name) -> u64 {
    let Some(text) = &name.size else { return 0 };
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let product: f64 = number.split('x').map(|part| part.parse().unwrap_or(0.0)).product();
    let scale = match unit {
        "t" => 10_000_000.0,
        "m" => 10.0,
        _ => 10_000.0,
    };
    (product * scale) as u64
}

//! Near names for one that nobody lists.

use super::name::squash;

/// At most so many names are offered.
const SHOWN: usize = 3;
/// At most so many names are compared, so that a wrong name can't cost much.
const COMPARED: usize = 4000;
/// Longer names are nobody's typing error.
const LONGEST: usize = 100;
/// From 0 (nothing in common) to 1 (the same).
const NEAR: f64 = 0.72;

/// The nearest of `names` (the name to offer, the spelling to compare), best first. Few or none.
pub(super) fn near<'a>(asked: &str, names: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<&'a str> {
    let asked = squash(asked.strip_suffix(":latest").unwrap_or(asked));
    if asked.is_empty() || asked.len() > LONGEST {
        return Vec::new();
    }
    let mut scored: Vec<(f64, &str)> = names
        .take(COMPARED)
        .map(|(name, spelling)| (likeness(&asked, &squash(spelling)), name))
        .filter(|(score, _)| *score >= NEAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.len().cmp(&b.1.len())).then_with(|| a.1.cmp(b.1)));
    let mut best: Vec<&str> = Vec::new();
    for (_, name) in scored {
        if best.len() < SHOWN && !best.contains(&name) {
            best.push(name);
        }
    }
    best
}

fn likeness(asked: &str, known: &str) -> f64 {
    let (shorter, longer) = (asked.len().min(known.len()) as f64, asked.len().max(known.len()) as f64);
    let is_part = asked.len() >= 4 && known.contains(asked);
    if longer > LONGEST as f64 || (shorter < NEAR * longer && !is_part) {
        return 0.0;
    }
    let alike = 1.0 - strsim::osa_distance(asked, known) as f64 / longer;
    if is_part { alike.max(NEAR + 0.1 * alike) } else { alike }
}

/// `; did you mean 'a', 'b' or 'c'?`, or nothing.
pub(super) fn question(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 4] = [
        ("openai:gpt-4o", "gpt-4o"),
        ("google:gemini-2.5-pro", "gemini-2.5-pro"),
        ("google:gemini-2.5-flash", "gemini-2.5-flash"),
        ("llama3.2:latest", "llama3.2:latest"),
    ];

    #[test]
    fn offers_what_looks_alike() {
        assert_eq!(near("gpt-5o", NAMES.into_iter()), ["openai:gpt-4o"]);
        assert_eq!(near("gemini-2.5-prp:latest", NAMES.into_iter()), ["google:gemini-2.5-pro"]);
        assert_eq!(near("flash", NAMES.into_iter()), ["google:gemini-2.5-flash"]);
        assert!(near("whisper", NAMES.into_iter()).is_empty());
        assert!(near("", NAMES.into_iter()).is_empty());
        assert!(near(&"gpt-4o".repeat(1000), NAMES.into_iter()).is_empty());
    }

    #[test]
    fn asks_in_a_sentence() {
        assert_eq!(question(&[]), "");
        assert_eq!(question(&["a"]), "; did you mean 'a'?");
        assert_eq!(question(&["a", "b", "c"]), "; did you mean 'a', 'b' or 'c'?");
    }
}

//! Reads `.env` files.
//!
//! Readers of such files differ. This one takes what people write for key lists (`KEYS=a, b`, `KEYS="a","b"`) as they mean
//! it, replaces nothing (`$` stands for itself), and never repeats a line in an error, since it may be a secret.

/// Names and values in the order in which they stand; `Err` is where a line begins that is none.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut pairs = Vec::new();
    let mut at = text.len() - text.trim_start_matches('\u{feff}').len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.lines().next().unwrap_or_default();
        let mut read = line_end(rest);
        if !(line.trim().is_empty() || line.trim_start().starts_with('#')) {
            let (name, value) = name_and_rest(rest).ok_or(at)?;
            let (value, after) = value_of(value).ok_or(at)?;
            pairs.push((name.to_owned(), value));
            read = rest.len() - after.len();
        }
        at += read;
    }
    Ok(pairs)
}

/// Where the next line begins.
fn line_end(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |newline| newline + 1)
}

/// Splits at the `=` of the first line: the name, and all that follows up to the end of the file.
fn name_and_rest(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.trim_start();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(name);
    let name = name.trim_matches([' ', '\t']);
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    is_name.then(|| (name, rest.trim_start_matches([' ', '\t'])))
}

/// The value at the beginning of a text, and what follows its line.
fn value_of(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    if let Some(quote) = quote {
        let (value, after) = quoted(text.get(1..)?, quote)?;
        let (line, rest) = after.split_at(line_end(after));
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            return Some((value, rest));
        }
    }
    let (line, rest) = text.split_at(line_end(text));
    Some((plain(line).to_owned(), rest))
}

/// A value up to its closing quote, which may stand on a later line, and what follows. Only double quotes know escapes.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            _ if character == quote => return Some((value, characters.as_str())),
            '\\' if quote == '"' => match characters.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(character),
        }
    }
    None
}

/// A value without quotes: up to a comment, which has a blank before it.
fn plain(line: &str) -> &str {
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    line.get(..comment.unwrap_or(line.len())).unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn value(text: &str) -> String {
        let mut pairs = values(text);
        assert_eq!(pairs.len(), 1, "{text}");
        pairs.remove(0).1
    }

    #[test]
    fn names_values_comments_and_empty_lines() {
        let text = "\u{feff}# first\r\nA=1\r\n\n  export B = two # why\nC=\nD=x#y\n#E=5\nF=#6";
        let expected = [("A", "1"), ("B", "two"), ("C", ""), ("D", "x#y"), ("F", "")];
        assert_eq!(values(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn quotes_are_taken_off_and_may_hold_lines_and_comments() {
        assert_eq!(value("A=\"a # b\" # c"), "a # b");
        assert_eq!(value("A='a\\n\"b'"), "a\\n\"b");
        assert_eq!(value("A=\"a\\n\\\"b\\\" \\$c $d \\e\""), "a\n\"b\" $c $d \\e");
        assert_eq!(values("A=\"one\ntwo\"\nB=3").len(), 2);
        assert_eq!(value("A=\"one\ntwo\"\n"), "one\ntwo");
    }

    #[test]
    fn key_lists_as_people_write_them() {
        assert_eq!(value("A=sk-1, sk-2 # two of them"), "sk-1, sk-2");
        assert_eq!(value("A=\"sk-1\",\"sk-2\""), "\"sk-1\",\"sk-2\"");
        assert_eq!(value("A='sk-1' , 'sk-2'"), "'sk-1' , 'sk-2'");
    }

    #[test]
    fn lines_that_are_none_are_told_by_their_place() {
        assert_eq!(parse("A=1\nno equals sign"), Err(4));
        assert_eq!(parse("A=1\n=2"), Err(4));
        assert_eq!(parse("A=1\nB=\"open"), Err(4));
        assert_eq!(parse("no sign\nB=1"), Err(0));
    }
}

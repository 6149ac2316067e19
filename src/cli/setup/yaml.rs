//! An item more in a top-level list of a YAML file, as a marked block. Lines only: what isn't plain block style is refused.

use anyhow::bail;

use super::block;

/// The file with our item in the list `key`. `item` is its lines, the first one with the dash.
pub(super) fn put(text: &str, tool: &str, key: &str, item: &[String]) -> anyhow::Result<String> {
    let line_end = block::line_end(text);
    if let Some(range) = block::find(text, tool)? {
        let old = text.get(range.clone()).unwrap_or_default();
        let indentation = blanks(old);
        let has_key = old.lines().nth(1).is_some_and(|line| line.trim() == format!("{key}:"));
        let lines = block::lines(tool, indentation, &body(has_key.then_some(key), item), line_end);
        return Ok(block::replaced(text, range, &lines));
    }
    refuse_unplain(text)?;
    let Some((after_key, indentation)) = place(text, key)? else {
        let lines = block::lines(tool, "", &body(Some(key), item), line_end);
        return Ok(block::appended(text, &lines));
    };
    let lines = block::lines(tool, &indentation, &body(None, item), line_end);
    let gap = if text.get(..after_key).is_some_and(|before| before.ends_with('\n')) { "" } else { line_end };
    Ok(block::replaced(text, after_key..after_key, &format!("{gap}{lines}")))
}

/// The block's lines; with the list's name where the block makes the list.
fn body(key: Option<&str>, item: &[String]) -> Vec<String> {
    let indentation = if key.is_some() { "  " } else { "" };
    let key = key.map(|key| format!("{key}:"));
    key.into_iter().chain(item.iter().map(|line| format!("{indentation}{line}"))).collect()
}

/// Where the list's first item would stand, and its indentation; `None` where there is no such list.
fn place(text: &str, key: &str) -> anyhow::Result<Option<(usize, String)>> {
    let mut at = 0;
    let mut after_key = None;
    for line in text.split_inclusive('\n') {
        match after_key {
            None => match value_of(line, key) {
                Some(value) if is_nothing(value) => after_key = Some(at + line.len()),
                Some(_) => bail!("`{key}` is not a list with an item a line there"),
                None => {}
            },
            Some(_) if is_nothing(line) => {}
            Some(_) if is_item(line) => return Ok(Some((at, blanks(line).to_owned()))),
            Some(_) if !blanks(line).is_empty() => bail!("`{key}` is not a list there"),
            Some(_) => break,
        }
        at += line.len();
    }
    Ok(after_key.map(|after| (after, "  ".to_owned())))
}

/// What stands behind `key:` in a line of the top level.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let bare = line.strip_prefix(key);
    let quoted = || line.strip_prefix(&format!("\"{key}\"")).or_else(|| line.strip_prefix(&format!("'{key}'")));
    bare.or_else(quoted)?.trim_start_matches(' ').strip_prefix(':')
}

/// Blank, or a comment.
fn is_nothing(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn is_item(line: &str) -> bool {
    let line = line.trim();
    line == "-" || line.starts_with("- ")
}

fn blanks(line: &str) -> &str {
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
}

/// The top level must be names with values, in block style and in one document: there, a line more is a member more.
fn refuse_unplain(text: &str) -> anyhow::Result<()> {
    let mut has_content = false;
    for (number, line) in text.lines().enumerate() {
        let is_start = line.trim_end() == "---" && !has_content;
        if is_nothing(line) || is_start {
            continue;
        }
        let is_top = blanks(line).is_empty();
        let is_plain = is_item(line) || (line.contains(": ") || line.trim_end().ends_with(':'));
        let is_odd = line.starts_with(['{', '[', '}', ']', '%', '?', '&', '*', '!', '|', '>', '\u{feff}'])
            || line.starts_with("---")
            || line.starts_with("...");
        let is_list = !has_content && is_item(line);
        if blanks(line).contains('\t') || (is_top && (is_odd || !is_plain || is_list)) || (!is_top && !has_content) {
            bail!("line {} is not a `name: value` in YAML's block style", number + 1);
        }
        has_content = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> anyhow::Result<String> {
        put(text, "t", "models", &["- name: we".to_owned(), "  url: u".to_owned()])
    }

    const IN_LIST: &str = "  # >>> polyllama setup: t >>>\n  - name: we\n    url: u\n  # <<< polyllama setup: t <<<\n";
    const AT_END: &str =
        "# >>> polyllama setup: t >>>\nmodels:\n  - name: we\n    url: u\n# <<< polyllama setup: t <<<\n";

    #[test]
    fn an_item_goes_before_the_first_one_with_its_indentation() {
        let (before, after) = ("name: x\nmodels: # mine\n  # the first\n", "  - name: a\n    url: b\nrules:\n- c\n");
        assert_eq!(add(&format!("{before}{after}")).unwrap(), format!("{before}{IN_LIST}{after}"));
        let flush = add("models:\n- name: a\n").unwrap();
        assert_eq!(flush, format!("models:\n{}- name: a\n", IN_LIST.replace("\n  ", "\n").trim_start()));
    }

    #[test]
    fn a_list_that_is_missing_or_empty_is_made() {
        assert_eq!(add("").unwrap(), AT_END);
        assert_eq!(add("# only a comment\nname: x").unwrap(), format!("# only a comment\nname: x\n{AT_END}"));
        assert_eq!(add("models:\nname: x\n").unwrap(), format!("models:\n{IN_LIST}name: x\n"));
        assert_eq!(add("models:").unwrap(), format!("models:\n{IN_LIST}"));
        assert_eq!(add("a: 1\r\n").unwrap(), format!("a: 1\n{AT_END}").replace('\n', "\r\n"));
    }

    #[test]
    fn the_second_time_changes_the_block_where_it_stands() {
        for text in ["", "models:\n- name: a\n", "name: x\n"] {
            let once = add(text).unwrap() + "later: 1\n";
            assert_eq!(add(&once).unwrap(), once);
            let other = put(&once, "t", "models", &["- name: new".to_owned()]).unwrap();
            assert!(other.contains("- name: new\n") && !other.contains("url: u"), "{other}");
            assert!(other.ends_with("later: 1\n"), "{other}");
        }
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for text in [
            "models: [a, b]\n",
            "models: &x\n  - a\n",
            "models:\n  a: b\n",
            "{models: []}\n",
            "- a\n",
            "a: 1\n---\nb: 2\n",
            "just words\n",
            "  a: 1\n",
            "a:\n\t- b\n",
            "? a\n: b\n",
        ] {
            assert!(add(text).is_err(), "{text}");
        }
    }
}

//! A marked block of lines in a file of lines: what setup adds to YAML files and to a shell's start file.

use std::ops::Range;

use anyhow::bail;

/// How every block's first line goes on behind its comment sign.
const OPEN: &str = ">>> polyllama setup: ";

/// The block's lines between its marks, indented.
pub(super) fn lines(tool: &str, indentation: &str, body: &[String], line_end: &str) -> String {
    let open = format!("# {OPEN}{tool} >>>");
    let close = format!("# <<< polyllama setup: {tool} <<<");
    let all = std::iter::once(&open).chain(body).chain(std::iter::once(&close));
    all.map(|line| format!("{indentation}{line}{line_end}")).collect()
}

/// Where this tool's block stands, whole lines; an error if it has no end.
pub(super) fn find(text: &str, tool: &str) -> anyhow::Result<Option<Range<usize>>> {
    let (open, close) = (format!("# {OPEN}{tool} >>>"), format!("# <<< polyllama setup: {tool} <<<"));
    let (mut at, mut start) = (0, None);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        match start {
            None if line.trim() == open => start = Some(at),
            Some(start) if line.trim() == close => return Ok(Some(start..end)),
            _ => {}
        }
        at = end;
    }
    match start {
        Some(_) => bail!("the block that begins with `{open}` has lost its last line, `{close}`"),
        None => Ok(None),
    }
}

/// The text without this tool's block.
pub(super) fn without(text: &str, tool: &str) -> anyhow::Result<String> {
    Ok(find(text, tool)?.map_or_else(|| text.to_owned(), |range| replaced(text, range, "")))
}

/// Does the text have a block of any tool?
pub(super) fn is_any(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with(&format!("# {OPEN}")))
}

/// The text with the lines at its end.
pub(super) fn appended(text: &str, lines: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { line_end(text) };
    format!("{text}{gap}{lines}")
}

/// The text with other lines in this range.
pub(super) fn replaced(text: &str, range: Range<usize>, by: &str) -> String {
    let (before, after) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    format!("{before}{by}{after}")
}

/// How the text ends its lines.
pub(super) fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_tool_and_taken_out_whole() {
        let mine = lines("a", "  ", &["x".to_owned()], "\n");
        let text = format!("before\n{mine}after");
        assert_eq!(find(&text, "a").unwrap(), Some(7..7 + mine.len()));
        assert_eq!(find(&text, "b").unwrap(), None);
        assert_eq!(without(&text, "a").unwrap(), "before\nafter");
        assert!(is_any(&text) && !is_any("before\nafter"));
    }

    #[test]
    fn a_block_without_its_end_is_left_alone() {
        let text = "# >>> polyllama setup: a >>>\nx\n";
        assert!(without(text, "a").is_err());
    }
}

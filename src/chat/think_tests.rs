use proptest::prelude::*;

use super::*;
use crate::chat::{Block, Class, Failure, Finish, describe, fold};

/// The events of a text that comes in these pieces, and its blocks after the thoughts were taken out.
fn split(mut thoughts: Thoughts, pieces: &[&str]) -> Vec<Event> {
    let mut events = vec![Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text }];
    events.extend(pieces.iter().map(|piece| Event::Delta { choice: 0, block: 0, text: (*piece).into() }));
    events.push(Event::BlockEnd { choice: 0, block: 0, signature: None });
    events.push(Event::Finish { choice: 0, reason: Finish::Stop });
    let mut out = Vec::new();
    events.into_iter().for_each(|event| thoughts.event(event, &mut out));
    out
}

/// Kind and content of each block.
fn blocks(events: Vec<Event>) -> Vec<(&'static str, String)> {
    let answer = fold(events).unwrap();
    let kind = |kind: &BlockKind| match kind {
        BlockKind::Text => "text",
        BlockKind::Thinking => "thinking",
        _ => "other",
    };
    answer.choices[0].blocks.iter().map(|block| (kind(&block.kind), block.joined())).collect()
}

fn streamed(pieces: &[&str]) -> Vec<(&'static str, String)> {
    blocks(split(Thoughts::of_stream(), pieces))
}

fn whole(text: &str) -> Vec<(&'static str, String)> {
    blocks(split(Thoughts::of_whole(), &[text]))
}

fn owned(rows: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    rows.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
}

#[test]
fn a_thought_at_the_start_is_taken_out() {
    let rows: [(&str, &[(&str, &str)]); 14] = [
        ("<think>a</think>b", &[("thinking", "a"), ("text", "b")]),
        ("<think>\na \n b\n </think>\n\nb ", &[("thinking", "a \n b"), ("text", "b ")]),
        (" \n\u{a0}<think>a</think>b", &[("thinking", "a"), ("text", "b")]),
        ("<think>a \n", &[("thinking", "a \n")]),
        ("<think>a</thin", &[("thinking", "a</thin")]),
        ("<think>a</think>", &[("thinking", "a")]),
        ("<think>\n\n</think>\n\nb", &[("text", "b")]),
        ("<think> \n</think> \n", &[]),
        ("<think>a<</think>b</think>c", &[("thinking", "a<"), ("text", "b</think>c")]),
        ("<think>a</think>b<think>c</think>", &[("thinking", "a"), ("text", "b<think>c</think>")]),
        ("<thin", &[("text", "<thin")]),
        ("  ", &[("text", "  ")]),
        ("a<think>b</think>c", &[("text", "a<think>b</think>c")]),
        ("<thinking>a</thinking>b", &[("text", "<thinking>a</thinking>b")]),
    ];
    for (text, want) in rows {
        assert_eq!(streamed(&[text]), owned(want), "{text:?}");
        assert_eq!(whole(text), owned(want), "{text:?} whole");
    }
}

#[test]
fn text_leaves_as_it_came_and_as_soon_as_no_tag_can_begin() {
    let mut thoughts = Thoughts::of_stream();
    let mut out = Vec::new();
    thoughts.event(Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text }, &mut out);
    thoughts.event(Event::Delta { choice: 0, block: 0, text: " <th".into() }, &mut out);
    assert!(out.is_empty(), "{out:?}");
    thoughts.event(Event::Delta { choice: 0, block: 0, text: "ree>".into() }, &mut out);
    let lines: Vec<String> = out.iter().map(describe).collect();
    assert_eq!(lines, ["0 start text", "0 \" <th\"", "0 \"ree>\""]);
}

#[test]
fn a_thought_leaves_as_it_comes_but_for_the_beginning_of_a_tag() {
    let mut thoughts = Thoughts::of_stream();
    let mut told = Vec::new();
    let mut out = Vec::new();
    thoughts.event(Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text }, &mut out);
    for piece in ["<think>\n", "Let me ", "see</thi", "s</", "think>\n", "\nYes"] {
        thoughts.event(Event::Delta { choice: 0, block: 0, text: piece.into() }, &mut out);
        told.push(out.drain(..).map(|event| describe(&event)).collect::<Vec<_>>().join(", "));
    }
    let want = ["", "0 start thinking, 0 \"Let me\"", "0 \" see\"", "0 \"</this\"", "0 end", "1 start text, 1 \"Yes\""];
    assert_eq!(told, want);
}

#[test]
fn other_blocks_keep_their_order() {
    let call = || BlockKind::ToolCall { id: None, name: "f".into(), signature: None };
    for (text, want) in [
        ("<think>a</think>b", "thinking text call"),
        ("<think>a</think>", "thinking call"),
        ("<think></think>", "call"),
        ("b", "text call"),
    ] {
        let mut thoughts = Thoughts::of_stream();
        let mut out = Vec::new();
        let events = [
            Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text },
            Event::Delta { choice: 0, block: 0, text: text.into() },
            Event::BlockEnd { choice: 0, block: 0, signature: None },
            Event::BlockStart { choice: 0, block: 1, kind: call() },
            Event::Delta { choice: 0, block: 1, text: "{}".into() },
            Event::BlockEnd { choice: 0, block: 1, signature: None },
        ];
        events.into_iter().for_each(|event| thoughts.event(event, &mut out));
        let answer = fold(out).unwrap();
        let kinds = answer.choices[0].blocks.iter().map(|block| match &block.kind {
            BlockKind::Text => "text",
            BlockKind::Thinking => "thinking",
            _ => "call",
        });
        assert_eq!(kinds.collect::<Vec<_>>().join(" "), want, "{text}");
        assert_eq!(answer.choices[0].blocks.last().unwrap().joined(), "{}", "{text}");
    }
}

#[test]
fn what_has_thinking_of_its_own_is_not_looked_into() {
    let mut thoughts = Thoughts::of_stream();
    let events = [
        Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Thinking },
        Event::Delta { choice: 0, block: 0, text: "own".into() },
        Event::BlockEnd { choice: 0, block: 0, signature: None },
        Event::BlockStart { choice: 0, block: 1, kind: BlockKind::Text },
        Event::Delta { choice: 0, block: 1, text: "<think>shown</think>".into() },
        Event::BlockEnd { choice: 0, block: 1, signature: None },
    ];
    let lines: Vec<String> = events.iter().map(describe).collect();
    let mut out = Vec::new();
    events.into_iter().for_each(|event| thoughts.event(event, &mut out));
    assert_eq!(out.iter().map(describe).collect::<Vec<_>>(), lines);
}

#[test]
fn a_broken_answer_loses_nothing() {
    for (pieces, want) in [(["", "<thi"], "<thi"), (["<think>", "a</thi"], "a</thi")] {
        let mut thoughts = Thoughts::of_stream();
        let mut out = Vec::new();
        thoughts.event(Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Text }, &mut out);
        for piece in pieces {
            thoughts.event(Event::Delta { choice: 0, block: 0, text: piece.into() }, &mut out);
        }
        thoughts.event(Event::Failure(Failure::new(Class::CutAnswer, "cut")), &mut out);
        assert!(matches!(out.last(), Some(Event::Failure(_))));
        let told = out.iter().filter_map(|event| match event {
            Event::Delta { text, .. } => Some(text.as_str().into_owned()),
            _ => None,
        });
        assert_eq!(told.collect::<String>(), want);
    }
}

#[test]
fn alternatives_are_told_apart() {
    let mut thoughts = Thoughts::of_stream();
    let mut out = Vec::new();
    for choice in [0, 1] {
        thoughts.event(Event::BlockStart { choice, block: 0, kind: BlockKind::Text }, &mut out);
    }
    for (choice, text) in [(0, "<think>a"), (1, "b"), (0, "</think>c"), (1, "<think>")] {
        thoughts.event(Event::Delta { choice, block: 0, text: text.into() }, &mut out);
    }
    for choice in [0, 1] {
        thoughts.event(Event::BlockEnd { choice, block: 0, signature: None }, &mut out);
    }
    let answer = fold(out).unwrap();
    let texts = |choice: usize| answer.choices[choice].blocks.iter().map(Block::joined).collect::<Vec<_>>();
    assert_eq!((texts(0), texts(1)), (vec!["a".to_owned(), "c".to_owned()], vec!["b<think>".to_owned()]));
}

#[test]
fn a_missing_opening_tag_is_seen_where_the_answer_is_whole() {
    assert_eq!(whole("Let me see.\n</think>\n\nYes"), owned(&[("thinking", "Let me see."), ("text", "Yes")]));
    assert_eq!(whole("Let me see.\n</think>"), owned(&[("thinking", "Let me see.")]));
    for text in [
        "The tag </think> ends a thought.",
        "It looks like this:\n```\n</think>\n```\nSee?",
        "</think>\nYes",
        "One\n</think>\ntwo\n</think>\nthree",
        "They write <think> and\n</think>\nafter it.",
    ] {
        assert_eq!(whole(text), owned(&[("text", text)]), "{text:?}");
    }
    let text = "Let me see.\n</think>\n\nYes";
    assert_eq!(streamed(&[text]), owned(&[("text", text)]), "a stream can't know");
}

#[test]
fn a_text_may_begin_within_a_thought() {
    let stream = |pieces: &[&str]| blocks(split(Thoughts::of_stream().begun(true), pieces));
    let whole = |text: &str| blocks(split(Thoughts::of_whole().begun(true), &[text]));
    let both = owned(&[("thinking", "Let me see."), ("text", "Yes")]);
    for text in ["Let me see.</think>\n\nYes", "\nLet me see.\n</think>Yes", "<think>Let me see.</think>Yes"] {
        assert_eq!(whole(text), both, "{text:?}");
        assert_eq!(stream(&[text]), both, "{text:?}");
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(stream(&characters), both, "{text:?}");
    }
    assert_eq!(whole("No thought at all."), owned(&[("text", "No thought at all.")]));
    assert_eq!(stream(&["Cut in the mid"]), owned(&[("thinking", "Cut in the mid")]));
}

/// Texts in which tags, halves of tags and blanks are more than likely.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("<think>".to_owned()),
        3 => Just("</think>".to_owned()),
        2 => "[ \n\t]{0,3}",
        1 => "[ \u{2003}]{80,140}",
        2 => "</?t?h?i?n?k?>?",
        3 => "[a-zäß😀<>/]{0,6}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The text cut at these places.
fn cut<'a>(text: &'a str, places: &[prop::sample::Index]) -> Vec<&'a str> {
    let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut at: Vec<usize> = places.iter().map(|place| borders[place.index(borders.len())]).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(text in texts(), places: Vec<prop::sample::Index>, is_begun: bool) {
        let pieces = cut(&text, &places);
        let begun = || Thoughts::of_stream().begun(is_begun);
        prop_assert_eq!(blocks(split(begun(), &pieces)), blocks(split(begun(), &[&text])));
        prop_assert_eq!(streamed(&pieces), streamed(&[&text]));
        prop_assert_eq!(blocks(split(Thoughts::of_whole(), &pieces)), whole(&text));
    }

    #[test]
    fn nothing_is_lost_but_tags_and_blanks_around_them(text in texts(), is_whole: bool) {
        let thoughts = if is_whole { Thoughts::of_whole() } else { Thoughts::of_stream() };
        let told = blocks(split(thoughts, &[&text]));
        let joined: String = told.iter().map(|(_, text)| text.as_str()).collect();
        let blanks = text.len() - text.trim_start().len();
        let is_opened = text.trim_start().starts_with(OPENING) && blanks <= BLANK_BYTES_MAX;
        if told.iter().all(|(kind, _)| *kind == "text") && !is_opened {
            prop_assert_eq!(joined, text);
        } else {
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let without = bare(&text.replacen(OPENING, "", usize::from(is_opened)).replacen(CLOSING, "", 1));
            prop_assert_eq!(bare(&joined), without);
        }
    }

    #[test]
    fn blocks_are_numbered_in_order_and_closed(text in texts(), places: Vec<prop::sample::Index>) {
        let (mut next, mut open) = (0, None);
        for event in split(Thoughts::of_stream(), &cut(&text, &places)) {
            match event {
                Event::BlockStart { block, .. } => {
                    prop_assert_eq!((block, open), (next, None));
                    (next, open) = (next + 1, Some(block));
                }
                Event::Delta { block, .. } => prop_assert_eq!(Some(block), open),
                Event::BlockEnd { block, .. } => prop_assert_eq!(Some(block), open.take()),
                _ => {}
            }
        }
        prop_assert_eq!(open, None);
    }
}

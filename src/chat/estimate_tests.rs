//! The bounds hold for what tokenizers of real models count.

use super::*;
use crate::chat::{Role, Source};
use crate::json::Json;
use crate::json::Text;

#[test]
fn an_empty_text_is_nothing() {
    assert_eq!(Estimate::of_text(""), Estimate::default());
}

proptest::proptest! {
    #[test]
    fn any_text_has_bounds_in_order(text: String) {
        let estimate = Estimate::of_text(&text);
        proptest::prop_assert!(estimate.least <= estimate.most);
        proptest::prop_assert!(estimate.most <= text.len() as u64 * 2);
    }

    #[test]
    fn two_texts_are_about_the_sum_of_both(a in "[ -~]{0,60}", b in "[ -~]{0,60}") {
        let (one, two) = (Estimate::of_text(&a), Estimate::of_text(&b));
        let both = Estimate::of_text(&format!("{a}\n{b}"));
        proptest::prop_assert!(both.most.abs_diff(one.most + two.most) <= 2);
    }
}

#[test]
fn a_word_without_end_takes_its_length_in_time() {
    let begun = std::time::Instant::now();
    let estimate = Estimate::of_text(&"aA".repeat(200_000));
    assert!(estimate.most >= 200_000, "{estimate:?}");
    // With the square of its length it is a minute.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

fn user(parts: Vec<Part>) -> Request {
    Request { messages: vec![Message::new(Role::User, parts)], ..Request::default() }
}

#[test]
fn pictures_tools_and_calls_count() {
    let bare = Estimate::of_request(&user(vec![Part::text("hi")])).most;
    let source = Source::Base64(Text::from("iVBORw0KGgo".repeat(10_000)));
    let picture = Part::Media(Media { mime: "image/png".to_owned(), source, detail: None, filename: None });
    let seen = Estimate::of_request(&user(vec![Part::text("hi"), picture]));
    assert_eq!(seen.most, bare + 768);

    let schema = r#"{"type":"object","properties":{"city":{"type":"string","description":"Name of the city"}}}"#;
    let tool = Tool {
        name: Text::from("get_weather"),
        description: Some(Text::from("Tells the weather")),
        parameters: Some(Json::known(schema)),
        strict: None,
        cache: None,
    };
    let mut with_tool = user(vec![Part::text("hi")]);
    with_tool.tools.push(tool);
    assert!(Estimate::of_request(&with_tool).most > bare + 40);

    let arguments = Json::known(format!(r#"{{"text":"{}"}}"#, "word ".repeat(500)));
    let call = Part::ToolCall { id: None, name: Text::from("say"), arguments, signature: None };
    let content = vec![Part::text("done ".repeat(500))];
    let result = Part::ToolResult { id: None, name: None, content, is_error: false };
    let estimate = Estimate::of_request(&user(vec![call, result]));
    assert!(estimate.most > 1000 && estimate.least < 1000, "{estimate:?}");
}

/// Texts, and the fewest and the most tokens that four vocabularies (of 32 000 to 200 000 entries) made of them.
const COUNTED: &[(&str, u64, u64)] = &[
    (
        "The gateway answers within a millisecond, whichever provider stands behind it; nobody notices the difference.",
        19,
        22,
    ),
    (
        "fn next(&mut self) -> Option<Bytes> {\n    let end = self.rest.iter().position(|byte| *byte == b'\\n')?;\n    Some(self.rest.split_to(end + 1))\n}\n",
        44,
        56,
    ),
    (
        "{\"id\":84213,\"name\":\"item 7\",\"price\":12.75,\"tags\":[\"a\",\"b\"],\"at\":\"2026-08-07T10:11:12Z\"}",
        40,
        54,
    ),
    ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk8M9QDwADhgGAWjR9awAAAABJRU5ErkJggg", 52, 68),
    ("3f786850e387550fdab836ed7e6dc881de23001b", 20, 36),
    ("31415926535897932384626433832795028841971693993751", 17, 51),
    ("Die Bundesregierung hat beschlossen, die Förderung für Wärmepumpen deutlich zu erhöhen.", 17, 26),
    ("Yksityiskohdat julkistetaan ensi viikolla, hallitus ilmoitti eilen.", 22, 28),
    ("Правительство объявило вчера о новой программе поддержки малого бизнеса.", 12, 31),
    ("أعلنت الحكومة أمس برنامجا جديدا لدعم الشركات الصغيرة.", 13, 48),
    ("政府昨天宣布了一项新的小企业支持计划，旨在使其更容易获得融资。", 20, 48),
    ("政府は昨日、中小企業向けの新しい支援プログラムを発表しました。", 21, 38),
    ("정부는 어제 새로운 지원 프로그램을 발표했습니다.", 11, 44),
    ("รัฐบาลประกาศโครงการสนับสนุนใหม่สำหรับธุรกิจขนาดเล็ก", 17, 56),
    ("😀😂👍🏽🔥🎉🚀🧠💻", 15, 37),
    ("\n\n        if x == 1:\n            return\n\t\tdone\n", 14, 18),
];

#[test]
fn what_tokenizers_count_lies_between_the_bounds() {
    for &(text, fewest, most) in COUNTED {
        let estimate = Estimate::of_text(text);
        assert!(estimate.least <= fewest, "{text}: at least {}, but {fewest} are enough", estimate.least);
        assert!(estimate.most >= most, "{text}: at most {}, but {most} were counted", estimate.most);
        assert!(estimate.most <= most * 2 + 4, "{text}: {} are far more than {most}", estimate.most);
    }
}

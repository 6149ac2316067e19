//! The true numbers beside each text were counted with tokenizers of real models: the smallest and the largest that they gave.

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

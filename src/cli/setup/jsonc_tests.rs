use super::*;

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn set(text: &str, names: &[&str], value: &str) -> String {
    put(text, &path(names), value, false).unwrap()
}

#[test]
fn a_member_is_added_in_the_files_own_layout() {
    assert_eq!(set("{}\n", &["a", "b"], "1"), "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
    assert_eq!(set("{ \"x\": 1 }", &["a", "b"], "2"), "{ \"x\": 1, \"a\": { \"b\": 2 } }");
    let tabs = "{\n\t\"x\": 1\n}\n";
    assert_eq!(set(tabs, &["a", "b"], "2"), "{\n\t\"x\": 1,\n\t\"a\": {\n\t\t\"b\": 2\n\t}\n}\n");
    assert_eq!(set("{\r\n  \"x\": 1\r\n}\r\n", &["a"], "2"), "{\r\n  \"x\": 1,\r\n  \"a\": 2\r\n}\r\n");
}

#[test]
fn comments_and_trailing_commas_stay() {
    let text = "// mine: \"a\": {\n{\n  /* , } */ \"x\": \"http://no-comment\", // é\n  \"a\": {\n    \"c\": [1, 2,], // c\n  },\n}\n";
    let expected = text.replace("\"c\": [1, 2,], // c", "\"c\": [1, 2,],\n    \"b\": true, // c");
    assert_eq!(set(text, &["a", "b"], "true"), expected);
    assert_eq!(set("{ // why\n}", &["a"], "1"), "{\n  \"a\": 1 // why\n}");
}

#[test]
fn a_value_that_is_there_is_replaced_once() {
    let text = "{\"a\": {\"b\" : \"old\"}, \"a\": {\"b\" : \"last\"}}";
    let once = set(text, &["a", "b"], "\"new\"");
    assert_eq!(once, "{\"a\": {\"b\" : \"old\"}, \"a\": {\"b\" : \"new\"}}");
    assert_eq!(set(&once, &["a", "b"], "\"new\""), once);
    assert_eq!(put(text, &path(&["a", "b"]), "1", true).unwrap(), text);
}

#[test]
fn an_item_of_an_array_goes_by_its_name() {
    let text = "[\n  { \"name\": \"other\", \"url\": 1 }\n]\n";
    let once = set(text, &["[we]", "url"], "2");
    assert_eq!(once, "[\n  { \"name\": \"other\", \"url\": 1 },\n  {\n    \"name\": \"we\",\n    \"url\": 2\n  }\n]\n");
    assert_eq!(set(&once, &["[we]", "url"], "3"), once.replace("\"url\": 2", "\"url\": 3"));
    assert_eq!(set("[]\n", &["[we]", "url"], "2"), "[\n  {\n    \"name\": \"we\",\n    \"url\": 2\n  }\n]\n");
}

#[test]
fn what_is_not_json_or_of_another_shape_is_refused() {
    for text in ["", "{", "{\"a\": }", "{\"a\": 1} {}", "{a: 1}", "\"", "/* {} "] {
        assert!(put(text, &path(&["a"]), "1", false).is_err(), "{text}");
    }
    for text in ["[]", "{\"a\": 1}", "{\"a\": []}", "{\"a\": null}", "3"] {
        assert!(put(text, &path(&["a", "b"]), "1", false).is_err(), "{text}");
    }
    assert!(put("{}", &path(&["[we]", "b"]), "1", false).is_err());
}

#[test]
fn without_what_is_ours_two_files_are_equal_or_not() {
    let ours = path(&["a", "b"]);
    for before in ["{}", "{\"a\": {}}", "{ // c\n \"x\": 1, \"a\": {\n \"z\": 2 } }"] {
        let after = put(before, &ours, "1", false).unwrap();
        let left = without(&after, &ours).unwrap();
        assert_eq!(left, without(before, &ours).unwrap(), "{before}");
        assert_ne!(without(&after.replace("1", "1, \"y\": 3"), &ours).unwrap(), left, "{before}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[{}\\[\\]\"/*, :a1\\\\\né]{0,40}") {
        let _ = put(&text, &path(&["a", "b"]), "1", false);
        let _ = without(&text, &path(&["[a]", "b"]));
    }
}

use proptest::prelude::*;

use super::*;

fn rewritten(schema: &str, form: Form) -> String {
    of_answer(&Json::known(schema.to_owned()), form, &[]).as_str().to_owned()
}

#[test]
fn json_schema_keeps_what_google_knows() {
    let rows = [
        (
            r#"{"type":"object","properties":{"a":{"type":"STRING","minLength":2}},"required":["a","b"],"additionalProperties":false,"$schema":"x"}"#,
            r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#,
        ),
        (r#"{"const":5}"#, r#"{"type":"integer","enum":[5]}"#),
        (r#"{"const":true}"#, r#"{"type":"boolean"}"#),
        (r#"{"enum":["a",null]}"#, r#"{"type":["string","null"],"enum":["a"]}"#),
        (
            r#"{"oneOf":[{"type":"string","format":"email"},{"type":"number","minimum":1.50,"exclusiveMaximum":9}]}"#,
            r#"{"anyOf":[{"type":"string","format":"email"},{"type":"number","minimum":1.50}]}"#,
        ),
        (r#"{"type":"string","nullable":true}"#, r#"{"type":["string","null"]}"#),
        (
            r#"{"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":true},"required":["b"]}],"not":{}}"#,
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{}},"required":["a","b"]}"#,
        ),
        (
            r#"{"type":"array","items":[{"type":"string"},{"type":"number"}],"uniqueItems":true,"maxItems":2}"#,
            r#"{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"maxItems":2}"#,
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
            r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
        ),
        ("true", "{}"),
    ];
    for (schema, want) in rows {
        assert_eq!(rewritten(schema, Form::Json), want, "{schema}");
    }
}

#[test]
fn definitions_are_put_in_and_circles_cut() {
    let schema = r##"{"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","description":"a \"node\"","properties":{
        "next":{"$ref":"#/$defs/Node"},"at":{"$ref":"#/definitions/a~1b"}},"required":["at"]}},
        "definitions":{"a/b":{"title":"P","type":"integer"}}}"##;
    let want = r#"{"type":"object","description":"a \"node\"","properties":{"next":{"type":"object"},"at":{"type":"integer","title":"P"}},"required":["at"]}"#;
    assert_eq!(rewritten(schema, Form::Json), want);
    assert_eq!(rewritten(r##"{"$ref":"#"}"##, Form::Json), r#"{"type":"object"}"#);
    assert_eq!(rewritten(r#"{"$ref":"other.json","title":"t"}"#, Form::Json), r#"{"title":"t"}"#);
}

#[test]
fn older_models_get_the_openapi_subset() {
    let rows = [
        (
            r#"{"type":["string","null"],"format":"email","description":"To whom."}"#,
            r#"{"type":"string","description":"To whom. Format: email.","nullable":true}"#,
        ),
        (
            r#"{"type":"string","format":"date-time","pattern":"^2","minLength":3}"#,
            r#"{"type":"string","format":"date-time","minLength":3,"pattern":"^2"}"#,
        ),
        (
            r#"{"type":["string","integer"],"description":"d"}"#,
            r#"{"description":"d","anyOf":[{"type":"string"},{"type":"integer"}]}"#,
        ),
        (r#"{"type":"integer","enum":[1,2]}"#, r#"{"type":"integer","description":"One of 1, 2."}"#),
        (r#"{"const":"x"}"#, r#"{"type":"string","enum":["x"]}"#),
        (r#"{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null}"#, r#"{"type":"integer","nullable":true}"#),
        (r#"{"type":"array"}"#, r#"{"type":"array","items":{"type":"string"}}"#),
        (
            r#"{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}]}"#,
            r#"{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"integer"}]},"minItems":2,"maxItems":2}"#,
        ),
        (
            r#"{"type":"object","properties":{"a":true,"b":false},"additionalProperties":false,"required":["b","a"]}"#,
            r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#,
        ),
    ];
    for (schema, want) in rows {
        assert_eq!(rewritten(schema, Form::OpenApi), want, "{schema}");
    }
}

#[test]
fn arguments_that_say_nothing_are_left_out() {
    let arguments = |schema: &str, form| of_arguments(&Json::known(schema.to_owned()), form, &[]);
    for schema in ["null", "{}", "[]", r#"{"type":"object","properties":{}}"#] {
        assert_eq!(arguments(schema, Form::OpenApi), None, "{schema}");
    }
    let empty = r#"{"type":"object","properties":{}}"#;
    assert_eq!(arguments(empty, Form::Json).unwrap().as_str(), empty);
    assert_eq!(arguments("null", Form::Json), None);
}

#[test]
fn a_providers_entry_takes_keywords_out() {
    let schema = Json::known(r#"{"type":"string","format":"x","title":"t"}"#);
    assert_eq!(of_answer(&schema, Form::Json, &["format".to_owned()]).as_str(), r#"{"type":"string","title":"t"}"#);
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{}{}{}", r#"{"items":"#.repeat(5_000), "{}", "}".repeat(5_000));
    for form in [Form::Json, Form::OpenApi] {
        assert!(rewritten(&deep, form).len() < 2_000);
    }
    let level = |n: usize| {
        format!(
            r##""d{n}":{{"properties":{{"a":{{"$ref":"#/$defs/d{m}"}},"b":{{"$ref":"#/$defs/d{m}"}}}}}}"##,
            m = n + 1
        )
    };
    let levels: Vec<String> = (0..20).map(level).collect();
    let wide = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, levels.join(","));
    assert!(rewritten(&wide, Form::Json).len() < 400_000);
}

/// Schemas, sane and not.
fn any_schema() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let name = prop_oneof![Just("a"), Just("b"), Just("c/d")];
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        prop::sample::select(vec!["string", "INTEGER", "null", "any", "array", "object", "boolean"])
            .prop_map(|t| json!({"type": t})),
        Just(json!({"type": ["string", "null", "integer"], "enum": ["x", 1, null], "description": "d\u{2028}\"q\""})),
        Just(json!({"const": null})),
        Just(json!({"const": "x", "format": "uuid"})),
        Just(json!({"enum": ["x", true]})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/properties/a"})),
        Just(json!({"$ref": "#/anyOf/0"})),
        Just(json!({"type": "string", "minLength": 1, "nullable": true, "title": 5, "examples": []})),
        Just(json!({"format": "int32", "type": "integer", "minimum": -1.5e3})),
    ];
    leaf.prop_recursive(5, 60, 4, move |inner| {
        let map = prop::collection::vec((name.clone(), inner.clone()), 0..4)
            .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>());
        let list = prop::collection::vec(inner.clone(), 0..4);
        let keyed = |key: &'static str| list.clone().prop_map(move |items| json!({key: items}));
        prop_oneof![
            map.prop_map(|p| json!({"properties": p, "required": ["a", "zz", "a"]})),
            keyed("anyOf"),
            keyed("oneOf"),
            keyed("allOf"),
            keyed("prefixItems"),
            keyed("items"),
            (inner.clone(), list.clone())
                .prop_map(|(i, l)| json!({"type": ["array", "object"], "items": i, "anyOf": l})),
            (inner.clone(), inner.clone()).prop_map(|(i, a)| json!({"items": i, "additionalProperties": a, "not": {}})),
            (inner.clone(), list.clone())
                .prop_map(|(i, l)| json!({"allOf": l, "properties": {"a": i}, "anyOf": [{"type": "null"}, i]})),
        ]
    })
}

/// Every keyword of a schema and of those inside it is one that the form takes.
fn check_keywords(schema: &serde_json::Value, form: Form) {
    let both = [
        "type",
        "title",
        "description",
        "format",
        "enum",
        "properties",
        "required",
        "items",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
    ];
    let own: &[&str] = match form {
        Form::Json => &["prefixItems", "additionalProperties"],
        Form::OpenApi => &["nullable", "minLength", "maxLength", "pattern", "minProperties", "maxProperties"],
    };
    let Some(members) = schema.as_object() else {
        assert!(schema.is_boolean() && form == Form::Json, "{schema}");
        return;
    };
    for (key, value) in members {
        assert!(both.contains(&key.as_str()) || own.contains(&key.as_str()), "{key}");
        match key.as_str() {
            "properties" => value.as_object().unwrap().values().for_each(|inner| check_keywords(inner, form)),
            "items" | "additionalProperties" => check_keywords(value, form),
            "anyOf" | "prefixItems" => value.as_array().unwrap().iter().for_each(|inner| check_keywords(inner, form)),
            "type" if form == Form::OpenApi => assert!(value.is_string()),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn rewriting_is_idempotent_and_leaves_known_keywords(schema in any_schema(), older: bool) {
        let form = if older { Form::OpenApi } else { Form::Json };
        let once = rewritten(&schema.to_string(), form);
        check_keywords(&serde_json::from_str(&once).unwrap(), form);
        prop_assert_eq!(rewritten(&once, form), once);
    }
}

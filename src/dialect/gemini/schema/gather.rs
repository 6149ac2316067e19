//! What one schema says, with its references followed and its `allOf` merged.

use std::borrow::Cow;

use super::{Form, Rewriter};
use crate::json::{Kind, Value};

/// So many `allOf` and references are followed into each other.
const MERGES_MAX: usize = 64;

/// The keywords of one schema. Where merged schemas disagree, the first counts.
#[derive(Debug, Default)]
pub(super) struct Keywords<'a> {
    pub(super) types: Vec<Cow<'a, str>>,
    /// Null is allowed, by whatever way of saying it.
    pub(super) is_nullable: bool,
    /// `enum`, or `const`.
    pub(super) values: Vec<Value<'a>>,
    pub(super) properties: Vec<(Cow<'a, str>, Value<'a>)>,
    /// `properties` stands there, though it may be empty.
    pub(super) has_properties: bool,
    pub(super) required: Vec<Cow<'a, str>>,
    /// `anyOf`, or `oneOf`.
    pub(super) any_of: Vec<Value<'a>>,
    others: Vec<(Cow<'a, str>, Value<'a>)>,
    merges: usize,
}

impl<'a> Keywords<'a> {
    /// A keyword that has no field of its own.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.others.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }

    /// The schemas of a tuple's places: `prefixItems`, or `items` as a list (drafts before 2020-12).
    pub(super) fn tuple(&self) -> impl Iterator<Item = Value<'a>> {
        let list = |key| self.get(key).into_iter().flat_map(Value::items);
        let is_schema = |item: &Value<'a>| matches!(item.kind(), Kind::Object | Kind::Bool);
        list("prefixItems").chain(list("items")).filter(is_schema)
    }

    /// Does it allow everything?
    pub(super) fn is_empty(&self) -> bool {
        let says_nothing = self.types.is_empty() && self.values.is_empty() && self.properties.is_empty();
        says_nothing && self.any_of.is_empty() && self.get("items").is_none() && self.get("prefixItems").is_none()
    }

    /// The type, where it is not named. The older form must have one.
    pub(super) fn implied_type(&self, form: Form) -> Option<&'static str> {
        if self.has_properties {
            return Some("object");
        }
        if self.get("items").is_some() || self.get("prefixItems").is_some() {
            return Some("array");
        }
        // Those that are written count; where none is, those that are not.
        let written = |v: &Value<'a>| matches!(v.kind(), Kind::String | Kind::Number);
        let are_written = self.values.iter().any(written);
        let values: Vec<Value<'a>> = self.values.iter().copied().filter(|v| written(v) || !are_written).collect();
        let all = |kind| !values.is_empty() && values.iter().all(|value| value.kind() == kind);
        let is_whole = values.iter().all(|value| !value.as_str().contains(['.', 'e', 'E']));
        match () {
            () if all(Kind::String) => Some("string"),
            () if all(Kind::Number) && is_whole => Some("integer"),
            () if all(Kind::Number) => Some("number"),
            () if all(Kind::Bool) => Some("boolean"),
            () if all(Kind::Null) && form == Form::Json => Some("null"),
            () => (form == Form::OpenApi).then_some("string"),
        }
    }

    /// Are all its values strings, but for null?
    pub(super) fn has_strings_only(&self) -> bool {
        self.values.iter().all(|value| matches!(value.kind(), Kind::String | Kind::Null))
    }

    fn keep(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        if self.get(&key).is_none() {
            self.others.push((key, value));
        }
    }

    fn add_types(&mut self, value: Value<'a>) {
        if !self.types.is_empty() {
            return;
        }
        self.types.extend(value.string());
        self.types.extend(value.items().filter_map(Value::string));
        self.is_nullable |= self.types.len() > 1 && self.types.iter().any(|t| t.eq_ignore_ascii_case("null"));
    }

    fn add_properties(&mut self, value: Value<'a>) {
        self.has_properties |= value.kind() == Kind::Object;
        for (name, schema) in value.members() {
            let is_schema = schema.kind() == Kind::Object || schema.as_str() == "true";
            if is_schema && !self.properties.iter().any(|(known, _)| *known == name) {
                self.properties.push((name, schema));
            }
        }
    }

    fn add_required(&mut self, value: Value<'a>) {
        for name in value.items().filter_map(Value::string) {
            if !self.required.contains(&name) {
                self.required.push(name);
            }
        }
    }

    fn add_values(&mut self, values: impl Iterator<Item = Value<'a>>) {
        if self.values.is_empty() {
            self.values.extend(values);
        }
    }
}

impl<'a> Rewriter<'a> {
    /// Reads a schema; the references that were followed stay in `active`, so that a schema that holds itself is found out.
    pub(super) fn gather(&mut self, schema: Value<'a>) -> Keywords<'a> {
        let mut keywords = Keywords::default();
        self.gather_into(&mut keywords, schema);
        let nulls = keywords.values.iter().filter(|value| value.is_null()).count();
        keywords.is_nullable |= nulls > 0 && nulls < keywords.values.len();
        keywords
    }

    fn gather_into(&mut self, k: &mut Keywords<'a>, schema: Value<'a>) {
        k.merges += 1;
        if k.merges > MERGES_MAX {
            return;
        }
        for (key, value) in schema.members() {
            if self.drop.iter().any(|dropped| *dropped == key) {
                continue;
            }
            match key.as_ref() {
                "type" => k.add_types(value),
                "nullable" => k.is_nullable |= value.bool() == Some(true),
                "enum" => k.add_values(value.items()),
                "const" => k.values = vec![value],
                "properties" => k.add_properties(value),
                "required" => k.add_required(value),
                "allOf" => value.items().for_each(|part| self.gather_into(k, part)),
                "anyOf" | "oneOf" => self.add_branches(k, value),
                "$ref" => self.follow(k, value),
                _ => k.keep(key, value),
            }
        }
    }

    fn follow(&mut self, k: &mut Keywords<'a>, reference: Value<'a>) {
        let Some(name) = reference.string() else { return };
        if self.active.iter().any(|open| *open == name) {
            if k.types.is_empty() {
                k.types.push("object".into());
            }
            return;
        }
        let target = pointed_at(self.root, &name);
        self.active.push(name.into_owned());
        if let Some(target) = target {
            self.gather_into(k, target);
        }
    }

    /// Alternatives. The older form says "or null" by `nullable`; an only alternative is no alternative.
    fn add_branches(&mut self, k: &mut Keywords<'a>, value: Value<'a>) {
        if !k.any_of.is_empty() {
            return;
        }
        let mut branches: Vec<Value<'a>> = value.items().filter(|branch| branch.as_str() != "false").collect();
        if self.form == Form::OpenApi {
            let before = branches.len();
            branches.retain(|branch| !is_null(*branch));
            k.is_nullable |= branches.len() < before;
        }
        match branches.as_slice() {
            [only] => self.gather_into(k, *only),
            _ => k.any_of = branches,
        }
    }
}

fn is_null(schema: Value<'_>) -> bool {
    schema.get("type").and_then(Value::string).is_some_and(|t| t.eq_ignore_ascii_case("null"))
}

/// The schema at a JSON pointer (RFC 6901) into the same document: `#/$defs/Point`.
fn pointed_at<'a>(root: Value<'a>, reference: &str) -> Option<Value<'a>> {
    let decoded = percent_encoding::percent_decode_str(reference.strip_prefix('#')?).decode_utf8_lossy();
    decoded.split('/').skip(1).try_fold(root, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value.kind() {
            Kind::Array => value.items().nth(step.parse().ok()?),
            _ => value.get(&step),
        }
    })
}

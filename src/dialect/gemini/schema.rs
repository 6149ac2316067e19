//! JSON Schema rewritten to what Google takes.
//!
//! Two forms: [`Form::Json`] for `parametersJsonSchema` and `responseJsonSchema` (Gemini 2.0 and later), and [`Form::OpenApi`]
//! for `parameters` and `responseSchema` of older models. An unknown keyword is refused with a 400, so that only what is
//! known to be taken is written. What a schema says beyond that is dropped (it only makes it laxer), except that definitions are put
//! where they are used, `allOf` is merged, `const` and `oneOf` become `enum` and `anyOf`, and a format or a list of
//! numbers that the older form refuses goes into the description. Source: Google's API description, 2026-08, and error
//! messages in public threads.

use std::borrow::Cow;

use crate::json::{Json, Kind, Style, Value, Writer};

mod gather;
use gather::Keywords;

/// Schemas nested deeper are cut to "some object".
const DEPTH_MAX: usize = 24;
/// A schema with more nodes, definitions put in, is cut: definitions that use each other can grow without end.
const NODES_MAX: usize = 4_000;

/// Which of Google's two schema languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A subset of JSON Schema.
    Json,
    /// A subset of OpenAPI 3.0's schema object.
    OpenApi,
}

/// The schema of an answer.
pub(super) fn of_answer(schema: &Json, form: Form, drop: &[String]) -> Json {
    rewrite(schema, form, drop)
}

/// The schema of a function's arguments; none where there is nothing to say: an object without members is refused in the older
/// form.
pub(super) fn of_arguments(schema: &Json, form: Form, drop: &[String]) -> Option<Json> {
    let root = schema.value();
    if root.kind() != Kind::Object || root.members().next().is_none() {
        return None;
    }
    let rewritten = rewrite(schema, form, drop);
    let has_members = rewritten.value().get("properties").is_some_and(|p| p.members().next().is_some());
    let is_object = rewritten.value().get("type").and_then(Value::string).is_some_and(|t| t == "object");
    let says_something = match form {
        Form::Json => rewritten.value().members().next().is_some(),
        Form::OpenApi => is_object && has_members,
    };
    says_something.then_some(rewritten)
}

fn rewrite(schema: &Json, form: Form, drop: &[String]) -> Json {
    let mut rewriter = Rewriter { root: schema.value(), form, drop, active: Vec::new(), nodes: 0 };
    let mut w = Writer::new(Style::Plain);
    rewriter.write(&mut w, schema.value(), 0);
    Json::known(w.into_bytes())
}

struct Rewriter<'a> {
    root: Value<'a>,
    form: Form,
    /// Keywords that the provider's entry takes out.
    drop: &'a [String],
    /// The references that the schema at hand stands inside.
    active: Vec<String>,
    nodes: usize,
}

impl<'a> Rewriter<'a> {
    /// Writes one schema and those inside it.
    fn write(&mut self, w: &mut Writer, schema: Value<'a>, depth: usize) {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return write_cut(w);
        }
        let outer = self.active.len();
        let keywords = self.gather(schema);
        self.write_keywords(w, &keywords, depth);
        self.active.truncate(outer);
    }

    fn write_keywords(&mut self, w: &mut Writer, k: &Keywords<'a>, depth: usize) {
        let types = self.types(k);
        let branches = self.branches(k, &types, depth);
        let is_open = self.form == Form::OpenApi && branches.is_some();
        w.object(|w| {
            if !is_open {
                self.write_type(w, &types);
            }
            write_text(w, "title", k.get("title"));
            self.write_description(w, k, &types);
            if self.form == Form::OpenApi && k.is_nullable {
                w.key("nullable").bool(true);
            }
            if !is_open {
                self.write_body(w, k, &types, depth);
            }
            if let Some(branches) = branches {
                w.key("anyOf").json(&branches);
            }
        });
    }

    /// What goes with a type. In the older form nothing of it may stand beside `anyOf`.
    fn write_body(&mut self, w: &mut Writer, k: &Keywords<'a>, types: &[&'static str], depth: usize) {
        if let Some(format) = k.get("format").filter(|format| self.takes_format(*format, types)) {
            w.key("format").raw(format.as_str());
        }
        self.write_enum(w, k, types);
        self.write_object(w, k, depth);
        self.write_array(w, k, types, depth);
        for key in self.bounds() {
            if let Some(number) = k.get(key).filter(|value| value.kind() == Kind::Number) {
                w.key(key).raw(number.as_str());
            }
        }
        if let Some(pattern) = k.get("pattern").filter(|_| self.form == Form::OpenApi) {
            write_text(w, "pattern", Some(pattern));
        }
    }

    fn bounds(&self) -> &'static [&'static str] {
        match self.form {
            Form::Json => &["minimum", "maximum"],
            Form::OpenApi => &["minimum", "maximum", "minLength", "maxLength", "minProperties", "maxProperties"],
        }
    }

    fn write_object(&mut self, w: &mut Writer, k: &Keywords<'a>, depth: usize) {
        let has_place = !k.properties.is_empty() || (self.form == Form::Json && k.has_properties);
        if has_place {
            w.key("properties").object(|w| {
                for (name, schema) in &k.properties {
                    w.key(name);
                    self.write(w, *schema, depth + 1);
                }
            });
        }
        let is_known = |name: &&Cow<'a, str>| k.properties.iter().any(|(known, _)| known == *name);
        let required: Vec<_> = k.required.iter().filter(is_known).collect();
        if !required.is_empty() {
            w.key("required").array(|w| required.iter().for_each(|name| w.str(name)));
        }
        if self.form == Form::OpenApi {
            return;
        }
        match k.get("additionalProperties") {
            Some(allowed) if allowed.kind() == Kind::Bool => w.key("additionalProperties").raw(allowed.as_str()),
            Some(schema) if schema.kind() == Kind::Object => {
                w.key("additionalProperties");
                self.write(w, schema, depth + 1);
            }
            _ => {}
        }
    }

    fn write_array(&mut self, w: &mut Writer, k: &Keywords<'a>, types: &[&'static str], depth: usize) {
        let one = k.get("items").filter(|items| items.kind() == Kind::Object);
        let tuple: Vec<Value<'a>> = k.tuple().collect();
        let places = tuple.len();
        if self.form == Form::OpenApi {
            if let Some(items) = OlderItems::of(one, tuple, types.contains(&"array")) {
                w.key("items");
                self.write_older_items(w, &items, depth + 1);
            }
            return write_lengths(w, k, (places > 0).then_some(places));
        }
        if let Some(items) = one {
            w.key("items");
            self.write(w, items, depth + 1);
        }
        if places > 0 {
            w.key("prefixItems").array(|w| tuple.iter().for_each(|item| self.write(w, *item, depth + 1)));
        }
        write_lengths(w, k, None);
    }

    /// The older form has lists of one kind, and must be told which: a tuple becomes a list of any of its kinds.
    fn write_older_items(&mut self, w: &mut Writer, items: &OlderItems<'a>, depth: usize) {
        if depth > DEPTH_MAX {
            return write_cut(w);
        }
        match items {
            OlderItems::One(schema) => self.write(w, *schema, depth),
            OlderItems::Any(kinds) => w.object(|w| {
                w.key("anyOf").array(|w| kinds.iter().for_each(|kind| self.write(w, *kind, depth + 1)));
            }),
            OlderItems::Untold => w.object(|w| w.key("type").str("string")),
        }
    }

    /// The alternatives, as an array. One that allows everything makes all of them pointless.
    fn branches(&mut self, k: &Keywords<'a>, types: &[&'static str], depth: usize) -> Option<Json> {
        let mut w = Writer::new(Style::Plain);
        if self.has_alternatives(k) {
            w.array(|w| k.any_of.iter().for_each(|branch| self.write(w, *branch, depth + 1)));
        } else if self.form == Form::OpenApi && types.len() > 1 {
            w.array(|w| types.iter().for_each(|only| self.write_one_type(w, k, only, depth + 1)));
        } else {
            return None;
        }
        let written = Json::known(w.into_bytes());
        let is_pointless = written.value().items().any(|branch| branch.members().next().is_none());
        (!is_pointless).then_some(written)
    }

    fn has_alternatives(&mut self, k: &Keywords<'a>) -> bool {
        let has_own_body = !k.properties.is_empty() || k.get("items").is_some();
        match self.form {
            Form::Json => !k.any_of.is_empty(),
            Form::OpenApi => !k.any_of.is_empty() && !has_own_body && !self.is_pointless(&k.any_of),
        }
    }

    /// Does one of the alternatives say nothing that can be written?
    fn is_pointless(&mut self, any_of: &[Value<'a>]) -> bool {
        any_of.iter().any(|branch| {
            let outer = self.active.len();
            let k = self.gather(*branch);
            self.active.truncate(outer);
            k.is_empty()
        })
    }

    /// One of several types, with what belongs to it.
    fn write_one_type(&mut self, w: &mut Writer, k: &Keywords<'a>, only: &'static str, depth: usize) {
        if depth > DEPTH_MAX {
            return write_cut(w);
        }
        let types = [only];
        w.object(|w| {
            self.write_type(w, &types);
            match only {
                "object" => self.write_object(w, k, depth),
                "array" => self.write_array(w, k, &types, depth),
                "string" => self.write_enum(w, k, &types),
                _ => {}
            }
        });
    }

    /// The types that are allowed, in small letters, unknown ones left out; read from the other keywords where none is named.
    fn types(&self, k: &Keywords<'a>) -> Vec<&'static str> {
        let mut types: Vec<&'static str> = Vec::new();
        for name in k.types.iter().filter_map(|name| known_type(name)) {
            let is_refused = name == "null" && self.form == Form::OpenApi;
            if !is_refused && !types.contains(&name) {
                types.push(name);
            }
        }
        if types.is_empty() {
            types.extend(k.implied_type(self.form));
        }
        let wants_null = self.form == Form::Json && k.is_nullable && !types.is_empty();
        if wants_null && !types.contains(&"null") {
            types.push("null");
        }
        types
    }

    fn write_type(&self, w: &mut Writer, types: &[&'static str]) {
        match types {
            [] => {}
            [one] => w.key("type").str(one),
            many => w.key("type").array(|w| many.iter().for_each(|t| w.str(t))),
        }
    }

    fn write_enum(&self, w: &mut Writer, k: &Keywords<'a>, types: &[&'static str]) {
        let values = self.enum_values(k, types);
        if !values.is_empty() {
            w.key("enum").array(|w| values.iter().for_each(|value| w.raw(value.as_str())));
        }
    }

    /// In the older form values are strings, of a string.
    fn enum_values(&self, k: &Keywords<'a>, types: &[&'static str]) -> Vec<Value<'a>> {
        let values = k.values.iter().copied();
        match self.form {
            Form::Json => values.filter(|v| matches!(v.kind(), Kind::String | Kind::Number)).collect(),
            Form::OpenApi if types == ["string"] && k.has_strings_only() => values.filter(|v| !v.is_null()).collect(),
            Form::OpenApi => Vec::new(),
        }
    }

    /// The older form refuses formats of strings that it doesn't know.
    fn takes_format(&self, format: Value<'a>, types: &[&'static str]) -> bool {
        let Some(name) = format.string() else { return false };
        let is_string = types.contains(&"string");
        match self.form {
            Form::Json => true,
            Form::OpenApi if is_string => matches!(name.as_ref(), "date-time" | "enum"),
            Form::OpenApi => matches!(name.as_ref(), "int32" | "int64" | "float" | "double"),
        }
    }

    /// The description, with what has no other place.
    fn write_description(&self, w: &mut Writer, k: &Keywords<'a>, types: &[&'static str]) {
        let told = k.get("description").and_then(Value::string).unwrap_or_default();
        let mut more = Vec::new();
        if self.form == Form::OpenApi {
            let format = k.get("format").filter(|format| !self.takes_format(*format, types)).and_then(Value::string);
            more.extend(format.map(|name| format!("Format: {name}.")));
            let is_kept = k.has_strings_only() && types.contains(&"string");
            let shown: Vec<&str> = k.values.iter().filter(|v| !v.is_null()).map(|v| v.as_str()).collect();
            if !is_kept && !shown.is_empty() {
                more.push(format!("One of {}.", shown.join(", ")));
            }
        }
        if told.is_empty() && more.is_empty() {
            return;
        }
        let whole = [told].into_iter().chain(more.into_iter().map(Cow::Owned)).filter(|s| !s.is_empty());
        w.key("description").str(&whole.collect::<Vec<_>>().join(" "));
    }
}

/// What the items of a list are, in the older form.
enum OlderItems<'a> {
    One(Value<'a>),
    Any(Vec<Value<'a>>),
    /// Nobody says, but something must be said.
    Untold,
}

impl<'a> OlderItems<'a> {
    fn of(one: Option<Value<'a>>, tuple: Vec<Value<'a>>, is_array: bool) -> Option<OlderItems<'a>> {
        match (tuple.as_slice(), one) {
            ([only], _) => Some(OlderItems::One(*only)),
            ([_, ..], _) => Some(OlderItems::Any(tuple)),
            ([], Some(schema)) => Some(OlderItems::One(schema)),
            ([], None) => is_array.then_some(OlderItems::Untold),
        }
    }
}

/// How long a list may be: as it says, else as long as the tuple that it was.
fn write_lengths(w: &mut Writer, k: &Keywords<'_>, places: Option<usize>) {
    for key in ["minItems", "maxItems"] {
        match k.get(key).filter(|value| value.kind() == Kind::Number) {
            Some(number) => w.key(key).raw(number.as_str()),
            None => places.into_iter().for_each(|places| w.key(key).int(places as i64)),
        }
    }
}

/// What stands for a schema that is too deep, or holds itself.
fn write_cut(w: &mut Writer) {
    w.object(|w| w.key("type").str("object"));
}

fn write_text(w: &mut Writer, key: &str, value: Option<Value<'_>>) {
    if let Some(text) = value.and_then(Value::text) {
        w.key(key).text(&text);
    }
}

fn known_type(name: &str) -> Option<&'static str> {
    ["object", "array", "string", "number", "integer", "boolean", "null"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;

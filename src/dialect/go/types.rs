//! Checking a document against the Go types that it is decoded into, with the error that Go's decoder would give.
//!
//! Go notes a wrong type and reads on, so the first one is reported; but a type that decodes itself ends the reading at
//! once when it fails, and its error wins. The error names the innermost plain struct, the path of JSON keys and the Go type.

use crate::json::{Kind, Value};

use super::json::base64_error;

/// A Go type, as far as decoding shows it.
pub(in crate::dialect) enum Type {
    /// Takes anything (`any`, `json.RawMessage`).
    Any,
    /// `string`
    Str,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// A float: `float64` or `float32`.
    Float(&'static str),
    /// A byte slice, base64 on the wire; with its name.
    Bytes(&'static str),
    /// A map that takes any value; with its name.
    Map(&'static str),
    /// A slice: its name and what it holds.
    Slice(&'static str, &'static Type),
    /// A struct.
    Struct(&'static Struct),
    /// A type that decodes itself into another.
    Own(&'static Type),
    /// A map that decodes itself: an object whose values are all of one type.
    OwnMap(&'static Type),
    /// A type that decodes itself by rules of its own; the error is its text.
    Rule(fn(Value<'_>) -> Result<(), String>),
}

/// A Go struct: its name without the package, its name in full, and its fields by JSON key.
pub(in crate::dialect) struct Struct {
    /// `ChatRequest`
    pub(in crate::dialect) name: &'static str,
    /// `api.ChatRequest`
    pub(in crate::dialect) full_name: &'static str,
    /// In any order.
    pub(in crate::dialect) fields: &'static [(&'static str, Type)],
}

/// The text that Go answers with when `value` is no `wanted`.
pub(in crate::dialect) fn check(value: Value<'_>, wanted: &Type) -> Result<(), String> {
    decode(value, wanted, 0).map_err(|error| error.text())
}

/// Schemas that nest deeper are taken as they are, so that a hostile one can't exhaust the stack.
const DEPTH_MAX: usize = 64;

enum Error {
    /// What stood there, in which struct at which path, and what Go wanted.
    Type {
        found: String,
        place: Place,
        wanted: &'static str,
    },
    Text(String),
}

#[derive(Clone, Default)]
struct Place {
    structure: &'static str,
    path: Vec<String>,
}

impl Error {
    fn text(self) -> String {
        match self {
            Error::Text(text) => text,
            Error::Type { found, place, wanted } if place.path.is_empty() => {
                format!("json: cannot unmarshal {found} into Go value of type {wanted}")
            }
            Error::Type { found, place, wanted } => {
                let path = place.path.join(".");
                format!(
                    "json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}",
                    place.structure
                )
            }
        }
    }

    /// The same, seen from the decoder around the one that found it.
    fn inside(self, outer: &Place) -> Error {
        match self {
            Error::Type { found, place, wanted } if !outer.path.is_empty() => {
                let path = outer.path.iter().cloned().chain(place.path).collect();
                Error::Type { found, place: Place { structure: outer.structure, path }, wanted }
            }
            error => error,
        }
    }
}

/// One decoder of Go's; a type that decodes itself starts another.
struct Decoder {
    /// How many decoders are around it.
    depth: usize,
    place: Place,
    /// The first wrong type; the reading goes on.
    noted: Option<Error>,
}

fn decode(value: Value<'_>, wanted: &Type, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let mut decoder = Decoder { depth, place: Place::default(), noted: None };
    decoder.value(value, wanted)?;
    decoder.noted.map_or(Ok(()), Err)
}

impl Decoder {
    /// Fails only where Go stops reading.
    fn value(&mut self, value: Value<'_>, wanted: &Type) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        match (wanted, value.kind()) {
            (Type::Any, _) | (Type::Str, Kind::String) | (Type::Bool, Kind::Bool) | (Type::Map(_), Kind::Object) => {}
            (Type::Float(_), Kind::Number) => {}
            (Type::Int, Kind::Number) => self.integer(value),
            (Type::Bytes(_), Kind::String) => self.base64(value),
            (Type::Slice(_, item), Kind::Array) => value.items().try_for_each(|v| self.value(v, item))?,
            (Type::Struct(structure), Kind::Object) => self.structure(value, structure)?,
            (Type::Own(inner), _) => decode(value, inner, self.depth + 1).map_err(|e| e.inside(&self.place))?,
            (Type::OwnMap(inner), Kind::Object) => {
                let deeper = self.depth + 1;
                value.members().try_for_each(|(_, v)| decode(v, inner, deeper)).map_err(|e| e.inside(&self.place))?;
            }
            (Type::OwnMap(_), _) => return Err(Error::Text(NOT_AN_OBJECT.to_owned())),
            (Type::Rule(rule), _) => rule(value).map_err(Error::Text)?,
            (wanted, kind) => self.wrong(kind_name(kind).to_owned(), wanted.name()),
        }
        Ok(())
    }

    fn structure(&mut self, value: Value<'_>, structure: &'static Struct) -> Result<(), Error> {
        for (key, member) in value.members() {
            let Some((name, wanted)) = structure.field(&key) else { continue };
            let outer = std::mem::replace(&mut self.place.structure, structure.name);
            self.place.path.push((*name).to_owned());
            let checked = self.value(member, wanted);
            self.place.path.pop();
            self.place.structure = outer;
            checked?;
        }
        Ok(())
    }

    fn integer(&mut self, value: Value<'_>) {
        if value.as_str().parse::<i64>().is_err() {
            self.wrong(format!("number {}", value.as_str()), "int");
        }
    }

    fn base64(&mut self, value: Value<'_>) {
        let at = value.string().and_then(|text| base64_error(text.as_bytes()));
        if let Some(at) = at {
            self.note(Error::Text(format!("illegal base64 data at input byte {at}")));
        }
    }

    fn wrong(&mut self, found: String, wanted: &'static str) {
        let place = self.place.clone();
        self.note(Error::Type { found, place, wanted });
    }

    fn note(&mut self, error: Error) {
        self.noted.get_or_insert(error);
    }
}

/// What the library behind Ollama's ordered maps says of anything that is no object.
pub(in crate::dialect) const NOT_AN_OBJECT: &str = "Value looks like object, but can't find closing '}' symbol";

impl Struct {
    /// Go prefers the exact key, then takes one that differs in case alone.
    fn field(&'static self, key: &str) -> Option<&'static (&'static str, Type)> {
        self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))
    }
}

impl Type {
    fn name(&self) -> &'static str {
        match self {
            Type::Any => "interface {}",
            Type::Str => "string",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Float(name) | Type::Bytes(name) | Type::Map(name) | Type::Slice(name, _) => name,
            Type::Struct(structure) => structure.full_name,
            Type::Own(inner) => inner.name(),
            Type::OwnMap(_) | Type::Rule(_) => "",
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "bool",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}

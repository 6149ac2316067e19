//! Calls whose arguments come in pieces.
//!
//! Where a request asks for it (`streamFunctionCallArguments`), a call starts with its name and `willContinue`, goes on with
//! `partialArgs`, a path and a value each, and ends with a piece without `willContinue`, which may be empty (recorded
//! from Vertex, 2026). Nothing of ours asks for it, but a proxy may.

use crate::json::{Json, Kind, Style, Text, Value, Writer};

/// Paths with more steps are passed over.
const STEPS_MAX: usize = 64;

/// A call that is not complete.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) id: Option<Text>,
    pub(super) name: Text,
    pub(super) signature: Option<Text>,
    arguments: Node,
}

/// Arguments under way. They come at paths in no promised order, so that they can't be written as they come.
#[derive(Debug)]
enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    String(String),
    /// A number, a boolean or null, as JSON text.
    Other(String),
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Partial {
    /// A call of which nothing but the name is known.
    pub(super) fn new(id: Option<Text>, name: Text, signature: Option<Text>) -> Partial {
        Partial { id, name, signature, arguments: Node::Object(Vec::new()) }
    }

    /// Takes one piece in.
    pub(super) fn add(&mut self, piece: Value<'_>) {
        for part in piece.get("partialArgs").into_iter().flat_map(Value::items) {
            let steps = part.get("jsonPath").and_then(Value::string).and_then(|path| steps(&path));
            let target = steps.and_then(|steps| self.arguments.at(&steps));
            if let Some(node) = target {
                node.put(part);
            }
        }
    }

    /// The arguments so far.
    pub(super) fn arguments(&self) -> Json {
        let mut w = Writer::new(Style::Plain);
        self.arguments.write(&mut w);
        Json::known(w.into_bytes())
    }
}

impl Node {
    /// The value at a path, made where it is missing; none where the path doesn't fit what is there.
    fn at(&mut self, steps: &[Step]) -> Option<&mut Node> {
        let [first, rest @ ..] = steps else { return Some(self) };
        self.become_container(first);
        let inner = match (self, first) {
            (Node::Object(members), Step::Key(key)) => {
                let known = members.iter().position(|(name, _)| name == key);
                let index = known.unwrap_or_else(|| {
                    members.push((key.clone(), Node::empty()));
                    members.len() - 1
                });
                members.get_mut(index).map(|(_, node)| node)
            }
            (Node::Array(items), Step::Index(index)) => {
                if *index == items.len() {
                    items.push(Node::empty());
                }
                items.get_mut(*index)
            }
            _ => None,
        };
        inner?.at(rest)
    }

    fn empty() -> Node {
        Node::Other("null".to_owned())
    }

    fn become_container(&mut self, step: &Step) {
        if matches!(self, Node::Other(_)) {
            *self = match step {
                Step::Key(_) => Node::Object(Vec::new()),
                Step::Index(_) => Node::Array(Vec::new()),
            };
        }
    }

    /// Strings grow, other values come whole.
    fn put(&mut self, part: Value<'_>) {
        for (key, value) in part.members() {
            match (key.as_ref(), &mut *self) {
                ("stringValue", Node::String(text)) => text.push_str(&value.string().unwrap_or_default()),
                ("stringValue", node) => *node = Node::String(value.string().unwrap_or_default().into_owned()),
                ("numberValue" | "boolValue", node) if matches!(value.kind(), Kind::Number | Kind::Bool) => {
                    *node = Node::Other(value.as_str().to_owned());
                }
                ("nullValue", node) => *node = Node::empty(),
                _ => {}
            }
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Node::Object(members) => w.object(|w| members.iter().for_each(|(name, node)| node.write(w.key(name)))),
            Node::Array(items) => w.array(|w| items.iter().for_each(|node| node.write(w))),
            Node::String(text) => w.str(text),
            Node::Other(json) => w.raw(json),
        }
    }
}

/// Reads `$.a[0].b` and `$['a b']` (RFC 9535, names and indices only).
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = match rest.strip_prefix('.') {
            Some(named) => {
                let end = named.find(['.', '[']).unwrap_or(named.len());
                let (name, behind) = named.split_at(end);
                (Step::Key(name.to_owned()), behind)
            }
            None => bracketed(rest.strip_prefix('[')?)?,
        };
        steps.push(step);
        if steps.len() > STEPS_MAX {
            return None;
        }
    }
    Some(steps)
}

/// What stands in brackets, and what comes behind them.
fn bracketed(inside: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            let (name, behind) = quoted.split_once(quote)?;
            return Some((Step::Key(name.to_owned()), behind.strip_prefix(']')?));
        }
    }
    let (index, behind) = inside.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let key = |name: &str| Step::Key(name.to_owned());
        assert_eq!(steps("$.a[10]['b c'].d"), Some(vec![key("a"), Step::Index(10), key("b c"), key("d")]));
        assert_eq!(steps("$"), Some(vec![]));
        for wrong in ["", "a", "$[x]", "$['a", "$a"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pieces_grow_into_arguments() {
        let mut call = Partial::new(None, "f".into(), None);
        let pieces = [
            r#"{"partialArgs":[{"jsonPath":"$.a[0].t","stringValue":"Bos","willContinue":true}]}"#,
            r#"{"partialArgs":[{"jsonPath":"$.a[0].t","stringValue":"ton"},{"jsonPath":"$.a[0].p","numberValue":0.50}]}"#,
            r#"{"partialArgs":[{"jsonPath":"$.a[1]","boolValue":true},{"jsonPath":"$.a[9]","boolValue":true}]}"#,
            r#"{"partialArgs":[{"jsonPath":"$.n","nullValue":null},{"jsonPath":"nonsense","stringValue":"x"}]}"#,
        ];
        pieces.iter().for_each(|piece| call.add(Json::known(*piece).value()));
        assert_eq!(call.arguments().as_str(), r#"{"a":[{"t":"Boston","p":0.50},true],"n":null}"#);
    }
}

//! Where a provider listens, and what it speaks there.

use super::address::{self, Address};
use super::build::Sources;
use super::entry::{Entry, EntryError, FaceEntry, ModelsPath};
use super::{Auth, Face, FaceMode};
use crate::dialect::{Dialect, Operation};

/// One address of an entry, with what is spoken there.
pub(super) struct Place {
    /// Its languages, the one to translate into first.
    pub(super) faces: Vec<Face>,
    /// A variable says so.
    pub(super) is_from_env: bool,
    /// It is this machine, or in a private network.
    pub(super) is_private: bool,
}

/// An address as someone wrote it, and where.
#[derive(Clone)]
struct Wanted {
    source: String,
    text: String,
}

impl Entry {
    /// Its addresses. Where only a later face's variable is set, the user has moved the provider in that language alone:
    /// the faces left behind go.
    pub(super) fn places(&self, sources: &Sources<'_>) -> Result<Vec<Place>, EntryError> {
        let faces = self.all_faces();
        let moved: Vec<Option<Wanted>> = faces.iter().map(|face| from_env(&face.base_url_env, sources)).collect();
        let (Some((first, others)), Some((first_moved, others_moved))) = (faces.split_first(), moved.split_first())
        else {
            return Ok(Vec::new());
        };
        if first_moved.is_none() && others_moved.iter().any(Option::is_some) {
            return self.moved_place(sources, first, others, others_moved).map(|place| vec![place]);
        }
        let configured = first.base_url.clone().map(|text| Wanted { source: "base_url".to_owned(), text });
        let Some(wanted) = first_moved.clone().or(configured) else {
            return Err(sources.error("it has no base_url".to_owned()));
        };
        let urls = wanted.text.split(',').map(str::trim).filter(|url| !url.is_empty());
        urls.map(|text| {
            let wanted = Wanted { source: wanted.source.clone(), text: text.to_owned() };
            let address = self.address(sources, first, &wanted, first.base_url.as_deref())?;
            let mut made = vec![self.face(first, &address.url)];
            for (face, moved) in others.iter().zip(others_moved) {
                made.push(self.other_face(sources, face, moved.as_ref(), &address)?);
            }
            Ok(Place { faces: made, is_from_env: first_moved.is_some(), is_private: address.is_private })
        })
        .collect()
    }

    /// Its faces, the first completed from the entry's own fields.
    fn all_faces(&self) -> Vec<FaceEntry> {
        let mut faces = self.faces.clone();
        if faces.is_empty() {
            faces.push(FaceEntry::default());
        }
        if let Some(first) = faces.first_mut() {
            first.dialect = first.dialect.or(self.dialect);
            first.base_url = first.base_url.take().or_else(|| self.base_url.clone());
            first.auth = first.auth.or(self.auth);
            first.operations = first.operations.take().or_else(|| self.operations.clone());
            first.models_path = first.models_path.take().or_else(|| self.models_path.clone());
            if first.base_url_env.is_empty() {
                first.base_url_env.clone_from(&self.base_url_env);
            }
        }
        faces
    }

    /// The faces whose own variable is set, and no other.
    fn moved_place(
        &self,
        sources: &Sources<'_>,
        first: &FaceEntry,
        others: &[FaceEntry],
        moved: &[Option<Wanted>],
    ) -> Result<Place, EntryError> {
        let mut place = Place { faces: Vec::new(), is_from_env: true, is_private: true };
        for (face, wanted) in others.iter().zip(moved) {
            let Some(wanted) = wanted else { continue };
            let below = face.below.as_deref().unwrap_or_default();
            let default = first.base_url.as_deref().map(|base| format!("{base}{below}"));
            let address = self.address(sources, face, wanted, face.base_url.as_deref().or(default.as_deref()))?;
            place.is_private &= address.is_private;
            place.faces.push(self.face(face, &address.url));
        }
        Ok(place)
    }

    fn other_face(
        &self,
        sources: &Sources<'_>,
        face: &FaceEntry,
        moved: Option<&Wanted>,
        first: &Address,
    ) -> Result<Face, EntryError> {
        let below = format!("{}{}", first.url, face.below.as_deref().unwrap_or_default());
        let configured = face.base_url.clone().map(|text| Wanted { source: "base_url".to_owned(), text });
        let url = match moved.cloned().or(configured) {
            Some(wanted) => {
                let default = face.base_url.clone().unwrap_or_else(|| below.clone());
                self.address(sources, face, &wanted, Some(&default))?.url
            }
            None => below,
        };
        Ok(self.face(face, &url))
    }

    /// An address in one form. One without a path gets that of the default.
    fn address(
        &self,
        sources: &Sources<'_>,
        face: &FaceEntry,
        wanted: &Wanted,
        default: Option<&str>,
    ) -> Result<Address, EntryError> {
        let text = expand(&wanted.text, sources)?;
        let dialect = face.dialect.unwrap_or(Dialect::OpenAi);
        let version = self.version.as_deref().filter(|_| dialect == self.first_dialect());
        let default_path = default.map_or("", address::path_of);
        Address::read(&text, dialect, version, default_path).map_err(|problem| EntryError::BaseUrl {
            prefix: sources.prefix.to_owned(),
            source_name: wanted.source.clone(),
            problem,
        })
    }

    pub(super) fn first_dialect(&self) -> Dialect {
        self.faces.first().and_then(|face| face.dialect).or(self.dialect).unwrap_or(Dialect::OpenAi)
    }

    fn face(&self, face: &FaceEntry, base_url: &str) -> Face {
        let dialect = face.dialect.unwrap_or(Dialect::OpenAi);
        let mode = self.openai_face.filter(|_| dialect == Dialect::OpenAi);
        Face {
            dialect,
            base_url: base_url.to_owned(),
            auth: face.auth.unwrap_or(usual_auth(dialect)),
            operations: face.operations.clone().unwrap_or_else(|| usual_operations(dialect)),
            passes: mode.map_or(face.passes.unwrap_or(true), |mode| mode == FaceMode::Pass),
            takes_token: face.takes_token.unwrap_or(true),
            models_path: match &face.models_path {
                Some(ModelsPath::At(path)) => Some(path.clone()),
                Some(ModelsPath::Nowhere) => None,
                None => Some(usual_models_path(dialect).to_owned()),
            },
        }
    }
}

/// The first of these variables that is set.
fn from_env(names: &[String], sources: &Sources<'_>) -> Option<Wanted> {
    names.iter().find_map(|name| {
        let text = (sources.env)(name)?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'' || c == ',').to_owned();
        (!text.is_empty()).then(|| Wanted { source: name.clone(), text })
    })
}

/// The text with the variables' values for `{NAME}`.
fn expand(text: &str, sources: &Sources<'_>) -> Result<String, EntryError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        let unset = || EntryError::Unset { prefix: sources.prefix.to_owned(), name: name.to_owned() };
        out.push_str(before);
        out.push_str((sources.env)(name).ok_or_else(unset)?.trim());
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn usual_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::Gemini => Auth::XGoogApiKey,
        Dialect::Anthropic => Auth::XApiKey,
        Dialect::Ollama | Dialect::OpenAi => Auth::Bearer,
    }
}

fn usual_operations(dialect: Dialect) -> Vec<Operation> {
    match dialect {
        Dialect::Ollama => vec![Operation::Chat, Operation::Complete, Operation::Embed],
        Dialect::OpenAi | Dialect::Anthropic => vec![Operation::Chat],
        Dialect::Gemini => vec![Operation::Chat, Operation::Embed],
    }
}

/// OpenAI's and Google's own limits, which others have taken over (providers' documentation, 2026-11); Ollama has none.
pub(super) fn usual_batch(dialect: Dialect) -> Option<usize> {
    match dialect {
        Dialect::Ollama | Dialect::Anthropic => None,
        Dialect::OpenAi => Some(2048),
        Dialect::Gemini => Some(100),
    }
}

/// Google's list comes in pages of 50 when no size is asked for, Anthropic's of 20 (providers' documentation, 2026).
fn usual_models_path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Ollama => "/api/tags",
        Dialect::OpenAi => "/models",
        Dialect::Gemini => "/models?pageSize=1000",
        Dialect::Anthropic => "/models?limit=1000",
    }
}

//! What stays behind when a request is written in another wire's form.

use crate::chat::{Extra, Failure};

/// So many are told apart: a body of ever new names shall not cost its square.
const NAMES_MAX: usize = 64;

/// The parameters that a wire can't express, each once, in the order in which they were met.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Dropped(Vec<String>);

impl Dropped {
    /// A parameter that stays behind.
    pub(in crate::dialect) fn push(&mut self, name: &str) {
        if self.0.len() < NAMES_MAX && !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// The same, where the client has set it.
    pub(in crate::dialect) fn note(&mut self, is_there: bool, name: &str) {
        if is_there {
            self.push(name);
        }
    }

    /// What only another dialect has. Fails where something is said that can't be left out.
    pub(in crate::dialect) fn leave<'a>(&mut self, extras: impl IntoIterator<Item = &'a Extra>) -> Result<(), Failure> {
        for extra in extras {
            extra.left_out()?.into_iter().for_each(|name| self.push(name));
        }
        Ok(())
    }

    /// For [`Written`](super::Written).
    pub(in crate::dialect) fn into_names(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Loss;
    use crate::json::Json;

    fn extra(name: &str, loss: Loss) -> Extra {
        Extra { loss, ..Extra::new("other", name, Json::known("1")) }
    }

    #[test]
    fn parameters_are_told_once_and_what_is_nothing_never() {
        let mut dropped = Dropped::default();
        dropped.note(true, "seed");
        dropped.note(false, "stop");
        let extras = [extra("keep", Loss::Nothing), extra("seed", Loss::Parameter), extra("user", Loss::Parameter)];
        dropped.leave(&extras).unwrap();
        assert_eq!(dropped.into_names(), ["seed", "user"]);
    }

    #[test]
    fn content_stays_nowhere_however_many_names_there_are() {
        let mut dropped = Dropped::default();
        (0..1000).for_each(|n| dropped.push(&n.to_string()));
        let failure = dropped.leave(&[extra("context", Loss::Content)]).unwrap_err();
        assert_eq!((failure.status, failure.param.as_deref()), (400, Some("context")));
        assert_eq!(dropped.into_names().len(), NAMES_MAX);
    }
}

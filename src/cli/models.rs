//! `polyllama models`: what there is to ask, under which names.

use std::sync::Arc;

use super::table::table;
use super::{ProviderState, model};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::json::{Style, Writer};
use crate::model::Model;
use crate::relay::discover::Discovery;
use crate::relay::upstream::Upstream;

/// What the command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Print what is known of this one model, and where it is from
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print the aliases too, each with the reason for it
    #[arg(long)]
    pub aliases: bool,
}

/// Asks every provider for its models. Gives what to print.
pub(super) async fn run(config: Config, options: Options) -> anyhow::Result<String> {
    let discovery = Discovery::new(&config, Upstream::new(&config)?);
    discovery.refresh_all().await;
    let states: Vec<ProviderState> = discovery
        .states()
        .into_iter()
        .map(|(provider, state, models)| ProviderState {
            prefix: provider.prefix.clone(),
            keys: provider.pool.len(),
            models,
            error: state.error.filter(|_| !provider.is_optional || models > 0),
        })
        .collect();
    let catalogue = discovery.catalogue();
    let Some(name) = &options.name else { return Ok(print(&catalogue, &states, &options)) };
    let model = catalogue.model(name).map_err(|failure| anyhow::anyhow!(failure.message))?;
    Ok(if options.json { model::json(&model) } else { model::text(&model) })
}

/// The models, the aliases if asked for, and what is wrong with which provider.
pub fn print(catalogue: &Catalogue, states: &[ProviderState], options: &Options) -> String {
    let found = Found { models: catalogue.models(), aliases: catalogue.aliases(), states };
    if options.json { found.json(options.aliases) } else { found.text(options.aliases) }
}

/// What there is to print.
struct Found<'a> {
    models: &'a [Arc<Model>],
    /// Name, model and reason.
    aliases: &'a [(String, String, String)],
    states: &'a [ProviderState],
}

impl Found<'_> {
    fn text(&self, with_aliases: bool) -> String {
        let mut text = self.models_text();
        if with_aliases && !self.aliases.is_empty() {
            let rows: Vec<[String; 3]> =
                self.aliases.iter().map(|(name, model, why)| [name.clone(), model.clone(), why.clone()]).collect();
            text.push('\n');
            text.push_str(&table(["ALIAS", "MODEL", "WHY"], &rows));
        } else if with_aliases {
            text.push_str("\nNo aliases.\n");
        }
        let broken: Vec<[String; 2]> =
            self.states.iter().filter_map(|state| Some([state.prefix.clone(), state.error.clone()?])).collect();
        if !broken.is_empty() {
            text.push('\n');
            text.push_str(&table(["PROVIDER", "ITS LIST COULD NOT BE READ"], &broken));
        }
        text
    }

    fn models_text(&self) -> String {
        if self.models.is_empty() {
            let hint = if self.states.is_empty() {
                "no provider is on; `polyllama --help` lists the variables that switch one on"
            } else {
                "no provider lists any"
            };
            return format!("No models: {hint}.\n");
        }
        let rows: Vec<[String; 4]> = self.models.iter().map(|model| cells(model)).collect();
        table(["NAME", "PROVIDER", "CONTEXT", "CAPABILITIES"], &rows)
    }

    fn json(&self, with_aliases: bool) -> String {
        let mut out = Writer::new(Style::Plain);
        out.object(|out| {
            out.key("models").array(|out| self.models.iter().for_each(|model| model::write(out, model, false)));
            if with_aliases {
                out.key("aliases").array(|out| self.aliases.iter().for_each(|alias| alias_json(out, alias)));
            }
            out.key("providers").array(|out| self.states.iter().for_each(|state| state_json(out, state)));
        });
        let mut text = String::from_utf8_lossy(&out.into_bytes()).into_owned();
        text.push('\n');
        text
    }
}

fn cells(model: &Model) -> [String; 4] {
    let context = model.context_length.map_or_else(|| "-".to_owned(), |tokens| tokens.to_string());
    [model.name.clone(), model.provider.clone(), context, model.capabilities.names().join(", ")]
}

fn alias_json(out: &mut Writer, (name, model, reason): &(String, String, String)) {
    out.object(|out| {
        out.key("name").str(name);
        out.key("model").str(model);
        out.key("reason").str(reason);
    });
}

fn state_json(out: &mut Writer, state: &ProviderState) {
    out.object(|out| {
        out.key("prefix").str(&state.prefix);
        out.key("keys").int(state.keys as u64);
        out.key("models").int(state.models as u64);
        if let Some(error) = &state.error {
            out.key("error").str(error);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<T>(then: impl FnOnce(Found<'_>) -> T) -> T {
        let model = Model {
            name: "alpha:big".to_owned(),
            provider: "alpha".to_owned(),
            id: "big".to_owned(),
            context_length: Some(8192),
            ..Model::default()
        };
        let aliases = [("b".to_owned(), "alpha:big".to_owned(), "the only \"big\"".to_owned())];
        let bad = ProviderState { prefix: "beta".to_owned(), keys: 2, models: 0, error: Some("timed out".to_owned()) };
        then(Found { models: &[Arc::new(model)], aliases: &aliases, states: &[bad] })
    }

    #[test]
    fn the_table_has_models_aliases_and_troubles() {
        let expected = "NAME       PROVIDER  CONTEXT  CAPABILITIES\n\
                        alpha:big  alpha     8192     completion, tools\n\n\
                        ALIAS  MODEL      WHY\n\
                        b      alpha:big  the only \"big\"\n\n\
                        PROVIDER  ITS LIST COULD NOT BE READ\n\
                        beta      timed out\n";
        assert_eq!(found(|found| found.text(true)), expected);
        assert!(!found(|found| found.text(false)).contains("ALIAS"));
    }

    #[test]
    fn json_has_the_same() {
        let expected = "{\"models\":[{\"name\":\"alpha:big\",\"provider\":\"alpha\",\"id\":\"big\",\"context_length\":8192,\
                        \"capabilities\":[\"completion\",\"tools\"]}],\
                        \"aliases\":[{\"name\":\"b\",\"model\":\"alpha:big\",\"reason\":\"the only \\\"big\\\"\"}],\
                        \"providers\":[{\"prefix\":\"beta\",\"keys\":2,\"models\":0,\"error\":\"timed out\"}]}\n";
        assert_eq!(found(|found| found.json(true)), expected);
        assert!(!found(|found| found.json(false)).contains("aliases"));
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let nothing = Found { models: &[], aliases: &[], states: &[] };
        assert!(nothing.text(true).contains("polyllama --help"));
    }
}

//! `polyllama models NAME`: what is known of one model, and where it is from.

use super::table::table;
use crate::json::{Style, Writer};
use crate::model::{Model, Source};

/// A table of facts.
pub(super) fn text(model: &Model) -> String {
    let mut rows = vec![
        ["name".to_owned(), model.name.clone(), String::new()],
        ["provider".to_owned(), model.provider.clone(), String::new()],
        ["id".to_owned(), model.id.clone(), String::new()],
    ];
    let by = &model.sources;
    for (name, value, source) in figures(model) {
        rows.extend(value.map(|value| [name.to_owned(), value.to_string(), word(source)]));
    }
    rows.push(["capabilities".to_owned(), model.capabilities.names().join(", "), word(by.capabilities)]);
    let texts = [("family", &model.family, by.family), ("parameter_size", &model.parameter_size, by.parameter_size)];
    for (name, value, source) in texts {
        rows.extend(value.clone().map(|value| [name.to_owned(), value, word(source)]));
    }
    table(["FACT", "VALUE", "FROM"], &rows)
}

/// The same for machines.
pub(super) fn json(model: &Model) -> String {
    let mut out = Writer::new(Style::Plain);
    write(&mut out, model, true);
    let mut text = String::from_utf8_lossy(&out.into_bytes()).into_owned();
    text.push('\n');
    text
}

/// One model, with the sources of its facts or without.
pub(super) fn write(out: &mut Writer, model: &Model, with_sources: bool) {
    let by = &model.sources;
    out.object(|out| {
        out.key("name").str(&model.name);
        out.key("provider").str(&model.provider);
        out.key("id").str(&model.id);
        for (name, value, _) in figures(model) {
            value.into_iter().for_each(|value| out.key(name).int(value));
        }
        let names = model.capabilities.names();
        out.key("capabilities").array(|out| names.iter().for_each(|name| out.str(name)));
        model.family.iter().for_each(|family| out.key("family").str(family));
        model.parameter_size.iter().for_each(|size| out.key("parameter_size").str(size));
        if with_sources {
            let of_figures = figures(model).into_iter().map(|(name, _, source)| (name, source));
            let of_texts =
                [("capabilities", by.capabilities), ("family", by.family), ("parameter_size", by.parameter_size)];
            out.key("sources").object(|out| {
                for (name, source) in of_figures.chain(of_texts) {
                    source.into_iter().for_each(|source| out.key(name).str(source.name()));
                }
            });
        }
    });
}

/// Numbers, by the names that the configuration has for them.
fn figures(model: &Model) -> [(&'static str, Option<u64>, Option<Source>); 4] {
    let by = &model.sources;
    [
        ("context_length", model.context_length, by.context_length),
        ("max_input", model.input_limit, by.input_limit),
        ("max_output", model.output_limit, by.output_limit),
        ("embedding_length", model.embedding_length, by.embedding_length),
    ]
}

/// What nobody told is assumed.
fn word(source: Option<Source>) -> String {
    source.map_or("assumed", Source::name).to_owned()
}

//! Every setting, once: its key, its variables, its default, what it means, and where its value goes.
//!
//! The reader of the file, the reader of the environment, `polyllama config` and the reference in docs/configuration.md all
//! follow this table.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::value::{Given, mask, show_size, show_time};
use super::{Config, LogFormat, Port};

/// A row of the table.
pub(super) struct Setting {
    /// The key in `polyllama.toml`, with its section: `limits.connect`.
    pub(super) key: &'static str,
    /// The variables that set it; an earlier one wins.
    pub(super) variables: &'static [&'static str],
    /// As it could be written in the file; empty where there is none.
    pub(super) default: &'static str,
    /// What it means, in a line.
    pub(super) about: &'static str,
    /// What type it has and where it goes.
    place: Place,
}

/// What type a setting has, and its place in [`Config`].
enum Place {
    Flag(fn(&mut Config) -> &mut bool),
    Whole(fn(&mut Config) -> &mut usize),
    Size(fn(&mut Config) -> &mut usize),
    Time(fn(&mut Config) -> &mut Duration),
    Address(fn(&mut Config) -> &mut IpAddr),
    Port(fn(&mut Config) -> &mut Port),
    Format(fn(&mut Config) -> &mut LogFormat),
    List(fn(&mut Config) -> &mut Vec<String>),
    Secrets(fn(&mut Config) -> &mut Vec<SecretString>),
    Files(fn(&mut Config) -> &mut Vec<PathBuf>),
    Path(fn(&mut Config) -> &mut Option<PathBuf>),
}

/// The table, in the order in which it is documented.
///
/// There is no `POLYLLAMA_PORT`: Kubernetes sets a variable of that name, to a URL, for a service that is called polyllama.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "host",
        variables: &["POLYLLAMA_HOST", "HOST"],
        default: "127.0.0.1",
        about: "The address to listen on. `HOST` counts only where it holds an IP address.",
        place: Place::Address(|c| &mut c.listen.host),
    },
    Setting {
        key: "port",
        variables: &["PORT"],
        default: "11434",
        about: "The port to listen on. Left unset it is 11434, or 5005 where that is taken; 0 takes any free one.",
        place: Place::Port(|c| &mut c.listen.port),
    },
    Setting {
        key: "strict",
        variables: &["POLYLLAMA_STRICT"],
        default: "false",
        about: "Refuse a request with a parameter that the provider can't be told, rather than drop the parameter.",
        place: Place::Flag(|c| &mut c.is_strict),
    },
    Setting {
        key: "fit_context",
        variables: &["POLYLLAMA_FIT_CONTEXT"],
        default: "true",
        about: "Ask an Ollama server for a context that holds the prompt where the client names none, and let it cut no prompt in silence.",
        place: Place::Flag(|c| &mut c.fits_context),
    },
    Setting {
        key: "generated_aliases",
        variables: &["POLYLLAMA_GENERATED_ALIASES"],
        default: "true",
        about: "Make short names such as `gpt4` from the models that were found.",
        place: Place::Flag(|c| &mut c.catalogue.generated_aliases),
    },
    Setting {
        key: "list_aliases",
        variables: &["POLYLLAMA_LIST_ALIASES"],
        default: "false",
        about: "Show aliases in the model lists too.",
        place: Place::Flag(|c| &mut c.catalogue.list_aliases),
    },
    Setting {
        key: "log_format",
        variables: &["POLYLLAMA_LOG_FORMAT"],
        default: "text",
        about: "`text` for people, `json` for machines.",
        place: Place::Format(|c| &mut c.log.format),
    },
    Setting {
        key: "verbose",
        variables: &["POLYLLAMA_VERBOSE"],
        default: "false",
        about: "Log debug lines too.",
        place: Place::Flag(|c| &mut c.log.is_verbose),
    },
    Setting {
        key: "state_dir",
        variables: &["POLYLLAMA_STATE_DIR"],
        default: "",
        about: "Where the last good model lists are kept. Left unset it is `polyllama` in the user's state folder.",
        place: Place::Path(|c| &mut c.state_dir),
    },
    Setting {
        key: "ca_files",
        variables: &["POLYLLAMA_CA_FILES"],
        default: "",
        about: "Files with CA certificates (PEM) to trust beside the system's. `SSL_CERT_FILE` takes the system's place, as with other programs.",
        place: Place::Files(|c| &mut c.ca_files),
    },
    Setting {
        key: "access.keys",
        variables: &["POLYLLAMA_API_KEYS", "POLYLLAMA_API_KEY"],
        default: "",
        about: "Keys of which clients must show one. Needed to listen on an address that others can reach.",
        place: Place::Secrets(|c| &mut c.access.keys),
    },
    Setting {
        key: "access.keys_file",
        variables: &["POLYLLAMA_API_KEYS_FILE", "POLYLLAMA_API_KEY_FILE"],
        default: "",
        about: "A file with more such keys, one a line.",
        place: Place::Path(|c| &mut c.access.keys_file),
    },
    Setting {
        key: "access.open",
        variables: &["POLYLLAMA_OPEN"],
        default: "false",
        about: "Listen on an address that others can reach even without keys.",
        place: Place::Flag(|c| &mut c.access.is_open),
    },
    Setting {
        key: "access.allowed_hosts",
        variables: &["POLYLLAMA_ALLOWED_HOSTS"],
        default: "",
        about: "Host names that requests may carry beside the local ones, for a reverse proxy in front.",
        place: Place::List(|c| &mut c.access.allowed_hosts),
    },
    Setting {
        key: "access.origins",
        variables: &["OLLAMA_ORIGINS"],
        default: "",
        about: "Origins of web pages that may ask beside the local ones; `*` stands for anything.",
        place: Place::List(|c| &mut c.access.origins),
    },
    Setting {
        key: "limits.body_bytes_max",
        variables: &["POLYLLAMA_BODY_BYTES_MAX"],
        default: "128MiB",
        about: "A request's body, unpacked; also a whole answer of a provider.",
        place: Place::Size(|c| &mut c.limits.body_bytes_max),
    },
    Setting {
        key: "limits.record_bytes_max",
        variables: &["POLYLLAMA_RECORD_BYTES_MAX"],
        default: "32MiB",
        about: "One record of a stream.",
        place: Place::Size(|c| &mut c.limits.record_bytes_max),
    },
    Setting {
        key: "limits.header_bytes_max",
        variables: &["POLYLLAMA_HEADER_BYTES_MAX"],
        default: "64KiB",
        about: "The headers of a request or an answer.",
        place: Place::Size(|c| &mut c.limits.header_bytes_max),
    },
    Setting {
        key: "limits.connections_max",
        variables: &["POLYLLAMA_CONNECTIONS_MAX"],
        default: "1024",
        about: "Connections of clients at a time.",
        place: Place::Whole(|c| &mut c.limits.connections_max),
    },
    Setting {
        key: "limits.request_head",
        variables: &["POLYLLAMA_REQUEST_HEAD"],
        default: "2m",
        about: "How long a client may take for a request's headers; also how long an idle connection is kept: longer than the pools of most clients.",
        place: Place::Time(|c| &mut c.limits.request_head),
    },
    Setting {
        key: "limits.connect",
        variables: &["POLYLLAMA_CONNECT"],
        default: "10s",
        about: "Connecting to a provider, TLS included.",
        place: Place::Time(|c| &mut c.limits.connect),
    },
    Setting {
        key: "limits.first_byte",
        variables: &["POLYLLAMA_FIRST_BYTE"],
        default: "5m",
        about: "From a request sent to the first byte of its answer; local models load slowly.",
        place: Place::Time(|c| &mut c.limits.first_byte),
    },
    Setting {
        key: "limits.silence",
        variables: &["POLYLLAMA_SILENCE"],
        default: "2m",
        about: "Between two records of a stream.",
        place: Place::Time(|c| &mut c.limits.silence),
    },
    Setting {
        key: "limits.request_total",
        variables: &["POLYLLAMA_REQUEST_TOTAL"],
        default: "10m",
        about: "One request over all its tries, until its first content.",
        place: Place::Time(|c| &mut c.limits.request_total),
    },
    Setting {
        key: "limits.hold",
        variables: &["POLYLLAMA_HOLD"],
        default: "20s",
        about: "How long the start of an answer is held back, so that a failed start can go elsewhere.",
        place: Place::Time(|c| &mut c.limits.hold),
    },
    Setting {
        key: "limits.hold_bytes_max",
        variables: &["POLYLLAMA_HOLD_BYTES_MAX"],
        default: "64KiB",
        about: "How much of an answer is held back at most.",
        place: Place::Size(|c| &mut c.limits.hold_bytes_max),
    },
    Setting {
        key: "limits.discovery",
        variables: &["POLYLLAMA_DISCOVERY"],
        default: "30s",
        about: "Asking one provider for its models.",
        place: Place::Time(|c| &mut c.limits.discovery),
    },
    Setting {
        key: "limits.discovery_interval",
        variables: &["POLYLLAMA_DISCOVERY_INTERVAL"],
        default: "1h",
        about: "Between two rounds of asking for models.",
        place: Place::Time(|c| &mut c.limits.discovery_interval),
    },
    Setting {
        key: "limits.key_files",
        variables: &["POLYLLAMA_KEY_FILES"],
        default: "5s",
        about: "How often files of keys are looked at for a change.",
        place: Place::Time(|c| &mut c.limits.key_files),
    },
    Setting {
        key: "limits.shutdown",
        variables: &["POLYLLAMA_SHUTDOWN"],
        default: "30s",
        about: "How long running requests may go on after a signal to stop.",
        place: Place::Time(|c| &mut c.limits.shutdown),
    },
];

impl Setting {
    /// The row with this key.
    pub(super) fn find(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Its section in the file, and its name there.
    pub(super) fn section_and_name(&self) -> (Option<&'static str>, &'static str) {
        self.key.split_once('.').map_or((None, self.key), |(section, name)| (Some(section), name))
    }

    /// Reads a value and puts it in its place. `Err` says what would be right.
    pub(super) fn put(&self, config: &mut Config, given: &Given) -> Result<(), String> {
        match self.place {
            Place::Flag(place) => *place(config) = given.flag()?,
            Place::Whole(place) => *place(config) = given.whole()?,
            Place::Size(place) => *place(config) = given.size()?,
            Place::Time(place) => *place(config) = given.time()?,
            Place::Address(place) => *place(config) = given.address()?,
            Place::Port(place) => *place(config) = Port::Set(given.port()?),
            Place::Format(place) => *place(config) = log_format(given)?,
            Place::List(place) => *place(config) = given.list()?,
            Place::Secrets(place) => *place(config) = given.list()?.into_iter().map(SecretString::from).collect(),
            Place::Files(place) => *place(config) = given.list()?.into_iter().map(PathBuf::from).collect(),
            Place::Path(place) => *place(config) = Some(PathBuf::from(given.text()?)),
        }
        Ok(())
    }

    /// Its value as it could stand in the file; secrets masked.
    pub(super) fn show(&self, config: &mut Config) -> String {
        match self.place {
            Place::Flag(place) => place(config).to_string(),
            Place::Whole(place) => place(config).to_string(),
            Place::Size(place) => quoted(&show_size(*place(config))),
            Place::Time(place) => quoted(&show_time(*place(config))),
            Place::Address(place) => quoted(&place(config).to_string()),
            Place::Port(place) => show_port(*place(config)),
            Place::Format(place) => quoted(if *place(config) == LogFormat::Json { "json" } else { "text" }),
            Place::List(place) => array(place(config).iter().cloned()),
            Place::Secrets(place) => array(place(config).iter().map(mask)),
            Place::Files(place) => array(place(config).iter().map(|file| file.display().to_string())),
            Place::Path(place) => {
                quoted(&place(config).as_ref().map(|folder| folder.display().to_string()).unwrap_or_default())
            }
        }
    }
}

/// The reference of all settings as a Markdown table, as docs/configuration.md has it.
pub fn reference() -> String {
    let mut text = String::from("| key | variable | default | meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let variables: Vec<String> = setting.variables.iter().map(|name| format!("`{name}`")).collect();
        let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        let row = [format!("`{}`", setting.key), variables.join(", "), default, setting.about.to_owned()];
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

fn log_format(given: &Given) -> Result<LogFormat, String> {
    match given.text()?.as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("expected \"text\" or \"json\", found \"{other}\"")),
    }
}

fn show_port(port: Port) -> String {
    match port {
        Port::Set(port) => port.to_string(),
        Port::Default => format!("{}, else {}", Port::OLLAMA, Port::SECOND),
    }
}

/// A string as it could stand in the file.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list as it could stand in the file.
pub(super) fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.map(|item| quoted(&item)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn every_default_is_read_and_shown_as_it_is_written() {
        let mut config = Config::load(&Default::default(), Environment::new("/nonexistent", [("", ""); 0])).unwrap();
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty() && setting.key != "port") {
            setting.put(&mut config, &Given::Word(setting.default.to_owned())).unwrap();
            assert_eq!(setting.show(&mut config).trim_matches('"'), setting.default, "{}", setting.key);
        }
        assert_eq!(show_port(Port::Default), "11434, else 5005");
    }

    #[test]
    fn no_two_settings_share_a_variable() {
        let mut names: Vec<&str> = SETTINGS.iter().flat_map(|setting| setting.variables).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_documents_have_this_table() {
        let document = include_str!("../../docs/configuration.md");
        let reference = reference();
        assert!(document.contains(&reference), "put this into docs/configuration.md:\n{reference}");
    }

    #[test]
    fn the_example_has_every_key() {
        let example = include_str!("../../polyllama.example.toml");
        for setting in SETTINGS {
            let (_, name) = setting.section_and_name();
            let shown = example.lines().find(|line| line.starts_with(&format!("#{name} = ")));
            let shown = shown.unwrap_or_else(|| panic!("{} is not in polyllama.example.toml", setting.key));
            let default = shown.split_once(" = ").map(|(_, value)| value.trim_matches('"'));
            assert!(setting.default.is_empty() || default == Some(setting.default), "{shown}");
        }
    }
}

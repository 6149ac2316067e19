//! Puts the layers on each other.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::file::{self, File, nearest};
use super::settings::{SETTINGS, Setting, quoted};
use super::value::Given;
use super::{
    Access, Config, ConfigError, Environment, Flags, Limits, Listen, Log, Origin, Port, ProxyVariables, Source,
};
use crate::catalogue;

/// The flags that set something, with the key of what they set.
const FLAGS: [(&str, &str); 4] =
    [("--host", "host"), ("--port", "port"), ("--log-format", "log_format"), ("--verbose", "verbose")];

/// Variables of ours that are no setting's.
const OTHER_VARIABLES: [&str; 1] = ["POLYLLAMA_CONFIG"];

/// See [`Config::load`].
pub(super) fn load(flags: &Flags, env: Environment) -> Result<Config, ConfigError> {
    let env = env.with_dot_env()?;
    let asked = flags.config.clone().or_else(|| env.get("POLYLLAMA_CONFIG").map(PathBuf::from));
    let file = file::find(asked.as_deref(), &env).map(File::read).transpose()?;
    let file = file.as_ref();

    let mut config = with_defaults(&env);
    for setting in SETTINGS {
        let origin = put(setting, &mut config, flags, &env, file)?;
        let value = setting.show(&mut config);
        config.sources.push(Source { key: setting.key.to_owned(), value, origin });
    }
    add_aliases(&mut config, file);
    if let Some(path) = env.get("SSL_CERT_FILE").map(PathBuf::from).filter(|path| !config.ca_files.contains(path)) {
        config.ca_files.push(path);
    }
    config.warnings = unknown_variables(&env);
    refuse_open(&config)?;

    let made = super::providers::make(file, &env)?;
    config.providers = made.on.into();
    config.catalogue.off = made.off;
    config.sources.extend(made.sources);
    if let Port::Set(port) = config.listen.port {
        let left_out = config.leave_out_self(port);
        config.warnings.extend(left_out);
    }
    Ok(config)
}

/// A configuration before any layer but what the table of settings gives no text for.
fn with_defaults(env: &Environment) -> Config {
    let state_dir = env.user_folder("XDG_STATE_HOME", ".local/state").map(|folder| folder.join("polyllama"));
    let mut config = Config {
        listen: Listen { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: Port::Default },
        providers: Vec::new().into(),
        catalogue: catalogue::Options::default(),
        limits: Limits::default(),
        access: Access::default(),
        log: Log::default(),
        is_strict: false,
        proxy: proxy(env),
        ca_files: Vec::new(),
        state_dir,
        has_ollama_program: env.has_program("ollama"),
        own_name: env.get("HOSTNAME").map(str::to_ascii_lowercase),
        sources: Vec::new(),
        warnings: Vec::new(),
    };
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty() && setting.key != "port") {
        // A test reads every default of the table: none is refused here.
        let _ = setting.put(&mut config, &Given::Word(setting.default.to_owned()));
    }
    config
}

/// The highest layer that has a value for this setting puts it there.
fn put(
    setting: &Setting,
    config: &mut Config,
    flags: &Flags,
    env: &Environment,
    file: Option<&File>,
) -> Result<Origin, ConfigError> {
    if let Some((flag, word)) = from_flags(setting, flags) {
        let put = setting.put(config, &Given::Word(word));
        return put
            .map(|()| Origin::Flag(flag))
            .map_err(|message| ConfigError::Value { name: flag.to_owned(), message });
    }
    if let Some((name, word)) = from_variables(setting, env) {
        let origin = env.origin(name);
        let put = setting.put(config, &Given::Word(word.to_owned()));
        return put.map_err(|message| ConfigError::Value { name: origin.describe(), message }).map(|()| origin);
    }
    let Some(file) = file else { return Ok(Origin::Default) };
    let Some((_, given, at)) = file.settings.iter().find(|(key, ..)| *key == setting.key) else {
        return Ok(Origin::Default);
    };
    let origin = Origin::File(file.path.clone(), file.line(*at));
    let put = setting.put(config, given);
    put.map(|()| origin).map_err(|message| file.error(*at, format!("`{}`: {message}", setting.key)))
}

fn from_flags(setting: &Setting, flags: &Flags) -> Option<(&'static str, String)> {
    let (flag, key) = FLAGS.iter().find(|(_, key)| *key == setting.key)?;
    let word = match *key {
        "host" => flags.host.clone(),
        "port" => flags.port.clone(),
        "log_format" => flags.log_format.clone(),
        _ => flags.is_verbose.then(|| "true".to_owned()),
    };
    word.map(|word| (*flag, word))
}

fn from_variables<'a>(setting: &Setting, env: &'a Environment) -> Option<(&'static str, &'a str)> {
    let mut set = setting.variables.iter().filter_map(|name| Some((*name, env.get(name)?)));
    // Shells and build environments keep the machine's name under HOST.
    set.find(|(name, value)| *name != "HOST" || value.trim().parse::<IpAddr>().is_ok())
}

fn add_aliases(config: &mut Config, file: Option<&File>) {
    let Some(file) = file else { return };
    config.catalogue.aliases.clone_from(&file.aliases);
    for (alias, model, line) in file.aliases_with_lines() {
        let origin = Origin::File(file.path.clone(), line);
        config.sources.push(Source { key: format!("aliases.{alias}"), value: quoted(model), origin });
    }
}

/// The proxy variables. In lower case they go before, as with other programs; `HTTP_PROXY` in capitals can be a request's
/// header to a CGI program, which this is not.
fn proxy(env: &Environment) -> ProxyVariables {
    let either = |lower: &str| env.get(lower).or_else(|| env.get(&lower.to_ascii_uppercase())).map(str::to_owned);
    ProxyVariables {
        https: either("https_proxy"),
        http: either("http_proxy"),
        all: either("all_proxy"),
        no: either("no_proxy"),
    }
}

/// A line for each variable that has our name before it and that nothing reads.
fn unknown_variables(env: &Environment) -> Vec<String> {
    let known = || SETTINGS.iter().flat_map(|setting| setting.variables).copied().chain(OTHER_VARIABLES);
    // Kubernetes sets these for a service that is called polyllama.
    let is_of_kubernetes = |name: &str| name.starts_with("POLYLLAMA_PORT") || name.starts_with("POLYLLAMA_SERVICE_");
    let unknown = env.names().filter(|name| name.starts_with("POLYLLAMA_") && !is_of_kubernetes(name));
    let unknown = unknown.filter(|name| !known().any(|other| other == *name));
    let hint = |name| nearest(name, known()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    unknown.map(|name| format!("{name} is set, but nothing reads it{}", hint(name))).collect()
}

/// There is money behind this port: it isn't opened to others by accident.
fn refuse_open(config: &Config) -> Result<(), ConfigError> {
    let is_reachable = !config.listen.host.to_canonical().is_loopback();
    if is_reachable && config.access.keys.is_empty() && !config.access.is_open {
        return Err(ConfigError::Open(config.listen.host));
    }
    Ok(())
}

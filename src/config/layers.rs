//! Puts the layers on each other.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use secrecy::SecretString;

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
    add_certificates(&mut config, &env);
    add_keys_of_file(&mut config)?;
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
        fits_context: true,
        proxy: proxy(env),
        ca_files: Vec::new(),
        state_dir,
        has_ollama_program: env.has_program("ollama"),
        own_name: own_name(env),
        sources: Vec::new(),
        warnings: Vec::new(),
    };
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty() && setting.key != "port") {
        // A test reads every default of the table: none is refused here.
        let _ = setting.put(&mut config, &Given::Word(setting.default.to_owned()));
    }
    config
}

/// This machine's name: containers tell it in a variable, others in a file. Without either, nothing hangs on it.
fn own_name(env: &Environment) -> Option<String> {
    let in_file = || std::fs::read_to_string("/etc/hostname").ok();
    let name = env.get("HOSTNAME").map(str::to_owned).or_else(in_file)?;
    Some(name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
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
    let mut set = setting.variables.iter().filter_map(|name| Some((*name, env.get(name)?.trim())));
    // Shells and build environments keep the machine's name under HOST.
    set.find(|(name, value)| *name != "HOST" || value.parse::<IpAddr>().is_ok())
}

fn add_aliases(config: &mut Config, file: Option<&File>) {
    let Some(file) = file else { return };
    config.catalogue.aliases.clone_from(&file.aliases);
    for (alias, model, line) in file.aliases_with_lines() {
        let origin = Origin::File(file.path.clone(), line);
        config.sources.push(Source { key: format!("aliases.{alias}"), value: quoted(model), origin });
    }
}

/// `SSL_CERT_FILE` is what other programs read; here it adds to the other files.
fn add_certificates(config: &mut Config, env: &Environment) {
    const NAME: &str = "SSL_CERT_FILE";
    let Some(path) = env.get(NAME).map(str::trim) else { return };
    config.sources.push(Source { key: NAME.to_owned(), value: quoted(path), origin: env.origin(NAME) });
    config.ca_files.push(PathBuf::from(path));
}

/// Adds the inbound keys that stand in a file, as containers are given secrets.
fn add_keys_of_file(config: &mut Config) -> Result<(), ConfigError> {
    let Some(path) = &config.access.keys_file else { return Ok(()) };
    let in_file = Given::Word(file::read(path)?.replace('\n', ",")).list().unwrap_or_default();
    config.access.keys.extend(in_file.into_iter().map(SecretString::from));
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Config {
        let env = Environment::new("/nonexistent", variables.iter().copied());
        Config::load(&Flags::default(), env).unwrap()
    }

    fn has(config: &Config, prefix: &str) -> bool {
        config.providers.iter().any(|provider| provider.prefix == prefix)
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let config = load(&[]);
        assert_eq!(config.listen, Listen { host: Ipv4Addr::LOCALHOST.into(), port: Port::Default });
        assert_eq!(config.limits.body_bytes_max, 128 << 20);
        assert_eq!(config.limits.record_bytes_max, 32 << 20);
        assert_eq!(config.limits.header_bytes_max, 64 << 10);
        assert_eq!(config.limits.hold_bytes_max, 64 << 10);
        let seconds = [
            (config.limits.connect, 10),
            (config.limits.first_byte, 300),
            (config.limits.silence, 120),
            (config.limits.request_total, 600),
            (config.limits.hold, 20),
        ];
        assert!(seconds.iter().all(|(limit, seconds)| limit.as_secs() == *seconds));
        assert!(config.catalogue.generated_aliases && !config.catalogue.list_aliases && !config.is_strict);
        assert!(config.access.keys.is_empty() && !config.access.is_open);
    }

    #[test]
    fn ourselves_are_found_once_the_port_is_known() {
        let variables = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "http://127.0.0.1:5005/v1")];
        let mut config = load(&variables);
        assert!(has(&config, "openai"));
        assert!(config.leave_out_self(11434).is_empty());
        assert!(has(&config, "openai"));
        assert_eq!(config.leave_out_self(5005).len(), 1);
        assert!(!has(&config, "openai"));
    }

    #[test]
    fn an_address_on_this_machine_needs_no_key() {
        assert!(has(&load(&[("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")]), "openai"));
        let config = load(&[]);
        assert!(!has(&config, "openai"));
        let off = config.catalogue.off.iter().find(|(prefix, _)| prefix == "openai").unwrap();
        assert!(off.1.iter().any(|name| name.starts_with("OPENAI_API_KEY")));
    }

    #[test]
    fn proxies_are_kept_as_they_stand() {
        let proxy = load(&[("https_proxy", "http://a"), ("HTTPS_PROXY", "http://b"), ("NO_PROXY", "c,d")]).proxy;
        assert_eq!((proxy.https.as_deref(), proxy.no.as_deref()), (Some("http://a"), Some("c,d")));
        assert!(proxy.http.is_none() && proxy.all.is_none());
    }

    #[test]
    fn the_path_tells_whether_there_is_an_ollama_program() {
        let folder = std::env::temp_dir().join(format!("polyllama-path-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = format!("/nonexistent:{}", folder.display());
        assert!(!load(&[("PATH", &path)]).has_ollama_program);
        std::fs::write(folder.join(format!("ollama{}", std::env::consts::EXE_SUFFIX)), "").unwrap();
        assert!(load(&[("PATH", &path)]).has_ollama_program);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn state_is_kept_in_the_users_folder_where_there_is_one() {
        let folder = |variables: &[(&str, &str)]| load(variables).state_dir;
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[("HOME", "/home/me")]), Some(PathBuf::from("/home/me/.local/state/polyllama")));
        let xdg = [("HOME", "/home/me"), ("XDG_STATE_HOME", "/state")];
        assert_eq!(folder(&xdg), Some(PathBuf::from("/state/polyllama")));
        assert_eq!(folder(&[("POLYLLAMA_STATE_DIR", "here")]), Some(PathBuf::from("here")));
    }
}

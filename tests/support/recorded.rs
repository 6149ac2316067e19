//! Recorded exchanges, where they lie beside the checkout. A clone without them passes: it says that it skips.

use std::path::PathBuf;

use serde_json::Value;

/// A folder of recordings; `None`, said aloud, when it is not there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recordings at {}", folder.display());
    None
}

/// The exchanges of a folder, by file name, in order.
pub fn exchanges(name: &str) -> Vec<(String, Value)> {
    let Some(folder) = folder(name) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "json"));
    paths.sort();
    paths.iter().map(|path| (stem(path), serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())).collect()
}

/// The exchanges of all folders below this one, by folder and file name, in order.
pub fn all_exchanges(name: &str) -> Vec<(String, Value)> {
    let Some(folder) = folder(name) else { return Vec::new() };
    let entries = std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let mut folders: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    folders.sort();
    let within = |inner: &String| {
        let named = |(file, value)| (format!("{inner}/{file}"), value);
        exchanges(&format!("{name}/{inner}")).into_iter().map(named).collect::<Vec<_>>()
    };
    folders.iter().flat_map(within).collect()
}

/// The providers that play a recording: those of the table where it knows them, else one of the user's own.
pub fn players(provider: &str, dialect: &str) -> &'static [&'static str] {
    match (provider, dialect) {
        ("gemini" | "vertex", "gemini") => &["google"],
        ("gemini", _) => &["google-face"],
        ("anthropic", _) | (_, "anthropic") => &["anthropic"],
        ("ollama", "ollama") => &["ollama"],
        ("ollama", _) => &["ollama-face"],
        ("mistral", _) => &["mistral", "codestral"],
        ("vllm" | "vllm-hosted", _) => &["vllm"],
        ("openai", _) => &["openai"],
        ("azure", _) => &["azure"],
        ("cerebras", _) => &["cerebras"],
        ("deepseek", _) => &["deepseek"],
        ("groq", _) => &["groq"],
        ("huggingface", _) => &["huggingface"],
        ("moonshot", _) => &["moonshot"],
        ("openrouter", _) => &["openrouter", "akash"],
        ("qwen", _) => &["qwen"],
        ("together", _) => &["together"],
        ("xai", _) => &["xai"],
        ("zai", _) => &["zai"],
        ("perplexity", _) => &["perplexity"],
        ("gpustack", _) => &["gpustack"],
        ("snowflake", _) => &["snowflake"],
        _ => &["some-server"],
    }
}

fn stem(path: &std::path::Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

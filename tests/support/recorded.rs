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

fn stem(path: &std::path::Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

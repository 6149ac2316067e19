//! Changing a user's file, and taking the change back.
//!
//! The file is written in place, so that a link stays a link and its rights stay: its content before the first change is in
//! the backup.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A file that setup changes, with the two that it keeps beside it.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    backup: PathBuf,
    made: PathBuf,
}

/// What setup found the file to be, at its first change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Setup hasn't changed it.
    Untouched,
    /// It wasn't there.
    Missing,
    /// It said this.
    Text(String),
}

impl Target {
    pub(super) fn new(path: PathBuf) -> Target {
        let beside = |ending: &str| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Target { backup: beside(".polyllama-backup"), made: beside(".polyllama-created"), path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn backup(&self) -> &Path {
        &self.backup
    }

    /// What it says; `None` if it isn't there.
    pub(super) fn read(&self) -> anyhow::Result<Option<String>> {
        read(&self.path)
    }

    pub(super) fn before(&self) -> anyhow::Result<Before> {
        if let Some(text) = read(&self.backup)? {
            return Ok(Before::Text(text));
        }
        Ok(if self.made.exists() { Before::Missing } else { Before::Untouched })
    }

    /// Gives it another content; what it was before the first change is kept.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| shown("can't make the folder", folder))?;
        if self.before()? == Before::Untouched {
            if self.path.exists() {
                std::fs::copy(&self.path, &self.backup)
                    .with_context(|| shown("can't make the backup", &self.backup))?;
            } else {
                std::fs::write(&self.made, "").with_context(|| shown("can't write", &self.made))?;
            }
        }
        std::fs::write(&self.path, text).with_context(|| shown("can't write", &self.path))
    }

    /// Makes it what it was, and forgets that.
    pub(super) fn restore(&self, before: &Before) -> anyhow::Result<()> {
        match before {
            Before::Untouched => return Ok(()),
            Before::Missing => std::fs::remove_file(&self.path).with_context(|| shown("can't remove", &self.path))?,
            Before::Text(text) => {
                std::fs::write(&self.path, text).with_context(|| shown("can't write", &self.path))?;
            }
        }
        self.forget()
    }

    /// Gives it another content, which is the user's own.
    pub(super) fn release(&self, text: &str) -> anyhow::Result<()> {
        std::fs::write(&self.path, text).with_context(|| shown("can't write", &self.path))?;
        self.forget()
    }

    /// Removes what is kept of the time before.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        for path in [&self.backup, &self.made].into_iter().filter(|path| path.exists()) {
            std::fs::remove_file(path).with_context(|| shown("can't remove", path))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| anyhow::anyhow!("{} is not UTF-8", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| shown("can't read", path)),
    }
}

fn shown(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

//! A provider's entry, as it stands in `presets.toml` and in a user's `polyllama.toml`.

//! Promise: a tool that was written for Ollama finds nothing missing, whoever answers. Each asks here as it does in life, request
//! by request with its headers, and takes what comes back as strictly as its own parser.
//!
//! What the tools ask and need was read from their public sources, late in 2026; each function names its own. They are asked
//! over all eight providers, played by scripts, and again over a real model where `REAL_MODEL_LLAMACPP` or
//! `REAL_MODEL_OLLAMA` names the base URL of a server that has one (`make test-model` does).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
// Where the command and the real models are is told by the environment of the tests.
#![allow(clippy::disallowed_methods)]

mod apps;
mod command;
mod editors;
mod providers;
mod real_command;
mod strict;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::io::Write;
use std::sync::Once;

use world::World;

/// Says once what is skipped, past the harness that keeps to itself what passing tests print.
fn skipped(once: &Once, why: &str) {
    once.call_once(|| std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes()).unwrap());
}

/// Each client as a test, over scripted providers and over a real model.
macro_rules! clients {
    ($($module:ident :: $client:ident),* $(,)?) => {
        $(#[test]
        fn $client() {
            $module::$client(&World::scripted());
        })*

        mod with_a_real_model {
            use super::World;
            $(#[test]
            fn $client() {
                World::real().iter().for_each(super::$module::$client);
            })*
        }
    };
}

clients!(
    editors::vs_code_copilot,
    editors::zed,
    editors::continue_dev,
    editors::cline,
    editors::roo_code,
    editors::jetbrains,
    editors::jetbrains_as_lm_studio,
    apps::open_webui,
    apps::home_assistant,
    apps::n8n,
    apps::obsidian_copilot,
    apps::obsidian_ai_providers,
    apps::claude_code_by_ollama_launch,
    command::list,
    command::ps,
    command::show_prints_details,
    command::run_in_a_terminal,
    command::run_with_a_prompt,
    command::stop,
    command::pull,
    command::cp_and_rm,
    command::version,
);

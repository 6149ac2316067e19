//! polyllama: one small gateway that makes every model provider look like an Ollama server and an OpenAI server at once.
//!
//! # The way of one streamed request
//!
//! An Ollama client asks for a model whose provider speaks another language. One value is made of the next; no step reaches back.
//!
//! 1. **Socket.** [`server::Gateway`] takes the connection, judges Host, Origin and inbound key, and finds by the path which
//!    [`dialect::Wire`] the client speaks. The body is read whole, up to a limit.
//! 2. **Look.** The bytes become a [`relay::Ask`]: the model's name, streamed or whole, and where the top-level members stand.
//!    Nothing more is parsed until somebody needs it.
//! 3. **Name.** The [`catalogue::Catalogue`] of the moment says what the name means: a [`catalogue::Route`], the targets in order.
//! 4. **Try.** [`relay::attempts::Attempts`] says what comes next: a [`relay::attempts::Try`], which is a target, a key of its
//!    [`provider::credentials::Pool`] and a pause; or that it is time to give up.
//! 5. **Way.** The [`provider::Provider`] says how the request reaches it ([`provider::Way`]). Where it has the client's wire,
//!    the bytes pass, with the model's name spliced in ([`json::splice`]). Here it hasn't: the body is read into a
//!    [`chat::Request`] and written in the provider's wire, a [`dialect::Written`].
//! 6. **Send.** [`relay::upstream::Upstream`] sends it. An error becomes a [`dialect::ProviderError`], the entry's
//!    [`provider::rules::Rules`] make a [`chat::Failure`] of that, and the try is over.
//! 7. **Hold.** A [`dialect::Framer`] cuts the answer into [`dialect::Record`]s, a [`dialect::Decoder`] reads them into
//!    [`chat::Event`]s. The first ones wait until there is content among them, since an answer may still turn out to be a failure.
//! 8. **Flow.** A [`dialect::Encoder`] writes each event as records of the client's wire; an [`observe::Meter`] notes times,
//!    tokens and the way it ended.
//! 9. **Record.** When the body has gone, or the client has, one [`observe::Record`] is queued for the log.
//!
//! # The modules, in that order
//!
//! * [`cli`] reads the command line and calls a command; [`config`] makes one checked configuration of file, environment and flags.
//! * [`server`] faces the clients: connections, guard, routes.
//! * [`catalogue`] knows names and what they mean.
//! * [`relay`] sends, tries again, passes or translates; it alone waits for providers.
//! * [`provider`] holds providers as data: entries, keys, rules.
//! * [`dialect`] holds the wire languages, a folder each, and what cuts streams into records.
//! * [`chat`] is the neutral form between languages; [`model`] what is known of a model.
//! * [`json`] reads, writes and edits JSON as text.
//! * [`observe`] writes down what happened.
//!
//! ARCHITECTURE.md says what each of them must not know.

pub mod catalogue;
pub mod chat;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod json;
pub mod model;
pub mod observe;
pub mod provider;
pub mod relay;
pub mod server;

//! The neutral form: what a request asks for and what an answer says, in no dialect's words.
//!
//! A dialect reads its wire into these types and writes them out again; two dialects never meet. An answer, streamed or
//! whole, is a sequence of [`Event`]s; a whole one is the events folded into an [`Answer`].
//!
//! This module depends on [`crate::json`] alone and knows no dialect, provider, socket or clock.

mod answer;
mod citation;
mod embed;
mod estimate;
mod failure;
pub mod opaque;
mod request;
mod think;

pub use answer::{Answer, Block, BlockKind, Choice, Event, Finish, Timings, Usage, describe, fold, unfold};
pub use citation::Citation;
pub use embed::{EmbedRequest, Embedded, Encoding, Input, Vector, unit};
pub use estimate::{Estimate, tokens_in};
pub use failure::{Class, Failure, Fault, Scope, Told};
pub use request::{
    CacheMark, Effort, Extra, Format, Loss, Media, Message, Part, Prompt, Reasoning, Request, Role, Settings, Source,
    Tool, ToolChoice,
};
pub use think::Thoughts;

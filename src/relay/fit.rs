//! Fits a request to the context of the local server that it goes to: enough for the prompt, and no other than what is loaded
//! where that is enough. What to ask for is decided in [`Known`]; here it is looked up, spliced in, and asked for again where
//! the server says that it was too little.

use std::time::Instant;

use bytes::Bytes;

use super::exchange::Exchange;
use super::look::{look_at_facts, look_at_loaded};
use super::{Ask, Relay};
use crate::catalogue::Target;
use crate::chat::{Class, Estimate, Failure, Input, Part};
use crate::dialect::ollama::context::{Decision, Known, Need};
use crate::dialect::ollama::name;
use crate::dialect::ollama::window::{Wishes, read_refusal, with_context};
use crate::dialect::{Dialect, Operation, Wire};

/// Of a body so small, its length is estimate enough.
const SMALL_BODY: usize = 400;

/// So often a request is sent at the most, with more context each time.
const SENT_MAX: u32 = 3;

/// A request on its way to a server, and what it asks for.
pub(super) struct Fit<'a> {
    exchange: &'a Exchange<'a>,
    /// None where the server has no such contexts, or the client said what it wants.
    plan: Option<Plan>,
    /// The client's own context, and its prompt where that can be held against what the model counts.
    own: Option<(u64, Option<Estimate>)>,
    client: Wire,
    stays_loaded: bool,
}

struct Plan {
    need: Need,
    context: Option<u64>,
    /// The server is told not to cut.
    is_whole: bool,
    /// What the model counts can be held against the estimate.
    is_countable: bool,
    sent: u32,
}

/// What is to be fitted.
struct Prompt {
    estimate: Estimate,
    is_countable: bool,
    is_embedding: bool,
    /// The client knows that the server cuts what is too long.
    may_be_cut: bool,
}

impl<'a> Fit<'a> {
    /// For a conversation or a completion. `body`: the request in the server's wire.
    pub(super) async fn of(exchange: &'a Exchange<'a>, ask: &mut Ask, body: &Bytes) -> Result<Fit<'a>, Failure> {
        let prompt = if is_fitted(exchange) { Prompt::of(ask) } else { None };
        Fit::planned(exchange, ask.wire, prompt, body).await
    }

    /// For texts to embed, each of which must fit.
    pub(super) async fn of_texts(
        exchange: &'a Exchange<'a>,
        client: Wire,
        inputs: &[Input],
        body: &Bytes,
    ) -> Result<Fit<'a>, Failure> {
        let prompt = is_fitted(exchange).then(|| Prompt::of_texts(client, inputs));
        Fit::planned(exchange, client, prompt, body).await
    }

    async fn planned(
        exchange: &'a Exchange<'a>,
        client: Wire,
        prompt: Option<Prompt>,
        body: &Bytes,
    ) -> Result<Fit<'a>, Failure> {
        let mut fit = Fit { exchange, plan: None, own: None, client, stays_loaded: true };
        if !is_fitted(exchange) {
            return Ok(fit);
        }
        let wishes = Wishes::of(body);
        fit.stays_loaded = !wishes.unloads;
        match (wishes.context, prompt) {
            (Some(context), prompt) => {
                fit.servers().asks(fit.target(), context, true);
                fit.own = Some((context, prompt.filter(|prompt| prompt.is_countable).map(|prompt| prompt.estimate)));
            }
            (None, Some(prompt)) => fit.plan = fit.plan(prompt, &wishes).await?,
            (None, None) => {}
        }
        Ok(fit)
    }

    fn target(&self) -> &'a Target {
        &self.exchange.attempt.target
    }

    fn servers(&self) -> &'a super::loaded::Servers {
        &self.exchange.relay.servers
    }

    async fn plan(&self, prompt: Prompt, wishes: &Wishes) -> Result<Option<Plan>, Failure> {
        let estimate = prompt.estimate.and(wishes.beside);
        let ratio = self.servers().ratio(self.target());
        let need = match prompt.is_embedding {
            true => Need::to_embed(estimate, ratio),
            false => Need::new(estimate, wishes.output, ratio),
        };
        let known = known(self.exchange.relay, self.target(), &need).await;
        let facts = known.facts.unwrap_or_default();
        if facts.is_elsewhere {
            return Ok(None);
        }
        let need = Need { corrected: need.corrected.saturating_add(facts.own), ..need };
        let may_be_cut = prompt.may_be_cut || wishes.truncate == Some(true);
        let decision = known.decide(&need);
        let context = match decision {
            Decision::Nothing => None,
            Decision::Context(context) => Some(context),
            Decision::TooLong(longest) if may_be_cut => Some(longest),
            Decision::TooLong(longest) => return Err(too_long(self.target(), estimate.least, longest)),
        };
        // Vectors of a cut text look like those of a whole one, and models for them are often short.
        let is_doubtful = known.is_doubtful(&need, decision) || prompt.is_embedding;
        let is_whole = is_doubtful && !may_be_cut && wishes.truncate.is_none();
        self.asks(context);
        Ok(Some(Plan { need, context, is_whole, is_countable: prompt.is_countable, sent: 0 }))
    }

    fn asks(&self, context: Option<u64>) {
        let Some(context) = context else { return };
        let target = self.target();
        if self.servers().known(target).loaded != Some(context) {
            tracing::debug!(provider = target.provider.prefix, model = target.model, "asks for a context of {context}");
        }
        self.servers().asks(target, context, false);
    }

    /// The body to send: with what it has to ask for.
    pub(super) fn fitted(&mut self, body: &Bytes) -> Bytes {
        let Some(plan) = &mut self.plan else { return body.clone() };
        plan.sent += 1;
        with_context(body, plan.context, plan.is_whole)
    }

    /// What came back, unless the server refused the prompt as too long and more can be asked for: then the body is to be
    /// sent again.
    pub(super) async fn settled<T>(&mut self, answered: Result<T, Failure>) -> Option<Result<T, Failure>> {
        match answered {
            Ok(answer) => {
                self.answered();
                Some(Ok(answer))
            }
            Err(failure) if self.grows(&failure).await => None,
            Err(failure) => Some(Err(self.in_client_words(failure))),
        }
    }

    /// A refusal that we asked for has the form by which the client's dialect knows a prompt that is too long.
    fn in_client_words(&self, mut failure: Failure) -> Failure {
        let is_asked_for = self.plan.as_ref().is_some_and(|plan| plan.is_whole);
        let is_other = self.client.dialect() != self.exchange.wire.dialect();
        if failure.class == Class::ContextTooLong && is_asked_for && is_other {
            (failure.told, failure.code, failure.kind) = (None, None, None);
        }
        failure
    }

    fn answered(&self) {
        if !self.target().provider.is_local {
            return;
        }
        self.servers().answered(self.target(), self.stays_loaded);
        let Some(turn) = self.exchange.turn else { return };
        let meter = self.exchange.meter;
        if let Some(plan) = self.plan.as_ref().filter(|plan| plan.is_countable) {
            turn.count(meter, plan.need.prompt, plan.context, plan.is_whole);
        } else if let Some((context, Some(prompt))) = self.own {
            turn.count(meter, prompt, Some(context), false);
        }
    }

    /// Was the context too small, and is there more to be had?
    async fn grows(&mut self, failure: &Failure) -> bool {
        let (relay, target, servers) = (self.exchange.relay, self.target(), self.servers());
        let Some(plan) = self.plan.as_mut().filter(|plan| plan.sent < SENT_MAX) else { return false };
        if failure.class != Class::ContextTooLong {
            return false;
        }
        let told = read_refusal(&failure.message);
        if let Some((tokens, _)) = told {
            plan.need.corrected = tokens;
            if plan.is_countable {
                servers.counted(target, tokens, plan.need.prompt.most);
            }
        }
        if servers.is_unasked(target, Instant::now()) {
            look_at_facts(relay, target).await;
        }
        let known = servers.known(target);
        let had = told.map(|(_, context)| context).or(plan.context).unwrap_or_else(|| known.usual());
        let Some(more) = known.decide_again(&plan.need, had) else { return false };
        plan.context = Some(more);
        self.asks(Some(more));
        true
    }
}

/// Does the server load contexts, and shall they be seen to?
fn is_fitted(exchange: &Exchange<'_>) -> bool {
    let target = &exchange.attempt.target;
    let is_local = target.provider.is_local && !name::is_elsewhere(&target.model);
    is_local && exchange.relay.fits_context && exchange.wire.dialect() == Dialect::Ollama
}

impl Prompt {
    /// `None` where the request can't be read: the server shall say what is wrong with it.
    fn of(ask: &mut Ask) -> Option<Prompt> {
        if ask.wire.operation() == Operation::Embed {
            let client = ask.wire;
            return ask.embed().ok().map(|request| Prompt::of_texts(client, &request.inputs));
        }
        let prompt = |estimate, is_countable| Prompt { estimate, is_countable, is_embedding: false, may_be_cut: false };
        if ask.body.len() <= SMALL_BODY {
            return Some(prompt(Estimate { least: 0, most: ask.body.len() as u64 }, false));
        }
        let request = ask.request().ok()?;
        let mut parts = request.messages.iter().flat_map(|message| &message.parts);
        // Pictures take as much as each model likes, and old thoughts are often left out.
        let is_countable = !parts.any(|part| matches!(part, Part::Media(_) | Part::Thinking { .. }));
        Some(prompt(Estimate::of_request(request), is_countable))
    }

    fn of_texts(client: Wire, inputs: &[Input]) -> Prompt {
        let estimates = inputs.iter().map(|input| match input {
            Input::Text(text) => Estimate::of_text(&text.as_str()),
            Input::Tokens(tokens) => Estimate::exactly(tokens.value().items().count() as u64),
        });
        let longest = |a: Estimate, b: Estimate| Estimate { least: a.least.max(b.least), most: a.most.max(b.most) };
        let estimate = estimates.fold(Estimate::default(), longest).and(Estimate { least: 0, most: 2 });
        // That this wire cuts is what it promises.
        let may_be_cut = client.dialect() == Dialect::Ollama;
        Prompt { estimate, is_countable: false, is_embedding: true, may_be_cut }
    }
}

fn too_long(target: &Target, least: u64, longest: u64) -> Failure {
    let message = format!(
        "the input length exceeds the context length: the prompt has at least {least} tokens, and model '{}' takes {longest}",
        target.model
    );
    Failure::new(Class::ContextTooLong, message)
}

/// What is known of the target's model, looked up where the request is not small.
async fn known(relay: &Relay, target: &Target, need: &Need) -> Known {
    let servers = &relay.servers;
    if servers.is_idle(target, Instant::now()) {
        look_at_loaded(relay, target, true).await;
    }
    let known = servers.known(target);
    let is_plain = match known.loaded {
        Some(_) => known.is_enough_for(need),
        None => known.facts.is_none() && need.is_quiet(),
    };
    if is_plain {
        return known;
    }
    let looking = servers.looking(target);
    let _looking = looking.lock().await;
    if servers.is_unasked(target, Instant::now()) {
        look_at_facts(relay, target).await;
    }
    if !servers.known(target).is_enough_for(need) && servers.is_stale(target, Instant::now()) {
        look_at_loaded(relay, target, true).await;
    }
    servers.known(target)
}

//! Embeddings that are translated, or that are more than the provider takes in one call: a few calls at a time, answered as one.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Response};
use jiff::Timestamp;

use super::exchange::Exchange;
use super::fit::Fit;
use super::source::Source;
use super::{Ask, Body, full, headers, translate};
use crate::catalogue::Target;
use crate::chat::{Class, EmbedRequest, Embedded, Failure, Input};
use crate::dialect::Operation;
use crate::json::Json;
use crate::provider::{Face, Provider, Way};

/// So many calls of one request are under way at once.
const CALLS_MAX: usize = 4;

/// What a target has answered of a request before a call failed: the next try goes on from there.
#[derive(Debug)]
pub(super) struct Progress {
    provider: String,
    model: String,
    parts: Vec<Embedded>,
}

impl Progress {
    fn new(target: &Target) -> Progress {
        Progress { provider: target.provider.prefix.clone(), model: target.model.clone(), parts: Vec::new() }
    }

    /// Vectors of another model mean something else.
    fn is_of(&self, target: &Target) -> bool {
        self.provider == target.provider.prefix && self.model == target.model
    }
}

/// Are these embeddings that don't pass? Where they could, they must be more than one call takes; a request that can't be
/// read is the provider's to judge.
pub(super) fn is_asked(ask: &mut Ask, way: Way<'_>, provider: &Provider) -> bool {
    if ask.wire.operation() != Operation::Embed {
        return false;
    }
    match (way, provider.embed_batch_max) {
        (Way::Translate(_), _) => true,
        (Way::Pass(_), None) => false,
        (Way::Pass(_), Some(max)) => ask.embed().is_ok_and(|request| request.inputs.len() > max),
    }
}

/// The answer in the client's wire.
pub(super) async fn answer(exchange: &Exchange<'_>, ask: &mut Ask, face: &Face) -> Result<Response<Body>, Failure> {
    let target = &exchange.attempt.target;
    let mut request = ask.embed()?.clone();
    ask.name_at(target).clone_into(&mut request.model);
    let max = target.provider.embed_batch_max.unwrap_or(usize::MAX).max(1);
    let mut done = ask.progress.take().filter(|past| past.is_of(target)).unwrap_or_else(|| Progress::new(target));
    let mut told = HeaderMap::new();
    let asked: &Ask = ask;
    let left = request.inputs.chunks(max).enumerate().skip(done.parts.len());
    let calls: Vec<_> =
        left.map(|(number, inputs)| call(exchange, asked, face, &request, inputs, number == 0)).collect();
    let mut calls = stream::iter(calls).buffered(CALLS_MAX);
    while let Some(answered) = calls.next().await {
        match answered {
            Ok((part, head)) => {
                done.parts.push(part);
                told = head;
            }
            Err(failure) => {
                drop(calls);
                ask.progress = Some(done);
                return Err(failure);
            }
        }
    }
    drop(calls);
    Ok(written(exchange, ask, &request, Embedded::join(done.parts), &told))
}

fn written(
    exchange: &Exchange<'_>,
    ask: &Ask,
    request: &EmbedRequest,
    embedded: Embedded,
    told: &HeaderMap,
) -> Response<Body> {
    let meter = exchange.meter;
    meter.content();
    meter.usage(Some(embedded.usage));
    meter.finished();
    let embedded = embedded.cut(request.dimensions).counted(&request.inputs);
    let mut answer = Response::new(full(ask.wire.write_embedded(&embedded, &ask.reply(), Timestamp::now())));
    *answer.headers_mut() = headers::of_answer(told, None, ask.wire, false);
    answer
}

/// One call: the vectors of `inputs`. What can't be asked for is counted with the first.
async fn call(
    exchange: &Exchange<'_>,
    ask: &Ask,
    face: &Face,
    request: &EmbedRequest,
    inputs: &[Input],
    is_first: bool,
) -> Result<(Embedded, HeaderMap), Failure> {
    let (body, dropped) = translate::ruled(exchange, exchange.wire.write_embed(request, inputs)?)?;
    exchange.meter.dropped(if is_first { dropped } else { 0 });
    let mut fit = Fit::of_texts(exchange, ask.wire, inputs, &body).await?;
    loop {
        let answered = vectors(exchange, ask, face, fit.fitted(&body), inputs.len()).await;
        if let Some(answered) = fit.settled(answered).await {
            return answered;
        }
    }
}

/// The vectors of so many texts.
async fn vectors(
    exchange: &Exchange<'_>,
    ask: &Ask,
    face: &Face,
    body: Bytes,
    wanted: usize,
) -> Result<(Embedded, HeaderMap), Failure> {
    let response = exchange.send(ask, face, body, None).await?;
    let (head, body) = response.into_parts();
    let limits = &exchange.relay.limits;
    let mut source = Source::new(body, limits.silence);
    let whole = source.whole(limits.body_bytes_max).await.map_err(|failure| exchange.named(failure))?;
    let Ok(json) = Json::parse(whole.clone()) else { return Err(exchange.not_an_answer(&whole)) };
    let read = exchange.wire.read_embedded(&json);
    let embedded = read.map_err(|failure| exchange.judged_inside(failure, &head.headers, whole))?;
    let told = embedded.vectors.len();
    if told != wanted {
        let message = format!("it answered {told} vectors for {wanted} texts");
        return Err(exchange.named(Failure::new(Class::BadAnswer, message)));
    }
    Ok((embedded, head.headers))
}

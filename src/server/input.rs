//! Bodies of requests: read whole, within limits of size and time, unpacked where they come compressed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::chat::{Class, Failure};
use crate::config::Limits;

/// The whole body, unpacked.
pub(super) async fn read(headers: &HeaderMap, body: Incoming, limits: &Limits) -> Result<Bytes, Failure> {
    let max = limits.body_bytes_max;
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let packed = collect(body, limits).await?;
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(packed),
        "gzip" | "x-gzip" => apart(move || unpack(flate2::read::MultiGzDecoder::new(&*packed), "gzip", max)).await,
        "zstd" => apart(move || unpack_zstd(&packed, max)).await,
        other => {
            let message =
                format!("the request body's content encoding '{other}' is not supported; use gzip, zstd or none");
            Err(Failure::bad_request(message).with_status(415))
        }
    }
}

async fn collect(mut body: Incoming, limits: &Limits) -> Result<Bytes, Failure> {
    let mut first = None;
    let mut whole = BytesMut::new();
    loop {
        let Ok(frame) = tokio::time::timeout(limits.silence, body.frame()).await else {
            let message = format!("no more of the request body came for {:?}", limits.silence);
            return Err(Failure::bad_request(message).with_status(408));
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Failure::bad_request("the request body broke off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if whole.len() + bytes.len() > limits.body_bytes_max {
            return Err(too_large(limits.body_bytes_max));
        }
        // A body that comes in one piece is not copied.
        match first.take() {
            None if whole.is_empty() => first = Some(bytes),
            None => whole.extend_from_slice(&bytes),
            Some(piece) => {
                whole.extend_from_slice(&piece);
                whole.extend_from_slice(&bytes);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// A large body takes long to unpack: other requests shall not wait behind it.
async fn apart(work: impl FnOnce() -> Result<Bytes, Failure> + Send + 'static) -> Result<Bytes, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::new(Class::Internal, "the request body could not be unpacked")))
}

fn unpack_zstd(packed: &Bytes, max: usize) -> Result<Bytes, Failure> {
    match ruzstd::decoding::StreamingDecoder::new(&**packed) {
        Ok(decoder) => unpack(decoder, "zstd", max),
        Err(error) => Err(Failure::bad_request(format!("the request body is not valid zstd: {error}"))),
    }
}

fn unpack(decoder: impl Read, name: &str, max: usize) -> Result<Bytes, Failure> {
    let mut whole = Vec::new();
    let read = decoder.take(max as u64 + 1).read_to_end(&mut whole);
    read.map_err(|error| Failure::bad_request(format!("the request body is not valid {name}: {error}")))?;
    if whole.len() > max { Err(too_large(max)) } else { Ok(Bytes::from(whole)) }
}

fn too_large(max: usize) -> Failure {
    let message = format!("the request body is larger than {max} bytes (limits.body_bytes_max)");
    Failure::new(Class::TooLarge, message).with_code("request_too_large")
}

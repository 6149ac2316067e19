//! Requests that go to one provider as they are, whatever they hold: Ollama's lists and details of its own models.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body_util::{BodyExt, Limited};

use super::body::{BodyError, streamed};
use super::{Body, Relay, headers, upstream};
use crate::chat::{Class, Failure};
use crate::dialect::Dialect;
use crate::provider::Provider;
use crate::provider::credentials::{Choice, Credential};

impl Relay {
    /// Sends a request to a provider's own path, below the base URL of its face in `dialect`; any status comes back as it is.
    /// `client`: the headers of the request that leads to it, in the same dialect.
    pub async fn forward(
        &self,
        provider: &Provider,
        dialect: Dialect,
        method: Method,
        path: &str,
        client: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, Failure> {
        let face = provider.faces.iter().find(|face| face.dialect == dialect);
        let missing = || Failure::new(Class::Unsupported, format!("provider '{}' does not have this", provider.prefix));
        let face = face.ok_or_else(missing)?;
        let credential = match provider.pool.choose("", &[], std::time::Instant::now()) {
            Choice::Use(_, credential) => credential,
            Choice::Resting(_) | Choice::Empty => Credential { secret: String::new().into(), is_token: false },
        };
        let mut headers = headers::authorised(provider, face, &credential)?;
        headers::hand_on(client, &mut headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        upstream::Upstream::carry_hops(client, &mut headers);
        let url = format!("{}{path}", face.base_url);
        let limit = self.limits.first_byte;
        let late = || Failure::new(Class::Timeout, format!("the provider did not answer within {limit:?}"));
        let sending = self.upstream.send(method, &url, headers, body);
        let response = tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| Err(late()))?;
        let (head, body) = response.into_parts();
        let silence = self.limits.silence;
        let body = streamed(body, move |mut body| async move {
            match upstream::next(&mut body, silence).await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), body)),
                Err(_) => Some((Err(BodyError), body)),
            }
        });
        let mut answer = Response::new(body);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = headers::down(&head.headers);
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            if let Some(value) = head.headers.get(&name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        Ok(answer)
    }

    /// A small JSON answer of a provider, whole.
    pub async fn fetch(
        &self,
        provider: &Provider,
        dialect: Dialect,
        path: &str,
        client: &HeaderMap,
    ) -> Result<Bytes, Failure> {
        let response = self.forward(provider, dialect, Method::GET, path, client, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(Failure::new(
                Class::ProviderDown,
                format!("it answered with status {}", response.status().as_u16()),
            ));
        }
        let limited = Limited::new(response.into_body(), self.limits.record_bytes_max).collect().await;
        limited.map(|whole| whole.to_bytes()).map_err(|e| Failure::new(Class::BadAnswer, e.to_string()))
    }
}

//! What went wrong, whose fault it was, and what it means for the next try.

use std::time::Duration;

use bytes::Bytes;

/// A failure on its way to the client, in no dialect's words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure; the attempt loop acts on this and `scope` alone.
    pub class: Class,
    /// What else would fail the same way.
    pub scope: Scope,
    /// Who has to do something about it.
    pub fault: Fault,
    /// The HTTP status that fits; a provider's own where there was one.
    pub status: u16,
    /// For the client: what went wrong and what to do. A provider's own words where there were any. Never holds a key.
    pub message: String,
    /// The provider's code, or ours (`model_not_found`).
    pub code: Option<String>,
    /// The provider's error type (`invalid_request_error`).
    pub kind: Option<String>,
    /// The request field at fault.
    pub param: Option<String>,
    /// Not worth trying again before.
    pub retry_after: Option<Duration>,
    /// What came beside the provider's words and is for the client too, by header: the request's id, rate limits.
    pub notes: Vec<(String, String)>,
    /// The provider's answer as it came: handed on when the client speaks the same dialect.
    pub told: Option<Told>,
}

/// A provider's answer that is an error, as it came.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its status.
    pub status: u16,
    /// Its content type, where it named one.
    pub content_type: Option<String>,
    /// Its body.
    pub body: Bytes,
}

/// Sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request itself is wrong.
    BadRequest,
    /// The request is larger than a limit.
    TooLarge,
    /// No such route.
    NoRoute,
    /// The client has no right to ask (our own inbound keys).
    Unauthorized,
    /// The client may not ask from there (Host, Origin).
    Forbidden,
    /// No provider has a model of that name, or this provider doesn't.
    UnknownModel,
    /// The provider is known but has no key.
    NoKey,
    /// The key is refused for good.
    KeyDead,
    /// The key is refused for now or here.
    KeyRefused,
    /// The account has no money left.
    NoMoney,
    /// A quota of a day or longer is spent.
    QuotaSpent,
    /// Too many requests just now.
    RateLimited,
    /// This key may not use this model.
    ModelRefused,
    /// The prompt does not fit into the model's context.
    ContextTooLong,
    /// Blocked by the provider's safety rules.
    Blocked,
    /// A parameter that this model does not take.
    UnsupportedParameter,
    /// The provider is overloaded.
    Overloaded,
    /// The provider can't be reached, or answers 5xx.
    ProviderDown,
    /// The provider did not answer in time.
    Timeout,
    /// What the provider sent is not what its dialect says.
    BadAnswer,
    /// The answer ended before it was finished.
    CutAnswer,
    /// A request that came back to us.
    Loop,
    /// Not built, or not to be had from this provider.
    Unsupported,
    /// Ours.
    Internal,
}

/// What would fail the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This request alone.
    Request,
    /// Whatever is asked with this key.
    Credential,
    /// This model with this key.
    CredentialModel,
    /// This model at this provider.
    Model,
    /// This provider.
    Provider,
}

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Who sent the request.
    Client,
    /// Who runs the gateway: a key, the configuration.
    Gateway,
    /// The provider.
    Provider,
}

impl Failure {
    /// A failure with what belongs to its class by default.
    pub fn new(class: Class, message: impl Into<String>) -> Failure {
        let (status, fault, scope) = class.usual();
        Failure {
            class,
            scope,
            fault,
            status,
            message: message.into(),
            code: None,
            kind: None,
            param: None,
            retry_after: None,
            notes: Vec::new(),
            told: None,
        }
    }

    /// The request is wrong.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(Class::BadRequest, message)
    }

    /// The model can't fill a gap, in the words that Ollama's clients look for.
    pub fn cannot_insert(model: &str) -> Failure {
        Failure::bad_request(format!("{model} does not support insert")).with_param("suffix")
    }

    /// The same with another status.
    pub fn with_status(mut self, status: u16) -> Failure {
        self.status = status;
        self
    }

    /// The same with a code.
    pub fn with_code(mut self, code: impl Into<String>) -> Failure {
        self.code = Some(code.into());
        self
    }

    /// The same with the field at fault.
    pub fn with_param(mut self, param: impl Into<String>) -> Failure {
        self.param = Some(param.into());
        self
    }
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 24] = [
        Class::BadRequest,
        Class::TooLarge,
        Class::NoRoute,
        Class::Unauthorized,
        Class::Forbidden,
        Class::UnknownModel,
        Class::NoKey,
        Class::KeyDead,
        Class::KeyRefused,
        Class::NoMoney,
        Class::QuotaSpent,
        Class::RateLimited,
        Class::ModelRefused,
        Class::ContextTooLong,
        Class::Blocked,
        Class::UnsupportedParameter,
        Class::Overloaded,
        Class::ProviderDown,
        Class::Timeout,
        Class::BadAnswer,
        Class::CutAnswer,
        Class::Loop,
        Class::Unsupported,
        Class::Internal,
    ];

    /// Its word in error rules and in the request log.
    pub fn name(self) -> &'static str {
        match self {
            Class::BadRequest => "bad_request",
            Class::TooLarge => "too_large",
            Class::NoRoute => "no_route",
            Class::Unauthorized => "unauthorized",
            Class::Forbidden => "forbidden",
            Class::UnknownModel => "unknown_model",
            Class::NoKey => "no_key",
            Class::KeyDead => "key_dead",
            Class::KeyRefused => "key_refused",
            Class::NoMoney => "no_money",
            Class::QuotaSpent => "quota_spent",
            Class::RateLimited => "rate_limited",
            Class::ModelRefused => "model_refused",
            Class::ContextTooLong => "context_too_long",
            Class::Blocked => "blocked",
            Class::UnsupportedParameter => "unsupported_parameter",
            Class::Overloaded => "overloaded",
            Class::ProviderDown => "provider_down",
            Class::Timeout => "timeout",
            Class::BadAnswer => "bad_answer",
            Class::CutAnswer => "cut_answer",
            Class::Loop => "loop",
            Class::Unsupported => "unsupported",
            Class::Internal => "internal",
        }
    }

    /// The class of that word.
    pub fn named(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Status, fault and scope that go with a class when nothing better is known.
    pub fn usual(self) -> (u16, Fault, Scope) {
        match self {
            Class::BadRequest | Class::ContextTooLong | Class::UnsupportedParameter => {
                (400, Fault::Client, Scope::Request)
            }
            Class::TooLarge => (413, Fault::Client, Scope::Request),
            Class::NoRoute => (404, Fault::Client, Scope::Request),
            Class::Unauthorized => (401, Fault::Client, Scope::Request),
            Class::Forbidden => (403, Fault::Client, Scope::Request),
            Class::UnknownModel => (404, Fault::Client, Scope::Model),
            Class::NoKey => (401, Fault::Gateway, Scope::Provider),
            Class::KeyDead | Class::KeyRefused => (401, Fault::Gateway, Scope::Credential),
            Class::NoMoney => (402, Fault::Gateway, Scope::Credential),
            Class::QuotaSpent | Class::RateLimited => (429, Fault::Gateway, Scope::CredentialModel),
            Class::ModelRefused => (403, Fault::Gateway, Scope::CredentialModel),
            Class::Blocked => (400, Fault::Client, Scope::Request),
            Class::Overloaded => (503, Fault::Provider, Scope::Model),
            Class::ProviderDown => (502, Fault::Provider, Scope::Provider),
            Class::Timeout => (504, Fault::Provider, Scope::Provider),
            Class::BadAnswer | Class::CutAnswer => (502, Fault::Provider, Scope::Request),
            Class::Loop => (508, Fault::Gateway, Scope::Request),
            Class::Unsupported => (501, Fault::Gateway, Scope::Request),
            Class::Internal => (500, Fault::Gateway, Scope::Request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_word_of_its_own() {
        for class in Class::ALL {
            assert_eq!(Class::named(class.name()), Some(class));
        }
        assert_eq!(Class::named("rate_limited"), Some(Class::RateLimited));
        assert_eq!(Class::named("RateLimited"), None);
    }
}

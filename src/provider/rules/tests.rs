//! Error bodies as providers send them, in our own words, and what they mean.

use std::time::Duration;

use http::HeaderMap;

use super::*;
use crate::chat::{Class, Fault, Scope};
use crate::provider::entry::presets;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn now() -> Timestamp {
    // 12:00 in Los Angeles.
    "2026-11-22T20:00:00Z".parse().unwrap()
}

/// The rules of a preset; of one that none has, for those that hold for all.
fn rules_of(prefix: &str) -> Rules {
    let found = presets().unwrap().into_iter().find(|(name, _)| name == prefix);
    found.map_or_else(Rules::default, |(_, entry)| Rules::new(entry.rules, entry.errors))
}

fn judged(prefix: &str, status: u16, message: &str, marks: &[&str]) -> Failure {
    let error = ProviderError {
        message: message.to_owned(),
        marks: marks.iter().map(|mark| (*mark).to_owned()).collect(),
        ..ProviderError::default()
    };
    rules_of(prefix).classify(status, &HeaderMap::new(), error, "m", now())
}

/// Provider, status, message, marks → class, scope, seconds to wait.
type Case<'a> = (&'a str, u16, &'a str, &'a [&'a str], Class, Scope, Option<u64>);

fn check(cases: &[Case<'_>]) {
    for (prefix, status, message, marks, class, scope, wait) in cases {
        let failure = judged(prefix, *status, message, marks);
        let found = (failure.class, failure.scope, failure.retry_after);
        assert_eq!(found, (*class, *scope, wait.map(Duration::from_secs)), "{prefix} {status} {message:?} {marks:?}");
    }
}

#[test]
fn the_common_table_can_be_read() {
    let common: Common = toml::from_str(include_str!("common.toml")).unwrap();
    assert!(common.errors.len() > 30 && !common.rules.is_empty());
}

#[test]
fn an_error_inside_a_200_means_what_its_code_means() {
    check(&[
        ("openrouter", 200, "Insufficient credits", &["402"], Class::NoMoney, Scope::Credential, None),
        ("openrouter", 0, "Provider returned error", &["429"], Class::Overloaded, Scope::Model, None),
        (
            "openai",
            200,
            "You exceeded your current quota",
            &["insufficient_quota"],
            Class::NoMoney,
            Scope::Credential,
            None,
        ),
        ("none", 200, "slow down", &["rate_limit_exceeded"], Class::RateLimited, Scope::CredentialModel, None),
        ("none", 0, "The server had an error", &["server_error"], Class::ProviderDown, Scope::Model, None),
        ("none", 200, "maximum context length is 8192 tokens", &[], Class::ContextTooLong, Scope::Request, None),
        ("none", 200, "odd", &[], Class::ProviderDown, Scope::Provider, None),
        ("minimax", 200, "invalid api key", &["2049"], Class::KeyDead, Scope::Credential, None),
        ("minimax", 200, "rate limit", &["1002"], Class::RateLimited, Scope::CredentialModel, None),
        ("minimax", 200, "insufficient balance", &["1008"], Class::NoMoney, Scope::Credential, None),
        ("minimax", 200, "context window exceeds limit", &["2013"], Class::ContextTooLong, Scope::Request, None),
    ]);
    assert_eq!(judged("openrouter", 200, "no credits", &["402"]).status, 402);
    assert_eq!(judged("minimax", 200, "sensitive", &["1026"]).status, 400);
}

#[test]
fn a_400_can_be_the_key_or_the_money() {
    check(&[
        (
            "google",
            400,
            "API key not valid.",
            &["INVALID_ARGUMENT", "API_KEY_INVALID"],
            Class::KeyDead,
            Scope::Credential,
            None,
        ),
        ("google", 400, "API key expired. Renew it.", &["INVALID_ARGUMENT"], Class::KeyDead, Scope::Credential, None),
        ("xai", 400, "Incorrect API key provided: xa***yz", &[], Class::KeyDead, Scope::Credential, None),
        ("none", 400, "Your credit balance is too low", &[], Class::NoMoney, Scope::Credential, None),
        ("qwen", 400, "Access denied", &["Arrearage"], Class::NoMoney, Scope::Credential, None),
        (
            "qwen",
            403,
            "The free tier of the model has been exhausted.",
            &["AllocationQuota.FreeTierOnly"],
            Class::QuotaSpent,
            Scope::CredentialModel,
            Some(DAY),
        ),
        (
            "none",
            400,
            "You will regain access on 2026-11-23 at 00:00 UTC.",
            &[],
            Class::QuotaSpent,
            Scope::Credential,
            Some(4 * HOUR),
        ),
        (
            "google",
            400,
            "User location is not supported for the API use.",
            &["FAILED_PRECONDITION"],
            Class::ProviderDown,
            Scope::Provider,
            None,
        ),
        ("groq", 400, "restricted", &["organization_restricted"], Class::KeyDead, Scope::Credential, None),
    ]);
    let failure = judged("google", 400, "API key not valid.", &["API_KEY_INVALID"]);
    assert_eq!((failure.status, failure.fault), (401, Fault::Gateway));
}

#[test]
fn what_is_too_long_is_the_clients_affair() {
    for (prefix, status, message, mark) in [
        ("openai", 400, "This model's maximum context length is 128000 tokens.", "context_length_exceeded"),
        ("google", 400, "The input token count (2) exceeds the maximum number of tokens allowed (1).", ""),
        ("mistral", 400, "Prompt contains 9 tokens, too large for model with 8 maximum context length", ""),
        ("xai", 400, "This model's maximum prompt length is 7 but the request contains 9 tokens", ""),
        ("cerebras", 400, "Please reduce the length of the messages. Current length is 9 while limit is 8", ""),
        ("cohere", 400, "too many tokens: size limit exceeded", ""),
        ("qwen", 400, "Range of input length should be [1, 30720]", ""),
        ("zai", 400, "Prompt exceeds max length", "1261"),
        ("ollama", 400, "the input length exceeds the context length", ""),
        ("ollama", 400, "the prompt is longer than the context length currently available to the model", ""),
        ("llamacpp", 400, "the request exceeds the available context size", "exceed_context_size_error"),
        ("together", 403, "input and max_tokens are too much", ""),
        ("none", 413, "", ""),
    ] {
        let failure = judged(prefix, status, message, &[mark]);
        assert_eq!((failure.class, failure.status), (Class::ContextTooLong, 400), "{prefix}: {message}");
    }
    let other = judged("openai", 400, "Invalid 'user': string too long.", &["string_above_max_length"]);
    assert_eq!(other.class, Class::BadRequest);
}

#[test]
fn requests_can_be_wrong_in_several_ways() {
    check(&[
        (
            "groq",
            413,
            "Request too large for model `m` on tokens per minute (TPM): Limit 6000",
            &[],
            Class::ModelRefused,
            Scope::Request,
            None,
        ),
        ("nvidia", 400, "DEGRADED function cannot be invoked", &[], Class::Overloaded, Scope::Model, None),
        (
            "groq",
            400,
            "The model has been decommissioned",
            &["model_decommissioned"],
            Class::UnknownModel,
            Scope::Model,
            None,
        ),
        ("none", 400, "The model `x` does not exist", &[], Class::UnknownModel, Scope::Model, None),
        ("groq", 400, "Failed to call a function.", &["tool_use_failed"], Class::BadAnswer, Scope::Request, None),
        (
            "google",
            400,
            "Multiple authentication credentials received",
            &["INVALID_ARGUMENT"],
            Class::BadRequest,
            Scope::Request,
            None,
        ),
        ("azure", 400, "filtered", &["content_filter"], Class::Blocked, Scope::Request, None),
        ("qwen", 400, "inappropriate content", &["data_inspection_failed"], Class::Blocked, Scope::Request, None),
        ("zai", 400, "sensitive", &["1301"], Class::Blocked, Scope::Request, None),
        (
            "openai",
            400,
            "Unsupported parameter: 'max_tokens'",
            &["unsupported_parameter"],
            Class::UnsupportedParameter,
            Scope::Request,
            None,
        ),
        (
            "mistral",
            422,
            "Extra inputs are not permitted",
            &["extra_forbidden"],
            Class::UnsupportedParameter,
            Scope::Request,
            None,
        ),
        (
            "deepseek",
            400,
            "the valid range of max_tokens is [1, 8192]",
            &[],
            Class::UnsupportedParameter,
            Scope::Request,
            None,
        ),
        ("none", 400, "quota 429 in the words of a prompt", &[], Class::BadRequest, Scope::Request, None),
        ("none", 418, "teapot", &[], Class::BadRequest, Scope::Request, None),
    ]);
}

#[test]
fn who_is_refused_and_for_how_long() {
    check(&[
        ("openai", 401, "Incorrect API key provided", &["invalid_api_key"], Class::KeyDead, Scope::Credential, None),
        ("cerebras", 401, "Wrong API Key", &["wrong_api_key"], Class::KeyDead, Scope::Credential, None),
        ("none", 401, "Unauthorized", &[], Class::KeyRefused, Scope::Credential, None),
        ("none", 401, "You do not have access to this.", &[], Class::KeyRefused, Scope::Credential, None),
        ("none", 401, "no such model", &["invalid_api_key"], Class::KeyDead, Scope::Credential, None),
        ("google", 401, "unsupported", &["ACCESS_TOKEN_TYPE_UNSUPPORTED"], Class::KeyDead, Scope::Credential, None),
        ("deepseek", 402, "Insufficient Balance", &[], Class::NoMoney, Scope::Credential, None),
        (
            "cohere",
            402,
            "Maximum billing reached, it will reset at the beginning of next month",
            &[],
            Class::NoMoney,
            Scope::Credential,
            Some(DAY),
        ),
        (
            "ollama-cloud",
            403,
            "this model requires a subscription, upgrade for access",
            &[],
            Class::ModelRefused,
            Scope::CredentialModel,
            Some(DAY),
        ),
        ("qwen", 403, "no", &["Model.AccessDenied"], Class::ModelRefused, Scope::CredentialModel, Some(DAY)),
        ("openrouter", 403, "Your input was flagged by moderation", &[], Class::Blocked, Scope::Request, None),
        ("xai", 403, "Your team doesn't have any credits yet", &[], Class::NoMoney, Scope::Credential, Some(DAY)),
        ("none", 403, "no", &["Arrearage"], Class::NoMoney, Scope::Credential, None),
        ("none", 403, "no", &["account_deactivated"], Class::KeyRefused, Scope::Credential, Some(HOUR)),
        (
            "kimi",
            403,
            "You've reached your usage limit for this billing cycle",
            &[],
            Class::QuotaSpent,
            Scope::Credential,
            Some(DAY),
        ),
        (
            "google",
            403,
            "Your API key was reported as leaked",
            &["PERMISSION_DENIED"],
            Class::KeyDead,
            Scope::Credential,
            None,
        ),
        (
            "google",
            403,
            "API has not been used",
            &["SERVICE_DISABLED"],
            Class::KeyRefused,
            Scope::Credential,
            Some(HOUR),
        ),
        ("nvidia", 403, "Authorization failed", &[], Class::KeyRefused, Scope::Credential, Some(HOUR)),
        ("fireworks", 412, "account is suspended", &[], Class::KeyRefused, Scope::Credential, Some(DAY)),
    ]);
}

#[test]
fn what_is_not_there_and_what_is_slow() {
    check(&[
        ("openai", 404, "The model does not exist", &["model_not_found"], Class::UnknownModel, Scope::Model, None),
        ("openai", 404, "This is not a chat model", &[], Class::Unsupported, Scope::Model, None),
        (
            "nvidia",
            404,
            "Function 'id': Not found for account",
            &[],
            Class::ModelRefused,
            Scope::CredentialModel,
            Some(DAY),
        ),
        ("ollama-cloud", 410, "model was removed", &[], Class::UnknownModel, Scope::Model, None),
        ("none", 405, "", &[], Class::Unsupported, Scope::Request, None),
        ("none", 504, "", &[], Class::Timeout, Scope::Provider, None),
        ("none", 408, "", &[], Class::Timeout, Scope::Provider, None),
    ]);
}

#[test]
fn a_429_stands_for_four_things() {
    let fixed = [
        (
            "openai",
            "check your plan and billing details",
            "insufficient_quota",
            Class::NoMoney,
            Scope::Credential,
            None,
        ),
        ("moonshot", "no balance", "exceeded_current_quota_error", Class::NoMoney, Scope::Credential, None),
        ("zai", "no balance", "1113", Class::NoMoney, Scope::Credential, None),
        (
            "xai",
            "has either used all available credits or reached its limit",
            "",
            Class::NoMoney,
            Scope::Credential,
            None,
        ),
        (
            "qwen",
            "You exceeded your current quota",
            "insufficient_quota",
            Class::RateLimited,
            Scope::CredentialModel,
            Some(60),
        ),
        ("google", "Quota exceeded, limit: 0, retry in 8s", "x", Class::QuotaSpent, Scope::CredentialModel, Some(DAY)),
        (
            "google",
            "Please retry in 8s.",
            "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            Class::QuotaSpent,
            Scope::CredentialModel,
            Some(12 * HOUR),
        ),
        (
            "google",
            "Please retry in 34.5s.",
            "GenerateRequestsPerMinutePerProjectPerModel",
            Class::RateLimited,
            Scope::CredentialModel,
            None,
        ),
        (
            "google",
            "Resource has been exhausted (e.g. check quota).",
            "RESOURCE_EXHAUSTED",
            Class::RateLimited,
            Scope::CredentialModel,
            None,
        ),
        (
            "openrouter",
            "Rate limit exceeded: free-models-per-day",
            "",
            Class::QuotaSpent,
            Scope::Credential,
            Some(4 * HOUR),
        ),
        (
            "groq",
            "on tokens per day (TPD): Limit 1. Please try again in 7m12s",
            "",
            Class::QuotaSpent,
            Scope::CredentialModel,
            Some(432),
        ),
        (
            "cloudflare",
            "used up your daily free allocation of 10,000 neurons",
            "3036",
            Class::QuotaSpent,
            Scope::Credential,
            Some(4 * HOUR),
        ),
        (
            "ollama-cloud",
            "you've reached your weekly usage limit",
            "",
            Class::QuotaSpent,
            Scope::Credential,
            Some(6 * HOUR),
        ),
        (
            "ollama-cloud",
            "you've reached your session usage limit",
            "",
            Class::QuotaSpent,
            Scope::Credential,
            Some(HOUR / 2),
        ),
        (
            "zai",
            "usage limit reached, will reset at 2026-11-22 21:00:00",
            "1308",
            Class::QuotaSpent,
            Scope::Credential,
            Some(HOUR),
        ),
        ("cohere", "Trial key, limited to 1000 API calls / month", "", Class::QuotaSpent, Scope::Credential, Some(DAY)),
        ("openrouter", "Provider returned error", "", Class::Overloaded, Scope::Model, None),
        ("moonshot", "overloaded", "engine_overloaded_error", Class::Overloaded, Scope::Model, None),
        ("mistral", "Service tier capacity exceeded for this model.", "3505", Class::Overloaded, Scope::Model, None),
        ("none", "Too many requests", "", Class::RateLimited, Scope::CredentialModel, None),
    ];
    for (prefix, message, mark, class, scope, wait) in fixed {
        let failure = judged(prefix, 429, message, &[mark]);
        assert_eq!((failure.class, failure.scope), (class, scope), "{prefix}: {message}");
        assert!(wait.is_none_or(|wait| failure.retry_after == Some(Duration::from_secs(wait))), "{prefix}: {message}");
        assert_eq!(failure.status, 429);
    }
    let minute = judged("google", 429, "Please retry in 34.5s.", &["PerMinute"]);
    assert_eq!(minute.retry_after, Some(Duration::from_millis(34_500)));
}

#[test]
fn a_long_wait_is_a_spent_quota_and_has_a_bound() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "50000".parse().unwrap());
    let failure = Rules::default().classify(429, &headers, ProviderError::default(), "m", now());
    assert_eq!((failure.class, failure.retry_after), (Class::QuotaSpent, Some(Duration::from_secs(HOUR))));
    assert!(failure.message.contains("429"));
}

#[test]
fn the_providers_trouble_is_its_own() {
    check(&[
        ("none", 500, "", &[], Class::ProviderDown, Scope::Model, None),
        ("none", 502, "", &[], Class::ProviderDown, Scope::Model, None),
        ("google", 503, "The model is overloaded.", &["UNAVAILABLE"], Class::Overloaded, Scope::Model, None),
        ("akash", 529, "no healthy backend", &[], Class::Overloaded, Scope::Model, None),
        ("none", 522, "", &[], Class::ProviderDown, Scope::Model, None),
    ]);
    assert_eq!(judged("none", 522, "", &[]).status, 502);
    assert_eq!(judged("none", 529, "", &[]).status, 529);
}

#[test]
fn the_providers_words_are_kept() {
    let error = ProviderError {
        message: "bad".to_owned(),
        code: Some("c".to_owned()),
        kind: Some("k".to_owned()),
        param: Some("p".to_owned()),
        ..ProviderError::default()
    };
    let failure = Rules::default().classify(422, &HeaderMap::new(), error, "m", now());
    assert_eq!((failure.message.as_str(), failure.status, failure.fault), ("bad", 422, Fault::Client));
    let kept = (failure.code.as_deref(), failure.kind.as_deref(), failure.param.as_deref());
    assert_eq!(kept, (Some("c"), Some("k"), Some("p")));
    assert!(failure.told.is_none());
}

#[test]
fn parameters_of_the_main_providers() {
    let after = |prefix: &str, body: &str, model: &str, must: bool| {
        let ruled = rules_of(prefix).apply(Bytes::copy_from_slice(body.as_bytes()), model, must);
        String::from_utf8(ruled.body.to_vec()).unwrap()
    };
    let seed = r#"{"seed":1,"max_completion_tokens":9,"tool_choice":"required","tools":[],"logprobs":true}"#;
    assert_eq!(
        after("codestral", seed, "codestral-latest", true),
        r#"{"random_seed":1,"max_tokens":9,"tool_choice":"any","logprobs":true}"#
    );
    assert_eq!(
        after("openai", r#"{"max_tokens":9,"temperature":0}"#, "gpt-5-mini", true),
        r#"{"max_completion_tokens":9,"temperature":0}"#
    );
    assert_eq!(
        after("openai", r#"{"max_tokens":9,"temperature":0}"#, "gpt-5-mini", false),
        r#"{"max_completion_tokens":9}"#
    );
    assert_eq!(
        after("openai", r#"{"max_tokens":9,"temperature":0}"#, "gpt-4o", false),
        r#"{"max_tokens":9,"temperature":0}"#
    );
    assert_eq!(
        after("cohere", r#"{"temperature":1.5,"tool_choice":"auto"}"#, "command-a", false),
        r#"{"temperature":1}"#
    );
    assert_eq!(
        after("qwen", r#"{"frequency_penalty":1,"a":1}"#, "qwen-plus", true),
        r#"{"frequency_penalty":1,"a":1}"#
    );
    let empty = r#"{"tools":[],"x":null,"response_format":{"type":"text"},"a":1}"#;
    assert_eq!(after("openrouter", empty, "m", false), r#"{"a":1}"#);
    assert_eq!(after("openrouter", empty, "m", true), empty);
}

/// A key that may not use one model stays good for the others.
#[test]
fn a_401_about_the_model_is_none_about_the_key() {
    for message in [
        "You have insufficient permissions for this operation. Missing scopes: model.request",
        "Project `p` does not have access to model `gpt-5`",
        "your key is not allowed to access model m",
        "You do not have access to this model",
        "This token is not authorized to use this model",
        "m requires a subscription",
    ] {
        check(&[("none", 401, message, &[], Class::ModelRefused, Scope::CredentialModel, Some(DAY))]);
    }
    let failure = judged("openai", 401, "no", &["model_not_found"]);
    assert_eq!((failure.class, failure.status), (Class::ModelRefused, 403));
}

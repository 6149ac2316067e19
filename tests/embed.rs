//! Promise: whichever provider answers, a text becomes the same vector by `/api/embed`, `/api/embeddings` and `/v1/embeddings`:
//! in the client's form, in the client's order, however many texts the provider takes at once.
//!
//! The providers' exchanges and the expectations are written by hand, from each dialect's own description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Gateway, Seen, Step, Upstream, gateway, recorded, reply, status, text, upstream};

/// Prefix, model, and so many texts a call.
const PROVIDERS: [(&str, &str, usize); 6] = [
    ("openai", "text-embedding-3-small", 2048),
    ("openrouter", "openai/text-embedding-3-small", 2048),
    ("cohere", "embed-v4.0", 96),
    ("qwen", "text-embedding-v4", 10),
    ("google", "gemini-embedding-001", 100),
    ("ollama", "nomic-embed-text:latest", usize::MAX),
];

/// The vector of `t7` is 7, 4, 0, -1; its length at 2 dimensions is told by the tests.
fn vector(text: &str) -> Vec<f64> {
    let number = text.trim_start_matches('t').parse::<f64>().unwrap_or(0.0);
    vec![number, 4.0, 0.0, -1.0]
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let length = vector.iter().map(|n| n * n).sum::<f64>().sqrt();
    vector.iter().map(|n| n / length).collect()
}

/// Three tokens a text.
fn answers(seen: &Seen) -> Step {
    let body = seen.json();
    if seen.path.ends_with(":batchEmbedContents") {
        let requests = body["requests"].as_array().unwrap();
        let said = |request: &Value| request["content"]["parts"][0]["text"].as_str().unwrap().to_owned();
        let rows: Vec<Value> = requests.iter().map(|r| json!({"values": vector(&said(r))})).collect();
        return reply(json!({"embeddings": rows, "usageMetadata": {"promptTokenCount": 3 * requests.len()}}));
    }
    if seen.path == "/api/embeddings" {
        return reply(json!({"embedding": vector(body["prompt"].as_str().unwrap())}));
    }
    let said = |value: &Value| value.as_str().unwrap_or("t1").to_owned();
    let texts: Vec<String> = match &body["input"] {
        Value::Array(items) if items.iter().all(Value::is_number) => vec!["t1".to_owned()],
        Value::Array(items) => items.iter().map(said).collect(),
        one => vec![said(one)],
    };
    if seen.path == "/api/embed" {
        let vectors: Vec<Vec<f64>> = texts.iter().map(|text| unit(&vector(text))).collect();
        return reply(json!({"model": body["model"], "embeddings": vectors, "total_duration": 9, "load_duration": 4,
            "prompt_eval_count": 3 * texts.len()}));
    }
    // The last first: the index tells whose a vector is.
    let row =
        |(index, text): (usize, &String)| json!({"object": "embedding", "index": index, "embedding": vector(text)});
    let rows: Vec<Value> = texts.iter().enumerate().rev().map(row).collect();
    reply(
        json!({"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 3 * texts.len(), "total_tokens": 3 * texts.len()}}),
    )
}

fn started(prefix: &str, model: &str) -> (Upstream, Gateway) {
    let up = upstream().models(&[model]).answers(answers);
    let keys: &[&str] = if prefix == "ollama" { &[] } else { &["k1"] };
    let gw = gateway().provider(prefix, &up, keys).start();
    (up, gw)
}

fn name(prefix: &str, model: &str) -> String {
    if prefix == "ollama" { model.to_owned() } else { format!("{prefix}:{model}") }
}

fn close(got: &Value, want: &[f64]) -> bool {
    let got: Vec<f64> = got.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[test]
fn every_provider_answers_on_every_route() {
    for (prefix, model, _) in PROVIDERS {
        let (_up, gw) = started(prefix, model);
        let name = name(prefix, model);
        let raw = |text| if prefix == "ollama" { unit(&vector(text)) } else { vector(text) };

        let answer = gw.post("/api/embed", &json!({"model": name, "input": ["t3", "t0"]}));
        let body = answer.json();
        assert_eq!(answer.status, 200, "{prefix}: {body}");
        assert_eq!(answer.header("content-type").map(|told| told.starts_with("application/json")), Some(true));
        assert!(close(&body["embeddings"][0], &[0.588_348_4, 0.784_464_5, 0.0, -0.196_116_1]), "{prefix}: {body}");
        assert!(close(&body["embeddings"][1], &unit(&vector("t0"))), "{prefix}: {body}");
        assert_eq!(body["prompt_eval_count"], 6, "{prefix}");
        assert!(body["total_duration"].as_u64().unwrap() > 0, "{prefix}");
        assert_eq!(body["model"], name, "{prefix}");

        let answer = gw.post("/api/embeddings", &json!({"model": name, "prompt": "t7"}));
        assert_eq!(answer.status, 200, "{prefix}: {}", answer.everything());
        assert!(close(&answer.json()["embedding"], &vector("t7")), "{prefix}: {}", answer.text());

        let answer = gw.post("/v1/embeddings", &json!({"model": name, "input": ["t3", "t5"]}));
        let body = answer.json();
        assert_eq!(answer.status, 200, "{prefix}: {body}");
        for (index, text) in ["t3", "t5"].into_iter().enumerate() {
            let row = body["data"].as_array().unwrap().iter().find(|row| row["index"] == index).unwrap();
            assert!(close(&row["embedding"], &raw(text)), "{prefix}: {body}");
            assert_eq!(row["object"], "embedding", "{prefix}");
        }
        assert_eq!(body["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}), "{prefix}");
        assert!(answer.header("x-polyllama-provider") == Some(prefix), "{prefix}: {}", answer.everything());
    }
}

/// Digits by hand: 3, 4, 0, -1 has the length √26; cut to 3 and 4 it has 5.
#[test]
fn dimensions_cut_what_the_provider_did_not() {
    for (prefix, model, _) in PROVIDERS {
        let (up, gw) = started(prefix, model);
        let is_ollama = prefix == "ollama";
        let path = if is_ollama { "/v1/embeddings" } else { "/api/embed" };
        let body = gw.post(path, &json!({"model": name(prefix, model), "input": "t3", "dimensions": 2})).json();
        let got = if is_ollama { &body["data"][0]["embedding"] } else { &body["embeddings"][0] };
        assert!(close(got, &[0.6, 0.8]), "{prefix}: {body}");
        let asked = up.last().json();
        let told = asked["dimensions"].as_u64().or(asked["requests"][0]["outputDimensionality"].as_u64());
        assert_eq!(told, (prefix != "cohere").then_some(2), "{prefix}: {asked}");
    }
}

/// OpenAI's own clients ask for base64 and unpack it.
#[test]
fn base64_is_little_endian_32_bit() {
    let packed = STANDARD.encode([7.0f32, 4.0, 0.0, -1.0].map(f32::to_le_bytes).concat());
    let (up, gw) = started("qwen", "text-embedding-v4");
    let many: Vec<String> = (0..11).map(|n| format!("t{n}")).collect();
    let body = gw.post(
        "/v1/embeddings",
        &json!({"model": "qwen:text-embedding-v4", "input": many, "encoding_format": "base64"}),
    );
    assert_eq!(body.json()["data"][7]["embedding"], packed, "{}", body.text());
    assert_eq!(up.seen().len(), 2);
    let (_up, gw) = started("ollama", "m:latest");
    let body = gw.post("/v1/embeddings", &json!({"model": "m", "input": "t0", "encoding_format": "base64"})).json();
    let floats: Vec<u8> = STANDARD.decode(body["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let first: Vec<f32> = floats.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert!((f64::from(first[1]) - unit(&vector("t0"))[1]).abs() < 1e-6, "{first:?}");
}

#[test]
fn more_than_a_provider_takes_goes_in_parts_and_keeps_its_order() {
    for (prefix, model, max) in PROVIDERS {
        let (up, gw) = started(prefix, model);
        let name = name(prefix, model);
        let count = if max > 1000 { 2050 } else { 2 * max + 1 };
        let texts: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
        for path in ["/api/embed", "/v1/embeddings"] {
            let before = up.seen().len();
            let answer = gw.post(path, &json!({"model": name, "input": texts}));
            assert_eq!(answer.status, 200, "{prefix} {path}: {}", &answer.text()[..200.min(answer.body.len())]);
            let body = answer.json();
            let (rows, used) = match path {
                "/api/embed" => (body["embeddings"].as_array().unwrap().clone(), &body["prompt_eval_count"]),
                _ => {
                    let rows = body["data"].as_array().unwrap();
                    assert!(rows.iter().enumerate().all(|(index, row)| row["index"] == index), "{prefix}");
                    (rows.iter().map(|row| row["embedding"].clone()).collect(), &body["usage"]["prompt_tokens"])
                }
            };
            assert_eq!(rows.len(), count, "{prefix} {path}");
            assert_eq!(*used, 3 * count, "{prefix} {path}");
            for (row, text) in rows.iter().zip(&texts) {
                let got: Vec<f64> = row.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
                let ratio = got[0] / got[1] * 4.0;
                assert!((ratio - vector(text)[0]).abs() < 1e-2, "{prefix} {path} {text}: {row}");
            }
            let calls = up.seen().len() - before;
            assert_eq!(calls, count.div_ceil(max), "{prefix} {path}");
        }
    }
}

#[test]
fn what_can_pass_passes_byte_for_byte() {
    let told = "{\"object\":\"list\", \"data\":[{\"embedding\":[0.10,1e-3],\"index\":0}],\"usage\":{\"prompt_tokens\":2}, \"x\":1}";
    let up = upstream().models(&["text-embedding-3-small"]).answers(move |_| text(200, "application/json", told));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let asked = r#"{"model":"openai:text-embedding-3-small","input" : [1,2,3], "encoding_format":"hex","own":1.50}"#;
    let answer = gw.post_text("/v1/embeddings", asked);
    assert_eq!((answer.status, answer.text().as_str()), (200, told));
    assert_eq!(String::from_utf8(up.last().body).unwrap(), asked.replace("openai:", ""));
    assert_eq!(up.last().path, "/v1/embeddings");

    let told = "{\"model\":\"m1\", \"embeddings\":[[0.5]],\"total_duration\":5}\n";
    let up = upstream().models(&["m1:latest"]).answers(move |_| text(200, "application/json; charset=utf-8", told));
    let gw = gateway().provider("ollama", &up, &[]).start();
    for path in ["/api/embed", "/api/embeddings"] {
        let asked = r#"{"model":"m1","input":["a", ""],"prompt":"a","keep_alive":-1}"#;
        let answer = gw.post_text(path, asked);
        assert_eq!((answer.status, answer.text().as_str()), (200, told), "{path}");
        assert_eq!(String::from_utf8(up.last().body).unwrap(), asked);
        assert_eq!(up.last().path, path);
    }
}

#[test]
fn tokens_go_where_they_are_taken_and_are_refused_elsewhere() {
    let (up, gw) = started("qwen", "text-embedding-v4");
    let many: Vec<Value> = (0..11).map(|n| json!([n, n + 1])).collect();
    let answer = gw.post("/v1/embeddings", &json!({"model": "qwen:text-embedding-v4", "input": many}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: usize = up.seen().iter().filter_map(|seen| seen.json()["input"].as_array().map(Vec::len)).sum();
    assert_eq!(sent, 11);
    let (up, gw) = started("ollama", "m:latest");
    for input in [json!([1, 2, 3]), json!([[1], [2, 3]])] {
        let answer = gw.post("/v1/embeddings", &json!({"model": "m", "input": input}));
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["type"].as_str()), (400, Some("invalid_request_error")));
        assert!(error["message"].as_str().unwrap().starts_with("invalid input type"), "{error}");
    }
    assert_eq!(up.seen().len(), 0);
}

#[test]
fn errors_have_the_words_and_the_form_of_the_clients_dialect() {
    let (up, gw) = started("google", "gemini-embedding-001");
    let name = "google:gemini-embedding-001";
    for (path, body, code, want) in [
        ("/api/embed", json!({"model": name, "input": 5}), 400, "invalid input type"),
        ("/api/embed", json!({"model": name, "input": ["a", 5]}), 400, "invalid input type"),
        ("/api/embed", json!({"model": "nosuch", "input": 5}), 400, "invalid input type"),
        (
            "/api/embed",
            json!({"model": "nosuch", "input": "a"}),
            404,
            "model \"nosuch\" not found, try pulling it first",
        ),
        ("/api/embed", json!({}), 404, "model '' not found"),
        ("/api/embeddings", json!({}), 400, "model is required"),
        (
            "/api/embeddings",
            json!({"model": "x:7b", "prompt": "a"}),
            404,
            "model \"x:7b\" not found, try pulling it first",
        ),
    ] {
        let answer = gw.post(path, &body);
        assert_eq!((answer.status, answer.json()), (code, json!({"error": want})), "{path} {body}");
    }
    for (body, code, want) in [
        (json!({"model": "nosuch", "input": []}), 400, "invalid input"),
        (json!({"model": "nosuch"}), 400, "invalid input"),
        (
            json!({"model": "nosuch", "input": "a", "encoding_format": "hex"}),
            400,
            "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
        ),
    ] {
        let answer = gw.post("/v1/embeddings", &body);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["message"].as_str()), (code, Some(want)), "{body}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let answer = gw.post("/v1/embeddings", &json!({"model": "nosuch", "input": "a"}));
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (404, Some("model_not_found")));
    assert_eq!(up.seen().len(), 0, "none of these reached the provider");
}

#[test]
fn nothing_to_embed_is_a_model_to_load() {
    let (up, gw) = started("openai", "text-embedding-3-small");
    let name = "openai:text-embedding-3-small";
    for input in [json!({"model": name}), json!({"model": name, "input": null}), json!({"model": name, "input": ""})] {
        let answer = gw.post("/api/embed", &input);
        assert_eq!((answer.status, answer.text()), (200, format!("{{\"model\":\"{name}\",\"embeddings\":[]}}")));
    }
    let answer = gw.post("/api/embeddings", &json!({"model": name, "prompt": ""}));
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"embedding\":[]}"));
    assert_eq!(up.seen().len(), 0);
    let running = gw.get("/api/ps").json();
    assert_eq!(running["models"][0]["name"], name, "{running}");
}

/// The next key goes on where the first one was refused: what was answered is not asked again.
#[test]
fn a_key_that_is_spent_in_the_middle_makes_room_for_the_next() {
    let limited = |seen: &Seen| {
        let is_last = seen.json()["input"].as_array().is_some_and(|texts| texts.len() == 1);
        if is_last && seen.key() == Some("k1") {
            return status(429, json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}));
        }
        answers(seen)
    };
    let up = upstream().models(&["text-embedding-v4"]).answers(limited);
    let gw = gateway().provider("qwen", &up, &["k1", "k2"]).start();
    let texts: Vec<String> = (0..21).map(|n| format!("t{n}")).collect();
    let mut tries = 0;
    for _ in 0..2 {
        let answer = gw.post("/api/embed", &json!({"model": "qwen:text-embedding-v4", "input": texts}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let vectors = answer.json()["embeddings"].as_array().unwrap().clone();
        assert!(close(&vectors[20], &unit(&vector("t20"))) && vectors.len() == 21, "{vectors:?}");
        tries += answer.header("x-polyllama-attempts").unwrap().parse::<u32>().unwrap();
    }
    assert_eq!(tries, 3, "the first key was refused once");
    assert_eq!(up.seen().len(), 7, "three parts each, and one of them twice");
    up.assert_only_keys(&["k1", "k2"]);
}

#[test]
fn a_providers_error_is_told_and_answers_that_are_none_are_tried_again() {
    for (step, code, words) in [
        (
            status(400, json!({"error": {"code": 400, "message": "too many tokens", "status": "INVALID_ARGUMENT"}})),
            400,
            "too many tokens",
        ),
        (reply(json!({"embeddings": []})), 502, "it answered 0 vectors for 1 texts"),
        (reply(json!({"nothing": 1})), 502, "its answer has no embeddings"),
        (text(200, "text/html", "<html>"), 502, "not the JSON that was expected"),
    ] {
        let up = upstream().models(&["gemini-embedding-001"]).answers(move |_| step.clone());
        let gw = gateway().provider("google", &up, &["k"]).start();
        let answer = gw.post("/api/embed", &json!({"model": "google:gemini-embedding-001", "input": "a"}));
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == code && told.contains(words), "{}", answer.everything());
        let wanted = if code == 502 { 2 } else { 1 };
        assert_eq!(up.seen().len(), wanted, "{words}");
    }
    // Where nobody embeds, that is said.
    let up = upstream().models(&["m"]).answers(answers);
    let gw = gateway().provider("codestral", &up, &["k"]).start();
    let answer = gw.post("/v1/embeddings", &json!({"model": "codestral:m", "input": "a"}));
    assert_eq!(answer.status, 501, "{}", answer.everything());
    assert!(answer.text().contains("can't serve this kind of request"), "{}", answer.text());
    assert_eq!(up.seen().len(), 0);
}

/// Older models of Google's count nothing; clients divide by it.
#[test]
fn what_nobody_counted_is_estimated() {
    let up = upstream().models(&["embedding-001"]).answers(|_| reply(json!({"embeddings": [{"values": [0.5]}]})));
    let gw = gateway().provider("google", &up, &["k"]).start();
    for (input, want) in [("x", 1), ("sixteen letters!", 4)] {
        let answer = gw.post("/api/embed", &json!({"model": "google:embedding-001", "input": input}));
        assert_eq!(answer.json()["prompt_eval_count"], want, "{}", answer.text());
        let text = answer.text();
        assert!(text.contains("\"embeddings\":[[1]],\"total_duration\":") && !text.contains("load_duration"), "{text}");
    }
}

/// Ollama's clients find embedding models by this.
#[test]
fn embedding_models_are_listed_as_such() {
    for (prefix, model, _) in PROVIDERS.into_iter().filter(|(prefix, ..)| *prefix != "ollama" && *prefix != "google") {
        let (_up, gw) = started(prefix, model);
        let tags = gw.get("/api/tags").json();
        let row = tags["models"].as_array().unwrap().iter().find(|row| row["name"] == name(prefix, model)).cloned();
        assert_eq!(row.unwrap_or_else(|| panic!("{prefix}: {tags}"))["capabilities"], json!(["embedding"]), "{prefix}");
    }
}

/// What providers were recorded to answer is read: through OpenAI's wire (as a part of several) and through Google's.
#[test]
fn recorded_answers_are_read() {
    let mut count = 0;
    for (name, file) in recorded::all_exchanges("fixtures") {
        let path = file["request"]["path"].as_str().unwrap_or_default().to_owned();
        let is_google = path.ends_with(":batchEmbedContents");
        // Perplexity's vectors are packed bytes, a form of its own; Cohere's are those of its native language.
        let is_other = name.starts_with("perplexity/") || name.starts_with("cohere/");
        if is_other || file["response"]["status"] != 200 || !(is_google || path.ends_with("/embeddings")) {
            continue;
        }
        let answer = file["response"]["body"].clone();
        let rows = answer["data"].as_array().or(answer["embeddings"].as_array()).unwrap().len();
        let up = upstream().models(&["m-embed"]).answers(move |_| reply(answer.clone()));
        let prefix = if is_google { "google" } else { "openai" };
        let gw = gateway().provider(prefix, &up, &["k"]).start();
        let texts = vec!["x"; rows];
        let got = gw.post("/api/embed", &json!({"model": format!("{prefix}:m-embed"), "input": texts}));
        assert_eq!(got.status, 200, "{name}: {}", got.everything());
        let vectors = got.json()["embeddings"].as_array().unwrap().clone();
        assert_eq!(vectors.len(), rows, "{name}");
        for vector in vectors {
            let square: f64 = vector.as_array().unwrap().iter().map(|n| n.as_f64().unwrap().powi(2)).sum();
            assert!(vector.as_array().unwrap().len() > 100 && (square - 1.0).abs() < 1e-4, "{name}: {square}");
        }
        count += 1;
    }
    assert!(count == 0 || count >= 8, "{count} recordings");
}

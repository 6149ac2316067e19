//! Promise: no prompt for an Ollama server is cut without a word, and no model is loaded anew without need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Client, Gateway, Ollama, gateway, words};

/// More than a template's few tokens below a limit, around it, and above.
const SIZES: [usize; 20] = [
    10, 500, 1900, 2040, 2060, 3000, 3900, 4070, 4090, 4100, 5000, 7900, 8180, 8200, 12_000, 16_300, 16_400, 20_000,
    30_000, 32_700,
];

fn in_front_of(server: &Ollama) -> Gateway {
    gateway().provider("ollama", &server.up, &[]).start()
}

fn ask(gw: &Gateway, client: Client, tokens: usize, is_streamed: bool, more: &Value) -> Answer {
    gw.send(&client.ask("m", &words(tokens), is_streamed, more))
}

#[track_caller]
fn assert_whole(answer: &Answer, client: Client, is_streamed: bool) {
    assert_eq!(answer.status, 200, "{}", answer.everything());
    assert_eq!(client.read(answer, is_streamed).text, "whole", "{}", answer.everything());
}

/// Growing and shrinking prompts: never a cut one, and no more loads than there are powers of two between.
#[test]
fn prompts_of_every_size_arrive_whole() {
    for (client, is_streamed) in [
        (Client::OllamaChat, true),
        (Client::OllamaGenerate, false),
        (Client::OpenAiChat, true),
        (Client::OpenAiCompletions, false),
    ] {
        let server = Ollama::new(32_768);
        let gw = in_front_of(&server);
        for tokens in SIZES {
            assert_whole(&ask(&gw, client, tokens, is_streamed, &json!({})), client, is_streamed);
            let state = server.state();
            assert_eq!((state.cuts, state.whole.last()), (0, Some(&(tokens + 5))), "{client:?} {tokens}");
        }
        let loads = server.state().loads;
        assert!(loads <= 4, "4096, 8192, 16384, 32768: {loads} loads");
        for tokens in SIZES.into_iter().rev() {
            assert_whole(&ask(&gw, client, tokens, is_streamed, &json!({})), client, is_streamed);
        }
        let state = server.state();
        assert_eq!((state.loads, state.cuts, state.whole.len()), (loads, 0, 40), "{client:?}");
    }
}

/// In any order, from any client: once the context is there it stays.
#[test]
fn mixed_requests_do_not_make_the_model_load_to_and_fro() {
    let server = Ollama::new(131_072);
    let gw = in_front_of(&server);
    for (round, tokens) in [5, 9000, 5, 700, 9000, 30, 13_500, 3000, 5].into_iter().enumerate() {
        let client = Client::ALL[round % 4];
        assert_whole(&ask(&gw, client, tokens, round % 2 == 0, &json!({})), client, round % 2 == 0);
    }
    let state = server.state();
    assert_eq!((state.loads, state.cuts), (2, 0), "by default, then with 16384: {state:?}");
}

/// Many at once: what is loaded stays.
#[test]
fn requests_at_the_same_time_leave_the_model_loaded() {
    let server = Ollama::new(131_072);
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OllamaChat, 13_500, false, &json!({})), Client::OllamaChat, false);
    std::thread::scope(|scope| {
        for (number, tokens) in [3, 800, 13_000, 5000, 40, 9000, 2500, 7, 12_000, 600, 4000, 1].into_iter().enumerate()
        {
            let (gw, client) = (&gw, Client::ALL[number % 4]);
            scope.spawn(move || assert_whole(&ask(gw, client, tokens, true, &json!({})), client, true));
        }
    });
    let state = server.state();
    assert_eq!((state.loads, state.cuts, state.whole.len()), (1, 0, 13), "{state:?}");
}

/// A machine with much memory loads with more by default: then there is nothing to ask for.
#[test]
fn a_large_default_is_kept() {
    let server = Ollama::new(131_072).with(|state| state.default = 32_768);
    let gw = in_front_of(&server);
    for tokens in [20, 9000, 20_000, 30] {
        assert_whole(&ask(&gw, Client::OllamaChat, tokens, false, &json!({})), Client::OllamaChat, false);
    }
    assert_eq!((server.state().loads, server.state().cuts), (1, 0));
    // Unloaded, a long prompt gets the default, not less.
    gw.post("/api/generate", &json!({"model": "m", "keep_alive": 0}));
    assert_whole(&ask(&gw, Client::OllamaChat, 9000, false, &json!({})), Client::OllamaChat, false);
    assert_eq!(server.state().loaded, Some(32_768));
}

#[test]
fn what_surely_fits_goes_as_it_came_and_nothing_is_looked_up() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    let body = r#"{"model": "m", "messages":[{"role":"user","content":"hi"}], "stream":false,"options":{"seed":1.0}}"#;
    let answer = gw.post_text("/api/chat", body);
    assert_whole(&answer, Client::OllamaChat, false);
    assert_eq!(server.asked()[0].body, body.as_bytes());
    let long =
        json!({"model": "m", "messages": [{"role": "user", "content": words(350)}], "stream": false}).to_string();
    assert_whole(&gw.post_text("/api/chat", &long), Client::OllamaChat, false);
    assert_eq!(server.asked()[1].body, long.as_bytes());
    assert_eq!(server.looks(), 0);
    assert_eq!(server.state().loads, 1);
}

/// The client's bytes stay; what is asked for stands among its own options.
#[test]
fn the_context_is_spliced_into_what_the_client_sent() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    let body = format!(
        r#"{{"model": "m", "options":{{"seed":1.50}} , "messages":[{{"role":"user","content":"{}"}}],"stream":false}}"#,
        words(6000)
    );
    assert_whole(&gw.post_text("/api/chat", &body), Client::OllamaChat, false);
    let want = body.replace(r#""seed":1.50"#, r#""seed":1.50,"num_ctx":8192"#);
    let want = want.replace(r#""stream":false}"#, r#""stream":false,"truncate":false}"#);
    assert_eq!(String::from_utf8(server.asked()[0].body.clone()).unwrap(), want);
}

#[test]
fn a_context_of_the_clients_own_is_left_alone() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    let own = json!({"options": {"num_ctx": 2048}});
    let asked = Client::OllamaChat.ask("m", &words(5000), false, &own);
    assert_eq!(gw.send(&asked).status, 200);
    assert_eq!(server.asked()[0].json()["options"], own["options"]);
    assert!(server.asked()[0].json().get("truncate").is_none());
    gw.line_with("'ollama' seems to have cut a prompt for 'm:latest': it counted 1024 tokens");
    assert_eq!(server.looks(), 0);
    // And a small request after it goes with what it loaded.
    assert_whole(&ask(&gw, Client::OpenAiChat, 100, false, &json!({})), Client::OpenAiChat, false);
    assert_eq!(server.state().loads, 1);
}

#[test]
fn what_somebody_else_loaded_is_kept() {
    let server = Ollama::new(131_072).with(|state| (state.loaded, state.loads) = (Some(24_000), 1));
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OllamaChat, 9000, true, &json!({})), Client::OllamaChat, true);
    assert_whole(&ask(&gw, Client::OpenAiChat, 20, false, &json!({})), Client::OpenAiChat, false);
    assert_eq!(server.state().loads, 1);
}

#[test]
fn the_models_own_parameter_counts() {
    let server = Ollama::new(32_768).with(|state| state.parameter = Some(512));
    let gw = in_front_of(&server);
    for tokens in [20, 600, 30] {
        assert_whole(&ask(&gw, Client::OllamaChat, tokens, false, &json!({})), Client::OllamaChat, false);
    }
    assert_eq!((server.state().cuts, server.state().loads), (0, 2));
    let server = Ollama::new(32_768).with(|state| state.parameter = Some(16_384));
    let gw = in_front_of(&server);
    for tokens in [20, 12_000, 600, 30] {
        assert_whole(&ask(&gw, Client::OllamaChat, tokens, false, &json!({})), Client::OllamaChat, false);
    }
    assert_eq!((server.state().cuts, server.state().loads), (0, 1));
}

/// Each client in its own words, and nothing is sent for it.
#[test]
fn what_cannot_fit_gets_the_error() {
    let server = Ollama::new(8192);
    let gw = in_front_of(&server);
    for is_streamed in [false, true] {
        let answer = ask(&gw, Client::OpenAiChat, 40_000, is_streamed, &json!({}));
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"]),
            (400, &json!("context_length_exceeded")),
            "{}",
            answer.everything()
        );
        assert_eq!(error["type"], "invalid_request_error");
        let answer = ask(&gw, Client::OllamaChat, 40_000, is_streamed, &json!({}));
        assert_eq!(answer.status, 400);
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(told.contains("exceeds the context length") && told.contains("8192"), "{told}");
    }
    assert_eq!((server.asked().len(), server.state().cuts), (0, 0));
}

/// Near the model's end no estimate is sure: the server is told not to cut, and its word is handed on.
#[test]
fn near_the_models_end_the_server_says_whether_it_fits() {
    let server = Ollama::new(8192);
    let gw = in_front_of(&server);
    for tokens in [8100, 8186, 8187, 8200, 9500] {
        for client in Client::ALL {
            let answer = ask(&gw, client, tokens, true, &json!({}));
            if tokens + 5 < 8192 {
                assert_whole(&answer, client, true);
                continue;
            }
            assert_eq!(answer.status, 400, "{}", answer.everything());
            let told = answer.everything();
            let want = if client.is_ollama() { "exceed_context_size_error" } else { "context_length_exceeded" };
            assert!(told.contains(want), "{told}");
        }
    }
    assert_eq!(server.state().cuts, 0);
}

/// A tokenizer that needs thrice what anybody would think: the refusal tells, and the next prompt goes right at once.
#[test]
fn a_wrong_estimate_is_corrected_by_what_the_server_counts() {
    let server = Ollama::new(131_072).with(|state| state.per_word = 3);
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OllamaChat, 3500, false, &json!({})), Client::OllamaChat, false);
    let (refusals, loads) = (server.state().refusals, server.state().loads);
    assert!(refusals == 1 && loads <= 2, "{refusals} refusals, {loads} loads");
    for (client, tokens) in [(Client::OpenAiChat, 3600), (Client::OllamaGenerate, 9000), (Client::OllamaChat, 9100)] {
        assert_whole(&ask(&gw, client, tokens, true, &json!({})), client, true);
    }
    let state = server.state();
    assert_eq!((state.cuts, state.refusals), (0, 1), "{state:?}");
}

/// And one that needs fewer lets a model stay as it is loaded.
#[test]
fn a_high_estimate_is_corrected_too() {
    let server = Ollama::new(131_072);
    let gw = in_front_of(&server);
    // Each word is two tokens to the estimate, and one to the model.
    let long = |count: usize| vec!["gatekeeper"; count].join(" ");
    let send =
        |count| gw.send(&Client::OllamaChat.ask("m", &long(count), false, &json!({"options": {"num_predict": 64}})));
    for _ in 0..4 {
        assert_whole(&send(1000), Client::OllamaChat, false);
    }
    assert_whole(&send(3400), Client::OllamaChat, false);
    let state = server.state();
    assert_eq!((state.loads, state.cuts, state.refusals), (1, 0, 0), "{state:?}");
}

#[test]
fn the_answer_needs_room_too() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OpenAiChat, 100, false, &json!({"max_tokens": 6000})), Client::OpenAiChat, false);
    assert_eq!(server.state().loaded, Some(8192));
}

/// Who asks for the cut gets it, with all the room that there is.
#[test]
fn a_client_that_wants_the_cut_gets_it() {
    let server = Ollama::new(8192);
    let gw = in_front_of(&server);
    let answer = ask(&gw, Client::OllamaChat, 40_000, false, &json!({"truncate": true}));
    assert_whole(&answer, Client::OllamaChat, false);
    assert_eq!((server.state().cuts, server.state().loaded), (1, Some(8192)));
    // And who forbids it gets the server's own words.
    let answer = ask(&gw, Client::OllamaChat, 9000, false, &json!({"truncate": false}));
    assert_eq!(answer.status, 400);
    assert!(answer.everything().contains("exceed_context_size_error"), "{}", answer.everything());
}

#[test]
fn an_unloaded_model_is_loaded_by_default_again() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OllamaChat, 9000, false, &json!({})), Client::OllamaChat, false);
    let unload = json!({"model": "m", "keep_alive": 0});
    assert_eq!(gw.post("/api/generate", &unload).json()["done_reason"], "unload");
    assert_whole(&ask(&gw, Client::OllamaChat, 20, false, &json!({})), Client::OllamaChat, false);
    assert_eq!((server.state().loads, server.state().loaded), (2, Some(4096)));
}

/// A request that only loads the model goes with what is loaded, and doesn't take it back.
#[test]
fn a_load_request_keeps_the_context() {
    let server = Ollama::new(32_768);
    let gw = in_front_of(&server);
    assert_whole(&ask(&gw, Client::OllamaChat, 9000, false, &json!({})), Client::OllamaChat, false);
    assert_eq!(gw.post("/api/generate", &json!({"model": "m", "prompt": "", "options": null})).status, 200);
    assert_eq!((server.state().loads, server.state().loaded), (1, Some(16_384)));
}

#[test]
fn a_server_that_tells_nothing_is_asked_all_the_same() {
    let server = Ollama::new(32_768).with(|state| state.is_mute = true);
    let gw = in_front_of(&server);
    for tokens in [3000, 12_000, 30] {
        assert_whole(&ask(&gw, Client::OllamaChat, tokens, true, &json!({})), Client::OllamaChat, true);
    }
    assert_eq!((server.state().cuts, server.state().loads), (0, 2));
}

#[test]
fn it_can_be_switched_off() {
    let server = Ollama::new(32_768);
    let gw = gateway().provider("ollama", &server.up, &[]).env("POLYLLAMA_FIT_CONTEXT", "false").start();
    let asked = Client::OllamaChat.ask("m", &words(9000), false, &json!({}));
    assert_eq!(gw.send(&asked).status, 200);
    assert!(server.asked()[0].json().get("options").is_none());
    assert_eq!((server.state().cuts, server.looks()), (1, 0));
}

/// Vectors of a cut text look like any others: a client of OpenAI's hears of it, one of Ollama's knows that `truncate` is on.
#[test]
fn texts_to_embed_get_a_context_that_fits() {
    let server = Ollama::new(8192);
    let gw = in_front_of(&server);
    let openai = |tokens| gw.post("/v1/embeddings", &json!({"model": "m", "input": [words(tokens), "short"]}));
    let ollama = |tokens| gw.post("/api/embed", &json!({"model": "m", "input": words(tokens)}));
    assert_eq!(openai(6000).status, 200);
    assert_eq!(ollama(7000).status, 200);
    assert_eq!((server.state().cuts, server.state().loads), (0, 1));
    for tokens in [8300, 30_000] {
        let answer = openai(tokens);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("context_length_exceeded")),
            "{}",
            answer.everything()
        );
    }
    assert_eq!(server.state().cuts, 0);
    assert_eq!(ollama(30_000).status, 200);
    assert_eq!((server.state().cuts, server.state().loads), (1, 1));
}

use bytes::Bytes;

use super::*;

fn page(text: &str) -> Page {
    read(&Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()).unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.models.iter().map(|model| model.id.as_str()).collect()
}

/// The body of a recorded answer, where recordings are at hand.
fn recorded(name: &str) -> Option<Page> {
    let path = format!("{}/../shared/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: no recording {name}");
        return None;
    };
    let file = Json::parse(Bytes::from(text)).unwrap();
    read(&file.value().path(&["response", "body"]).unwrap().to_json())
}

#[test]
fn what_is_no_list_is_none() {
    for text in ["{}", r#"{"data":{}}"#, r#"{"error":{"message":"no"}}"#, "1"] {
        assert!(read(&Json::known(text)).is_none(), "{text}");
    }
}

#[test]
fn a_plain_list_goes_by_names() {
    let page = page(
        r#"{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"},
        {"id":"text-embedding-3-small","created":0},{"id":"whisper-1"},{"id":"tts-1-hd"},{"id":"dall-e-3"},
        {"id":"gpt-image-1"},{"id":"omni-moderation-latest"},{"id":"gpt-4o-transcribe"},{"no":"id"}]}"#,
    );
    assert_eq!(ids(&page), ["gpt-4o", "text-embedding-3-small"]);
    let [chat, embedding] = &page.models[..] else { panic!("two rows") };
    assert_eq!(chat.created.unwrap().as_second(), 1_715_367_049);
    assert_eq!(chat.capabilities, Capabilities::default());
    assert_eq!(chat.context_length, None);
    assert_eq!((embedding.capabilities.embedding, embedding.capabilities.completion), (Some(true), Some(false)));
    assert_eq!(embedding.created, None);
    assert_eq!(page.next, None);
}

#[test]
fn together_sends_a_bare_array_with_types() {
    let page = page(
        r#"[{"id":"a/chat","type":"chat","context_length":131072},{"id":"a/code","type":"code"},
        {"id":"a/e5","type":"embedding"},{"id":"a/flux","type":"image"},{"id":"a/r","type":"rerank"},{"id":"a/m","type":"moderation"}]"#,
    );
    assert_eq!(ids(&page), ["a/chat", "a/code", "a/e5"]);
    assert_eq!(page.models[0].context_length, Some(131_072));
}

#[test]
fn googles_rows_lose_their_prefix_and_say_what_they_do() {
    let page = page(
        r#"{"models":[{"name":"models/gemini-x","inputTokenLimit":1048576,"outputTokenLimit":65536,
        "supportedGenerationMethods":["generateContent"],"thinking":true},
        {"name":"models/gemini-embedding-2","inputTokenLimit":8192,"supportedGenerationMethods":["embedContent"]},
        {"name":"models/imagen-4","supportedGenerationMethods":["predict"]}],"nextPageToken":"a/b="}"#,
    );
    assert_eq!(ids(&page), ["gemini-x", "gemini-embedding-2"]);
    let model = &page.models[0];
    assert_eq!((model.context_length, model.output_limit), (Some(1_048_576), Some(65_536)));
    assert_eq!((model.capabilities.thinking, model.capabilities.completion), (Some(true), Some(true)));
    assert_eq!(page.next.as_deref(), Some("pageToken=a%2Fb%3D"));
}

#[test]
fn pages_of_cohere_and_anthropic_go_on() {
    let cohere = page(
        r#"{"models":[{"name":"command-a","endpoints":["chat","generate"],"context_length":256000.0},
        {"name":"embed-v4.0","endpoints":["embed"]},{"name":"rerank-v3","endpoints":["rerank"]}],"next_page_token":"t"}"#,
    );
    assert_eq!(ids(&cohere), ["command-a", "embed-v4.0"]);
    assert_eq!(cohere.models[0].context_length, Some(256_000));
    assert_eq!(cohere.next.as_deref(), Some("page_token=t"));
    let anthropic = page(
        r#"{"data":[{"id":"claude-x","type":"model","created_at":"2026-01-02T00:00:00Z","max_input_tokens":200000}],"has_more":true,"last_id":"claude-x"}"#,
    );
    assert_eq!(anthropic.next.as_deref(), Some("after_id=claude%2Dx"));
    assert_eq!(anthropic.models[0].created.unwrap().to_string(), "2026-01-02T00:00:00Z");
    assert_eq!(anthropic.models[0].context_length, Some(200_000));
}

#[test]
fn mistrals_aliases_are_one_model() {
    let row = |id: &str, aliases: &str| {
        format!(
            r#"{{"id":"{id}","aliases":[{aliases}],"max_context_length":131072,"type":"base","capabilities":{{"completion_chat":true,"function_calling":true,"vision":false,"completion_fim":false}}}}"#
        )
    };
    let text = format!(
        r#"{{"data":[{},{},{{"id":"mistral-ocr","aliases":[],"capabilities":{{"completion_chat":false}}}},{{"id":"mistral-embed","capabilities":{{"completion_chat":false}}}}]}}"#,
        row("mistral-large-4", r#""mistral-large-latest""#),
        row("mistral-large-latest", r#""mistral-large-4""#),
    );
    let page = page(&text);
    assert_eq!(ids(&page), ["mistral-large-latest", "mistral-embed"]);
    let can = &page.models[0].capabilities;
    assert_eq!((can.tools, can.vision, can.insert), (Some(true), Some(false), Some(false)));
    assert_eq!(page.models[0].context_length, Some(131_072));
}

#[test]
fn openrouters_form_tells_much() {
    let page = page(
        r#"{"data":[{"id":"v/m:free","created":1754587402,"context_length":null,"architecture":{"input_modalities":["text","image"],"output_modalities":["text"]},
        "top_provider":{"context_length":400000,"max_completion_tokens":128000},"supported_parameters":["tools","reasoning"]},
        {"id":"v/painter","architecture":{"output_modalities":["image"]}},
        {"id":"v/e","architecture":{"output_modalities":["embeddings"]}}]}"#,
    );
    assert_eq!(ids(&page), ["v/m:free", "v/e"]);
    let model = &page.models[0];
    assert_eq!((model.context_length, model.output_limit), (Some(400_000), Some(128_000)));
    let can = &model.capabilities;
    assert_eq!((can.tools, can.vision, can.thinking), (Some(true), Some(true), Some(true)));
}

#[test]
fn hosts_and_properties_are_looked_into() {
    let page = page(
        r#"{"data":[{"id":"h/m","providers":[{"status":"live","context_length":32768,"supports_tools":false},
        {"status":"live","context_length":131072,"supports_tools":true},{"status":"error","context_length":999999}]},
        {"id":"groq/off","active":false},{"id":"k","supports_image_in":true,"supports_reasoning":true,"context_length":"262144"}]}"#,
    );
    assert_eq!(ids(&page), ["h/m", "k"]);
    assert_eq!((page.models[0].context_length, page.models[0].capabilities.tools), (Some(131_072), Some(true)));
    assert_eq!((page.models[1].context_length, page.models[1].capabilities.vision), (Some(262_144), Some(true)));
    let cloudflare = super::read(&Json::known(
        r#"{"success":true,"result":[{"id":"0f1e","name":"@cf/a/b","task":{"name":"Text Generation"},"properties":[{"property_id":"context_window","value":"24000"}]},
        {"id":"2d3c","name":"@cf/x","task":{"name":"Text-to-Image"}}]}"#,
    ))
    .unwrap();
    assert_eq!(ids(&cloudflare), ["@cf/a/b"]);
    assert_eq!(cloudflare.models[0].context_length, Some(24_000));
}

#[test]
fn local_servers_are_read() {
    let llamacpp = page(
        r#"{"models":[{"name":"x.gguf","model":"x.gguf"}],"object":"list","data":[{"id":"x.gguf","meta":{"n_ctx_train":40960,"n_params":7,"size":9}}]}"#,
    );
    assert_eq!((ids(&llamacpp), llamacpp.models[0].context_length), (vec!["x.gguf"], Some(40_960)));
    let older = page(r#"{"models":[{"name":"y.gguf","model":"y.gguf","capabilities":["completion"]}]}"#);
    assert_eq!(ids(&older), ["y.gguf"]);
    let vllm = page(r#"{"object":"list","data":[{"id":"org/m","max_model_len":8192}]}"#);
    assert_eq!(vllm.models[0].context_length, Some(8192));
    let studio = page(
        r#"{"models":[{"key":"q","type":"llm","max_context_length":4096,"params_string":"7B","quantization":{"name":"Q4_K_M"},"capabilities":{"vision":true,"trained_for_tool_use":true}},
        {"key":"e","type":"embedding"}]}"#,
    );
    assert_eq!(ids(&studio), ["q", "e"]);
    assert_eq!(studio.models[0].quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!((studio.models[0].capabilities.tools, studio.models[0].capabilities.vision), (Some(true), Some(true)));
}

#[test]
fn ollamas_rows_keep_all_their_fields() {
    let page = page(
        r#"{"models":[{"name":"m1:latest","model":"m1:latest","modified_at":"2026-01-02T03:04:05.678+01:00","size":253113658,"digest":"1e1c",
        "details":{"parent_model":"","format":"gguf","family":"gemma3","families":["gemma3"],"parameter_size":"268.10M","quantization_level":"Q4_K_M","context_length":32768,"embedding_length":640},"capabilities":["completion","insert"]},
        {"name":"far:latest","model":"far:latest","remote_model":"m1","remote_host":"http://h:1","modified_at":"x","size":190,"digest":"c170","details":{"families":null}},
        {"name":"flux:tts","model":"flux:tts","digest":"d2","capabilities":["image"]}]}"#,
    );
    let [own, far, _] = &page.models[..] else { panic!("three rows") };
    assert_eq!((own.id.as_str(), own.size, own.digest.as_deref()), ("m1:latest", Some(253_113_658), Some("1e1c")));
    assert_eq!(own.modified_at.as_deref(), Some("2026-01-02T03:04:05.678+01:00"));
    assert_eq!(own.created.unwrap().to_string(), "2026-01-02T02:04:05.678Z");
    assert_eq!((own.family.as_deref(), own.format.as_deref()), (Some("gemma3"), Some("gguf")));
    assert_eq!((own.parameter_size.as_deref(), own.quantization.as_deref()), (Some("268.10M"), Some("Q4_K_M")));
    assert_eq!((own.context_length, own.embedding_length, own.parent.as_deref()), (Some(32_768), Some(640), None));
    assert_eq!((own.capabilities.tools, own.capabilities.insert), (Some(false), Some(true)));
    assert_eq!(far.remote, Some(("m1".to_owned(), "http://h:1".to_owned())));
    assert_eq!(far.capabilities, Capabilities::default());
}

#[test]
fn recorded_lists_are_read() {
    if let Some(page) = recorded("openrouter/models-01") {
        assert_eq!(ids(&page)[..2], ["openai/gpt-5-nano", "anthropic/claude-sonnet-4"]);
        let first = &page.models[0];
        assert_eq!((first.context_length, first.output_limit), (Some(400_000), Some(128_000)));
        assert_eq!((first.capabilities.tools, first.capabilities.vision), (Some(true), Some(true)));
    }
    if let Some(page) = recorded("gemini/gen-models-01") {
        assert!(page.next.unwrap().starts_with("pageToken="));
        let ids: Vec<&str> = page.models.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids[..3], ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash"]);
        assert!(ids.contains(&"gemini-embedding-001"));
        assert!(!ids.iter().any(|id| id.contains("tts") || id.starts_with("imagen") || id.starts_with("veo")));
    }
    if let Some(page) = recorded("cerebras/models-01") {
        assert_eq!(ids(&page), ["gemma-4-31b", "gpt-oss-120b", "zai-glm-4.7"]);
        assert_eq!(page.models[0].created, None);
    }
}

#[test]
fn an_ollamas_own_row_is_kept_where_it_is_whole() {
    let row = |more: &str| {
        let digest = "1e".repeat(32);
        format!(
            r#"{{"name":"a:1","model":"a:1","modified_at":"2026-01-02T03:04:05Z","digest":"{digest}","details":{{"families":["a","b"]}},"capabilities":["image"]{more}}}"#
        )
    };
    let whole = row(r#","size":7,"later":1.0"#);
    let models = page(&format!(r#"{{"models":[{whole},{}]}}"#, row("").replace("a:1", "b:1"))).models;
    assert_eq!(models[0].own_row.as_deref(), Some(whole.as_str()));
    assert_eq!(models[1].own_row, None);
    assert_eq!(models[0].capabilities.names(), ["image"]);
    assert_eq!(models[0].capabilities.completion, Some(false));
}

#[test]
fn an_id_alone_tells_what_its_words_tell() {
    assert_eq!(by_id("embed-v4.0").capabilities.names(), ["embedding"]);
    assert_eq!(by_id("command-a-03-2025").capabilities, Capabilities::default());
}

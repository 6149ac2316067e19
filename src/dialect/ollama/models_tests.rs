use super::*;

fn local() -> Model {
    Model {
        name: "m1:latest".to_owned(),
        is_local: true,
        modified_at: Some("2026-01-02T03:04:05.678+01:00".to_owned()),
        size: Some(253_113_658),
        digest: Some("1e".repeat(32)),
        context_length: Some(32_768),
        embedding_length: Some(640),
        capabilities: Capabilities { completion: Some(true), tools: Some(false), ..Capabilities::default() },
        family: Some("gemma3".to_owned()),
        parameter_size: Some("268.10M".to_owned()),
        quantization: Some("Q4_K_M".to_owned()),
        format: Some("gguf".to_owned()),
        ..Model::default()
    }
}

fn cloud() -> Model {
    Model {
        name: "google:gemini-2.5-pro".to_owned(),
        provider: "google".to_owned(),
        id: "gemini-2.5-pro".to_owned(),
        context_length: Some(1_048_576),
        family: Some("gemini2.5".to_owned()),
        remote: Some(("gemini-2.5-pro".to_owned(), "https://example.com".to_owned())),
        ..Model::default()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_list_has_ollama_s_rows() {
    let digest = "1e".repeat(32);
    let row = format!(
        r#"{{"name":"m1:latest","model":"m1:latest","modified_at":"2026-01-02T03:04:05.678+01:00","size":253113658,"digest":"{digest}","details":{{"parent_model":"","format":"gguf","family":"gemma3","families":["gemma3"],"parameter_size":"268.10M","quantization_level":"Q4_K_M","context_length":32768,"embedding_length":640}},"capabilities":["completion"]}}"#
    );
    assert_eq!(text(write_tags(&[&local()], Timestamp::UNIX_EPOCH)), format!("{{\"models\":[{row}]}}"));
    assert_eq!(text(write_tags(&[], Timestamp::UNIX_EPOCH)), r#"{"models":[]}"#);
}

#[test]
fn a_cloud_model_is_a_row_like_any() {
    // SHA-256 of the name.
    let digest = Sha256::digest(b"google:gemini-2.5-pro").iter().map(|b| format!("{b:02x}")).collect::<String>();
    let want = format!(
        r#"{{"models":[{{"name":"google:gemini-2.5-pro","model":"google:gemini-2.5-pro","remote_model":"gemini-2.5-pro","remote_host":"https://example.com","modified_at":"1970-01-01T00:00:00Z","size":0,"digest":"{digest}","details":{{"parent_model":"","format":"","family":"gemini2-5","families":["gemini2-5"],"parameter_size":"","quantization_level":"","context_length":1048576}},"capabilities":["completion","tools"]}}]}}"#
    );
    assert_eq!(text(write_tags(&[&cloud()], Timestamp::UNIX_EPOCH)), want);
}

#[test]
fn an_ollama_stub_has_no_family_and_no_capabilities() {
    let stub = Model { remote: cloud().remote, family: None, capabilities: Capabilities::default(), ..local() };
    let row = text(write_tags(&[&stub], Timestamp::UNIX_EPOCH));
    assert!(row.contains(r#""family":"","families":null,"#) && !row.contains("capabilities"), "{row}");
}

#[test]
fn names_without_a_colon_get_one() {
    let model = Model { name: "m1".to_owned(), ..local() };
    assert!(text(write_tags(&[&model], Timestamp::UNIX_EPOCH)).contains(r#""name":"m1:latest","model":"m1:latest""#));
}

#[test]
fn details_of_a_cloud_model() {
    let want = r#"{"parameters":"num_ctx                        1048576","details":{"parent_model":"","format":"","family":"gemini2-5","families":["gemini2-5"],"parameter_size":"","quantization_level":""},"remote_model":"gemini-2.5-pro","remote_host":"https://example.com","model_info":{"gemini2-5.context_length":1048576,"general.architecture":"gemini2-5","general.basename":"google:gemini-2.5-pro"},"capabilities":["completion","tools"],"modified_at":"1970-01-01T00:00:00Z"}"#;
    assert_eq!(text(write_show(&cloud(), "gemini", Timestamp::UNIX_EPOCH, Some("curl/8"))), want);
    let copilot = text(write_show(&cloud(), "gemini", Timestamp::UNIX_EPOCH, Some("GitHubCopilotChat/0.30")));
    assert!(copilot.contains(r#""general.basename":"gemini""#), "{copilot}");
}

#[test]
fn only_what_is_known_is_told() {
    let model = Model { context_length: None, family: None, ..cloud() };
    let shown = text(write_show(&model, "x", Timestamp::UNIX_EPOCH, None));
    assert!(shown.starts_with(r#"{"details":"#) && !shown.contains("template"), "{shown}");
    assert!(
        shown.contains(r#""model_info":{"general.architecture":"google","general.basename":"google:gemini-2.5-pro"}"#)
    );
    let insert = Capabilities { insert: Some(true), ..Capabilities::default() };
    let shown = text(write_show(&Model { capabilities: insert, ..cloud() }, "x", Timestamp::UNIX_EPOCH, None));
    assert!(shown.contains(".Suffix"));
}

#[test]
fn running_models() {
    let model = local();
    let running = [Running { model: &model, expires_at: Timestamp::UNIX_EPOCH }];
    let digest = "1e".repeat(32);
    let want = format!(
        r#"{{"models":[{{"name":"m1:latest","model":"m1:latest","size":253113658,"digest":"{digest}","details":{{"parent_model":"","format":"gguf","family":"gemma3","families":["gemma3"],"parameter_size":"268.10M","quantization_level":"Q4_K_M"}},"expires_at":"1970-01-01T00:00:00Z","size_vram":0,"context_length":32768}}]}}"#
    );
    assert_eq!(text(write_ps(&running)), want);
    assert_eq!(text(write_ps(&[])), r#"{"models":[]}"#);
}

#[test]
fn the_version_has_three_integers() {
    let want = format!(r#"{{"version":"0.33.0","polyllama":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(text(write_version()), want);
}

#[test]
fn what_show_asks_for() {
    let ask = |body: &'static str| read_show(&Bytes::from(body)).map_err(|failure| (failure.status, failure.message));
    assert_eq!(ask(r#"{"model":"","name":" m1 "}"#), Ok(" m1 ".to_owned()));
    assert_eq!(ask(r#"{"NAME":"x","model":"y"}"#), Ok("y".to_owned()));
    let refused = |text: &str| Err((400, text.to_owned()));
    assert_eq!(ask(""), refused("missing request body"));
    assert_eq!(ask("{}"), refused("model is required"));
    assert_eq!(ask(r#"{"model":"a b"}"#), refused("invalid model name"));
    assert_eq!(
        ask(r#"{"model":5}"#),
        refused("json: cannot unmarshal number into Go struct field ShowRequest.model of type string")
    );
}

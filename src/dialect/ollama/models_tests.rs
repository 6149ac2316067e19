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
    let want = r#"{"modelfile":"FROM google:gemini-2.5-pro\nTEMPLATE {{ .Prompt }}\nPARAMETER num_ctx 1048576\n","parameters":"num_ctx                        1048576","template":"{{ .Prompt }}","details":{"parent_model":"","format":"","family":"gemini2-5","families":["gemini2-5"],"parameter_size":"","quantization_level":""},"remote_model":"gemini-2.5-pro","remote_host":"https://example.com","model_info":{"gemini2-5.context_length":1048576,"general.architecture":"gemini2-5","general.basename":"google:gemini-2.5-pro"},"capabilities":["completion","tools"],"modified_at":"1970-01-01T00:00:00Z"}"#;
    assert_eq!(text(write_show(&cloud(), "gemini", Timestamp::UNIX_EPOCH, Some("curl/8"))), want);
    let copilot = text(write_show(&cloud(), "gemini", Timestamp::UNIX_EPOCH, Some("GitHubCopilotChat/0.30")));
    assert!(copilot.contains(r#""general.basename":"gemini""#), "{copilot}");
}

#[test]
fn only_what_is_known_is_told() {
    let model = Model { context_length: None, family: None, ..cloud() };
    let shown = text(write_show(&model, "x", Timestamp::UNIX_EPOCH, None));
    let start =
        r#"{"modelfile":"FROM google:gemini-2.5-pro\nTEMPLATE {{ .Prompt }}\n","template":"{{ .Prompt }}","details":"#;
    assert!(shown.starts_with(start) && !shown.contains("parameters"), "{shown}");
    assert!(
        shown.contains(r#""model_info":{"general.architecture":"google","general.basename":"google:gemini-2.5-pro"}"#)
    );
    let insert = Capabilities { insert: Some(true), ..Capabilities::default() };
    let shown = text(write_show(&Model { capabilities: insert, ..cloud() }, "x", Timestamp::UNIX_EPOCH, None));
    assert!(shown.contains(".Suffix"));
}

/// Clients that know one figure fill all of it with a prompt.
#[test]
fn a_window_of_which_prompts_get_a_part() {
    let model = Model { context_length: Some(400_000), input_limit: Some(272_000), ..cloud() };
    let shown = text(write_show(&model, "x", Timestamp::UNIX_EPOCH, None));
    assert!(
        shown.contains(r#""gemini2-5.context_length":272000"#)
            && shown.contains("num_ctx                        272000")
    );
    assert!(text(write_tags(&[&model], Timestamp::UNIX_EPOCH)).contains(r#""context_length":272000"#));
}

#[test]
fn the_command_asks_for_no_sign_in_where_a_key_opens() {
    let host = |host: &str| Model { remote: Some(("m".to_owned(), host.to_owned())), ..cloud() };
    let row = |model: &Model| text(write_tags(&[model], Timestamp::UNIX_EPOCH));
    assert!(row(&host("https://ollama.com")).contains(r#""remote_host":"HTTPS://ollama.com""#));
    assert!(row(&host("https://api.example.com")).contains(r#""remote_host":"https://api.example.com""#));
    let stub = Model { is_local: true, ..host("https://ollama.com:443") };
    assert!(row(&stub).contains(r#""remote_host":"https://ollama.com:443""#));
}

/// What an Ollama says of its own model is handed on as it is, also what is not known here; an alias changes the name alone.
#[test]
fn an_ollamas_own_row_is_its_own() {
    let row = r#"{"name":"m1:latest","model":"m1:latest","new":[1.50,"\u003c"],"details":{"families":["a","b"]},"capabilities":["audio","completion"]}"#;
    let model = Model { id: "m1:latest".to_owned(), own_row: Some(row.to_owned()), ..local() };
    assert_eq!(text(write_tags(&[&model, &model], Timestamp::UNIX_EPOCH)), format!(r#"{{"models":[{row},{row}]}}"#));
    let alias = Model { name: "short".to_owned(), ..model };
    let renamed = row.replace("m1:latest", "short:latest");
    assert_eq!(text(write_tags(&[&alias], Timestamp::UNIX_EPOCH)), format!(r#"{{"models":[{renamed}]}}"#));
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

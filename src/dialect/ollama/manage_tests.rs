use super::*;

fn managing(action: Action, body: &str) -> Managing {
    read(action, &Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn said(action: Action, body: &str) -> (u16, String) {
    let read = read(action, &Bytes::copy_from_slice(body.as_bytes()));
    let failure = read.map_or_else(Some, |managing| managing.refusal());
    failure.map(|failure| (failure.status, failure.message)).unwrap_or_default()
}

#[test]
fn each_action_names_its_model_in_its_own_way() {
    let rows = [
        (Action::Pull, r#"{"name":"tiny"}"#, "tiny", ""),
        (Action::Pull, r#"{"model":"","name":"tiny"}"#, "tiny", ""),
        (Action::Push, r#"{"model":"a","name":"b"}"#, "a", ""),
        (Action::Delete, r#"{"MODEL":"a"}"#, "a", ""),
        (Action::Copy, r#"{"source":"a","destination":"b"}"#, "a", "b"),
        (Action::Create, r#"{"model":"b","from":"a"}"#, "a", "b"),
    ];
    for (action, body, model, made) in rows {
        let read = managing(action, body);
        assert_eq!((read.model.as_str(), read.made.as_str(), read.is_stream), (model, made, true), "{body}");
    }
    assert!(!managing(Action::Pull, r#"{"model":"a","stream":false}"#).is_stream);
    let made = managing(Action::Create, r#"{"model":"b","files":{"m.gguf":"sha256:1"},"adapters":{"a":"sha256:2"}}"#);
    assert_eq!(made.blobs, ["sha256:1", "sha256:2"]);
}

#[test]
fn wrong_requests_are_refused_in_ollamas_words() {
    let rows = [
        (Action::Pull, "", 400, "missing request body"),
        (Action::Pull, "{", 400, "unexpected EOF"),
        (Action::Pull, "{}", 400, "invalid model name"),
        (Action::Pull, r#"{"model":"a b"}"#, 400, "invalid model name"),
        (
            Action::Pull,
            r#"{"model":5}"#,
            400,
            "json: cannot unmarshal number into Go struct field PullRequest.model of type string",
        ),
        (Action::Push, "{}", 400, "model is required"),
        (Action::Delete, "{}", 400, "model is required"),
        (Action::Delete, r#"{"model":"a b"}"#, 400, r#"name "a b" is invalid"#),
        (Action::Delete, r#"{"name":"nosuch"}"#, 404, "model 'nosuch' not found"),
        (Action::Copy, "{}", 400, r#"source "" is invalid"#),
        (Action::Copy, r#"{"source":"a","destination":"a b"}"#, 400, r#"destination "a b" is invalid"#),
        (Action::Copy, r#"{"source":"a","destination":"b"}"#, 404, r#"model "a" not found"#),
        (Action::Create, "{}", 400, "invalid model name"),
        (
            Action::Pull,
            r#"{"model":"x:cloud:local"}"#,
            400,
            r#"use either :local or :cloud, not both: "x:cloud:local""#,
        ),
    ];
    for (action, body, status, message) in rows {
        assert_eq!(said(action, body), (status, message.to_owned()), "{action:?} {body}");
    }
    for (action, body) in [(Action::Pull, r#"{"model":"x"}"#), (Action::Create, r#"{"model":"x","from":"y"}"#)] {
        assert_eq!(said(action, body), (0, String::new()), "{action:?} is tried");
    }
}

#[test]
fn only_names_change_on_the_way_to_a_server() {
    let body = Bytes::from_static(br#"{ "source": "two:a" ,"destination":"two:b", "x": 1.0}"#);
    let cut = |name: &str| name.strip_prefix("two:").map(str::to_owned);
    let managing = managing(Action::Copy, std::str::from_utf8(&body).unwrap());
    assert_eq!(managing.renamed(&body, "a", cut), r#"{ "source": "a" ,"destination":"b", "x": 1.0}"#);
    assert_eq!(managing.renamed(&body, "two:a", |_| None), body);
}

#[test]
fn digests_as_ollama_takes_them() {
    let hex = "0123456789abcdefABCDEF".repeat(3)[..64].to_owned();
    assert!(is_digest(&format!("sha256:{hex}")) && is_digest(&format!("sha256-{hex}")));
    for wrong in ["", "xyz", "sha256:", &hex, &format!("sha256:{}", &hex[1..]), &format!("sha256:{}/", &hex[1..])] {
        assert!(!is_digest(wrong), "{wrong}");
    }
}

#[test]
fn lines_are_ollamas() {
    let told = "{\"status\":\"pulling manifest\"}\n{\"status\":\"verifying sha256 digest\"}\n\
                {\"status\":\"writing manifest\"}\n{\"status\":\"success\"}\n";
    assert_eq!(write_pulled(true), told.as_bytes());
    assert_eq!(write_pulled(false), br#"{"status":"success"}"#);
    let failed = write_failed_lines(Action::Pull, "no <way>").unwrap();
    assert_eq!(failed, b"{\"status\":\"pulling manifest\"}\n{\"error\":\"no \\u003cway\\u003e\"}\n");
    assert_eq!(write_failed_lines(Action::Copy, "x"), None);
}

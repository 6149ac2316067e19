//! Promise: proxies, certificates and time limits work as other programs have taught people to expect, and whatever goes wrong
//! between the gateway and a provider is told clearly, in the client's dialect, without a password or key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::{Client, Gate, Gateway, Seen, Setup, Step, Upstream, gateway, hang, held, reply, stream, text, upstream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A name that no resolver knows: only a proxy can reach it.
const HOST: &str = "api.provider.test";
const KEY: &str = "sk-network-secret-key";

const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"fine\"},\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn fine(seen: &Seen) -> Step {
    if seen.wants_stream() {
        return stream(format!("{CHUNK}{END}"));
    }
    reply(json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}))
}

fn provider() -> Upstream {
    upstream().models(&["m"]).answers(fine)
}

/// The text of an answer that must be a good one.
fn told(gw: &Gateway, client: Client, is_streamed: bool) -> String {
    let answer = gw.send(&client.ask("openai:m", "hi", is_streamed, &json!({})));
    assert_eq!(answer.status, 200, "{}\n{}", answer.everything(), gw.output());
    client.read(&answer, is_streamed).text
}

/// Status and message of an answer that must be an error in the client's form.
fn refused(gw: &Gateway, client: Client, is_streamed: bool) -> (u16, String) {
    let answer = gw.send(&client.ask("openai:m", "hi", is_streamed, &json!({})));
    let message = client.read_error(&answer).unwrap_or_else(|| panic!("no error in form: {}", answer.everything()));
    (answer.status, message)
}

/// An HTTP proxy that leads everything to one port, whatever host is named, or answers all with an error.
struct Proxy {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What the proxy does.
#[derive(Clone, Copy)]
enum Leads {
    To(u16),
    Refuses(&'static str),
}

fn proxy(leads: Leads) -> Proxy {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let heads = Arc::clone(&heads);
            std::thread::spawn(move || lead(socket, leads, &heads));
        }
    });
    Proxy { port, seen }
}

fn lead(mut client: TcpStream, leads: Leads, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(client.read(&mut byte), Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let is_tunnel = head.starts_with(b"CONNECT ");
    heads.lock().unwrap().push(String::from_utf8(head.clone()).unwrap());
    let port = match leads {
        Leads::To(port) => port,
        Leads::Refuses(status) => {
            let _ = client.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes());
            return;
        }
    };
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    } else {
        server.write_all(&head).unwrap();
    }
    let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up_from, &mut up_to);
        let _ = up_to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

impl Proxy {
    fn url(&self, user: &str) -> String {
        format!("http://{user}127.0.0.1:{}", self.port)
    }

    /// The first lines of the requests so far.
    fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// The values of a header in all requests so far.
    fn header(&self, name: &str) -> Vec<Option<String>> {
        let value = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.seen.lock().unwrap().iter().map(|head| head.lines().find_map(value)).collect()
    }
}

/// TLS before a provider, with a certificate that nobody signed: the port, and the certificate in PEM.
fn tls_before(up: &Upstream) -> (u16, String) {
    let names = [HOST.to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let crypto = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (port, target) = (listener.local_addr().unwrap().port(), up.port());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(terminate_tls(listener, TlsAcceptor::from(Arc::new(config)), target));
    });
    (port, made.cert.pem())
}

async fn terminate_tls(listener: TcpListener, acceptor: TlsAcceptor, target: u16) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut client) = acceptor.accept(socket).await else { return };
            let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", target)).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// A gateway whose provider is at this address.
fn at(base_url: &str) -> Setup {
    gateway().env("OPENAI_BASE_URL", base_url).env("OPENAI_API_KEY", KEY)
}

fn remote(scheme: &str) -> Setup {
    at(&format!("{scheme}://{HOST}/v1"))
}

#[test]
fn https_goes_through_a_tunnel_of_the_proxy() {
    let up = provider();
    let (port, certificate) = tls_before(&up);
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = proxy(Leads::To(port));
        let setup = remote("https").file("ca.pem", &certificate).env("POLYLLAMA_CA_FILES", "ca.pem");
        let gw = setup.env(variable, &proxy.url("Aladdin:open%20sesame@")).start();
        for client in [Client::OpenAiChat, Client::OllamaChat] {
            assert_eq!((told(&gw, client, false), told(&gw, client, true)), ("fine".into(), "fine".into()));
        }
        let asked = proxy.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|line| *line == format!("CONNECT {HOST}:443 HTTP/1.1")),
            "{asked:?}"
        );
        // base64 of `Aladdin:open sesame`
        let wanted = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert!(proxy.header("proxy-authorization").iter().all(|value| *value == wanted), "{variable}");
    }
    let seen = up.last();
    assert_eq!((seen.header("host"), seen.key()), (Some(HOST), Some(KEY)));
    assert!(
        up.seen_all().iter().all(|seen| seen.header("proxy-authorization").is_none()),
        "the provider gets no password"
    );
}

#[test]
fn plain_http_is_asked_of_the_proxy_itself() {
    for variable in ["HTTP_PROXY", "http_proxy"] {
        let up = provider();
        let proxy = proxy(Leads::To(up.port()));
        let gw = remote("http").env(variable, &proxy.url("user:word@")).start();
        assert_eq!(told(&gw, Client::OpenAiChat, true), "fine");
        assert_eq!(told(&gw, Client::OllamaChat, false), "fine");
        let asked = proxy.asked();
        assert!(asked.iter().all(|line| line.contains(&format!(" http://{HOST}/v1/"))), "{asked:?}");
        assert_eq!(proxy.header("proxy-authorization")[0].as_deref(), Some("Basic dXNlcjp3b3Jk"));
        assert_eq!(proxy.header("host")[0].as_deref(), Some(HOST));
    }
}

#[test]
fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    for (answer, word) in
        [("407 Proxy Authentication Required", "407"), ("403 Forbidden", "refused"), ("502 Bad Gateway", "refused")]
    {
        // What a proxy for plain HTTP answers can't be told from what the provider does, but for a 407.
        for scheme in if word == "407" { ["https", "http"] } else { ["https"; 2] } {
            let proxy = proxy(Leads::Refuses(answer));
            let url = proxy.url("Aladdin:sesame-open@");
            let gw = remote(scheme).env("ALL_PROXY", &url).arg("--verbose").start();
            for client in [Client::OpenAiChat, Client::OllamaChat] {
                let (status, message) = refused(&gw, client, false);
                assert_eq!(status, 502, "{scheme} {answer}: {message}");
                assert!(message.contains("provider 'openai'"), "{message}");
                assert!(message.contains("the proxy 127.0.0.1:") && message.contains(word), "{answer}: {message}");
                assert!(!(message.clone() + &gw.output()).contains("sesame"), "{message}");
            }
        }
    }
}

#[test]
fn a_proxy_that_is_down_or_of_another_kind_is_told() {
    let gw = remote("https").env("HTTPS_PROXY", "http://me:sesame@127.0.0.1:1").start();
    let (status, message) = refused(&gw, Client::OpenAiChat, false);
    assert_eq!(status, 502);
    assert!(message.contains("proxy") && message.contains("127.0.0.1:1"), "{message}");
    assert!(!message.contains("sesame"), "{message}");
    for url in ["socks5://me:sesame@127.0.0.1:1", "https://me:sesame@127.0.0.1:1"] {
        let gw = remote("https").env("HTTPS_PROXY", url).start();
        let (status, message) = refused(&gw, Client::OllamaChat, false);
        let scheme = url.split(':').next().unwrap();
        assert_eq!(status, 502);
        assert!(message.contains(scheme) && message.contains("http://"), "{message}");
        assert!(!message.contains("sesame"), "{message}");
    }
}

#[test]
fn no_proxy_and_this_machine_are_asked_straight() {
    for variable in ["NO_PROXY", "no_proxy"] {
        let proxy = proxy(Leads::Refuses("403 Forbidden"));
        let gw = remote("https").env("HTTPS_PROXY", &proxy.url("")).env(variable, "other.test,.provider.test").start();
        let (status, message) = refused(&gw, Client::OpenAiChat, false);
        assert_eq!((status, proxy.asked()), (502, Vec::new()), "{message}");
    }
    let up = provider();
    let proxy = proxy(Leads::Refuses("403 Forbidden"));
    for base in [format!("http://127.0.0.1:{}/v1", up.port()), format!("http://localhost:{}/v1", up.port())] {
        let gw = at(&base).env("HTTP_PROXY", &proxy.url("")).env("ALL_PROXY", &proxy.url("")).start();
        assert_eq!(told(&gw, Client::OpenAiChat, false), "fine");
        assert_eq!(proxy.asked(), Vec::<String>::new(), "this machine is never asked through a proxy");
    }
}

#[test]
fn a_certificate_of_ones_own_is_trusted_where_it_is_named() {
    let up = provider();
    let (port, certificate) = tls_before(&up);
    let base = format!("https://localhost:{port}/v1");
    for variable in ["POLYLLAMA_CA_FILES", "SSL_CERT_FILE"] {
        let gw = at(&base).file("ca.pem", &certificate).env(variable, "ca.pem").start();
        assert_eq!(
            (told(&gw, Client::OpenAiChat, false), told(&gw, Client::OllamaChat, true)),
            ("fine".into(), "fine".into())
        );
    }
    let asked = up.seen_all().len();
    let gw = at(&base).start();
    for client in Client::ALL {
        let (status, message) = refused(&gw, client, false);
        assert_eq!(status, 502);
        assert!(message.contains("certificate") && message.contains("ca_files"), "says what to set: {message}");
    }
    assert_eq!(up.seen_all().len(), asked, "nothing was sent to a server that isn't trusted");
}

#[test]
fn a_certificate_file_that_is_none_ends_the_start() {
    for (content, word) in [(None, "No such file"), (Some("not a certificate"), "no certificate")] {
        let setup = gateway().env("POLYLLAMA_CA_FILES", "ca.pem");
        let setup = match content {
            Some(content) => setup.file("ca.pem", content),
            None => setup,
        };
        let (status, output) = setup.run();
        assert_eq!(status.code(), Some(1), "{output}");
        assert!(output.contains("ca.pem") && output.contains(word), "{output}");
    }
}

#[test]
fn a_host_that_does_not_exist_is_a_502_that_says_so() {
    let gw = at("https://nowhere.invalid/v1").start();
    for client in Client::ALL {
        let (status, message) = refused(&gw, client, true);
        assert_eq!(status, 502, "{message}");
        assert!(message.contains("provider 'openai'") && message.contains("could not be reached"), "{message}");
        assert!(message.contains("nowhere.invalid"), "names the host: {message}");
    }
}

#[test]
fn a_provider_that_never_answers_is_a_504() {
    let up = upstream().models(&["m"]).then(hang());
    let limits = "[limits]\nfirst_byte = \"300ms\"\n";
    let gw = gateway().file("polyllama.toml", limits).provider("openai", &up, &[KEY]).start();
    for client in Client::ALL {
        for is_streamed in [false, true] {
            let before = up.seen().len();
            let (status, message) = refused(&gw, client, is_streamed);
            assert_eq!(status, 504, "{client:?}: {message}");
            assert!(message.contains("provider 'openai'") && message.contains("300ms"), "{message}");
            assert_eq!(up.seen().len() - before, 2, "one retry");
        }
    }
}

#[test]
fn silence_in_the_midst_of_a_stream_is_told_in_its_own_form() {
    let up = upstream().models(&["m"]).answers(|seen| {
        let is_chat = seen.path.ends_with("/chat/completions");
        let completion = CHUNK
            .replace("chat.completion.chunk", "text_completion")
            .replace("\"delta\":{\"role\":\"assistant\",\"content\":\"fine\"}", "\"text\":\"fine\"");
        held(if is_chat { CHUNK } else { &completion }, &Gate::default(), "")
    });
    let gw = gateway().env("POLYLLAMA_SILENCE", "300ms").provider("openai", &up, &[KEY]).start();
    for client in Client::ALL {
        let answer = gw.send(&client.ask("openai:m", "hi", true, &json!({})));
        assert_eq!(
            (answer.status, client.read(&answer, true).text.as_str()),
            (200, "fine"),
            "{client:?} {}",
            answer.everything()
        );
        let message = client.read_error(&answer).unwrap_or_else(|| panic!("{client:?}: {}", answer.everything()));
        assert!(message.contains("300ms"), "{message}");
        assert!(!answer.is_done() && client.read(&answer, true).finish.is_empty(), "{}", answer.everything());
    }
    assert_eq!(up.seen().len(), Client::ALL.len(), "nothing is sent twice once content has left");
    let line = gw.line_with("/api/generate");
    assert!(line.contains(" broken ") && line.contains("failed=timeout"), "{line}");
}

#[test]
fn a_redirect_is_not_followed() {
    let other = provider();
    let place = format!("{}/v1/chat/completions", other.address());
    for (status, body) in
        [(301, "<html>moved</html>"), (302, ""), (303, "{}"), (307, r#"{"error":{"message":"moved"}}"#), (308, "")]
    {
        let up = upstream().models(&["m"]).then(text(status, "text/html", body).with_header("location", &place));
        let gw = gateway().provider("openai", &up, &[KEY]).start();
        for client in Client::ALL {
            let (shown, message) = refused(&gw, client, false);
            assert_eq!(shown, 502, "{status} {client:?}: {message}");
            assert!(message.contains("redirect") && message.contains(&status.to_string()), "{message}");
            assert!(
                message.contains(&place) && message.contains("base URL"),
                "says where to and what to set: {message}"
            );
        }
        assert_eq!(up.seen().len(), Client::ALL.len(), "asking again would be no use");
    }
    assert_eq!(other.seen_all().len(), 0, "the key goes nowhere else");
}

#[test]
fn the_proxy_shows_no_password_in_the_configuration() {
    let (_, output) = gateway().env("HTTPS_PROXY", "http://me:sesame@127.0.0.1:1").arg("config").run();
    assert!(output.contains("limits.connect") && !output.contains("sesame"), "{output}");
}

//! The gateway as a process, with an environment of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::http::{Answer, Asked, send};
use super::upstream::Upstream;
use super::wait_for;

/// How the gateway shall be started.
#[derive(Debug)]
pub struct Setup {
    folder: PathBuf,
    env: Vec<(String, String)>,
    args: Vec<String>,
    port: u16,
    is_port_set: bool,
}

/// The gateway in an empty folder, with nothing in its environment but a free port and a state folder.
pub fn gateway() -> Setup {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("polyllama-test-{}-{number}", std::process::id()));
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let port = free_port();
    let state = folder.join("state").display().to_string();
    let setup = Setup { env: Vec::new(), args: Vec::new(), port, is_port_set: true, folder };
    // Nobody listens on port 1: an Ollama of the developer's own machine must not join in.
    setup.env("OLLAMA_BASE_URL", "http://127.0.0.1:1").env("POLYLLAMA_STATE_DIR", &state)
}

/// A free port, none of those that the system gives to whoever asks for any: nobody gets it by chance before the gateway does.
fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(12_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Setup {
    /// With a variable in the environment.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On this port.
    pub fn on_port(mut self, port: u16) -> Setup {
        self.port = port;
        self
    }

    /// Without a port in its environment; it is asked at this one.
    pub fn without_port(mut self, expected: u16) -> Setup {
        self.is_port_set = false;
        self.on_port(expected)
    }

    /// With a file in the working folder.
    pub fn file(self, name: &str, content: &str) -> Setup {
        std::fs::write(self.folder.join(name), content).unwrap();
        self
    }

    /// With an argument on the command line.
    pub fn arg(mut self, arg: &str) -> Setup {
        self.args.push(arg.to_owned());
        self
    }

    /// With the state folder of another one: as after a restart.
    pub fn state_of(self, other: &Gateway) -> Setup {
        let state = other.folder.join("state").display().to_string();
        self.env("POLYLLAMA_STATE_DIR", &state)
    }

    /// With a provider: `up` plays it, under the addresses that its variables name.
    pub fn provider(self, prefix: &str, up: &Upstream, keys: &[&str]) -> Setup {
        let (name, path, key_name) = match prefix {
            "google" => ("GEMINI", "/v1beta", "GOOGLE_API_KEYS".to_owned()),
            "ollama" => ("OLLAMA", "", "OLLAMA_API_KEYS".to_owned()),
            other => (other, "/v1", format!("{}_API_KEYS", other.to_uppercase())),
        };
        let base = format!("{}{path}", up.address());
        let setup = self.env(&format!("{}_BASE_URL", name.to_uppercase()), &base);
        if keys.is_empty() { setup } else { setup.env(&key_name, &keys.join(",")) }
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Gateway {
        let mut gateway = self.spawn();
        gateway.wait_until_up();
        gateway
    }

    /// Starts it and waits for nothing.
    pub fn spawn(self) -> Gateway {
        let mut child = self.command().spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let readers =
            vec![collect(child.stdout.take().unwrap(), &output), collect(child.stderr.take().unwrap(), &output)];
        Gateway { port: self.port, folder: self.folder, child, output, readers }
    }

    /// Runs a command of it to its end: exit status and all that it printed.
    pub fn run(self) -> (ExitStatus, String) {
        let mut gateway = self.spawn();
        let status = gateway.ended();
        (status, gateway.output())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polyllama"));
        command.env_clear().env("HOME", &self.folder);
        if self.is_port_set {
            command.env("PORT", self.port.to_string());
        }
        command.envs(self.env.iter().cloned()).args(&self.args).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            *output.lock().unwrap() += &(line + "\n");
        }
    })
}

/// A running gateway; it ends when this is dropped.
pub struct Gateway {
    /// Where it listens.
    pub port: u16,
    folder: PathBuf,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Sends a request.
    pub fn send(&self, asked: &Asked) -> Answer {
        send(self.port, asked).unwrap_or_else(|e| panic!("no answer: {e}: {}", self.output()))
    }

    /// Sends a request; `None` when nobody answers.
    pub fn try_send(&self, asked: &Asked) -> Option<Answer> {
        send(self.port, asked).ok()
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send(&Asked::new("GET", path))
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// POST of these very bytes, called JSON.
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send(&Asked::new("POST", path).header("content-type", "application/json").body(body))
    }

    /// All that it printed so far, on both outputs.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its working folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names that `/v1/models` lists.
    pub fn listed(&self) -> Vec<String> {
        let body = self.get("/v1/models").json();
        let rows = body["data"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until it answers.
    pub fn wait_until_up(&mut self) {
        wait_for("the gateway to answer", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}: {}", self.output());
            }
            self.try_send(&Asked::new("GET", "/healthz")).filter(|answer| answer.status == 200)
        });
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// Waits until it has printed a line with this in it, and gives the line.
    pub fn line_with(&self, text: &str) -> String {
        let find = || self.output().lines().find(|line| line.contains(text)).map(str::to_owned);
        wait_for(&format!("a line with {text:?}"), find)
    }

    /// Sends it a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args(["-s", name]).arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end, and for all that it printed.
    pub fn ended(&mut self) -> ExitStatus {
        let status = wait_for("the gateway to end", || self.child.try_wait().unwrap());
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        status
    }

    /// Tells it to end, as the system would, and waits for that.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway said:\n{}---", self.output());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

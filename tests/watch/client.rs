//! A watcher's process, and its pages as plain connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::program;

/// Time in which everything must happen that a test waits for; other tests may use the CPU.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A child that does not outlive its test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `twinprop watch` on a free port.
pub struct Watcher {
    /// Its process.
    pub child: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// The token in the address that it printed.
    pub token: Option<String>,
}

impl Watcher {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command.current_dir(folder).arg("watch").args(arguments).stdout(Stdio::piped());
        let mut child = Running(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://").unwrap();
        let (address, rest) = rest.split_once('/').unwrap();
        let token = rest
            .strip_prefix("?token=")
            .map(|rest| rest.split_whitespace().next().unwrap().to_owned());
        Self { child, address: address.parse().unwrap(), token }
    }

    /// A page that is connected, with the given headers.
    fn connect(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.address.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// Status and text of the answer to a request.
    pub fn ask(&self, line: &str, headers: &str) -> (u16, String) {
        let mut stream = self.connect(&format!("{line} HTTP/1.1\r\n{headers}\r\n"));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    }

    pub fn events(&self) -> Events {
        let head = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        Events(BufReader::new(self.connect(&head)))
    }

    pub fn stop(&self, run: &Value) -> (u16, String) {
        let line = format!("POST /stop?run={}", run["id"].as_str().unwrap());
        let host = format!("Host: {0}\r\nOrigin: http://{0}\r\n", self.address);
        self.ask(&line, &format!("{host}X-Twinprop: stop\r\n"))
    }
}

/// The stream of a page.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// The next message with runs.
    pub fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if let Some(json) = line.strip_prefix("data: {") {
                return serde_json::from_str(&format!("{{{json}")).unwrap();
            }
        }
    }

    /// The first state of a run that `fits`.
    pub fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < PATIENCE {
            for run in self.next()["runs"].as_array().unwrap() {
                if fits(run) {
                    return run.clone();
                }
                last = run.clone();
            }
        }
        panic!("no such state; the last was {last}");
    }
}

/// The program in `folder`, in the background.
pub fn start(folder: &Path, arguments: &[&str]) -> Running {
    let mut command = program();
    command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    Running(command.spawn().unwrap())
}

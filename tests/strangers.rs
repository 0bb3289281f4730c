//! A served device accepts only hosts with its token.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

mod support;

use support::{QUICK, program};

const TOKEN: &str = "a token of twenty-nine bytes.";
/// Limit of the growth of the process under ten thousand connections by strangers.
const FLAT: u64 = 16 << 20;

/// A served device, until it is dropped.
struct Served {
    process: Child,
    address: String,
    /// Its later output.
    said: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Served {
    fn start(token: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
        let mut command = program();
        command.args(["device", "serve", "recipe.toml", "--tcp", "127.0.0.1:0"]);
        command.current_dir(folder.path()).stderr(Stdio::piped()).env_remove("TWINPROP_TOKEN");
        command.envs(token.map(|token| ("TWINPROP_TOKEN", token)));
        let mut process = command.spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving on tcp://").unwrap().to_owned();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                heard.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self { process, address, said, _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Resident memory in bytes.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes << 10
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn info(address: &str, token: Option<&str>) -> Output {
    let mut command = program();
    command.args(["device", "info", &format!("tcp://{address}")]).env_remove("TWINPROP_TOKEN");
    command.envs(token.map(|token| ("TWINPROP_TOKEN", token))).output().unwrap()
}

/// Checks that the device has played no shot.
fn has_not_moved(served: &Served, token: Option<&str>) {
    let output = info(&served.address, token);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" 0 shots"), "{said}");
}

fn fails(output: &Output, with: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(with), "{said}");
}

#[test]
fn only_a_host_with_the_token_reaches_the_device() {
    let served = Served::start(Some(TOKEN));
    fails(&info(&served.address, None), "TWINPROP_TOKEN");
    fails(&info(&served.address, Some("another token of some length")), "TWINPROP_TOKEN");
    fails(&info(&served.address, Some("short")), "needs 16");
    has_not_moved(&served, Some(TOKEN));
    assert!(served.said.lock().unwrap().contains("refused a connection from 127.0.0.1"));
}

#[test]
fn serving_beyond_loopback_needs_a_token() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7777"] {
        let output = program()
            .args(["device", "serve", "recipe.toml", "--tcp", address])
            .current_dir(folder.path())
            .env_remove("TWINPROP_TOKEN")
            .output()
            .unwrap();
        fails(&output, "openssl rand");
        fails(&output, "ssh -L");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// Forwards bytes between a host and the device, and records the host's.
fn eavesdrop(device: &str) -> (String, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let device = device.to_owned();
    let recorder = thread::spawn(move || {
        let (mut host, _) = listener.accept().unwrap();
        let mut link = TcpStream::connect(device).unwrap();
        let (mut back, mut to_host) = (link.try_clone().unwrap(), host.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut back, &mut to_host);
        });
        let mut recorded = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = host.read(&mut bytes) {
            recorded.extend_from_slice(&bytes[..count]);
            link.write_all(&bytes[..count]).unwrap();
        }
        link.shutdown(Shutdown::Both).unwrap();
        recorded
    });
    (address, recorder)
}

/// Reads `link` until it ends.
fn heard(mut link: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    link.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A reset is an end as well.
    let _ = link.read_to_end(&mut bytes);
    bytes
}

#[test]
fn a_replayed_handshake_is_refused() {
    let served = Served::start(Some(TOKEN));
    let (address, recorder) = eavesdrop(&served.address);
    assert!(info(&address, Some(TOKEN)).status.success());
    let recorded = recorder.join().unwrap();
    assert!(recorded.len() > 100);
    let mut link = served.connect();
    let _ = link.write_all(&recorded);
    let said = String::from_utf8_lossy(&heard(link)).into_owned();
    assert!(said.contains("is not the device's; set TWINPROP_TOKEN"), "{said}");
    has_not_moved(&served, Some(TOKEN));
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_strangers_play_no_shot_and_use_no_memory() {
    for token in [Some(TOKEN), None] {
        let served = Served::start(token);
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut knock = |count: usize| {
            for _ in 0..count {
                let mut link = served.connect();
                let mut bytes = vec![0; random.random_range(0..600)];
                random.fill_bytes(&mut bytes);
                let _ = link.write_all(&bytes);
                let _ = link.shutdown(Shutdown::Write);
            }
        };
        knock(500);
        let before = served.memory();
        knock(4500);
        let after = served.memory();
        assert!(after < before + FLAT, "{before} bytes, then {after}");
        has_not_moved(&served, token);
        let told = served.said.lock().unwrap().lines().count();
        assert!((1..20).contains(&told), "{told} lines on strangers");
    }
}

#[test]
fn a_silent_client_times_out_and_blocks_no_other_host() {
    for token in [Some(TOKEN), None] {
        let served = Served::start(token);
        let silent = served.connect();
        let start = Instant::now();
        assert!(info(&served.address, token).status.success());
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        heard(silent);
        let seconds = start.elapsed().as_secs_f64();
        assert!((4.0..8.0).contains(&seconds), "the silent client was dropped after {seconds} s");
    }
}

#[test]
fn a_second_host_is_told_that_the_device_is_in_use() {
    let served = Served::start(None);
    // PROTOCOL.md's Hello from a host that then keeps the link open.
    let mut first = served.connect();
    first.write_all(&hello()).unwrap();
    let mut answer = [0; 16];
    first.read_exact(&mut answer).unwrap();
    fails(&info(&served.address, None), "another host is using the device");
    drop(first);
    let end = Instant::now() + Duration::from_secs(5);
    while !info(&served.address, None).status.success() {
        assert!(Instant::now() < end, "the device is free again");
    }
}

fn hello() -> Vec<u8> {
    use twinprop::devices::rig::frame::{Encoder, Header, Kind};
    Encoder::default().encode(&Header::new(Kind::Hello, 0, 0), |_| {}).to_vec()
}

//! A served backend: another process computes the twins, over loopback.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

mod support;

use support::program;

const TOKEN: &str = "a token of twenty-nine bytes.";

/// A process that serves its backend, until it is dropped.
struct Server {
    process: Child,
    /// Its value of `--backend`.
    backend: String,
}

impl Server {
    fn start(token: &str) -> Self {
        let mut process = program()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TWINPROP_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let backend = said.trim().strip_prefix("serving flex at ").unwrap().to_owned();
        Self { process, backend }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn train(backend: &str, token: &str, out: &Path) -> Output {
    program()
        .args(["train", "experiments/vowels-optical.toml", "--backend", backend])
        .args(["--set", "training.epochs=3", "--set", "calibration.shots=600"])
        .args(["--set", "calibration.fit.epochs=4", "--set", "accounting.digital_peer=false"])
        .arg("--out")
        .arg(out)
        .env("TWINPROP_TOKEN", token)
        .output()
        .unwrap()
}

fn last_loss(run: &Path) -> f64 {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    last["train_loss"].as_f64().unwrap()
}

#[test]
fn a_served_backend_reaches_the_loss_of_a_local_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(TOKEN);
    let (own, served) = (folder.path().join("own"), folder.path().join("served"));
    for (backend, out) in [("flex", &own), (server.backend.as_str(), &served)] {
        let output = train(backend, TOKEN, out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (own, served) = (last_loss(&own), last_loss(&served));
    assert!(
        (own - served).abs() < 0.02 * own,
        "{own} on the local backend, {served} on the served one"
    );
}

#[test]
fn a_wrong_token_is_reported_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(TOKEN);
    let out = folder.path().join("run");
    let output = train(&server.backend, "another token of some length", &out);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("TWINPROP_TOKEN"), "{said}");
    assert!(!out.exists());
}

#[test]
fn serving_beyond_loopback_needs_a_token() {
    let output = program()
        .args(["serve", "--listen", "0.0.0.0:0"])
        .env_remove("TWINPROP_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("compute on this machine") && said.contains("ssh -L"), "{said}");
}

//! A backend that is lent: the twins are computed by another process, over loopback.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A process that lends its backend, until it is dropped.
struct Lender {
    process: Child,
    /// What `--backend` calls it.
    backend: String,
}

impl Lender {
    fn start(token: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_twinprop"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TWINPROP_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let backend = said.trim().strip_prefix("lending flex at ").unwrap().to_owned();
        Self { process, backend }
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn train(backend: &str, token: &str, out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twinprop"))
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
fn a_lent_backend_trains_as_the_own_does() {
    let folder = tempfile::tempdir().unwrap();
    let lender = Lender::start("secret");
    let (own, lent) = (folder.path().join("own"), folder.path().join("lent"));
    for (backend, out) in [("flex", &own), (lender.backend.as_str(), &lent)] {
        let output = train(backend, "secret", out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (own, lent) = (last_loss(&own), last_loss(&lent));
    assert!((own - lent).abs() < 0.02 * own, "{own} here, {lent} there");
}

#[test]
fn who_has_not_the_token_is_told_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let lender = Lender::start("secret");
    let out = folder.path().join("run");
    let output = train(&lender.backend, "another", &out);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("TWINPROP_TOKEN"), "{said}");
    assert!(!out.exists());
}

//! The program as a person uses it.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod comparisons;
mod refusals;
mod trainings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

#[path = "../support/mod.rs"]
mod support;

use support::program;

fn twinprop(arguments: &[&str], folder: &Path) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

fn recipe(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("recipe.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Trains, and returns what was printed.
fn train(folder: &TempDir, out: &str, more: &[&str]) -> String {
    let output = twinprop(&[&["train", "recipe.toml", "--out", out], more].concat(), folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with exit status 2, and returns the message.
fn refused(arguments: &[&str], folder: &TempDir) -> String {
    let output = twinprop(arguments, folder.path());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

/// `metrics.jsonl` without its times.
fn metrics(folder: &TempDir, out: &str) -> Vec<serde_json::Value> {
    support::metrics(&folder.path().join(out))
}

#[test]
fn a_new_folder_trains_and_is_not_overwritten() {
    let folder = TempDir::new().unwrap();
    let output = twinprop(&["new", "lab"], folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lab = folder.path().join("lab");
    let rig = fs::read_to_string(lab.join("rig.toml")).unwrap();
    assert!(rig.contains("python3 rig.py\"") && !rig.contains("example"), "{rig}");
    let quick = ["--set", "training.epochs=1", "--set", "calibration.shots=256"];
    let output = twinprop(&[&["train", "recipe.toml", "--out", "run"], &quick[..]].concat(), &lab);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(lab.join("run/report.html").exists());
    let again = twinprop(&["new", "lab"], folder.path());
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not empty"));
}

#[test]
fn shells_complete_the_commands() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = twinprop(&["completions", shell], folder.path());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("recalibrate"), "{shell}: {script}");
    }
}

#[test]
fn devices_are_listed() {
    let folder = TempDir::new().unwrap();
    let output = twinprop(&["device", "list"], folder.path());
    assert!(String::from_utf8(output.stdout).unwrap().contains("second_harmonic"));
}

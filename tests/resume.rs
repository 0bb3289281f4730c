//! A killed run is resumed from its last checkpoint, and ends with the same results as a run without a break.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rand::RngExt;
use serde_json::Value;
use tempfile::TempDir;
use twinprop_devices::random;

mod support;

use support::program;

/// A chain of pendula with a refined twin.
const REFINED: &str = r#"
seed = 3
network = ["encode", { jitter = { deviation = 0.01 } }, { physical = { device = "chain", shots = 3 } }, "scale", "readout"]

[data]
source = "vowels"

[devices.chain.model.pendula]
count = 16
time = 3.0

[devices.chain.imperfections]
mismatch = 0.4
input_noise = 0.005
readout_noise = 1e-5
drift = { deviation = 0.05, over = { shots = 20000.0 } }

[calibration]
require = "none"
test_shots = 64
twin = "physics"
watch = { drives = 16 }

[training]
epochs = 3

[training.refinement.on]
budget = 1.0
recalibration_shots = 256
recalibration_steps = 100
threshold = 0.5
"#;

/// A tile that remembers its programmed values.
const PROGRAMMED: &str = r#"
seed = 4
network = ["encode", { linear = { outputs = 12 } }, "scale", { physical = { device = "tile" } }, "scale", "readout"]

[data]
source = "vowels"

[devices.tile.model.crossbar]
inputs = 12
outputs = 11
programming_noise = 0.05
read_noise = 0.02
drift_exponent = 0.05

[calibration]
require = "none"
twin = "physics"
test_shots = 32
watch = { drives = 16 }

[training]
epochs = 4
learning_rate = 0.01
"#;

fn twinprop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn succeed(folder: &Path, arguments: &[&str]) {
    let output = twinprop(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A JSON value without the times in it.
fn timeless(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for name in ["seconds", "refinement_seconds", "spent", "provenance"] {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}

/// Everything that must be the same in two runs, without times.
#[derive(Debug, PartialEq)]
struct Results {
    metrics: Vec<Value>,
    summary: Value,
    /// Files by name.
    files: Vec<(String, Vec<u8>)>,
}

fn results(run: &Path) -> Results {
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    let metrics = read("metrics.jsonl").lines().map(timeless).collect();
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("twin-") || ["parameters.safetensors", "usage.json"].contains(&name)
        })
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 2);
    Results { metrics, summary: timeless(&read("summary.json")), files }
}

/// Kills trainings of `recipe` at random moments, resumes them, and compares their results with a whole run's.
fn survives_being_killed(recipe: &str, seed: u64) {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let start = Instant::now();
    succeed(path, &["train", "recipe.toml", "--out", "whole"]);
    let whole = start.elapsed();
    let expected = results(&path.join("whole"));
    let kills: usize = std::env::var("TWINPROP_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let random = &mut random::stream(seed, "kills");
    for kill in 0..kills {
        let run = format!("killed-{kill}");
        let arguments = ["train", "recipe.toml", "--out", &run, "--checkpoint", "7"];
        let moment = whole.mul_f64(random.random_range(0.05..1.0));
        let mut child = twinprop(path, &arguments).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        if !path.join(&run).join("begun.json").exists() {
            // Killed before there was anything to resume.
            let _ = fs::remove_dir_all(path.join(&run));
            succeed(path, &arguments);
        } else if !path.join(&run).join("summary.json").exists() {
            succeed(path, &["train", "--resume", &run, "--checkpoint", "7"]);
        }
        assert_eq!(results(&path.join(&run)), expected, "killed after {moment:?}");
    }
    let output = twinprop(path, &["train", "--resume", "whole"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("this run is complete"), "{message}");
}

#[test]
fn a_killed_training_with_refined_twins_resumes_to_the_same_results() {
    survives_being_killed(REFINED, 1);
}

#[test]
fn a_killed_training_on_a_programmed_device_resumes_to_the_same_results() {
    survives_being_killed(PROGRAMMED, 2);
}

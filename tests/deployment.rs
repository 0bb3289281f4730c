//! A network in use: its twins keep learning, its devices are watched for drift, and it is recalibrated.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

mod support;

use support::program;

/// A chain of pendula with springs that differ from the data sheet's.
const RECIPE: &str = r#"
seed = 3
network = ["encode", { physical = { device = "chain", shots = 3 } }, "scale", "readout"]

[data]
source = "vowels"

[devices.chain.model.pendula]
count = 16
time = 3.0

[devices.chain.imperfections]
mismatch = 0.4
input_noise = 0.005
readout_noise = 1e-5

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
recalibration_steps = 200
threshold = 0.5

[adaptation]
recalibration_steps = 200
in_silico_epochs = 2
epochs = 1
"#;

fn twinprop(arguments: &[&str], folder: &TempDir, threads: &str) -> Output {
    let mut command = program();
    command.env("RAYON_NUM_THREADS", threads).current_dir(folder.path());
    command.args(arguments).output().unwrap()
}

/// Runs a command that must succeed, and returns what it printed.
fn succeed(arguments: &[&str], folder: &TempDir) -> String {
    let output = twinprop(arguments, folder, "2");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn trained(recipe: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    succeed(&["train", "recipe.toml", "--out", "run"], &folder);
    folder
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `metrics.jsonl` without its times.
fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            value.as_object_mut().unwrap().remove("seconds").unwrap();
            value
        })
        .collect()
}

#[test]
fn twins_learn_while_the_network_trains_the_same_on_any_number_of_threads() {
    let folder = trained(RECIPE);
    let run = folder.path().join("run");
    let first = metrics(&run);
    let course = &first[0]["twins"][0];
    assert_eq!(course["device"], "chain");
    let error = |epoch: &Value| epoch["twins"][0]["error"].as_f64().unwrap();
    assert!(error(&first[2]) < error(&first[0]), "{first:?}");
    let start = &json(&run.join("summary.json"))["twins_at_start"][0];
    assert_eq!(start["recalibration_shots"], 256, "its twin was recalibrated: {start}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "Cosine between the twin",
        "The twin of chain was recalibrated once, with 256 shots, before the training",
    ] {
        assert!(report.contains(part), "{part}");
    }
    // On one thread, no other thread can work on the lessons that the thread waits for.
    let output = twinprop(&["train", "recipe.toml", "--out", "alone"], &folder, "1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(metrics(&folder.path().join("alone")), first);
    let constants = "twin-chain.constants.json";
    assert_eq!(json(&run.join(constants)), json(&folder.path().join("alone").join(constants)));
}

#[test]
fn an_aged_device_raises_the_alarm_and_its_network_is_recalibrated() {
    // Too slow a drift to matter in the training, which ends at shot 7,600 or so.
    let ageing = RECIPE.replace(
        "mismatch = 0.4",
        "mismatch = 0.4\ndrift = { deviation = 0.15, over = { shots = 100000000.0 } }",
    );
    let folder = trained(&ageing);
    let calm = succeed(&["evaluate", "run", "--watch", "--every", "0", "--looks", "3"], &folder);
    assert_eq!(calm.matches("chain: readings moved by").count(), 3, "{calm}");
    // As if years had passed.
    fs::write(folder.path().join("run/usage.json"), "{\"chain\": {\"shots\": 90000000}}").unwrap();
    let output = twinprop(&["evaluate", "run", "--watch", "--every", "0"], &folder, "2");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("twinprop recalibrate --shots N run"), "{message}");

    let printed = succeed(&["recalibrate", "run", "--shots", "3000", "--out", "back"], &folder);
    assert!(printed.contains("with the twin recalibrated"), "{printed}");
    let found = json(&folder.path().join("back/adaptation.json"));
    let shots = |key: &str| found[key].as_u64().unwrap();
    assert!(shots("calibration_shots") + shots("training_shots") <= 3000 + 96, "{found}");
    // The new run's reference set is of the aged device.
    let calm = succeed(&["evaluate", "back", "--watch", "--every", "0", "--looks", "1"], &folder);
    assert!(!calm.contains("drifted"), "{calm}");
    succeed(&["evaluate", "back"], &folder);
}

#[test]
fn a_network_is_transferred_to_another_copy_of_its_device() {
    let folder = trained(RECIPE);
    let printed = succeed(
        &["transfer", "run", "--copy", "9", "--shots", "1000,3000", "--scratch", "--out", "moved"],
        &folder,
    );
    assert!(printed.contains("from scratch"), "{printed}");
    let moved = folder.path().join("moved");
    let found = json(&moved.join("transfer.json"));
    assert_eq!(found["budgets"].as_array().unwrap().len(), 2, "{found}");
    assert!(found["scratch"]["shots"].as_u64().unwrap() > 3000, "{found}");
    assert!(fs::read_to_string(moved.join("transfer.html")).unwrap().contains("<svg"));
    let recipe = fs::read_to_string(moved.join("3000/recipe.toml")).unwrap();
    assert!(recipe.contains("device_seed = 9"), "the run is of the copy: {recipe}");
    let calm = ["evaluate", "moved/3000", "--watch", "--every", "0", "--looks", "1"];
    assert!(!succeed(&calm, &folder).contains("drifted"));
    let again = twinprop(
        &["transfer", "run", "--copy", "9", "--shots", "1000", "--out", "moved"],
        &folder,
        "2",
    );
    assert_eq!(again.status.code(), Some(2), "results are not overwritten");
}

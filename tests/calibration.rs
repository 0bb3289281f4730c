//! `twinprop calibrate`: twins, shots and a report, also after a crash.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod support;

use support::{PROGRAM, program};

const RECIPE: &str = r#"
seed = 3
network = ["encode", "scale", { physical = { device = "chain", shots = 4 } }, "readout"]

[data]
source = "vowels"

[devices.chain.model.pendula]
count = 9
time = 2.0

[devices.chain.imperfections]
mismatch = 0.1
input_noise = 0.01

[calibration]
require = "none"
shots = 400
test_shots = 100
fit = { epochs = 2 }
fidelity = { points = 8, directions = 1, repeats = 2 }
"#;

fn twinprop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    twinprop(folder, arguments).output().unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn laboratory() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    folder
}

/// Number of shots in a recording's index.
fn recorded(folder: &Path) -> u64 {
    let index = fs::read_to_string(folder.join("index.jsonl")).unwrap_or_default();
    let lines = index.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines.map(|line: serde_json::Value| line["shots"].as_u64().unwrap()).sum()
}

#[test]
fn every_kind_of_twin_is_made_judged_saved_and_loaded() {
    let folder = laboratory();
    let path = folder.path();
    for (name, twin) in [
        ("neural", "{neural={width=16,depth=1}}"),
        ("ensemble", "{ensemble={members=2,member={width=16,depth=1}}}"),
        ("physics", "physics"),
        ("learned", "{learned_physics={epochs=10}}"),
        ("hybrid", "{hybrid={constants={epochs=10}}}"),
    ] {
        let twin = format!("calibration.twin={twin}");
        let said = done(path, &["calibrate", "recipe.toml", "--out", name, "--set", &twin]);
        assert!(said.contains("Gradient cosine"), "{said}");
        let text = fs::read_to_string(path.join(name).join("calibration.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fidelity = &summary["twins"]["chain"]["fidelity"];
        let cosine = fidelity["gradient"]["cosine"]["value"].as_f64().unwrap();
        let groups = fidelity["by_group"].as_array().unwrap().len();
        assert_eq!(groups, 3, "initial angles, frequencies, couplings");
        let is_physics = !matches!(name, "neural" | "ensemble");
        assert!(!is_physics || cosine > 0.8, "{name}: {cosine}");
        let page = fs::read_to_string(path.join(name).join("calibration.html")).unwrap();
        assert!(page.contains("Residuals") && page.contains("input initial angle"));
        let shots = recorded(&path.join(name).join("shots/chain"));
        assert_eq!(shots, if name == "physics" { 100 } else { 500 });

        if name != "physics" {
            // The loaded twin is judged by the same test shots, and only these are measured.
            let load = format!("calibration.load={name}");
            let out = format!("{name} again");
            let arguments = ["--out", &out, "--set", &twin, "--set", &load];
            done(path, &[&["calibrate", "recipe.toml"], &arguments[..]].concat());
            assert_eq!(recorded(&path.join(&out).join("shots/chain")), 100);
        }
    }
}

#[test]
fn an_active_design_is_resumed_with_the_same_shots() {
    let folder = laboratory();
    let path = folder.path();
    let text = RECIPE.replace(
        "shots = 400\n",
        "shots = 400\ndesign = { active = { rounds = 2, fit = { epochs = 2 } } }\n",
    );
    fs::write(path.join("recipe.toml"), text).unwrap();
    done(path, &["calibrate", "recipe.toml", "--out", "whole"]);
    let shots = path.join("whole/shots/chain");
    assert_eq!(recorded(&shots), 500);
    // As after an interruption behind the last shot: the rounds choose the same shots, all recorded already.
    fs::remove_file(path.join("whole/calibration.json")).unwrap();
    done(path, &["calibrate", "--resume", "whole"]);
    assert_eq!(recorded(&shots), 500);
}

#[test]
fn a_killed_calibration_is_resumed_without_repeating_shots() {
    let folder = laboratory();
    let path = folder.path();
    // A device of 10 ms a shot, behind the protocol.
    let device = format!("process:{PROGRAM} device serve recipe.toml --stdio --real-time");
    let slow = RECIPE.replace("time = 2.0", "time = 2.0\nseconds_per_shot = 0.01");
    fs::write(path.join("recipe.toml"), slow).unwrap();
    let arguments = ["calibrate", "recipe.toml", "--out", "killed", "--device", &device];
    let mut killed = twinprop(path, &arguments).spawn().unwrap();
    let shots = path.join("killed/shots/chain");
    let end = Instant::now() + Duration::from_secs(60);
    while recorded(&shots) < 150 {
        assert!(Instant::now() < end, "no shots are measured");
        thread::sleep(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = recorded(&shots);
    assert!((150..400).contains(&before), "{before}");

    let refused = run(path, &arguments);
    assert_eq!(refused.status.code(), Some(2), "the folder is not overwritten");
    let resumed = run(path, &["calibrate", "--resume", "killed", "--device", &device]);
    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success(), "{said}");
    assert!(said.contains(&format!("500 shots, {before} of them measured before")), "{said}");
    assert_eq!(recorded(&shots), 500);
    assert!(path.join("killed/calibration.html").is_file());
    let again = run(path, &["calibrate", "--resume", "killed"]);
    assert_eq!(again.status.code(), Some(2), "it is complete");
}

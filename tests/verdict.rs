//! A poor twin stops a training, impossible requests are refused before the first shot, and long work shows progress.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::program;
use tempfile::TempDir;

/// A real device in a process: its readings follow the drives or are noise, and every shot is recorded.
const RIG: &str = r#"
import math, os, random, sys, time
sys.path.insert(0, os.environ["TWINPROP_PYTHON"])
from twinprop_rig import bank, rig

def reading(x, p):
    if os.environ.get("RIG") == "deaf":
        return random.uniform(-1, 1)
    return math.sin(x + 2 * p)

@rig(inputs=bank("drive", 4, "V", -1, 1), parameters=bank("knob", 4, "V", -1, 1),
     outputs=bank("detector", 4, "V", -2, 2))
def measure(inputs, parameters):
    with open("played", "a") as file:
        file.write("x" * len(inputs))
    if os.environ.get("RIG") == "slow":
        time.sleep(0.1 * len(inputs))
    return [[reading(float(x), float(p)) for x, p in zip(shot, parameters)] for shot in inputs]

measure.serve()
"#;

const NETWORK: &str = r#"
seed = 3
network = ["encode", "scale", { physical = { device = "mine", shots = 2 } }, "scale", "readout"]

[data]
source = { csv = { path = "data.csv" } }
split = { stratified = { test_fraction = 0.25 } }

[calibration]
shots = 300
test_shots = 60
twin = { neural = { width = 32, depth = 1 } }
fit = { epochs = 30 }
fidelity = { points = 16, directions = 1, repeats = 2 }
watch = { drives = 4, repeats = 2 }

[training]
epochs = 2
refinement = "off"

[accounting]
digital_peer = false
"#;

const SIMULATED: &str = "
[devices.mine.model.second_harmonic]
inputs = 4
parameters = 4
outputs = 6
[devices.mine.imperfections]
readout_noise = 0.01
";

/// Samples of the data set, and test samples among them.
const SAMPLES: usize = 40;
const TESTED: usize = 10;

/// A folder with a data set, a rig, and recipes for the rig (`rig.toml`) and for a simulated device.
fn laboratory() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut data = "a,b,c,d,label\n".to_owned();
    for sample in 0..SAMPLES {
        let [a, b] = [sample * 7 % 20, sample * 3 % 20].map(|value| value as f32 / 10.0);
        let class = sample % 2;
        writeln!(data, "{a},{b},{},{},class-{class}", class as f32 + 0.1 * a, 1.0 - b).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("data.csv", &data);
    write("rig.py", RIG);
    let rig = |more: &str| {
        format!("{NETWORK}\n[devices.mine.rig]\ntarget = \"process:{more}python3 rig.py\"\n")
    };
    write("rig.toml", &rig(""));
    write("deaf.toml", &rig("env RIG=deaf "));
    write("slow.toml", &rig("env RIG=slow "));
    write("drift.toml", &(rig("") + "[devices.mine.imperfections]\nmismatch = 0.1\n"));
    write("simulated.toml", &(NETWORK.to_owned() + SIMULATED));
    write("file", "");
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = program();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    command.current_dir(folder).args(arguments).env("TWINPROP_PYTHON", python);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs a command that must succeed; returns its standard error.
fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}");
    told
}

fn played(folder: &Path) -> usize {
    fs::read(folder.join("played")).map_or(0, |shots| shots.len())
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn impossible_requests_are_refused_before_a_shot() {
    let laboratory = laboratory();
    let folder = laboratory.path();
    for (name, rule) in [("of-a-rig", "pat"), ("of-no-twin", "spsa")] {
        fs::create_dir(folder.join(name)).unwrap();
        let text = fs::read_to_string(folder.join("rig.toml")).unwrap();
        let text = text.replace("[training]", &format!("[training]\nrule = \"{rule}\""));
        fs::write(folder.join(name).join("recipe.toml"), text).unwrap();
        fs::write(folder.join(name).join("parameters.safetensors"), "").unwrap();
    }
    fs::create_dir_all(folder.join("taken")).unwrap();
    fs::write(folder.join("taken/tensorboard"), "").unwrap();
    let narrow = "network=[\"encode\", { linear = { outputs = 3 } }, \
                  { physical = { device = \"mine\" } }, \"readout\"]";
    let wide = "network=[\"encode\", { physical = { device = \"mine\" } }, \
                { slice = { from = 3, count = 9 } }, \"readout\"]";
    let bean = "training.bean={ strength = 0.1, stages = [2] }";
    let table: [(&[&str], &str); 31] = [
        // A rule and its devices.
        (&["train", "rig.toml", "--rule", "ideal"], "`mine` is a real device"),
        (
            &["train", "simulated.toml", "--rule", "ideal", "--device", "process:python3 rig.py"],
            "is a real device",
        ),
        (&["compare", "rig.toml", "--rules", "ideal"], "`mine` is a real device"),
        // A regulariser that needs a twin, and a rule that fits none.
        (&["train", "rig.toml", "--rule", "spsa", "--set", bean], "plays on `mine`, a real device"),
        (
            &["train", "rig.toml", "--rule", "finite-differences", "--set", bean],
            "leave out training.bean",
        ),
        (&["compare", "rig.toml", "--rules", "spsa", "--set", bean], "and spsa fits none"),
        (
            &[
                "compare",
                "rig.toml",
                "--rules",
                "spsa",
                "--set",
                "training.bean={ strength = 0.1, stages = [] }",
                "--sweep",
                "training.bean.stages=[],[2]",
            ],
            "and spsa fits none",
        ),
        // A twin and its devices.
        (&["train", "rig.toml", "--set", "calibration.twin=\"physics\""], "needs its equation"),
        (&["train", "rig.toml", "--set", "calibration.twin={ hybrid = {} }"], "needs its equation"),
        (
            &["calibrate", "rig.toml", "--set", "calibration.twin={ learned_physics = {} }"],
            "needs its equation",
        ),
        (&["train", "rig.toml", "--set", "calibration.load=nowhere"], "calibration.load"),
        (&["train", "rig.toml", "--set", "calibration.load=of-a-rig"], "twin-mine"),
        (
            &["train", "simulated.toml", "--set", "calibration.device_seconds=1e-30"],
            "device_seconds",
        ),
        (&["train", "rig.toml", "--set", "calibration.require=\"good\""], "`good`"),
        // Imperfections, drift among them, of a real device.
        (&["train", "drift.toml"], "devices.mine.imperfections"),
        (
            &["train", "rig.toml", "--set", "imperfections.mismatch=0.1"],
            "devices.mine.imperfections",
        ),
        (
            &[
                "train",
                "simulated.toml",
                "--device",
                "process:python3 rig.py",
                "--set",
                "imperfections.mismatch=0.1",
            ],
            "only be given to a simulated one",
        ),
        (&["train", "rig.toml", "--set", "device_seed=4"], "only be given to a simulated one"),
        (
            &["compare", "rig.toml", "--sweep", "imperfections.mismatch=0,0.1"],
            "only be given to a simulated one",
        ),
        (
            &["compare", "rig.toml", "--sweep", "devices.mine.imperfections.input_noise=0,0.1"],
            "only be given to a simulated one",
        ),
        (&["compare", "simulated.toml", "--sweep", "seed=1,2"], "--seeds"),
        (&["compare", "simulated.toml", "--sweep", "training.rule=pat,ideal"], "--rules"),
        // Widths.
        (&["train", "rig.toml", "--set", narrow], "has 3 values for the 4 input channels"),
        (&["train", "rig.toml", "--set", wide], "there are only 4"),
        // Folders that cannot be written.
        (&["train", "rig.toml", "--out", "file/run"], "--out"),
        (&["compare", "rig.toml", "--out", "file/run"], "--out"),
        (&["train", "rig.toml", "--record", "file/shots"], "file/shots"),
        (&["train", "rig.toml", "--out", "taken", "--tensorboard"], "tensorboard"),
        // A copy of a real device, an adaptation without twins.
        (&["transfer", "of-a-rig", "--copy", "5", "--shots", "10"], "no seed makes a copy"),
        (&["recalibrate", "of-no-twin", "--shots", "10"], "fits no twins"),
        (&["meta-train", "rig.toml"], "rig.toml"),
    ];
    for (arguments, part) in table {
        let begun = Instant::now();
        let output = run(folder, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: `{part}` in {told}");
        assert_eq!(played(folder), 0, "{arguments:?} played shots");
        // Some cases start the rig's interpreter while other tests run.
        assert!(begun.elapsed() < Duration::from_secs(5), "{arguments:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn every_rule_trains_or_is_refused_before_a_shot() {
    const RULES: [&str; 11] = [
        "pat",
        "in-silico",
        "ideal",
        "asymmetric",
        "predictive-coding",
        "feedback-alignment",
        "direct-feedback-alignment",
        "augmented-direct-feedback-alignment",
        "learned-plasticity",
        "spsa",
        "finite-differences",
    ];
    let small = [
        "network=[\"encode\", { linear = { outputs = 4 } }, \"scale\", \
         { physical = { device = \"mine\" } }, \"readout\"]",
        "calibration.require=\"none\"",
        "calibration.shots=16",
        "calibration.test_shots=8",
        "calibration.twin={ neural = { width = 4, depth = 1 } }",
        "calibration.fit.epochs=1",
        "calibration.fidelity.points=2",
        "training.epochs=1",
    ];
    // The second mixing layer is the physical one.
    let beans = [None, Some("training.bean={ strength = 0.1 }")];
    thread::scope(|scope| {
        for recipe in ["rig.toml", "simulated.toml"] {
            scope.spawn(move || {
                let laboratory = laboratory();
                let folder = laboratory.path();
                for (rule, bean) in RULES.iter().flat_map(|rule| beans.map(|bean| (*rule, bean))) {
                    let settings = small.iter().copied().chain(bean);
                    let settings: Vec<&str> = settings.flat_map(|value| ["--set", value]).collect();
                    let train = ["train", recipe, "--rule", rule];
                    let output = run(folder, &[train.as_slice(), &settings].concat());
                    let told = String::from_utf8_lossy(&output.stderr);
                    let case = format!("{recipe}, {rule}, {bean:?}: {told}");
                    let is_refused = recipe == "rig.toml"
                        && (rule == "ideal"
                            || bean.is_some() && ["spsa", "finite-differences"].contains(&rule));
                    assert_eq!(
                        output.status.code(),
                        Some(if is_refused { 2 } else { 0 }),
                        "{case}"
                    );
                    assert_eq!(played(folder) > 0, recipe == "rig.toml" && !is_refused, "{case}");
                    let _ = fs::remove_file(folder.join("played"));
                }
            });
        }
    });
}

#[test]
fn a_comparison_on_a_real_device_leaves_out_ideal_and_reports_it() {
    let laboratory = laboratory();
    let folder = laboratory.path();
    let plan = ["compare", "rig.toml", "--rules", "pat,ideal,in-silico", "--plan", "--out", "all"];
    let told = succeeds(folder, &plan);
    assert!(told.contains("`ideal` is left out") && told.contains("`mine`"), "{told}");
    let plan = json(&folder.join("all/plan.json"));
    let columns = plan["columns"].as_array().unwrap().iter();
    let rules: Vec<&serde_json::Value> = columns.map(|column| &column["rule"]).collect();
    assert_eq!(rules, ["pat", "in-silico"]);
    assert_eq!(played(folder), 0);
}

#[test]
fn a_training_that_cannot_work_is_stopped_before_it_begins() {
    let laboratory = laboratory();
    let folder = laboratory.path();
    // Readings that do not depend on the drives.
    let surely = ["calibration.fidelity.points=64", "calibration.fidelity.repeats=8"];
    let deaf = ["train", "deaf.toml", "--out", "deaf", "--set", surely[0], "--set", surely[1]];
    let output = run(folder, &deaf);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in ["do not depend on the drives", "device probe", "docs/src/twin-is-bad.md"] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    assert!(folder.join("deaf/calibration.html").exists());
    assert!(!folder.join("deaf/metrics.jsonl").exists(), "{told}");
    // A twin that learned nothing, of a device without a fault.
    let untaught = ["--set", "calibration.fit.learning_rate=1e-9", "--set", "calibration.shots=8"];
    let of = |rule: &'static str, out: &'static str| {
        [&["train", "simulated.toml", "--rule", rule, "--out", out], untaught.as_slice()].concat()
    };
    for rule in ["pat", "in-silico", "feedback-alignment"] {
        let output = run(folder, &of(rule, rule));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{rule}: {told}");
        for part in ["may be 0", "--set", "calibration.require=\"none\"", "docs/src/twin-is-bad.md"]
        {
            assert!(told.contains(part), "{rule}: `{part}` in {told}");
        }
        assert!(!folder.join(rule).join("metrics.jsonl").exists());
    }
    // Rules without a twin train, and so does a recipe without a requirement.
    let told = succeeds(folder, &of("ideal", "ideal"));
    assert!(!told.contains("twin of"), "{told}");
    let all_the_same = [of("pat", "all"), vec!["--set", "calibration.require=\"none\""]].concat();
    let told = succeeds(folder, &all_the_same);
    assert!(told.contains("twin of mine: not fit for training"), "{told}");
    let page = fs::read_to_string(folder.join("all/report.html")).unwrap();
    let (verdict, facts) =
        (page.find("Twin of mine").unwrap(), page.find("Test accuracy").unwrap());
    assert!(verdict < facts, "the verdict is at the top");
    assert_eq!(json(&folder.join("all/summary.json"))["twins"][0]["device"], "mine");
}

#[test]
fn a_stricter_requirement_stops_a_training_and_a_comparison() {
    let laboratory = laboratory();
    let folder = laboratory.path();
    let weak = ["--set", "calibration.fit.epochs=1", "--set", "calibration.require=\"fit\""];
    let output = run(folder, &[&["train", "simulated.toml"], weak.as_slice()].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("asks for at least 0.8"), "{told}");
    let compare = ["compare", "simulated.toml", "--rules", "pat,in-silico", "--seeds", "1"];
    let output = run(folder, &[compare.as_slice(), &weak].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("seed 3: twin of mine: "), "told at once: {told}");
}

#[test]
fn accuracy_and_confusion_come_from_one_evaluation_and_no_shot_is_played_twice() {
    let laboratory = laboratory();
    let folder = laboratory.path();
    succeeds(folder, &["train", "rig.toml", "--rule", "spsa", "--out", "run"]);
    let summary = json(&folder.join("run/summary.json"));
    let counts: Vec<Vec<u64>> = serde_json::from_value(summary["confusion"].clone()).unwrap();
    let all: u64 = counts.iter().flatten().sum();
    let right: u64 = (0..counts.len()).map(|class| counts[class][class]).sum();
    assert_eq!(all, TESTED as u64);
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    assert!((accuracy - right as f64 / all as f64).abs() < 1e-6, "{summary}");
    let (first, played_in_run) =
        (summary["spent"]["first_shots"].as_u64().unwrap(), played(folder));
    assert_eq!(first, 2 * (SAMPLES - TESTED) as u64);
    assert_eq!(summary["device_shots"].as_u64().unwrap(), played_in_run as u64);
    // Training batches and probes of SPSA, tests after two epochs, the reference set.
    let samples = (SAMPLES - TESTED) as u64;
    let training = 2 * 2 * samples * 3;
    let (tests, reference) = (2 * 2 * TESTED as u64, 2 * samples + 4 * 2);
    assert_eq!(played_in_run as u64, first + training + tests + reference, "{summary}");
    // Provenance.
    let provenance = &summary["provenance"];
    assert!(provenance["command"].as_str().unwrap().contains("train rig.toml --rule spsa"));
    assert!(provenance["devices"][0][1].as_str().unwrap().contains("python3 rig.py"));
    assert!(summary["seconds"].as_f64().unwrap() >= summary["spent"]["training"].as_f64().unwrap());

    // An evaluation plays the trained network on the test set, and nothing else.
    fs::remove_file(folder.join("played")).unwrap();
    succeeds(folder, &["evaluate", "run"]);
    assert_eq!(played(folder), 2 * TESTED);
}

#[test]
fn a_slow_device_shows_progress_within_seconds() {
    let laboratory = laboratory();
    let begun = Instant::now();
    let mut child = command(laboratory.path(), &["train", "slow.toml", "--out", "run"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("first shots")).unwrap();
    let waited = begun.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    // 60 shots of 0.1 s; progress is due after two seconds, and a busy computer may take twice as long.
    assert!(waited < Duration::from_secs(4), "{line} after {waited:?}");
    assert!(line.contains("/60 shots"), "{line}");
}

//! The program as a person uses it.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

mod support;

use support::{QUICK, program};

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

/// Runs what must fail with exit code 2, and returns the message.
fn refused(arguments: &[&str], folder: &TempDir) -> String {
    let output = twinprop(arguments, folder.path());
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

/// `metrics.jsonl` without its times.
fn metrics(folder: &TempDir, out: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(folder.path().join(out).join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            value.as_object_mut().unwrap().remove("seconds").unwrap();
            value
        })
        .collect()
}

#[test]
fn a_run_writes_its_folder_whole() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let printed = train(&folder, "run", &[]);
    assert!(printed.contains("test accuracy") && printed.contains("report.html"), "{printed}");
    let summary = fs::read_to_string(folder.path().join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for key in [
        "rule",
        "seed",
        "backend",
        "test_accuracy",
        "best_test_accuracy",
        "epochs",
        "seconds",
        "device_shots",
        "device_seconds",
        "clamped",
    ] {
        assert!(!summary[key].is_null(), "{key} in {summary}");
    }
    for key in ["r2", "nrmse", "gradient_cosine"] {
        assert!(summary["twin"][key].is_number(), "twin.{key} in {summary}");
    }
    assert_eq!(metrics(&folder, "run").len(), 3);
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    for part in ["<svg", "Confusion matrix", "Twin against device", "accuracy (%)"] {
        assert!(report.contains(part), "{part}");
    }
    assert!(!report.contains("http://") || !report.contains("src=\"http"), "opens anywhere");

    let evaluated = twinprop(&["evaluate", "run"], folder.path());
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
    let again = String::from_utf8(evaluated.stdout).unwrap();
    assert!(again.contains("test accuracy"), "{again}");

    let message = refused(&["train", "recipe.toml", "--out", "run"], &folder);
    assert!(message.contains("holds a run already"), "{message}");
}

#[test]
fn the_same_command_gives_the_same_metrics_on_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    for rule in ["pat", "in-silico", "ideal"] {
        let out = |threads: &str| format!("{rule}-{threads}");
        for threads in ["1", "2", "again"] {
            let mut command = program();
            command.current_dir(folder.path());
            if threads != "again" {
                command.env("RAYON_NUM_THREADS", threads);
            }
            let arguments = ["train", "recipe.toml", "--rule", rule, "--out", &out(threads)];
            assert!(command.args(arguments).status().unwrap().success());
        }
        assert_eq!(metrics(&folder, &out("1")), metrics(&folder, &out("2")), "{rule}");
        assert_eq!(metrics(&folder, &out("1")), metrics(&folder, &out("again")), "{rule}");
        let parameters = |threads| {
            fs::read(folder.path().join(out(threads)).join("parameters.safetensors")).unwrap()
        };
        assert_eq!(parameters("1"), parameters("2"), "{rule}");
    }
    assert_ne!(metrics(&folder, "pat-1"), metrics(&folder, "ideal-1"));
}

#[test]
fn the_resolved_recipe_of_a_run_trains_the_same_run() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    train(&folder, "first", &["--set", "training.epochs=2", "--seed", "9"]);
    fs::copy(folder.path().join("first/recipe.toml"), folder.path().join("recipe.toml")).unwrap();
    train(&folder, "second", &[]);
    assert_eq!(metrics(&folder, "first").len(), 2);
    assert_eq!(metrics(&folder, "first"), metrics(&folder, "second"));
}

#[test]
fn compare_prints_a_row_a_rule_and_the_digital_networks() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let output = twinprop(
        &["compare", "recipe.toml", "--rules", "pat,ideal", "--seeds", "2", "--out", "all"],
        folder.path(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    for row in ["pat", "ideal", "linear softmax", "digital MLP"] {
        assert!(table.lines().any(|line| line.starts_with(row) && line.contains('±')), "{table}");
    }
    assert!(folder.path().join("all/pat-4/report.html").exists());
    assert!(folder.path().join("all/compare.json").exists());
    let figure = fs::read_to_string(folder.path().join("all/accuracy.svg")).unwrap();
    for part in ["<svg", "epoch", "accuracy (%)", "mean of 2 seeds", "pat", "ideal"] {
        assert!(figure.contains(part), "{part}");
    }
}

#[test]
fn a_sweep_is_run_once_and_gone_on_with() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let arguments = ["compare", "recipe.toml", "--rules", "pat", "--seeds", "2", "--out", "all"];
    let swept = ["--sweep", "imperfections.readout_noise=0.01,0.05"];
    let output = twinprop(&[&arguments[..], &swept].concat(), folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("imperfections.readout_noise = 0.05\npat "), "{table}");
    let page = fs::read_to_string(folder.path().join("all/compare.html")).unwrap();
    for part in ["Confusion matrices", "Drives of", "mean ± sd", "readout_noise"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(folder.path().join("all/sweep.svg").exists());
    let recipe = folder.path().join("all/readout_noise=0.05-pat-4/recipe.toml");
    assert!(fs::read_to_string(recipe).unwrap().contains("readout_noise = 0.05"));

    // One run is lost, and is all that is made again.
    fs::remove_dir_all(folder.path().join("all/readout_noise=0.01-pat-3")).unwrap();
    let kept = folder.path().join("all/readout_noise=0.01-pat-4/summary.json");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();
    let output = twinprop(&["compare", "--resume", "all"], folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The run that was made again took its own time.
    let untimed = |table: &str| -> Vec<String> {
        table.lines().map(|line| line.split(" shots ").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(untimed(&String::from_utf8(output.stdout).unwrap()), untimed(&table));
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);

    let wrong = twinprop(
        &["compare", "recipe.toml", "--out", "other", "--sweep", "imperfections.mismatch=0,lots"],
        folder.path(),
    );
    assert_eq!(wrong.status.code(), Some(2));
    let message = String::from_utf8(wrong.stderr).unwrap();
    assert!(message.contains("imperfections.mismatch=lots"), "{message}");
}

#[test]
fn a_new_folder_trains_and_is_not_written_over() {
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
    assert!(String::from_utf8(again.stderr).unwrap().contains("holds something already"));
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

/// A user's table: 12 features, 7 string labels, separable.
fn user_table(folder: &TempDir, name: &str, samples: usize) {
    let mut text = (0..12).map(|i| format!("sensor {i},")).collect::<String>() + "material\n";
    for sample in 0..samples {
        let class = sample % 7;
        for feature in 0..12 {
            let ripple = ((sample * 31 + feature * 17) % 101) as f32 / 101.0;
            let value = f32::from(u8::from(feature == class)) * 2.0 + ripple;
            text += &format!("{value},");
        }
        text += ["oak", "pine", "ash", "elm", "teak", "fir", "yew"][class];
        text += "\n";
    }
    fs::write(folder.path().join(name), text).unwrap();
}

#[test]
fn a_table_of_the_users_trains_with_only_its_data_section_changed() {
    let folder = TempDir::new().unwrap();
    user_table(&folder, "wood.csv", 210);
    user_table(&folder, "more wood.csv", 70);
    let original = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/vowels-optical.toml"),
    )
    .unwrap();
    let start = original.find("[data]").unwrap();
    let end = start + original[start..].find("[devices").unwrap();
    let quick = [
        "--set",
        "training.epochs=12",
        "--set",
        "calibration.shots=1500",
        "--set",
        "calibration.fit={epochs=5}",
    ];
    for (data, out) in [
        ("source = { csv = { path = \"wood.csv\" } }", "divided"),
        (
            "source = { csv = { path = \"wood.csv\", test = \"more wood.csv\", label = \"material\" } }",
            "given",
        ),
    ] {
        let mine = format!("{}[data]\n{data}\n\n{}", &original[..start], &original[end..]);
        recipe(&folder, &mine);
        train(&folder, out, &quick);
        let last = metrics(&folder, out).pop().unwrap();
        assert!(last["test_accuracy"].as_f64().unwrap() > 0.5, "seven classes: {last}");
        let report = fs::read_to_string(folder.path().join(out).join("report.html")).unwrap();
        assert!(report.contains("teak"));
    }
    let output = twinprop(&["evaluate", "given"], Path::new(folder.path()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_missing_recipe_is_named() {
    let folder = TempDir::new().unwrap();
    let message = refused(&["train", "nowhere.toml"], &folder);
    assert!(message.contains("nowhere.toml"), "{message}");
}

#[test]
fn a_wrong_recipe_is_shown_with_line_key_and_what_was_expected() {
    let folder = TempDir::new().unwrap();
    for (from, to, expected) in [
        ("mismatch = 0.1", "mismach = 0.1", &["line 16", "mismach", "mismatch"][..]),
        ("input_noise = 0.01", "input_noise = -0.01", &["line 17", "input_noise", "zero or more"]),
        ("epochs = 3\n", "epochs = \"many\"\n", &["line 28", "epochs"]),
        ("inputs = 9", "inputs = 0", &["line 11", "inputs", "1 or more"]),
        ("device = \"shg\"", "device = \"laser\"", &["line 4", "laser", "shg"]),
        (
            "model.second_harmonic",
            "model.warp_drive",
            &["line 10", "warp_drive", "second_harmonic"],
        ),
        ("shots = 600", "shots = 600\ndesign = \"random\"", &["design", "latin_hypercube"]),
    ] {
        let text = QUICK.replacen(from, to, 1);
        assert_ne!(text, QUICK);
        recipe(&folder, &text);
        let message = refused(&["train", "recipe.toml", "--out", "run"], &folder);
        for part in expected.iter().chain(&["recipe.toml"]) {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!folder.path().join("run").exists(), "nothing is made for a wrong recipe");
    }
}

#[test]
fn a_wrong_setting_is_named() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    for (setting, expected) in [
        ("training.epoch=3", "epoch"),
        ("training.epochs", "key=value"),
        ("devices.shg.imperfections.readout_noise=-1", "zero or more"),
        ("seed.deep=1", "not a table"),
    ] {
        let message = refused(&["train", "recipe.toml", "--set", setting], &folder);
        assert!(message.contains(expected) && message.contains(setting), "{message}");
    }
}

#[test]
fn a_wrong_table_is_shown_with_file_line_and_column() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, &QUICK.replace("\"vowels\"", "{ csv = { path = \"mine.csv\" } }"));
    for (table, expected) in [
        ("a,b,label\n1,2,x\n3,y\n", &["line 3", "2 values", "3 columns"][..]),
        ("a,b,label\n1,NaN,x\n", &["line 2", "`b`", "NaN"]),
        ("a,b,label\n1,inf,x\n", &["line 2", "`b`", "inf"]),
        ("a,b,label\n1,tall,x\n", &["line 2", "`b`", "tall"]),
        ("a,b,label\n1,2,\n", &["line 2", "label"]),
        ("a,b,label\n", &["no samples"]),
        ("a,b,label\n1,2,x\n1,2,y\n", &["`x`", "too few"]),
    ] {
        fs::write(folder.path().join("mine.csv"), table).unwrap();
        let message = refused(&["train", "recipe.toml"], &folder);
        for part in expected.iter().chain(&["mine.csv"]) {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
    fs::remove_file(folder.path().join("mine.csv")).unwrap();
    let message = refused(&["train", "recipe.toml"], &folder);
    assert!(message.contains("--data-dir"), "{message}");
}

#[test]
fn a_twin_of_another_device_is_refused() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    train(&folder, "first", &[]);
    let reuse = ["--set", "calibration.load=first"];
    train(&folder, "second", &reuse);
    let other = ["--set", "devices.shg.model.second_harmonic.outputs=13"];
    let arguments = [&["train", "recipe.toml", "--out", "third"], &reuse[..], &other[..]].concat();
    let message = refused(&arguments, &folder);
    // The refused run does not stand in the way of the next.
    train(&folder, "third", &reuse);
    let nowhere = ["train", "recipe.toml", "--set", "calibration.load=nowhere"];
    assert!(refused(&nowhere, &folder).contains("calibration.load"));
    assert!(
        message.contains("another device") && message.contains("were 12 and are 13"),
        "{message}"
    );
}

#[test]
fn an_output_folder_that_cannot_be_written_is_named_before_the_first_shot() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let message = refused(&["train", "recipe.toml", "--out", "file/run"], &folder);
    assert!(message.contains("file/run") && message.contains("--out"), "{message}");
}

#[test]
fn an_unknown_rule_or_backend_is_refused_with_the_choices() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let message = refused(&["train", "recipe.toml", "--rule", "magic"], &folder);
    assert!(message.contains("in-silico"), "{message}");
    let message = refused(&["train", "recipe.toml", "--backend", "abacus"], &folder);
    assert!(message.contains("ndarray"), "{message}");
}

#[test]
fn devices_are_listed() {
    let folder = TempDir::new().unwrap();
    let output = twinprop(&["device", "list"], folder.path());
    assert!(String::from_utf8(output.stdout).unwrap().contains("second_harmonic"));
}

#[test]
fn the_metrics_are_written_for_tensorboard_too() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    train(&folder, "run", &["--tensorboard"]);
    let events = folder.path().join("run/tensorboard/events.out.tfevents.twinprop");
    let bytes = fs::read(events).unwrap();
    // A record's length comes first; the file's version and an event an epoch.
    let mut rest = bytes.as_slice();
    let mut records = 0;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        rest = &rest[length + 16..];
        records += 1;
    }
    assert_eq!(records, 1 + 3);
    assert!(bytes.windows(13).any(|text| text == b"accuracy/test"));
}

#[test]
fn the_whole_terminal_needs_a_terminal() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let message = refused(&["train", "recipe.toml", "--out", "run", "--tui"], &folder);
    assert!(message.contains("--tui: standard output is no terminal"), "{message}");
}

#[test]
fn a_run_says_what_it_costs_beside_a_digital_network() {
    let folder = TempDir::new().unwrap();
    recipe(
        &folder,
        &QUICK.replace(
            "[devices.shg.model",
            "[devices.shg]\njoules_per_shot = 2e-9\n\n[devices.shg.model",
        ),
    );
    let long = ["--set", "accounting.peer_share=1e6"];
    let joules = ["--set", "accounting.joules_per_multiply_add=1e-12"];
    train(&folder, "run", &[joules, long].concat());
    let text = fs::read_to_string(folder.path().join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let accounting = &summary["accounting"];
    let classification = &accounting["classification"];
    assert_eq!(classification["shots"], 4);
    assert_eq!(classification["device_joules"], 8e-9);
    let host = classification["host_multiply_adds"].as_u64().unwrap();
    assert_eq!(classification["host_joules"].as_f64().unwrap(), host as f64 * 1e-12);
    let shots = summary["device_shots"].as_f64().unwrap();
    let joules = accounting["training"]["device_joules"].as_f64().unwrap();
    assert!((joules / (2e-9 * shots) - 1.0).abs() < 1e-9);
    // Ten features are enough for a digital network to do as well as three epochs on the device.
    let peer = &accounting["digital_peer"];
    let accuracy = |value: &serde_json::Value| value["test_accuracy"].as_f64().unwrap();
    assert!(accuracy(peer) >= accuracy(&summary), "{accounting}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("<h2>Cost</h2>") && report.contains("8.000 nJ"));
}

/// Local terms and assemblies on a digital network: what the run says of both.
#[test]
fn a_run_by_learned_plasticity_names_what_is_no_matrix_and_shows_assemblies() {
    let folder = TempDir::new().unwrap();
    let digital = r#"
network = ["encode", { linear = { outputs = 12 } }, "tanh", { linear = { outputs = 10 } }, "readout"]
data = { source = "digits" }
training = { rule = "learned-plasticity", optimiser = "descent", learning_rate = 1.0, epochs = 1, bean = { strength = 0.1 } }
"#;
    recipe(&folder, digital);
    let said = train(&folder, "run", &[]);
    let named = "1.linear.bias, 3.linear.bias, 4.readout.temperature";
    assert!(said.contains(&format!("only the pseudo-gradient acts: {named}\n")), "{said}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains(named) && report.contains("<h2>Assemblies</h2>"));
    assert!(report.contains("12 units that enter 3.linear, after training"));
    let text = fs::read_to_string(folder.path().join("run/assemblies.json")).unwrap();
    let stages: Vec<twinprop::experiment::StageAssemblies> = serde_json::from_str(&text).unwrap();
    let after = stages[0].after.as_ref().unwrap();
    let mut units = after.units.clone();
    units.sort_unstable();
    assert_eq!((stages.len(), units), (1, (0..12).collect()));
    for (unit, row) in after.values.iter().enumerate() {
        assert!((row[unit] - 1.0).abs() < 1e-4 && row.iter().all(|r| r.abs() < 1.001));
    }
}

#[test]
fn the_runs_of_a_comparison_can_be_made_one_by_one() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let succeed = |arguments: &[&str]| -> String {
        let output = twinprop(arguments, folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let plan = ["compare", "recipe.toml", "--rules", "pat,ideal", "--seeds", "1", "--out", "all"];
    let said = succeed(&[&plan[..], &["--plan"]].concat());
    assert!(said.starts_with("all: runs 1 to 2;"), "{said}");
    assert!(!folder.path().join("all/pat-3").exists());

    let said = succeed(&["compare", "--resume", "all", "--cell", "2"]);
    assert!(said.starts_with("run 2: ideal-3, test accuracy"), "{said}");
    assert!(!folder.path().join("all/pat-3").exists());
    let kept = folder.path().join("all/ideal-3/summary.json");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();

    let table = succeed(&["compare", "--resume", "all"]);
    assert!(table.contains("pat") && table.contains("ideal"), "{table}");
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
    assert!(folder.path().join("all/compare.html").exists());

    let wrong = twinprop(&["compare", "--resume", "all", "--cell", "3"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    let message = String::from_utf8(wrong.stderr).unwrap();
    assert!(message.contains("there is no run 3 in all; its runs are 1 to 2"), "{message}");
}

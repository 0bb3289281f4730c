//! Trainings: what they print, what their folders hold, and which of it is the same every time.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{QUICK, program};
use crate::{metrics, recipe, refused, train, twinprop};

#[test]
fn a_run_writes_a_complete_folder() {
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
    assert!(
        !report.contains("http://") || !report.contains("src=\"http"),
        "the report loads nothing from the network"
    );

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
fn a_users_table_needs_only_another_data_section() {
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
fn the_metrics_are_written_for_tensorboard_too() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    train(&folder, "run", &["--tensorboard"]);
    let events = folder.path().join("run/tensorboard/events.out.tfevents.twinprop");
    let bytes = fs::read(events).unwrap();
    // Each record starts with its length. The first holds the file's version, each other one an epoch's event.
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
fn a_run_reports_its_cost_beside_that_of_a_digital_network() {
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
    let multiply_adds = classification["host_multiply_adds"].as_u64().unwrap();
    assert_eq!(classification["host_joules"].as_f64().unwrap(), multiply_adds as f64 * 1e-12);
    let shots = summary["device_shots"].as_f64().unwrap();
    let joules = accounting["training"]["device_joules"].as_f64().unwrap();
    assert!((joules / (2e-9 * shots) - 1.0).abs() < 1e-9);
    // A small digital network reaches the accuracy of three epochs on the device.
    let peer = &accounting["digital_peer"];
    let accuracy = |value: &serde_json::Value| value["test_accuracy"].as_f64().unwrap();
    assert!(accuracy(peer) >= accuracy(&summary), "{accounting}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("<h2>Cost</h2>") && report.contains("8.000 nJ"));
}

/// Local terms and assemblies on a digital network.
#[test]
fn a_run_by_learned_plasticity_lists_what_is_not_a_matrix_and_shows_assemblies() {
    let folder = TempDir::new().unwrap();
    let digital = r#"
network = ["encode", { linear = { outputs = 12 } }, "tanh", { linear = { outputs = 10 } }, "readout"]
data = { source = "digits" }
training = { rule = "learned-plasticity", optimiser = "descent", learning_rate = 1.0, epochs = 1, bean = { strength = 0.1 } }
"#;
    recipe(&folder, digital);
    let printed = train(&folder, "run", &[]);
    let named = "1.linear.bias, 3.linear.bias, 4.readout.temperature";
    assert!(printed.contains(&format!("only the pseudo-gradient acts: {named}\n")), "{printed}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains(named) && report.contains("<h2>Assemblies</h2>"));
    assert!(report.contains("12 units that enter 3.linear, after training"));
    let text = fs::read_to_string(folder.path().join("run/assemblies.json")).unwrap();
    let stages: Vec<twinprop::experiment::assemblies::StageAssemblies> =
        serde_json::from_str(&text).unwrap();
    let after = stages[0].after.as_ref().unwrap();
    let mut units = after.units.clone();
    units.sort_unstable();
    assert_eq!((stages.len(), units), (1, (0..12).collect()));
    for (unit, row) in after.values.iter().enumerate() {
        assert!((row[unit] - 1.0).abs() < 1e-4 && row.iter().all(|r| r.abs() < 1.001));
    }
}

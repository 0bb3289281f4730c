//! What a run was trained on, and what differs from it.

use std::fs;

use npyz::WriterBuilder;
use serde_json::Value;
use tempfile::TempDir;

use crate::{CLASSES, Lab, refused, samples, stderr, succeed, table, twinprop};

#[test]
fn a_run_says_what_it_was_trained_on() {
    let lab = Lab::new();
    let known: Value = serde_json::from_str(&lab.read("run/trained_on.json")).unwrap();
    assert_eq!(known["version"], 1);
    let names: Vec<&str> = known["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mass", "noise", "hue"]);
    assert_eq!(known["classes"], serde_json::json!(CLASSES));
    assert_eq!(known["features"][0]["minimum"], 0.0);
    assert!(known["features"][0]["maximum"].as_f64().unwrap() > 20.0);
    assert_eq!((&known["train"]["samples"], &known["test"]["samples"]), (&45.into(), &15.into()));
    assert_eq!(known["devices"]["shg"]["inputs"][0]["count"], 4);
    assert_eq!(known["seed"], 5);
}

/// Data that are not those of the training, and what names the difference.
fn changes() -> Vec<(&'static str, String, &'static str)> {
    let table = table();
    let line = |number: usize| table.lines().nth(number).unwrap().to_owned();
    vec![
        ("a feature is renamed", table.replacen("hue", "colour", 1), "`hue`"),
        (
            "a feature is gone",
            samples()
                .iter()
                .fold("mass,noise,kind\n".to_owned(), |text, (mass, noise, _, kind)| {
                    text + &format!("{mass},{noise},\"{kind}\"\n")
                }),
            "`hue`",
        ),
        (
            "a feature is new",
            samples().iter().fold("mass,noise,hue,age,kind\n".to_owned(), |text, one| {
                text + &format!("{},{},{},1,\"{}\"\n", one.0, one.1, one.2, one.3)
            }),
            "`age` is new",
        ),
        ("a class is renamed", table.replace("mid", "middle"), "`middle`"),
        ("one class is two", table.replacen("right", "far", 8), "`far`"),
        (
            "a class is gone",
            table
                .lines()
                .filter(|line| !line.contains("mid"))
                .fold(String::new(), |text, line| text + line + "\n"),
            "`mid` is missing",
        ),
        (
            "another unit",
            samples().iter().fold("mass,noise,hue,kind\n".to_owned(), |text, one| {
                text + &format!("{},{},{},\"{}\"\n", 1000.0 * one.0, one.1, one.2, one.3)
            }),
            "`mass` ranged from 0 to ",
        ),
        ("samples more", format!("{table}{}\n", line(1)), "training samples were 45 and are 46"),
        ("one value", table.replacen(&line(20), &format!("1{}", line(20)), 1), "`mass`"),
        (
            "two labels changed places",
            {
                let swapped: Vec<String> = table
                    .lines()
                    .enumerate()
                    .map(|(number, text)| match number {
                        1 => text.replace("\"left, low\"", "\"mid\""),
                        2 => text.replace("\"mid\"", "\"left, low\""),
                        _ => text.to_owned(),
                    })
                    .map(|line| line + "\n")
                    .collect();
                swapped.concat()
            },
            "",
        ),
    ]
}

#[test]
fn changed_data_are_refused_by_name() {
    let lab = Lab::new();
    let (calm, _) = succeed(lab.path(), &["evaluate", "run"]);
    for (what, text, expected) in changes() {
        lab.write("data.csv", &text);
        let said = refused(lab.path(), &["evaluate", "run"]);
        assert!(said.contains(expected) && said.contains("--data-dir"), "{what}: {said}");
    }
    // Columns in another order are the same data.
    let turned = samples().iter().fold("kind,hue,mass,noise\n".to_owned(), |text, one| {
        text + &format!("\"{}\",{},{},{}\n", one.3, one.2, one.0, one.1)
    });
    lab.write("data.csv", &turned);
    lab.change("run/recipe.toml", "[data.source.csv]\n", "[data.source.csv]\nlabel = \"kind\"\n");
    let (answer, said) = succeed(lab.path(), &["evaluate", "run"]);
    assert_eq!(answer, calm);
    assert!(said.contains("another order"), "{said}");
}

#[test]
fn every_command_that_opens_a_run_refuses_changed_data() {
    let lab = Lab::new();
    lab.write("data.csv", &table().replacen("0,0,0,", "0.5,0,0,", 1));
    for arguments in [
        &["evaluate", "run"][..],
        &["evaluate", "run", "--watch", "--looks", "1"],
        &["recalibrate", "run", "--shots", "60", "--out", "again"],
        &["transfer", "run", "--copy", "9", "--shots", "60", "--out", "copy"],
    ] {
        let said = refused(lab.path(), arguments);
        assert!(said.contains("`mass`"), "{arguments:?}: {said}");
    }
    // A run that was cut off.
    fs::remove_file(lab.file("run/summary.json")).unwrap();
    let said = refused(lab.path(), &["train", "--resume", "run"]);
    assert!(said.contains("`mass`"), "{said}");
}

#[test]
fn changed_data_are_taken_when_they_are_allowed_and_the_results_say_so() {
    let lab = Lab::new();
    let table = table();
    let last = table.lines().last().unwrap();
    lab.write("data.csv", &format!("{table}{last}\n"));
    let allow = "--allow-changed-data";
    let (said, _) = succeed(lab.path(), &["evaluate", "run", allow]);
    assert!(said.contains("training samples were 45 and are 46"), "{said}");
    let (_, _) =
        succeed(lab.path(), &["recalibrate", "run", "--shots", "60", "--out", "again", allow]);
    let adaptation: Value = serde_json::from_str(&lab.read("again/adaptation.json")).unwrap();
    assert!(adaptation["changed_data"][0].as_str().unwrap().contains("were 45 and are 46"));
    // The new run was made with the data as they are, and by the encoder of the first.
    succeed(lab.path(), &["evaluate", "again"]);
    let read = |run: &str| -> Value {
        serde_json::from_str(&lab.read(&format!("{run}/trained_on.json"))).unwrap()
    };
    assert_eq!(read("run")["features"][0]["maximum"], read("again")["features"][0]["maximum"]);
    // No flag makes up for a column or a class that the network does not know.
    lab.write("data.csv", &table.replacen("hue", "colour", 1));
    let said = refused(lab.path(), &["evaluate", "run", allow]);
    assert!(said.contains("`hue`"), "{said}");
    lab.write("data.csv", &table.replace("mid", "middle"));
    let said = refused(lab.path(), &["evaluate", "run", allow]);
    assert!(said.contains("`middle`"), "{said}");
}

#[test]
fn the_encoder_is_that_of_the_training_whatever_the_data_are_now() {
    let lab = Lab::new();
    let (before, _) = succeed(lab.path(), &["predict", "run", "data.csv"]);
    // One sample far outside would move the range of every other.
    lab.write("data.csv", &format!("{}1000,0.5,0.5,right\n", table()));
    let (after, said) = succeed(lab.path(), &["predict", "run", "data.csv"]);
    assert_eq!(after.lines().take(61).collect::<Vec<_>>(), before.lines().collect::<Vec<_>>());
    assert!(said.contains("1 of 61 samples") && said.contains("`mass`"), "{said}");
}

#[test]
fn changed_channels_are_refused_by_name() {
    let lab = Lab::new();
    for (bank, key, value, expected) in [
        ("inputs", "maximum", Value::from(7.5), "the range of its inputs"),
        ("inputs", "unit", Value::from("mV"), "mV"),
        ("outputs", "name", Value::from("photodiode"), "outputs `photodiode` are called"),
        ("parameters", "count", Value::from(3), "parameters"),
    ] {
        let lab = Lab::new();
        lab.change_record(|known| known["devices"]["shg"][bank][0][key] = value);
        let said = refused(lab.path(), &["evaluate", "run"]);
        assert!(said.contains("device `shg`") && said.contains(expected), "{said}");
    }
    // How quickly it measures is no difference.
    lab.change_record(|known| known["devices"]["shg"]["seconds_per_shot"] = Value::from(9.0));
    succeed(lab.path(), &["evaluate", "run"]);
}

#[test]
fn twins_are_loaded_for_the_features_classes_and_channels_that_they_were_made_for() {
    let lab = Lab::new();
    let load = |more: &[&str]| {
        let quick = ["--set", "calibration.load=run", "--set", "training.epochs=1"];
        let arguments = [&["train", "recipe.toml", "--out", "loaded"][..], &quick, more].concat();
        arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()
    };
    let run = |more: &[&str]| {
        let arguments = load(more);
        twinprop(lab.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    lab.write("data.csv", &table().replacen("hue", "colour", 1));
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("`hue` is missing") && said.contains("`colour` is new"), "{said}");
    assert!(!lab.file("loaded").exists());
    assert!(run(&["--allow-changed-data"]).status.success());
    fs::remove_dir_all(lab.file("loaded")).unwrap();
    // Other samples of the same kind, divided otherwise, are no difference for a twin.
    lab.write("data.csv", &table());
    let output = run(&["--seed", "6"]);
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_dir_all(lab.file("loaded")).unwrap();
    lab.change_record(|known| {
        known["devices"]["shg"]["outputs"][0]["maximum"] = Value::from(123.0);
    });
    let said = stderr(&run(&[]));
    assert!(said.contains("the range of its outputs") && said.contains("123"), "{said}");
}

#[test]
fn moved_files_are_found_where_the_user_says() {
    let lab = Lab::new();
    fs::create_dir(lab.file("attic")).unwrap();
    fs::rename(lab.file("data.csv"), lab.file("attic/data.csv")).unwrap();
    let said = refused(lab.path(), &["evaluate", "run"]);
    assert!(said.contains("--data-dir"), "{said}");
    succeed(lab.path(), &["evaluate", "run", "--data-dir", "attic"]);
    // Also where another file lies at the old place now.
    lab.write("data.csv", &table().replacen("0,0,0,", "0.5,0,0,", 1));
    refused(lab.path(), &["evaluate", "run"]);
    succeed(lab.path(), &["evaluate", "run", "--data-dir", "attic"]);
    // Another file of that name is not taken for it.
    lab.write("attic/data.csv", &table().replace("mid", "middle"));
    let said = refused(lab.path(), &["evaluate", "run", "--data-dir", "attic"]);
    assert!(said.contains("`middle`"), "{said}");
}

/// A recipe on a small stack with the errors of files.
const STACK: &str = r#"
seed = 5
network = ["encode", { physical = { device = "stack" } }, { linear = { outputs = 3 } }]
data.source.csv = { path = "data.csv" }
[devices.stack.model.coherent_stack]
modes = 4
meshes = 1
error_files = { phases = "chip/phases" }
[calibration]
twin = "physics"
test_shots = 10
require = "none"
[training]
epochs = 1
[accounting]
digital_peer = false
"#;

#[test]
fn files_of_a_devices_model_are_found_as_data_files_are() {
    let lab = Lab::new();
    let phases = lab.file("chip/phases/Iter0");
    fs::create_dir_all(&phases).unwrap();
    for name in ["theta_errors.npy", "phi_errors.npy"] {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::<f64>::new().default_dtype().shape(&[4, 2]);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend([0.3, -0.2, 0.1, 0.2, 0.1, 0.4, -0.3, 0.0]).unwrap();
        writer.finish().unwrap();
        fs::write(phases.join(name), bytes).unwrap();
    }
    lab.write("stack.toml", STACK);
    let elsewhere = TempDir::new().unwrap();
    let (recipe, run) = (lab.file("stack.toml"), lab.file("of_stack"));
    let [recipe, run] = [&recipe, &run].map(|path| path.to_str().unwrap());
    succeed(elsewhere.path(), &["train", recipe, "--out", run]);
    let resolved = lab.read("of_stack/recipe.toml");
    let found = lab.file("chip/phases").canonicalize().unwrap();
    assert!(resolved.contains(found.to_str().unwrap()), "{resolved}");
    succeed(elsewhere.path(), &["evaluate", run]);

    fs::create_dir(lab.file("attic")).unwrap();
    fs::rename(lab.file("chip"), lab.file("attic/chip")).unwrap();
    let said = refused(elsewhere.path(), &["evaluate", run]);
    assert!(said.contains("--data-dir") && said.contains("phases"), "{said}");
    let attic = lab.file("attic");
    succeed(elsewhere.path(), &["evaluate", run, "--data-dir", attic.to_str().unwrap()]);
    let said = refused(elsewhere.path(), &["train", recipe, "--out", "new"]);
    assert!(said.contains("--data-dir") && said.contains("chip/phases"), "{said}");
}

#[test]
fn a_run_that_has_not_ended_is_named_as_such() {
    let lab = Lab::new();
    fs::remove_file(lab.file("run/parameters.safetensors")).unwrap();
    for arguments in [&["evaluate", "run"][..], &["predict", "run", "data.csv"]] {
        let said = refused(lab.path(), arguments);
        assert!(said.contains("has not ended; resume it with"), "{said}");
    }
}

#[test]
fn runs_of_earlier_versions_open_with_a_note_and_of_later_ones_not() {
    let lab = Lab::new();
    lab.change_record(|known| known["version"] = Value::from(2));
    let said = refused(lab.path(), &["evaluate", "run"]);
    assert!(said.contains("its version is 2"), "{said}");
    lab.write("run/trained_on.json", "{");
    let said = refused(lab.path(), &["evaluate", "run"]);
    assert!(said.contains("trained_on.json"), "{said}");
    fs::remove_file(lab.file("run/trained_on.json")).unwrap();
    for arguments in [
        &["evaluate", "run"][..],
        &["predict", "run", "data.csv"],
        &["predict", "run", "data.csv", "--source", "predicted"],
    ] {
        let (_, said) = succeed(lab.path(), arguments);
        assert!(said.contains("does not say what it was trained on"), "{said}");
    }
}

#[test]
fn a_comparison_is_not_resumed_on_other_data() {
    let lab = Lab::new();
    let plan = ["--rules", "pat,ideal", "--seeds", "1", "--out", "compared"];
    let quick = ["--set", "training.epochs=1"];
    succeed(lab.path(), &[&["compare", "recipe.toml"][..], &plan, &quick].concat());
    // As if one run had been cut off.
    fs::remove_file(lab.file("compared/compare.json")).unwrap();
    fs::remove_dir_all(lab.file("compared/ideal-5")).unwrap();
    lab.write("data.csv", &table().replacen("0,0,0,", "0.5,0,0,", 1));
    let resume = ["compare", "--resume", "compared"];
    let said = refused(lab.path(), &resume);
    assert!(said.contains("pat-5") && said.contains("`mass`"), "{said}");
    assert!(!lab.file("compared/ideal-5").exists());
    let (_, said) = succeed(lab.path(), &[&resume[..], &["--allow-changed-data"]].concat());
    assert!(said.contains("as allowed"), "{said}");
    assert!(lab.file("compared/compare.json").exists());
}

#[test]
fn a_budget_of_shots_is_kept_or_refused() {
    let lab = Lab::new();
    for shots in ["10", "40", "200"] {
        let out = format!("with-{shots}");
        succeed(lab.path(), &["recalibrate", "run", "--shots", shots, "--out", &out]);
        let adaptation: Value =
            serde_json::from_str(&lab.read(&format!("{out}/adaptation.json"))).unwrap();
        let spent = |key: &str| adaptation[key].as_u64().unwrap();
        let all = spent("calibration_shots") + spent("training_shots");
        assert!(all > 0 && all <= shots.parse().unwrap(), "{shots}: {adaptation}");
    }
    let said = refused(lab.path(), &["recalibrate", "run", "--shots", "2", "--out", "few"]);
    assert!(said.contains("at least 3"), "{said}");
    assert!(!lab.file("few").exists());
}

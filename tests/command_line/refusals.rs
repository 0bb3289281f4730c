//! Wrong recipes, data and options: refused with exit status 2, the place of the error and what was expected.

use std::fs;

use tempfile::TempDir;

use crate::support::QUICK;
use crate::{recipe, refused, train};

#[test]
fn a_missing_recipe_is_named() {
    let folder = TempDir::new().unwrap();
    let message = refused(&["train", "nowhere.toml"], &folder);
    assert!(message.contains("nowhere.toml"), "{message}");
}

#[test]
fn a_wrong_recipe_is_reported_with_line_key_and_expected_value() {
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
        assert!(!folder.path().join("run").exists(), "a wrong recipe leaves no folder");
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
fn a_wrong_table_is_reported_with_file_line_and_column() {
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
    // The refused run leaves no folder in the way of the next.
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
fn the_dashboard_needs_a_terminal() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let message = refused(&["train", "recipe.toml", "--out", "run", "--tui"], &folder);
    assert!(message.contains("--tui: standard output is not a terminal"), "{message}");
}

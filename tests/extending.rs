//! Users' own recipes, which an editor completes by the schema, and users' own devices.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod support;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The TOML files of `folder`.
fn recipes(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect()
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

/// Whether the part `schema` of the schema `whole` has every key of `value` and allows its type, as an editor checks.
fn allows(whole: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return allows(whole, &whole["$defs"][reference.rsplit('/').next().unwrap()], value);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return choices.iter().any(|choice| allows(whole, choice, value));
        }
    }
    if let Some(allowed) = schema.get("const") {
        return allowed == value;
    }
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.contains(value);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        names => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let is = |name: &str| types.contains(&name);
    match value {
        Value::Object(table) => {
            let property = |key: &String| match schema["properties"].get(key) {
                Some(property) => Some(property),
                None => schema.get("additionalProperties").filter(|more| more.is_object()),
            };
            let required = schema["required"].as_array().into_iter().flatten();
            is("object")
                && required.into_iter().all(|key| table.contains_key(key.as_str().unwrap()))
                && table.iter().all(|(key, value)| {
                    property(key).is_some_and(|property| allows(whole, property, value))
                })
        }
        Value::Array(values) => {
            is("array") && values.iter().all(|value| allows(whole, &schema["items"], value))
        }
        Value::String(_) => is("string"),
        Value::Bool(_) => is("boolean"),
        Value::Number(number) => is("number") || (is("integer") && !number.is_f64()),
        Value::Null => is("null"),
    }
}

#[test]
fn every_recipe_matches_the_schema() {
    let output = support::program().arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = [recipes("experiments"), recipes("examples")].concat();
    assert!(all.len() > 15, "{all:?}");
    for path in all {
        let recipe = as_json(&fs::read_to_string(&path).unwrap());
        assert!(allows(&schema, &schema, &recipe), "{}", path.display());
    }
    let vowels = fs::read_to_string(root().join("experiments/vowels-optical.toml")).unwrap();
    for (right, wrong) in [
        ("epochs = 80", "epoch = 80"),
        ("epochs = 80", "epochs = \"many\""),
        ("rule = \"pat\"", "rule = \"pta\""),
        ("model.second_harmonic", "model.third_harmonic"),
    ] {
        assert!(vowels.contains(right));
        let recipe = as_json(&vowels.replace(right, wrong));
        assert!(!allows(&schema, &schema, &recipe), "the schema accepts {wrong}");
    }
}

#[test]
fn a_users_own_device_in_rust_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    // Cargo builds the examples with the tests, beside them.
    let tests = std::env::current_exe().unwrap();
    let slab = tests.ancestors().nth(2).unwrap().join("examples/scattering_slab");
    let output = support::program()
        .current_dir(root())
        .args(["train", "examples/scattering_slab.toml", "--out"])
        .arg(&out)
        .arg("--device")
        .arg(format!("process:'{}'", slab.display()))
        .args(["--set", "calibration.shots=8000", "--set", "training.epochs=30"])
        .args(["--set", "training.learning_rate=0.015", "--set", "accounting.digital_peer=false"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value =
        serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["links"][0]["name"], "scattering slab");
    // A guess is right in one of eleven cases.
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.4, "{}", summary["test_accuracy"]);
}

/// Each example is a program that checks its result, and is short enough to read.
#[test]
fn every_example_runs_and_fits_on_a_page() {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples");
    let names = ["own_device", "own_loss", "own_rule", "own_twin", "own_loop", "without_recipe"];
    for name in names {
        let source = fs::read_to_string(root().join(format!("examples/{name}.rs"))).unwrap();
        assert!(source.lines().count() <= 100, "{name} has {} lines", source.lines().count());
        let output = std::process::Command::new(built.join(name)).current_dir(root()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

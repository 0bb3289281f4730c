//! Networks that answer values, from the recipe to the report: units, answers to new samples, resumed runs, and refused
//! data.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

mod predict;
mod resume;
#[path = "../support/mod.rs"]
mod support;
mod trained_on;

use self::support::{SMALL, program};
use twinprop::experiment::RunFolder;
use twinprop::experiment::test_answers::TestAnswers;

/// The device's faults, and a training that takes a second.
const SETTINGS: &str = r#"
[devices.shg.imperfections]
mismatch = 0.1
readout_noise = 0.001

[training]
epochs = 8
batch = 16
learning_rate = 0.05
"#;

/// A table with two targets of very different units.
const TABLE: &str = r#"data.source.csv = { path = "data.csv", targets = ["force", "current"] }"#;
/// A series with waveforms as targets.
const WAVEFORMS: &str = r#"data.source.sequence = { path = "series.csv", inputs = ["u"], targets = ["d"], window = 4, stride = 2, target = "window" }"#;
/// The same series, of which one time a window is answered.
const SERIES: &str = r#"data.source.sequence = { path = "series.csv", inputs = ["u"], targets = ["d"], window = 4 }"#;

fn recipe(source: &str, outputs: usize) -> String {
    format!(
        "seed = 5\nnetwork = [\"encode\", {{ physical = {{ device = \"shg\", shots = 2 }} }}, \"scale\", {{ linear = {{ outputs = {outputs} }} }}]\n{source}\n{SMALL}{SETTINGS}"
    )
}

/// Features and targets of eighty samples.
fn samples() -> Vec<[f64; 5]> {
    let sample = |sample: usize| {
        let share = |factor: usize, of: usize| (sample * factor % of) as f64 / of as f64;
        let [a, b, c] = [share(37, 101), share(53, 97), share(29, 89)];
        [a, b, c, 300.1 + 2.0 * a - 3.0 * b, 1e-9 * (a * b + 0.2 * c)]
    };
    (0..80).map(sample).collect()
}

fn table() -> String {
    let mut text = "a,b,c,force,current\n".to_owned();
    for sample in samples() {
        text += &(sample.map(|value| value.to_string()).join(",") + "\n");
    }
    text
}

/// A driven series that remembers its last value.
fn series() -> String {
    let (mut text, mut d) = ("u,d\n".to_owned(), 0.0);
    for time in 0..240 {
        let u = (0.3 * f64::from(time)).sin() * (0.11 * f64::from(time)).cos();
        d = 0.6 * d + u * u;
        text += &format!("{u},{d}\n");
    }
    text
}

/// A folder with `recipe.toml` on `source`, `data.csv` and `series.csv`.
fn lab(source: &str, outputs: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), recipe(source, outputs)).unwrap();
    fs::write(folder.path().join("data.csv"), table()).unwrap();
    fs::write(folder.path().join("series.csv"), series()).unwrap();
    folder
}

/// Standard output and standard error of a command that must succeed.
fn succeed(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = program().current_dir(folder).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

/// What was said to a command that must be refused as wrongly asked for.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = program().current_dir(folder).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    said
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn answers(run: &Path) -> TestAnswers {
    RunFolder::at(run).test_answers().unwrap().unwrap()
}

/// R² of all values, each target in units of its deviation over the training samples, which `scales` are.
fn r2(answers: &TestAnswers, scales: &[f64]) -> f64 {
    let TestAnswers { truth, predicted, .. } = answers;
    let (mut errors, mut total) = (0.0, 0.0);
    for (row, scale) in scales.iter().enumerate() {
        let mean = truth.row(row).mean();
        for (truth, predicted) in truth.row(row).iter().zip(predicted.row(row).iter()) {
            errors += ((truth - predicted) / scale).powi(2);
            total += ((truth - mean) / scale).powi(2);
        }
    }
    1.0 - errors / total
}

#[test]
fn a_regression_from_a_table_leaves_its_answers_and_scores_in_the_files_units() {
    let folder = lab(TABLE, 2);
    let run = folder.path().join("run");
    succeed(folder.path(), &["train", "recipe.toml", "--out", "run"]);
    let (summary, known) = (json(&run.join("summary.json")), json(&run.join("trained_on.json")));
    assert_eq!(known["targets"][1]["name"], "current");
    let unit = |target: usize| known["targets"][target]["scaling"]["unit"].as_f64().unwrap();
    let answers = answers(&run);
    assert_eq!(answers.targets, ["force", "current"]);
    let is_true = |sample: nalgebra::DVectorView<f64>| {
        samples().iter().any(|known| {
            (known[3] - sample[0]).abs() < 1e-6 * unit(0)
                && (known[4] - sample[1]).abs() < 1e-6 * unit(1)
        })
    };
    assert_eq!(answers.truth.ncols(), 20);
    assert!(answers.truth.column_iter().all(|sample| is_true(sample.as_view())));
    let found = summary["test_r2"].as_f64().unwrap();
    assert!(found > 0.5, "{summary}");
    assert!((r2(&answers, &[unit(0), unit(1)]) - found).abs() < 1e-5, "{summary}");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    for key in ["test_r2", "test_rmse", "test_nrmse"] {
        assert_eq!(last[key], summary[key], "{key}");
    }
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    for text in ["<h2>Values</h2>", "<th>force</th>", "<th>current</th>", "Predicted against true"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("Residuals of the test samples") && !page.contains("Confusion matrix"));
    let (said, _) = succeed(folder.path(), &["evaluate", "run"]);
    assert!(
        said.contains("R² ") && said.contains("in standard deviations of the targets"),
        "{said}"
    );
    // The page is made from the folder alone.
    fs::remove_file(run.join("report.html")).unwrap();
    succeed(folder.path(), &["report", "run"]);
    assert_eq!(fs::read_to_string(run.join("report.html")).unwrap(), page);
}

#[test]
fn one_target_has_its_error_in_its_own_unit() {
    let source =
        r#"data.source.csv = { path = "data.csv", targets = ["current"], ignore = ["force"] }"#;
    let folder = lab(source, 1);
    let set = ["--set=accounting.digital_peer=true", "--set=accounting.peer_share=100000"];
    succeed(folder.path(), &[&["train", "recipe.toml", "--out", "run"][..], &set].concat());
    let summary = json(&folder.path().join("run/summary.json"));
    let TestAnswers { truth, predicted, .. } = answers(&folder.path().join("run"));
    let rmse = ((truth - predicted).norm_squared() / 20.0).sqrt();
    let found = summary["test_rmse"].as_f64().unwrap();
    assert!((found / rmse - 1.0).abs() < 1e-4 && found < 1e-9, "{found} {rmse}");
    let peers = summary["accounting"]["peer_search"]["tried"].as_array().unwrap().clone();
    assert!(!peers.is_empty() && peers.iter().all(|peer| peer["test_rmse"].as_f64() < Some(1e-8)));
    let (said, _) = succeed(folder.path(), &["evaluate", "run"]);
    assert!(said.contains("e-1") && said.contains("in the unit of `current`"), "{said}");
}

#[test]
fn waveforms_are_one_quantity_of_the_report() {
    let folder = lab(WAVEFORMS, 4);
    succeed(folder.path(), &["train", "recipe.toml", "--out", "run"]);
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains("<th>d, 4 values</th>") && !page.contains("d at 1"), "{page}");
    assert!(
        page.contains("d, the test sample with the median error")
            && page.contains("RMSE in the unit of `d`")
    );
    let (text, said) = succeed(folder.path(), &["predict", "run", "series.csv"]);
    assert!(text.starts_with("line,predicted d at 0,predicted d at 1,"), "{text}");
    assert!(said.contains("in the unit of `d`"), "{said}");
}

#[test]
fn a_series_is_drawn_over_its_first_test_times() {
    let folder = lab(SERIES, 1);
    succeed(folder.path(), &["train", "recipe.toml", "--out", "run", "--rule", "ideal"]);
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains("d, first test times"), "{page}");
}

#[test]
fn rules_are_compared_and_networks_transferred_by_r2() {
    let folder = lab(TABLE, 2);
    let path = folder.path();
    let rules = ["--rules", "pat,ideal", "--seeds", "1", "--set=training.epochs=2"];
    succeed(path, &[&["compare", "recipe.toml", "--out", "all"][..], &rules].concat());
    let page = fs::read_to_string(path.join("all/compare.html")).unwrap();
    assert!(page.contains("test R², mean ± sd") && page.contains("ridge regression"), "{page}");
    assert!(path.join("all/r2.svg").exists() && !page.contains("accuracy"));
    let run = "all/pat-5";
    succeed(path, &["transfer", run, "--copy", "9", "--shots", "100", "--out", "copy"]);
    assert_eq!(json(&path.join("copy/transfer.json"))["budgets"][0]["measure"], "r2");
    succeed(path, &["recalibrate", run, "--shots", "100", "--out", "again"]);
    assert_eq!(json(&path.join("again/adaptation.json"))["measure"], "r2");
    let plasticity = ["train", "recipe.toml", "--rule", "learned-plasticity", "--out", "none"];
    let said = refused(path, &plasticity);
    assert!(said.contains("needs classes") && !path.join("none").exists(), "{said}");
}

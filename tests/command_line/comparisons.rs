//! Comparisons of rules, with sweeps, resumed and made run by run.

use std::fs;

use tempfile::TempDir;

use crate::support::QUICK;
use crate::{recipe, twinprop};

#[test]
fn compare_prints_a_row_per_rule_and_the_digital_networks() {
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
fn a_resumed_sweep_makes_only_the_missing_run() {
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

    // One run is removed; only this run is made again.
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
fn the_runs_of_a_comparison_can_be_made_one_by_one() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, QUICK);
    let succeed = |arguments: &[&str]| -> String {
        let output = twinprop(arguments, folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let plan = ["compare", "recipe.toml", "--rules", "pat,ideal", "--seeds", "1", "--out", "all"];
    let printed = succeed(&[&plan[..], &["--plan"]].concat());
    assert!(printed.starts_with("all: runs 1 to 2;"), "{printed}");
    assert!(!folder.path().join("all/pat-3").exists());

    let printed = succeed(&["compare", "--resume", "all", "--cell", "2"]);
    assert!(printed.starts_with("run 2: ideal-3, test accuracy"), "{printed}");
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

/// QUICK with columns for `compare`.
const COLUMNS: &str = r#"
[[compare]]
name = "PAT, learned"
rule = "pat"

[[compare]]
name = "PAT, nominal"
rule = "pat"
set = ['calibration.twin="physics"', "training.epochs=2"]

[[compare]]
name = "ideal"
rule = "ideal"
"#;

#[test]
fn a_recipe_names_the_columns_of_its_comparison() {
    let folder = TempDir::new().unwrap();
    recipe(&folder, &format!("{QUICK}{COLUMNS}"));
    let compare = ["compare", "recipe.toml", "--seeds", "2", "--out", "all"];
    let output = twinprop(&compare, folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("p against PAT, learned"), "{table}");
    for row in ["PAT, learned ", "PAT, nominal ", "ideal ", "linear softmax"] {
        assert!(table.lines().any(|line| line.starts_with(row) && line.contains('±')), "{table}");
    }
    let epochs = |run: &str| super::metrics(&folder, &format!("all/{run}")).len();
    assert_eq!((epochs("PAT__learned-3"), epochs("PAT__nominal-4")), (3, 2));
    let run = folder.path().join("all/PAT__nominal-3");
    let trained = fs::read_to_string(run.join("recipe.toml")).unwrap();
    assert!(trained.contains("twin = \"physics\"") && !trained.contains("compare"), "{trained}");
    assert!(folder.path().join("all/confusion-PAT__nominal.svg").exists());

    // A rule on the command line takes their place.
    let table = twinprop(&["compare", "recipe.toml", "--rules", "ideal", "--plan"], folder.path());
    assert!(String::from_utf8_lossy(&table.stdout).contains("runs 1 to 3;"));

    for (from, to, problem) in [
        ("\"PAT, nominal\"", "\"ideal\"", "two columns are called `ideal`"),
        ("\"PAT, nominal\"", "\" \"", "column 2 has no name"),
        ("epochs=2", "epoch=2", "column `PAT, nominal`"),
        ("rule = \"ideal\"", "rule = \"best\"", "best"),
    ] {
        recipe(&folder, &format!("{QUICK}{COLUMNS}").replacen(from, to, 1));
        let message = super::refused(&["compare", "recipe.toml", "--out", "other"], &folder);
        assert!(message.contains(problem), "{message}");
        assert!(!folder.path().join("other").exists(), "{message}");
    }
}

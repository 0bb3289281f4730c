//! The documents state the figures of `experiments/results.json`.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Results {
    /// Purpose of the file.
    #[serde(rename = "about")]
    _about: String,
    recipes: BTreeMap<String, Row>,
    comparison: Comparison,
    shared: Vec<Shared>,
}

/// A recipe's row in `experiments/README.md`; empty where nothing was measured.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    pat: String,
    in_silico: String,
    ideal: String,
    linear_softmax: String,
    mlp: String,
    time: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    seconds: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    figure: String,
    what: String,
    /// Each place of the figure: the document, and the text around the figure, with `{}` in its place.
    #[serde(rename = "stands")]
    places: Vec<(String, String)>,
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn results() -> Results {
    serde_json::from_str(&document("experiments/results.json")).unwrap()
}

/// `text` with single spaces and no line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_of_recipes_states_the_results() {
    let Results { recipes, .. } = results();
    let text = document("experiments/README.md");
    let table = text.lines().skip_while(|line| !line.starts_with("| recipe |"));
    let rows: Vec<Vec<&str>> = table
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for cells in &rows {
        let name = cells[0].trim_matches('`');
        let row = recipes.get(name).unwrap_or_else(|| {
            panic!("experiments/README.md has a row of `{name}`, experiments/results.json does not")
        });
        let Row { pat, in_silico, ideal, linear_softmax, mlp, time } = row;
        let stated = &cells[cells.len() - 6..];
        let expected = [pat, in_silico, ideal, linear_softmax, mlp, time];
        assert_eq!(stated, expected, "experiments/README.md, `{name}`");
    }
    let stated: Vec<&str> = rows.iter().map(|cells| cells[0].trim_matches('`')).collect();
    for name in recipes.keys() {
        assert!(stated.contains(&name.as_str()), "experiments/README.md has no row of `{name}`");
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/{name}.toml")).exists(),
            "experiments/results.json names `{name}`, but experiments/{name}.toml does not exist"
        );
    }
}

#[test]
fn the_readme_states_the_results_of_the_first_recipe() {
    let Results { recipes, comparison, .. } = results();
    let Row { pat, in_silico, ideal, linear_softmax, mlp, time } = &recipes["vowels-optical"];
    let readme = flat(&document("README.md"));
    for (rule, figure) in [
        ("pat", pat),
        ("in-silico", in_silico),
        ("ideal", ideal),
        ("digital MLP, 64 units", mlp),
        ("linear softmax", linear_softmax),
    ] {
        let line = format!("{rule} {}", figure.trim_end_matches(" %"));
        assert!(readme.contains(&line), "README.md does not say `{line}`");
    }
    let line = format!(
        "One PAT run takes {time} on two cores, calibration included; the comparison takes {}.",
        comparison.seconds
    );
    assert!(readme.contains(&line), "README.md does not say `{line}`");
}

#[test]
fn shared_figures_are_in_the_documents_that_results_json_lists() {
    for Shared { figure, what, places } in results().shared {
        for (name, around) in places {
            let sentence = flat(&around.replace("{}", &figure));
            let found = flat(&document(&name)).contains(&sentence);
            assert!(found, "{what}: {name} does not say `{sentence}`");
        }
    }
}

#[test]
fn the_page_on_bad_twins_states_only_measured_values() {
    let measured = flat(&document("experiments/README.md"));
    let page = document("docs/src/twin-is-bad.md");
    let accuracies: Vec<&str> = page
        .split(['|', '\n'])
        .map(str::trim)
        .filter(|cell| cell.ends_with(" %") && cell.len() <= "92.2 ± 1.6 %".len())
        .collect();
    assert!(accuracies.len() > 20, "{accuracies:?}");
    for accuracy in accuracies {
        assert!(measured.contains(accuracy), "docs/src/twin-is-bad.md states {accuracy}");
    }
    // Cosines of the tables by shots; experiments/README.md prints them in bold.
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cosines: Vec<&str> = rows
        .flat_map(|row| row.split('|').map(str::trim))
        .filter(|cell| cell.len() == 5 && cell.parse::<f32>().is_ok_and(|value| value <= 1.0))
        .collect();
    assert!(cosines.len() > 20, "{cosines:?}");
    for cosine in cosines {
        let bold = format!("**{cosine}**");
        assert!(measured.contains(&bold), "docs/src/twin-is-bad.md states {cosine}");
    }
}

#[test]
fn links_between_documents_have_existing_targets() {
    for name in [
        "README.md",
        "experiments/README.md",
        "bench/README.md",
        "docs/src/twin-is-bad.md",
        "docs/src/photonic-stack.md",
        "docs/src/nir.md",
        "docs/src/backends.md",
        "docs/src/tutorials/rust.md",
    ] {
        let text = document(name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let folder = folder.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = folder.join(file);
            assert!(path.exists(), "{name} links to {target}, a file that does not exist");
            if !heading.is_empty() {
                let headings = fs::read_to_string(&path).unwrap();
                let found = headings.lines().filter(|line| line.starts_with('#')).any(|line| {
                    let words = line.trim_start_matches('#').trim().to_lowercase();
                    words.replace(' ', "-") == heading
                });
                assert!(found, "{name} links to {target}, a heading that does not exist");
            }
        }
    }
}

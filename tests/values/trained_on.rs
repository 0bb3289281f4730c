//! Targets that are not those of the training are refused by name.

use std::fs;

use crate::{TABLE, lab, refused, samples, succeed, table};

/// The table with `header` and what `row` makes of each sample.
fn changed(header: &str, row: impl Fn([f64; 5]) -> Vec<f64>) -> String {
    let line = |sample| row(sample).iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n";
    format!("{header}\n{}", samples().into_iter().map(line).collect::<String>())
}

#[test]
fn changed_targets_are_refused_by_name() {
    let folder = lab(TABLE, 2);
    let path = folder.path();
    succeed(path, &["train", "recipe.toml", "--out", "run", "--rule", "ideal"]);
    let (calm, _) = succeed(path, &["evaluate", "run"]);
    let table = table();
    let scaled = changed("a,b,c,force,current", |[a, b, c, f, i]| vec![a, b, c, 1e3 * f, i]);
    let swapped = changed("a,b,c,force,current", |[a, b, c, f, i]| {
        vec![a, b, c, if a == 0.0 { f + 1e-9 } else { f }, i]
    });
    for (what, text, expected) in [
        ("another unit", scaled, "the target `force` was scaled by the offset 299."),
        ("one value", swapped, "target"),
        ("renamed", table.replace("current", "amperes"), "`current`"),
    ] {
        fs::write(path.join("data.csv"), text).unwrap();
        let said = refused(path, &["evaluate", "run"]);
        assert!(said.contains(expected), "{what}: {said}");
    }
    // Columns in another order are the same data.
    let turned = changed("current,c,b,force,a", |[a, b, c, f, i]| vec![i, c, b, f, a]);
    fs::write(path.join("data.csv"), turned).unwrap();
    assert_eq!(succeed(path, &["evaluate", "run"]).0, calm);
    // Targets in another order, and one that is new.
    let recipe = fs::read_to_string(path.join("run/recipe.toml")).unwrap();
    let targets = |names: &str| {
        let (start, rest) = recipe.split_once("targets = [").unwrap();
        let (_, end) = rest.split_once(']').unwrap();
        fs::write(path.join("run/recipe.toml"), format!("{start}targets = [{names}]{end}"))
            .unwrap();
    };
    fs::write(path.join("data.csv"), &table).unwrap();
    targets("\"current\", \"force\"");
    let (said, warned) = succeed(path, &["evaluate", "run"]);
    assert_eq!(said, calm);
    assert!(warned.contains("the targets are in another order"), "{warned}");
    targets("\"current\"");
    let said = refused(path, &["evaluate", "run"]);
    assert!(said.contains("targets not in the data: `force`"), "{said}");
    // A network of classes takes no values.
    fs::write(path.join("data.csv"), table.replace("force", "kind")).unwrap();
    targets("\"kind\", \"current\"");
    let said = refused(path, &["evaluate", "run"]);
    assert!(said.contains("targets not in the data: `force`"), "{said}");
}

#[test]
fn a_record_of_classes_has_no_targets() {
    let folder = lab("data.source.csv = { path = \"kinds.csv\" }", 2);
    let path = folder.path();
    let kinds = changed("a,b,kind", |[a, b, ..]| vec![a, b, f64::from(u8::from(a > b))]);
    fs::write(path.join("kinds.csv"), kinds).unwrap();
    succeed(path, &["train", "recipe.toml", "--out", "run", "--rule", "ideal"]);
    let record = fs::read_to_string(path.join("run/trained_on.json")).unwrap();
    assert!(!record.contains("targets"), "{record}");
    assert!(!path.join("run/test.predicted.npy").exists());
    let recipe = fs::read_to_string(path.join("run/recipe.toml")).unwrap();
    let values = recipe.replace("[data.source.csv]", "[data.source.csv]\ntargets = [\"kind\"]");
    fs::write(path.join("run/recipe.toml"), values).unwrap();
    let said = refused(path, &["evaluate", "run"]);
    assert!(said.contains("their targets are values"), "{said}");
}

//! Meta-training by the built binary: its files, resuming, and refused recipes.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;
use std::process::Output;

mod support;

use support::program;

const RECIPE: &str = r#"
seed = 3
hidden = [12, 10]
beta = 10.0

[tasks]
held_out = 0.3
classes = 3
training = 6
queries = 4

[meta]
episodes = 30
learning_rate = 0.001
tests = 5

[[data]]
source = "digits"
"#;

fn meta_train(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = program();
    command.current_dir(folder).arg("meta-train").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_resumed_meta_training_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("rule.toml"), RECIPE).unwrap();
    let whole = meta_train(folder.path(), &["rule.toml", "--seeds", "2", "--out", "whole"]);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    for part in ["symmetric", "fixed", "learned", "Θ: pseudo_gradient"] {
        assert!(text(&whole.stdout).contains(part), "{}", text(&whole.stdout));
    }
    for name in ["meta.html", "meta.json", "theta-1.svg", "query-accuracy.png"] {
        assert!(at("whole").join(name).is_file(), "{name}");
    }
    // The state after a crash in episode 28: the checkpoint of episode 25, and some cells not begun.
    let cut = at("cut");
    std::fs::create_dir_all(cut.join("learned-4")).unwrap();
    for name in ["plan.json", "rule.toml", "learned-4/episodes.jsonl"] {
        std::fs::copy(at("whole").join(name), cut.join(name)).unwrap();
    }
    let partly = RECIPE.replace("episodes = 30", "episodes = 25");
    std::fs::write(at("partly.toml"), partly).unwrap();
    let partly = meta_train(folder.path(), &["partly.toml", "--seeds", "2", "--out", "partly"]);
    assert!(partly.status.success());
    let state = "learned-4/state.safetensors";
    std::fs::copy(at("partly").join(state), cut.join(state)).unwrap();
    let resumed = meta_train(folder.path(), &["--resume", "cut"]);
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
    for name in ["plasticity.json", "learned-4/episodes.jsonl", "fixed-3/episodes.jsonl"] {
        let read = |run: &str| std::fs::read_to_string(at(run).join(name)).unwrap();
        assert!(read("whole") == read("cut"), "{name} differs");
    }
}

#[test]
fn an_impossible_recipe_is_refused_with_the_key_to_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rule.toml"), RECIPE).unwrap();
    for (setting, expected) in [
        ("tasks.classes=4", "3 classes are held out, but a task has 4"),
        ("tasks.training=400", "lower tasks.training or tasks.queries"),
        ("meta.terms=[\"oja\", \"hebb\"]", "unknown variant `hebb`"),
        ("meta.clip=0", "clip"),
    ] {
        let refused = meta_train(folder.path(), &["rule.toml", "--set", setting]);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(expected), "{}", text(&refused.stderr));
    }
    assert!(!folder.path().join("runs").join("meta-rule").join("meta.json").exists());
}

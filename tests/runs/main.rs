//! A run records the data and devices of its training, refuses others, and predicts new samples.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

mod predict;
#[path = "../support/mod.rs"]
mod support;
mod trained_on;

use self::support::{SMALL, program};

/// The head of the recipe, before the settings of [`SMALL`].
const HEAD: &str = r#"
seed = 5
network = ["encode", { physical = { device = "shg", shots = 2 } }, "scale", "readout"]
data.source.csv = { path = "data.csv" }

[devices.shg.imperfections]
mismatch = 0.1

[training]
epochs = 20
learning_rate = 0.05
"#;

fn recipe() -> String {
    HEAD.to_owned() + SMALL
}

const CLASSES: [&str; 3] = ["left, low", "mid", "right"];

/// Twenty samples of each class: `mass` separates the classes, `noise` and `hue` do not.
fn samples() -> Vec<(f64, f64, f64, &'static str)> {
    (0..60)
        .map(|sample| {
            let class = sample % 3;
            let wobble = f64::from((sample * 7 % 11) as u8) / 11.0;
            let hue = f64::from((sample * 5 % 13) as u8) / 13.0;
            (10.0 * class as f64 + wobble, wobble, hue, CLASSES[class])
        })
        .collect()
}

fn table() -> String {
    let mut text = "mass,noise,hue,kind\n".to_owned();
    for (mass, noise, hue, kind) in samples() {
        text += &format!("{mass},{noise},{hue},\"{kind}\"\n");
    }
    text
}

fn twinprop(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = twinprop(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    (stdout(&output), stderr(&output))
}

/// Runs a command that must be refused with exit code 2; returns its standard error.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = twinprop(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A new folder with `data.csv`, and `run`, which was trained on it.
struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        static TRAINED: OnceLock<TempDir> = OnceLock::new();
        let trained = TRAINED.get_or_init(|| {
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join("recipe.toml"), recipe()).unwrap();
            fs::write(folder.path().join("data.csv"), table()).unwrap();
            succeed(folder.path(), &["train", "recipe.toml", "--out", "run"]);
            folder
        });
        let lab = Self(TempDir::new().unwrap());
        copy(trained.path(), lab.path());
        let (old, new) = (trained.path().canonicalize().unwrap(), lab.path());
        let new = new.canonicalize().unwrap();
        lab.change("run/recipe.toml", old.to_str().unwrap(), new.to_str().unwrap());
        lab
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{from} in {text}");
        self.write(name, &text.replace(from, to));
    }

    /// Changes the run's record of its data and devices, as if these had changed since the training.
    fn change_record(&self, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_str(&self.read("run/trained_on.json")).unwrap();
        change(&mut value);
        self.write("run/trained_on.json", &value.to_string());
    }
}

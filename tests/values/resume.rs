//! A run that is cut off ends as if nothing had happened.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;
use twinprop::Error;
use twinprop::experiment::{RunOptions, resume, train};
use twinprop::training::{Event, Unobserved};

use crate::{TABLE, lab};

/// Metrics without their times, and files that must be the same.
fn results(run: &Path) -> (Vec<Value>, Vec<Vec<u8>>) {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timeless = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("seconds");
        value
    };
    let files =
        ["parameters.safetensors", "test.predicted.npy", "test.true.npy", "trained_on.json"];
    let files = files.map(|name| fs::read(run.join(name)).unwrap());
    (metrics.lines().map(timeless).collect(), files.into())
}

#[test]
fn a_resumed_run_writes_the_same_answers() {
    let folder = lab(TABLE, 2);
    let recipe = folder.path().join("recipe.toml");
    let options = |name: &str, checkpoint_steps: u64| RunOptions {
        out: Some(folder.path().join(name)),
        checkpoint_steps: Some(checkpoint_steps),
        set: vec!["training.epochs=3".to_owned()],
        ..RunOptions::default()
    };
    train(&recipe, &options("whole", 1000), &mut Unobserved).unwrap();
    let expected = results(&folder.path().join("whole"));
    let steps = 3 * 60_u64.div_ceil(16);
    // In the middle of an epoch, and after the last, when the answers are written and nothing else.
    for last in [5, steps] {
        let options = options(&format!("cut-{last}"), last);
        let mut cut = |event: &Event| match event {
            Event::Checkpoint(snapshot) if snapshot.progress.steps == last => {
                Err(Error::Interrupted("cut off".to_owned()))
            }
            _ => Ok(ControlFlow::Continue(())),
        };
        let cut_off = train(&recipe, &options, &mut cut);
        assert!(matches!(cut_off, Err(Error::Interrupted(_))));
        let run = options.out.clone().unwrap();
        assert_eq!(run.join("test.predicted.npy").exists(), last == steps);
        resume(&run, &options, &mut Unobserved).unwrap();
        assert_eq!(results(&run), expected, "cut after step {last}");
    }
}

//! One process writes a folder at a time, and no comparison makes a run twice.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod support;

use support::{QUICK, program};

fn lab() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    folder
}

fn twinprop(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command.current_dir(folder).args(arguments);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn wait_for(folder: &Path, file: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        // The file may exist and be empty still.
        while fs::metadata(folder.join(file)).map_or(0, |file| file.len()) == 0 {
            assert!(Instant::now() < end, "{file} is written");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Settings of a training of some minutes, which the tests end much earlier.
const LONG: [&str; 4] = ["--set", "training.epochs=20000", "--checkpoint", "5"];

#[test]
fn of_two_processes_that_race_for_a_folder_one_wins() {
    let lab = lab();
    for round in 0..100 {
        let out = format!("out-{round}");
        let plan = |seeds: &'static str| {
            let (out, path) = (out.clone(), lab.path().to_owned());
            thread::spawn(move || {
                twinprop(
                    &path,
                    &["compare", "recipe.toml", "--plan", "--seeds", seeds, "--out", &out],
                )
            })
        };
        let both = [("3", plan("3")), ("5", plan("5"))];
        let both = both.map(|(seeds, racer)| (seeds, racer.join().unwrap()));
        let winners: Vec<_> = both.iter().filter(|(_, output)| output.status.success()).collect();
        let losers: Vec<_> = both.iter().filter(|(_, output)| !output.status.success()).collect();
        assert_eq!((winners.len(), losers.len()), (1, 1), "round {round}");
        let (_, loser) = losers[0];
        let said = stderr(loser);
        assert_eq!(loser.status.code(), Some(2), "round {round}: {said}");
        assert!(
            said.contains("is being written by process") || said.contains("holds a run already"),
            "round {round}: {said}"
        );
        let plan: serde_json::Value =
            serde_json::from_slice(&fs::read(lab.path().join(&out).join("plan.json")).unwrap())
                .unwrap();
        let seeds = plan["seeds"].as_array().unwrap().len().to_string();
        assert_eq!(seeds, winners[0].0, "round {round}");
    }
}

#[test]
fn two_processes_never_choose_the_same_default_folder() {
    let lab = lab();
    let racers: Vec<_> = (0..6)
        .map(|_| {
            let path = lab.path().to_owned();
            thread::spawn(move || twinprop(&path, &["compare", "recipe.toml", "--plan"]))
        })
        .collect();
    for racer in racers {
        let output = racer.join().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(fs::read_dir(lab.path().join("runs")).unwrap().count(), 6);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_may_have_a_name_that_is_not_unicode() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let lab = lab();
    let name = OsStr::from_bytes(b"run-\xff");
    let mut command = program();
    command.current_dir(lab.path()).args(["compare", "recipe.toml", "--plan", "--out"]).arg(name);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(lab.path().join(name).join("plan.json").is_file());
}

#[test]
fn a_running_training_is_neither_overwritten_nor_resumed() {
    let lab = lab();
    let train = [&["train", "recipe.toml", "--out", "run"][..], &LONG].concat();
    let running = Running::start(lab.path(), &train);
    Running::wait_for(lab.path(), "run/metrics.jsonl");
    let pid = running.0.id();
    for arguments in [&["train", "--resume", "run"][..], &["train", "recipe.toml", "--out", "run"]]
    {
        let output = twinprop(lab.path(), arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        let names_owner = said.contains(&format!("is being written by process {pid}"));
        assert!(names_owner, "{arguments:?}: {said}");
    }
    // Once it is killed, another process can take the folder over.
    drop(running);
    lock_folder(lab.path(), &["train", "--resume", "run"], "run");
}

#[test]
fn only_one_process_resumes_a_comparison() {
    let lab = lab();
    let plan = ["compare", "recipe.toml", "--plan", "--seeds", "2", "--rules", "pat", "--out", "c"];
    let plan = [&plan[..], &LONG[..2]].concat();
    assert!(twinprop(lab.path(), &plan).status.success());
    let running = Running::start(lab.path(), &["compare", "--resume", "c"]);
    Running::wait_for(lab.path(), "c/pat-3/begun.json");
    let output = twinprop(lab.path(), &["compare", "--resume", "c"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("process {}", running.0.id())), "{said}");
}

const META: &str = r#"
seed = 3
hidden = [8]
beta = 10.0

[tasks]
held_out = 0.3
classes = 3
training = 4
queries = 4

[meta]
episodes = 1000000
tests = 5

[[data]]
source = "digits"
"#;

/// Starts `command` and waits until it has locked `folder`.
fn lock_folder(lab: &Path, command: &[&str], folder: &str) -> Running {
    let running = Running::start(lab, command);
    let end = Instant::now() + Duration::from_secs(30);
    let owner = format!("process {}", running.0.id());
    let lock = lab.join(folder).join(".lock");
    while !fs::read_to_string(&lock).unwrap_or_default().contains(&owner) {
        assert!(Instant::now() < end, "{command:?} locks the folder");
        thread::sleep(Duration::from_millis(5));
    }
    running
}

/// Starts `command`, which writes `folder`, and checks that `others` are refused and told which process writes it,
/// once `file` is in the folder.
fn excludes_others(lab: &Path, command: &[&str], folder: &str, file: &str, others: &[&[&str]]) {
    let running = lock_folder(lab, command, folder);
    Running::wait_for(&lab.join(folder), file);
    let pid = running.0.id();
    for other in others {
        let mut refused = program();
        let refused =
            refused.current_dir(lab).args(*other).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut refused = refused.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while refused.try_wait().unwrap().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        // A command that is not refused would run for hours.
        let _ = refused.kill();
        let output = refused.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{other:?}: {said}");
        assert!(said.contains(&format!("is being written by process {pid}")), "{other:?}: {said}");
        let whole = format!("(`twinprop {}`, since", command.join(" "));
        assert!(said.contains(&whole), "{other:?}: {said}");
    }
}

#[test]
fn only_one_process_resumes_a_meta_training() {
    let lab = lab();
    let lab = lab.path();
    fs::write(lab.join("rule.toml"), META).unwrap();
    let begin = ["meta-train", "rule.toml", "--seeds", "1", "--jobs", "1", "--out", "m"];
    let resume: &[&str] = &["meta-train", "--resume", "m"];
    excludes_others(lab, &begin, "m", "plan.json", &[resume]);
    let again = twinprop(lab, &begin);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("holds a run already"), "{}", stderr(&again));
    // Once it is killed, another process can take the folder over, one at a time.
    excludes_others(lab, resume, "m", "plan.json", &[resume, resume]);
    lock_folder(lab, resume, "m");
}

#[test]
fn only_one_process_resumes_a_calibration() {
    let lab = lab();
    let lab = lab.path();
    let long = "calibration.fit.epochs=100000";
    let begin = ["calibrate", "recipe.toml", "--set", long, "--out", "c"];
    let resume: &[&str] = &["calibrate", "--resume", "c"];
    excludes_others(lab, &begin, "c", "begun.json", &[resume]);
    lock_folder(lab, resume, "c");
}

#[test]
fn repeated_rules_and_values_and_seeds_that_overflow_are_refused() {
    let lab = lab();
    fs::write(lab.path().join("rule.toml"), META).unwrap();
    for (arguments, expected) in [
        (&["--seed", "18446744073709551615"][..], "the largest seed is"),
        (&["--seed", "9223372036854775806", "--seeds", "3"], "the largest seed is"),
        (&["--seeds", "18446744073709551615"], "at most 10000"),
    ] {
        let meta = [&["meta-train", "rule.toml", "--out", "m"], arguments].concat();
        let output = twinprop(lab.path(), &meta);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!lab.path().join("m").exists(), "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["--rules", "pat,pat"][..], "`pat` is given twice"),
        (&["--rules", "ideal,pat,ideal"], "`ideal` is given twice"),
        (&["--sweep", "training.epochs=1,2,1"], "`1` is given twice"),
        (&["--sweep", "imperfections.mismatch=0.1,0.10"], "`0.1` and `0.10` are the same"),
        (&["--sweep", "imperfections.mismatch=1e-1,0.1"], "are the same"),
        (&["--sweep", "training.epochs=1", "--sweep", "training.epochs=2"], "given twice"),
        (&["--seed", "18446744073709551615"], "the largest seed is"),
        (&["--seed", "9223372036854775806", "--seeds", "3"], "the largest seed is"),
        (&["--seeds", "18446744073709551615"], "at most 10000"),
    ] {
        let output =
            twinprop(lab.path(), &[&["compare", "recipe.toml", "--out", "c"], arguments].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!lab.path().join("c").exists(), "{arguments:?}");
    }
}

//! What the page shows of a run, read from its folder.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::epochs::Epochs;
use crate::experiment::RunFolder;
use crate::experiment::live::{LIVE, is_running};
use crate::report::for_command_line;

/// Name of the folder of a checkpoint, before its number of steps.
const CHECKPOINT: &str = "checkpoint-";

/// When files were written, and how large they are: nothing is read again if they are the same.
pub(super) type Stamps = Vec<Option<(SystemTime, u64)>>;

/// The stamps of the files in `run` that the page depends on, and whether it is running.
pub(super) fn stamps(run: &Path) -> (Stamps, bool) {
    let names = [
        "",
        RunFolder::BEGUN,
        LIVE,
        RunFolder::METRICS,
        RunFolder::CALIBRATION,
        RunFolder::SUMMARY,
        RunFolder::REPORT,
    ];
    let stamp = |name: &str| {
        let about = fs::metadata(run.join(name)).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    (names.into_iter().map(stamp).collect(), is_running(run))
}

/// What the page shows, beside the `epochs`, of the run in the folder `run`, which has the name `id` in requests.
pub(super) fn run_state(run: &Path, id: &str, epochs: &Epochs, is_running: bool) -> Value {
    let read = |name: &str| fs::read_to_string(run.join(name)).ok();
    let json_of =
        |name: &str| read(name).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let begun = json_of(RunFolder::BEGUN).unwrap_or_default();
    let live = json_of(LIVE).unwrap_or_default();
    let summary = json_of(RunFolder::SUMMARY);
    let calibration = json_of(RunFolder::CALIBRATION);
    let checkpoint = checkpoint_of(run);
    let is_complete = summary.is_some() && !is_running;
    let state = match (is_running, &summary, checkpoint, &calibration) {
        (true, ..) if live["is_stopping"] == true => "stopping",
        (true, ..) => "running",
        (false, Some(_), ..) => "complete",
        (false, None, Some(_), _) => "stopped",
        // `twinprop calibrate` ends with its twins.
        (false, None, None, Some(_)) if live.is_null() => "calibrated",
        (false, ..) => "ended",
    };
    let resume = (state == "stopped" || state == "ended").then(|| resume_command(run));
    let outcome = live["outcome"].as_str().filter(|_| !is_complete && !is_running);
    json!({
        "id": id,
        "name": shown(run),
        "recipe": begun["recipe"].as_str().unwrap_or_default().trim_end_matches(".toml"),
        "command": begun["command"],
        "began": begun["began"],
        "state": state,
        "outcome": outcome.map(for_command_line),
        "resume": resume,
        "checkpoint": checkpoint,
        "has_report": run.join(RunFolder::REPORT).is_file(),
        "recalibrations": epochs.recalibrations(),
        "twins": calibration.map_or(Value::Null, |found| twins(&found)),
        "summary": summary.map_or(Value::Null, |found| kept(&found, &["seconds", "device_shots", "epochs", "rule"])),
        "live": live,
    })
}

/// The fidelity of each calibrated twin.
fn twins(calibration: &Value) -> Value {
    let verdicts = calibration["verdicts"].as_array();
    let verdict = |device: &str| {
        let mut all = verdicts.into_iter().flatten();
        all.find(|verdict| verdict["device"] == device).cloned().unwrap_or_default()
    };
    let twins = calibration["twins"].as_object();
    let rows = twins.into_iter().flatten().map(|(device, twin)| {
        let verdict = verdict(device);
        json!({
            "device": device,
            "cosine": twin["fidelity"]["gradient"]["cosine"],
            "r2": twin["fidelity"]["readings"]["r2"],
            "grade": verdict["grade"],
            "words": verdict["words"].as_str().map(for_command_line),
        })
    });
    rows.collect()
}

/// The members `names` of `object`.
fn kept(object: &Value, names: &[&str]) -> Value {
    let members =
        names.iter().filter_map(|name| Some(((*name).to_owned(), object.get(name)?.clone())));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Steps of the last checkpoint of `run`.
fn checkpoint_of(run: &Path) -> Option<u64> {
    let entries = fs::read_dir(run).ok()?.flatten();
    let steps = |name: &str| name.strip_prefix(CHECKPOINT)?.parse().ok();
    entries.filter_map(|entry| steps(entry.file_name().to_str()?)).max()
}

/// `folder` as a person writes it: without `./` at its start.
fn shown(folder: &Path) -> String {
    let inside = folder.strip_prefix(".").ok().filter(|inside| *inside != Path::new(""));
    inside.unwrap_or(folder).display().to_string()
}

/// The command that resumes the run in `run`.
fn resume_command(run: &Path) -> String {
    // A run of a comparison is resumed with the others.
    let comparison = run.parent().filter(|above| above.join("plan.json").is_file());
    match comparison {
        Some(folder) => format!("twinprop compare --resume {}", shown(folder)),
        None => format!("twinprop train --resume {}", shown(run)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_shown_without_a_dot_at_its_start() {
        for (folder, text) in
            [("./run", "run"), ("runs/one", "runs/one"), (".", "."), ("../a", "../a")]
        {
            assert_eq!(shown(Path::new(folder)), text);
        }
    }

    #[test]
    fn a_run_without_files_has_ended() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = run_state(folder.path(), "a", &Epochs::default(), false);
        assert_eq!((&state["state"], &state["live"]), (&json!("ended"), &Value::Null));
    }
}

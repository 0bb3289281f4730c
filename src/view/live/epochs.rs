//! The epochs of a run, read from its metrics as they are appended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value, json};

/// Most epochs that are kept; even.
const MOST: usize = 200;
/// What is kept of an epoch.
const OF_EPOCH: [&str; 6] =
    ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_r2"];
/// Digits that are kept of a number: what a page can show.
const DIGITS: usize = 5;

/// The epochs so far, thinned, and the recalibrations of all of them.
#[derive(Debug)]
pub(super) struct Epochs {
    /// Bytes of the file that have been read.
    read: u64,
    /// Epochs that have been read, and from one that is kept to the next.
    count: usize,
    every: usize,
    /// As JSON: pages get them again and again.
    kept: Vec<String>,
    last: Option<String>,
    recalibrations: BTreeMap<String, Recalibrations>,
}

/// Recalibrations of a device's twin.
#[derive(Debug, Default)]
struct Recalibrations {
    times: u64,
    shots: u64,
    /// Epoch of the last one.
    last: u64,
}

impl Default for Epochs {
    fn default() -> Self {
        let (kept, recalibrations) = (Vec::new(), BTreeMap::new());
        Self { read: 0, count: 0, every: 1, kept, last: None, recalibrations }
    }
}

impl Epochs {
    /// Reads what the file at `path` has got since the last time; a line that is still being written is read later. A
    /// file that was replaced, as by a resume, is read from its start.
    pub fn update(&mut self, path: &Path) {
        let is_continued = self.read_on(path).unwrap_or(false);
        if !is_continued {
            *self = Self::default();
            // Without a readable file there are no epochs.
            let _ = self.read_on(path);
        }
    }

    /// Whether the file continues what has been read.
    fn read_on(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() < self.read {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(epoch) = serde_json::from_slice::<Value>(line) else { return Ok(false) };
            if epoch["epoch"].as_u64() != Some(self.count as u64 + 1) {
                return Ok(false);
            }
            self.push(&epoch);
        }
        self.read += whole as u64;
        Ok(true)
    }

    fn push(&mut self, epoch: &Value) {
        let number = epoch["epoch"].as_u64().unwrap_or_default();
        for twin in epoch["twins"].as_array().into_iter().flatten() {
            let shots = twin["recalibration_shots"].as_u64().unwrap_or_default();
            if shots > 0 {
                let device = twin["device"].as_str().unwrap_or_default().to_owned();
                let sums = self.recalibrations.entry(device).or_default();
                (sums.times, sums.shots, sums.last) = (sums.times + 1, sums.shots + shots, number);
            }
        }
        let member = |name: &&str| Some(((*name).to_owned(), rounded(epoch.get(*name)?)));
        let mut kept: Map<_, _> = OF_EPOCH.iter().filter_map(member).collect();
        if let Some(twins) = epoch["twins"].as_array() {
            let of = |twin: &Value| {
                let cosine = rounded(&twin["gradient_cosine"]);
                json!({ "device": twin["device"], "gradient_cosine": cosine })
            };
            kept.insert("twins".to_owned(), twins.iter().map(of).collect());
        }
        let epoch = Value::Object(kept).to_string();
        if self.count.is_multiple_of(self.every) {
            self.kept.push(epoch.clone());
        }
        self.count += 1;
        self.last = Some(epoch);
        if self.kept.len() == MOST {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// The epochs, the last one included, as a JSON array.
    pub fn to_json(&self) -> String {
        let last = self.last.as_ref().filter(|last| self.kept.last() != Some(*last));
        let shown: Vec<&str> = self.kept.iter().chain(last).map(String::as_str).collect();
        format!("[{}]", shown.join(","))
    }

    /// The recalibrations of each device's twin.
    pub fn recalibrations(&self) -> Value {
        let of = |(device, of): (&String, &Recalibrations)| {
            let Recalibrations { times, shots, last } = of;
            (device.clone(), json!({ "times": times, "shots": shots, "last": last }))
        };
        Value::Object(self.recalibrations.iter().map(of).collect())
    }
}

/// `value` with its numbers rounded to [`DIGITS`].
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let shorter = number.as_f64().map(|number| format!("{number:.*e}", DIGITS - 1));
            shorter.and_then(|text| text.parse::<f64>().ok()).map_or(Value::Null, Value::from)
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), rounded(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shown(epochs: &Epochs) -> Vec<Value> {
        serde_json::from_str(&epochs.to_json()).expect("JSON")
    }

    fn line(epoch: usize) -> String {
        let twins = if epoch.is_multiple_of(100) { 50 } else { 0 };
        format!(
            "{{\"epoch\":{epoch},\"train_loss\":0.123456789,\"confusion\":[[1]],\"twins\":[{{\"device\":\"lab\",\"recalibration_shots\":{twins}}}]}}\n"
        )
    }

    #[test]
    fn appended_epochs_are_read_thinned_and_counted() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let mut epochs = Epochs::default();
        epochs.update(&path);
        assert_eq!(shown(&epochs), Vec::<Value>::new());
        let mut text = String::new();
        for epoch in 1..=1000 {
            text += &line(epoch);
            if epoch % 7 == 0 {
                fs::write(&path, &text[..text.len() - 5]).expect("a file");
                epochs.update(&path);
            }
        }
        fs::write(&path, &text).expect("a file");
        epochs.update(&path);
        let shown = shown(&epochs);
        assert!((MOST / 2..=MOST).contains(&shown.len()), "{}", shown.len());
        assert_eq!(
            (&shown[0]["epoch"], &shown[shown.len() - 1]["epoch"]),
            (&json!(1), &json!(1000))
        );
        assert_eq!(shown[0].get("confusion"), None);
        assert_eq!(shown[0]["train_loss"], 0.12346);
        let expected = json!({ "lab": { "times": 10, "shots": 500, "last": 1000 } });
        assert_eq!(epochs.recalibrations(), expected);
    }

    #[test]
    fn a_resumed_run_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("metrics.jsonl");
        let lines = |count| (1..=count).map(line).collect::<String>();
        let mut epochs = Epochs::default();
        for count in [5, 3, 4] {
            fs::write(&path, lines(count)).expect("a file");
            epochs.update(&path);
            assert_eq!(shown(&epochs).len(), count);
        }
        // Longer than before, but not its continuation: the place where it is read on is inside of a line.
        let other = lines(6).replace("[[1]]", "[[1, 2]]");
        fs::write(&path, other).expect("a file");
        epochs.update(&path);
        assert_eq!(shown(&epochs).len(), 6);
    }
}

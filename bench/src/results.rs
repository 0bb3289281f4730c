//! The results of a comparison: a table, a JSON file, and the same table in `bench/README.md`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use twinprop::devices::write_whole;
use twinprop_bench::{Machine, Outcome, Times, Work};

/// One subject and its peer.
#[derive(Deserialize, Serialize)]
pub struct Row {
    /// The timed subject.
    pub subject: String,
    /// Its peer.
    pub peer: String,
    /// Median time of twinprop, in seconds.
    pub seconds: f64,
    /// Median time of the peer, in seconds.
    pub peer_seconds: f64,
    /// The shortest time that the machine allows, in seconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Shots of a device; `None` for a training step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Median time of a round trip between two cores before the turns, in seconds, if there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<f64>,
}

impl Row {
    /// Row of a training step or a part of one.
    pub fn of_step(subject: String, peer: &str, times: Times) -> Self {
        let Times { ours, theirs, round_trip } = times;
        let peer = peer.to_owned();
        let (seconds, peer_seconds) = (ours, theirs);
        Self { subject, peer, seconds, peer_seconds, limit: None, shots: None, round_trip }
    }

    /// Row of a device's `shots`.
    pub fn of_device(subject: String, peer: &str, times: Times, shots: usize) -> Self {
        Self { shots: Some(shots), ..Self::of_step(subject, peer, times) }
    }

    /// The row of the table.
    fn line(&self) -> String {
        let Self { subject, peer, seconds, peer_seconds, limit, shots, round_trip } = self;
        let (ms, peer_ms) = (1e3 * seconds, 1e3 * peer_seconds);
        let share = seconds / peer_seconds;
        let rate = shots.map_or(String::new(), |shots| {
            let millions = shots as f64 / seconds / 1e6;
            if millions < 10.0 { format!("{millions:.2} M") } else { format!("{millions:.0} M") }
        });
        let limit = limit.map_or(" | ".to_owned(), |limit| {
            format!("{:.3} | {:.1}", 1e3 * limit, seconds / limit)
        });
        let apart = round_trip.map_or(String::new(), |seconds| format!("{:.2}", 1e6 * seconds));
        format!(
            "| {subject} | {peer} | {ms:.3} | {peer_ms:.3} | {share:.3} | {:.1} | {limit} | {rate} | {apart} |",
            share.recip()
        )
    }
}

/// The head of the table.
const HEAD: &str = "| subject | peer | ms | peer, ms | ratio | speed-up | limit, ms | time / limit | shots a second | round trip, µs |
|---|---|---|---|---|---|---|---|---|---|";
/// The lines between which `bench/README.md` has the table.
const MARKS: [&str; 2] = ["<!-- table of results.json -->", "<!-- end of the table -->"];

/// What `results.json` holds.
#[derive(Deserialize, Serialize)]
struct File {
    /// The machine's limits.
    machine: String,
    rows: Vec<Row>,
}

impl File {
    /// What `bench/README.md` has between its marks.
    fn table(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::line).collect();
        format!("{}\n\n{HEAD}\n{}", self.machine, rows.join("\n"))
    }
}

/// Where the text `readme` has the table: behind the first mark, and before the second.
fn place_of_table(readme: &str) -> Option<std::ops::Range<usize>> {
    let start = readme.find(MARKS[0])? + MARKS[0].len();
    Some(start..start + readme[start..].find(MARKS[1])?)
}

/// All rows so far.
pub struct Results {
    machine: Machine,
    file: File,
}

impl Results {
    /// Empty results on `machine`.
    pub fn new(machine: Machine) -> Self {
        let file = File { machine: machine.in_words(), rows: Vec::new() };
        Self { machine, file }
    }

    /// Adds and prints `row`, with the limit from its least `work`.
    pub fn add(&mut self, mut row: Row, work: Option<Work>) {
        row.limit = work.map(|work| self.machine.limit(work));
        println!("{}", row.line());
        self.file.rows.push(row);
    }

    /// Prints the head of the table.
    pub fn begin(&self) {
        println!("{}\n\n{HEAD}", self.file.machine);
    }

    /// Writes all rows to the JSON file `path`.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let text = serde_json::to_string_pretty(&self.file)?;
        write_whole(path, (text + "\n").as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Replaces the table in the Markdown file `path`.
    pub fn write_table(&self, path: &Path) -> Outcome<()> {
        let in_file = |problem: String| format!("{}: {problem}", path.display());
        let mut text = std::fs::read_to_string(path).map_err(|error| in_file(error.to_string()))?;
        let place = place_of_table(&text)
            .ok_or_else(|| in_file(format!("it has no lines `{}` and `{}`", MARKS[0], MARKS[1])))?;
        text.replace_range(place, &format!("\n{}\n", self.file.table()));
        write_whole(path, text.as_bytes()).map_err(|error| in_file(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn the_readme_has_the_table_of_the_results() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let json = std::fs::read(folder.join("results.json")).unwrap();
        let file: File = serde_json::from_slice(&json).unwrap();
        let table = &readme[place_of_table(&readme).unwrap()];
        assert_eq!(table.trim(), file.table(), "run bench/run.sh --publish");
    }
}

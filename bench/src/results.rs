//! What a comparison has measured, as lines of a table and as a file.

use std::path::Path;

use serde::Serialize;
use twinprop::devices::write_whole;

use crate::Outcome;

/// One subject beside its peer.
#[derive(Serialize)]
pub struct Row {
    /// What was timed.
    pub subject: String,
    /// What it was timed beside.
    pub peer: String,
    /// Median of ours, in seconds.
    pub seconds: f64,
    /// Median of the peer's, in seconds.
    pub peer_seconds: f64,
    /// Shots in that time; none of a training step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
}

impl Row {
    /// A training step that took as long as the first of `times`, and PyTorch's as the second.
    pub fn of_step(subject: String, (seconds, peer_seconds): (f64, f64)) -> Self {
        Self { subject, peer: "PyTorch".to_owned(), seconds, peer_seconds, shots: None }
    }
}

/// All that has been measured so far.
#[derive(Default)]
pub struct Results(Vec<Row>);

impl Results {
    /// Takes `row` in, and prints it.
    pub fn add(&mut self, row: Row) {
        let Row { subject, peer, seconds, peer_seconds, shots } = &row;
        let (ms, peer_ms) = (1e3 * seconds, 1e3 * peer_seconds);
        let share = seconds / peer_seconds;
        let rate = shots.map_or(String::new(), |shots| format!("{:.0}", shots as f64 / seconds));
        println!(
            "| {subject} | {peer} | {ms:.3} | {peer_ms:.3} | {share:.3} | {:.1} | {rate} |",
            share.recip()
        );
        self.0.push(row);
    }

    /// Prints the table's head.
    pub fn begin() {
        println!("| subject | peer | ms | peer's | share | times as fast | shots a second |");
        println!("|---|---|---|---|---|---|---|");
    }

    /// Writes everything to the JSON file `path`.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        write_whole(path, (text + "\n").as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

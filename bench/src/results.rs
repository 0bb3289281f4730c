//! The results of a comparison, as rows of a table and as a JSON file.

use std::path::Path;

use serde::Serialize;
use twinprop::devices::write_whole;
use twinprop_bench::{Machine, Outcome, Work};

/// One subject and its peer.
#[derive(Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Shots of a device; `None` for a training step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
}

impl Row {
    /// Row of a training step or a part of one.
    pub fn of_step(subject: String, peer: &str, seconds: f64, peer_seconds: f64) -> Self {
        Self { subject, peer: peer.to_owned(), seconds, peer_seconds, limit: None, shots: None }
    }
}

/// All rows so far.
pub struct Results {
    machine: Machine,
    rows: Vec<Row>,
}

impl Results {
    /// Empty results on `machine`.
    pub fn new(machine: Machine) -> Self {
        Self { machine, rows: Vec::new() }
    }

    /// Adds and prints `row`, with the limit from its least `work`.
    pub fn add(&mut self, mut row: Row, work: Option<Work>) {
        row.limit = work.map(|work| self.machine.limit(work));
        let Row { subject, peer, seconds, peer_seconds, limit, shots } = &row;
        let (ms, peer_ms) = (1e3 * seconds, 1e3 * peer_seconds);
        let share = seconds / peer_seconds;
        let rate = shots.map_or(String::new(), |shots| format!("{:.0}", shots as f64 / seconds));
        let limit = limit.map_or(" | ".to_owned(), |limit| {
            format!("{:.3} | {:.1}", 1e3 * limit, seconds / limit)
        });
        println!(
            "| {subject} | {peer} | {ms:.3} | {peer_ms:.3} | {share:.3} | {:.1} | {limit} | {rate} |",
            share.recip()
        );
        self.rows.push(row);
    }

    /// Prints the head of the table.
    pub fn begin() {
        println!(
            "| subject | peer | ms | peer, ms | ratio | speed-up | limit, ms | time / limit | shots a second |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
    }

    /// Writes all rows to the JSON file `path`.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let text = serde_json::to_string_pretty(&self.rows)?;
        write_whole(path, (text + "\n").as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

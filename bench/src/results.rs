//! What a comparison has measured, as lines of a table and as a file.

use std::path::Path;

use serde::Serialize;
use twinprop::devices::write_whole;
use twinprop_bench::Outcome;

use crate::limit::{Machine, Work};

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
    /// The shortest time that the machine allows, in seconds, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Shots in that time; none of a training step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
}

impl Row {
    /// A training step, or a part of one, that took as long as the first of the times, and `peer`'s as the second.
    pub fn of_step(subject: String, peer: &str, (seconds, peer_seconds): (f64, f64)) -> Self {
        Self { subject, peer: peer.to_owned(), seconds, peer_seconds, limit: None, shots: None }
    }
}

/// All that has been measured so far.
pub struct Results {
    machine: Machine,
    rows: Vec<Row>,
}

impl Results {
    /// Nothing yet, on `machine`.
    pub fn new(machine: Machine) -> Self {
        Self { machine, rows: Vec::new() }
    }

    /// Takes `row` in, with the least that there is to do, and prints it.
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

    /// Prints the table's head.
    pub fn begin() {
        println!(
            "| subject | peer | ms | peer's | share | times as fast | limit, ms | of it | shots a second |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
    }

    /// Writes everything to the JSON file `path`.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let text = serde_json::to_string_pretty(&self.rows)?;
        write_whole(path, (text + "\n").as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

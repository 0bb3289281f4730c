//! The content of `live.json`.

use nalgebra::DMatrix;
use serde::Serialize;
use twinprop_devices::rig::LinkCounts;
use twinprop_devices::{Bank, BoundaryCounts, Channels, SampledShot};

use super::curve::Curve;
use crate::training::TwinCourse;

/// Most values of a bank that are shown.
const MOST_VALUES: usize = 200;

/// Part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Before the training: data, first shots, calibration.
    #[default]
    Preparing,
    /// Training.
    Training,
    /// After the last step: reference readings, report.
    Finishing,
    /// The process has ended its work on the run.
    Ended,
}

/// Content of `live.json`.
#[derive(Clone, Default, Serialize)]
pub(super) struct Record {
    pub phase: Phase,
    /// When it was written, in seconds after the beginning of 1970.
    pub updated: f64,
    /// A longer piece of work beside the training's steps.
    pub work: Option<WorkRecord>,
    /// Epochs and steps of the whole training, and steps done.
    pub epochs: usize,
    pub steps: usize,
    pub done: usize,
    /// Seconds until the last step, by the steps of this process, tests included.
    pub seconds_left: Option<f64>,
    /// Loss of the training batches by the step, since this process trains.
    pub loss: Curve,
    pub devices: Vec<DeviceRecord>,
    pub links: Vec<LinkRecord>,
    /// The refined twins before the first step.
    pub twins_at_start: Vec<TwinCourse>,
    /// The last warnings.
    pub warnings: Vec<String>,
    /// Whether it has been asked to stop.
    pub is_stopping: bool,
    /// How it ended, in words.
    pub outcome: Option<String>,
}

/// A longer piece of work.
#[derive(Clone, Serialize)]
pub(super) struct WorkRecord {
    pub label: String,
    pub done: usize,
    /// Its size; 0 if that is unknown.
    pub total: usize,
    pub message: String,
}

/// A device.
#[derive(Clone, Serialize)]
pub(super) struct DeviceRecord {
    pub name: String,
    /// What it is, in a word.
    pub kind: &'static str,
    /// What computes or drives it, as its interface has it.
    pub model: String,
    /// Whether the backend computes it in tensors; then single shots are not seen.
    pub is_in_tensors: bool,
    pub counts: BoundaryCounts,
    pub shots_per_second: f64,
    /// The last shot; `None` if none has been seen.
    pub shot: Option<ShotRecord>,
}

/// A real device's link.
#[derive(Clone, Serialize)]
pub(super) struct LinkRecord {
    pub target: String,
    pub shots: u64,
    pub counts: LinkCounts,
    /// The failures in words; empty without failures.
    pub troubles: String,
    pub failure: Option<String>,
}

/// A shot: its drives and readings, bank by bank.
#[derive(Clone, Serialize)]
pub(super) struct ShotRecord {
    drives: Vec<BankRecord>,
    readings: Vec<BankRecord>,
}

/// Values of a bank of channels in a shot.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct BankRecord {
    name: String,
    unit: String,
    minimum: f32,
    maximum: f32,
    /// Number of channels.
    channels: usize,
    /// Channels from one value to the next.
    every: usize,
    values: Vec<f32>,
}

impl ShotRecord {
    /// The `shot` of a device with these drives and readings; of a raster, the spikes of each line.
    pub fn of(shot: &SampledShot, drives: &Channels, readings: &Channels) -> Self {
        let banks = |channels: &Channels, values: &[f32]| {
            let values = channels.count(&DMatrix::from_column_slice(values.len(), 1, values));
            let counted = channels.counted();
            counted.runs(values.as_slice()).map(|(bank, run)| BankRecord::of(bank, run)).collect()
        };
        Self { drives: banks(drives, &shot.drives), readings: banks(readings, &shot.readings) }
    }
}

impl BankRecord {
    fn of(bank: &Bank, values: &[f32]) -> Self {
        let every = values.len().div_ceil(MOST_VALUES).max(1);
        Self {
            name: bank.name.clone(),
            unit: bank.unit.clone(),
            minimum: bank.minimum,
            maximum: bank.maximum,
            channels: values.len(),
            every,
            values: values.iter().copied().step_by(every).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shot_shows_few_values_of_a_large_bank() {
        let channels = Channels::bank("phase", 784, "rad", 0.0, 6.0);
        let values: Vec<f32> = (0..784_u16).map(f32::from).collect();
        let bank = BankRecord::of(&channels.banks()[0], &values);
        assert_eq!((bank.channels, bank.every, bank.values.len()), (784, 4, 196));
        assert_eq!(bank.values[1], 4.0);
    }

    #[test]
    fn a_raster_shows_the_spikes_of_each_line() {
        // Four steps of three lines.
        let mut cells = vec![0.0; 12];
        for cell in [0, 3, 11] {
            cells[cell] = 1.0;
        }
        let shot = SampledShot { drives: cells, readings: Vec::new() };
        let shown = ShotRecord::of(&shot, &Channels::raster("line", 3, 4), &Channels::none());
        assert_eq!(
            (&shown.drives[0].values[..], shown.drives[0].maximum),
            (&[2.0, 0.0, 1.0][..], 4.0)
        );
        assert!(shown.readings.is_empty());
    }
}

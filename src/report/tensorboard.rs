//! Writes a run's metrics for TensorBoard.
//!
//! A file of events is a sequence of records: length, checksum of the length, event, checksum of the event. Each
//! checksum is a CRC-32C, rotated, plus a constant. Source: TensorFlow, `lib/io/record_writer.h`,
//! `core/util/event.proto` and `core/framework/summary.proto`.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use crate::Error;
use crate::training::{EpochMetrics, Event, Observer};

/// The fields of `Event` that are written.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// Values of one step.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// One value.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

const ADVICE: &str = "free disk space there, or leave TensorBoard's metrics out";

/// An observer that writes a run's metrics for TensorBoard, to [`EventFile::FOLDER`] in the run's folder.
#[derive(Default)]
pub struct TensorBoard {
    run: Option<PathBuf>,
    file: Option<EventFile>,
}

impl TensorBoard {
    fn create(&self, history: &[EpochMetrics]) -> Result<Option<EventFile>, Error> {
        let create = |run: &PathBuf| {
            EventFile::create(run, history)
                .map_err(Error::file(&run.join(EventFile::FOLDER), ADVICE))
        };
        self.run.as_ref().map(create).transpose()
    }
}

impl Observer for TensorBoard {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            // A folder that cannot be written must be reported before the first shot.
            Event::RunBegins { folder } => {
                self.run = Some((*folder).to_owned());
                self.create(&[])?;
            }
            Event::TrainingBegins(begins) => self.file = self.create(begins.history)?,
            Event::Epoch(metrics) => {
                if let (Some(file), Some(run)) = (&mut self.file, &self.run) {
                    let path = run.join(EventFile::FOLDER);
                    file.append(metrics).map_err(Error::file(&path, ADVICE))?;
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A run's file of events, one event per epoch.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Folder of the events in a run's folder, for TensorBoard's `--logdir`.
    pub const FOLDER: &str = "tensorboard";

    /// Creates or replaces the file in folder `run`, and writes the completed epochs of `history`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(run: &Path, history: &[EpochMetrics]) -> io::Result<Self> {
        let folder = run.join(Self::FOLDER);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("events.out.tfevents.twinprop");
        let mut file = Self { file: File::create(path)? };
        file.write(&Record {
            wall_time: now(),
            file_version: Some("brain.Event:2".to_owned()),
            ..Record::default()
        })?;
        history.iter().try_for_each(|metrics| file.append(metrics))?;
        Ok(file)
    }

    /// Writes the event of an epoch.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&mut self, metrics: &EpochMetrics) -> io::Result<()> {
        let value = |tag: String, value: f32| Value { tag, simple_value: Some(value) };
        let mut values = vec![
            value("loss/training".to_owned(), metrics.train_loss),
            value("loss/test".to_owned(), metrics.test_loss),
            value("learning_rate".to_owned(), metrics.learning_rate as f32),
            value("device/shots".to_owned(), metrics.device_shots as f32),
            value("device/clamped".to_owned(), metrics.clamped as f32),
        ];
        let scores = [
            ("accuracy/training", metrics.train_accuracy),
            ("accuracy/test", metrics.test.test_accuracy),
            ("r2/test", metrics.test.test_r2),
            ("rmse/test", metrics.test.test_rmse),
        ];
        let scores = scores.into_iter().filter_map(|(tag, score)| Some((tag, score?)));
        values.extend(scores.map(|(tag, score)| value(tag.to_owned(), score)));
        values.extend(metrics.twins.iter().map(|twin| {
            value(format!("twin/{}/gradient_cosine", twin.device), twin.gradient_cosine.value)
        }));
        values.extend(
            metrics
                .parameters
                .iter()
                .map(|(name, size)| value(format!("parameters/{name}"), *size)),
        );
        let step = metrics.epoch as i64;
        let summary = Some(Summary { value: values });
        self.write(&Record { wall_time: now(), step, summary, ..Record::default() })
    }

    fn write(&mut self, event: &Record) -> io::Result<()> {
        self.file.write_all(&record(&event.encode_to_vec()))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// `data` with its length and checksums.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    record
}

fn masked_crc(data: &[u8]) -> u32 {
    let crc = Crc::<u32>::new(&CRC_32_ISCSI).checksum(data);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that TensorBoard's own record writer writes for a file's first event and for one value of zero,
    /// which proto3 would leave out without a presence flag.
    const GOLDEN: &str = "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a\
                          1a00000000000000129bd82d09000000000000f03f10032a0d0a0b0a046c6f737315000000001ffb6ce2";

    #[test]
    fn records_are_the_bytes_that_tensorboard_writes() {
        let version = Some("brain.Event:2".to_owned());
        let first = Record { wall_time: 1.0, file_version: version, ..Record::default() };
        let value = Value { tag: "loss".to_owned(), simple_value: Some(0.0) };
        let summary = Some(Summary { value: vec![value] });
        let second = Record { wall_time: 1.0, step: 3, summary, ..Record::default() };
        let bytes = [first, second].map(|event| record(&event.encode_to_vec())).concat();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }
}

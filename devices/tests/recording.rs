//! Recordings can be read, replayed, and resumed after a crash.

#![cfg(feature = "recording")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::neuromorphic::{LifChip, LifChipConfig};
use twinprop_devices::recording::{self, Recorder, Replay};
use twinprop_devices::{Boundary, Channels, DeviceError, Interface, PhysicalLayer, random};

/// Answers with its drive, its parameter, and how many shots came before.
struct Counting {
    interface: Interface,
    shots: f32,
}

impl Counting {
    fn new() -> Self {
        let interface = Interface {
            device: "counting".to_owned(),
            inputs: Channels::bank("x", 3, "V", -1.0, 1.0),
            parameters: Channels::bank("p", 2, "V", -1.0, 1.0),
            outputs: Channels::bank("y", 3, "1", -1e9, 1e9),
            seconds_per_shot: 1e-3,
        };
        Self { interface, shots: 0.0 }
    }
}

impl PhysicalLayer for Counting {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        for (x, mut y) in inputs.column_iter().zip(outputs.column_iter_mut()) {
            y.copy_from_slice(&[x[0], parameters[1], self.shots]);
            self.shots += 1.0;
        }
        Ok(())
    }
}

/// A folder of its own under the build's, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

type Batch = (DMatrix<f32>, DVector<f32>, DMatrix<f32>);

/// Records `batches` of 50 random shots, two batches a setting; some shots come twice in a batch.
fn record(path: &Path, batches: usize) -> Vec<Batch> {
    let mut recorder = Recorder::new(Counting::new(), path).unwrap();
    let mut random = random::stream(5, "recording test");
    let mut parameters = DVector::zeros(2);
    let played = (0..batches)
        .map(|batch| {
            if batch % 2 == 0 {
                parameters = DVector::from_fn(2, |_, _| random.random_range(-1.0..1.0));
            }
            let mut inputs = DMatrix::from_fn(3, 50, |_, _| random.random_range(-1.0..1.0));
            let first = inputs.column(0).into_owned();
            inputs.set_column(49, &first);
            let mut outputs = DMatrix::zeros(3, 50);
            recorder.measure(&inputs, &parameters, &mut outputs).unwrap();
            (inputs, parameters.clone(), outputs)
        })
        .collect();
    assert_eq!(recorder.recording().finish().unwrap(), 50 * batches as u64);
    played
}

fn assert_replays(replay: &mut Replay, played: &[Batch]) {
    let mut outputs = DMatrix::zeros(3, 50);
    for (inputs, parameters, measured) in played {
        replay.measure(inputs, parameters, &mut outputs).unwrap();
        assert_eq!(outputs, *measured);
    }
}

#[test]
fn a_replay_is_equal_bit_for_bit_and_in_the_recorded_order() {
    let path = folder("replayed");
    // Two full segments and the rest.
    let played = record(&path, 200);
    let mut replay = Replay::open(&path).unwrap();
    assert_eq!(replay.len(), 200 * 50);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3 + 2);
    assert_eq!(replay.interface(), &Counting::new().interface);
    assert_replays(&mut replay, &played);
}

#[test]
fn a_shot_that_was_not_recorded_is_a_clear_error() {
    let path = folder("asked for more");
    let (inputs, parameters, _) = record(&path, 1).pop().unwrap();
    let mut outputs = DMatrix::zeros(3, 50);
    let mut replay = Replay::open(&path).unwrap();
    replay.measure(&inputs, &parameters, &mut outputs).unwrap();
    let twice = replay.measure(&inputs, &parameters, &mut outputs).unwrap_err().to_string();
    assert!(twice.contains("shot 0") && twice.contains("measured 2 times"), "{twice}");

    let mut replay = Replay::open(&path).unwrap();
    let mut moved = inputs.clone();
    moved[(2, 7)] = moved[(2, 7)].next_up();
    let error = replay.measure(&moved, &parameters, &mut outputs).unwrap_err().to_string();
    assert!(error.contains("shot 7 of the batch is not among the 50 recorded"), "{error}");
    let other = &parameters * 0.5;
    let mut replay = Replay::open(&path).unwrap();
    let error = replay.measure(&inputs, &other, &mut outputs).unwrap_err().to_string();
    assert!(error.contains("never recorded"), "{error}");
}

#[test]
fn a_crash_loses_one_segment_at_most() {
    let path = folder("crashed");
    let played = record(&path, 200);
    // As after a crash during the last segment and the last line of the index.
    fs::rename(path.join("000002"), path.join("000002.partial")).unwrap();
    fs::remove_file(path.join("000002.partial/outputs.npy")).unwrap();
    let index = fs::read_to_string(path.join("index.jsonl")).unwrap();
    let cut = index.trim_end().rfind('\n').unwrap() + 20;
    fs::write(path.join("index.jsonl"), &index[..cut]).unwrap();

    let mut replay = Replay::open(&path).unwrap();
    let whole = replay.len() / 50;
    assert_eq!(whole, 2 * 82);
    assert_replays(&mut replay, &played[..whole]);
}

#[test]
fn damaged_files_are_named() {
    let path = folder("damaged");
    record(&path, 1);
    let file = path.join("000000/outputs.npy");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = Replay::open(&path).err().unwrap().to_string();
    assert!(error.contains("outputs.npy") && error.contains("damaged"), "{error}");

    fs::remove_file(path.join("index.jsonl")).unwrap();
    let error = Replay::open(&path).err().unwrap().to_string();
    assert!(error.contains("index.jsonl"), "{error}");
}

#[test]
fn recordings_are_not_overwritten() {
    let path = folder("used");
    record(&path, 1);
    let error = Recorder::new(Counting::new(), &path).err().unwrap().to_string();
    assert!(error.contains("not empty") && error.contains("new folder"), "{error}");
}

#[test]
fn a_recorder_without_shots_removes_its_files() {
    let path = folder("nothing");
    drop(Recorder::new(Counting::new(), &path).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_recording_resumes_after_a_crash() {
    let path = folder("continued");
    let mut recorder = Recorder::new(Counting::new(), &path).unwrap().with_patience(0.0);
    let (setting, mut outputs) = (DVector::from_vec(vec![0.5, 0.25]), DMatrix::zeros(3, 4));
    let drives =
        |first: f32| DMatrix::from_fn(3, 4, |row, shot| first + (row + shot) as f32 / 10.0);
    for batch in 0..3 {
        recorder.measure(&drives(0.1 * batch as f32), &setting, &mut outputs).unwrap();
    }
    drop(recorder);
    // A crash: the third segment is complete, but not its line.
    let index = fs::read_to_string(path.join("index.jsonl")).unwrap();
    fs::write(path.join("index.jsonl"), &index[..index.len() - 9]).unwrap();
    assert_eq!(recording::read(&path).unwrap().inputs.ncols(), 8);

    let mut recorder = Recorder::resume(Counting::new(), &path).unwrap();
    recorder.measure(&drives(-1.0), &setting, &mut outputs).unwrap();
    assert_eq!(recorder.recording().finish().unwrap(), 12);
    let held = recording::read(&path).unwrap();
    assert_eq!(held.inputs.columns(0, 4), drives(0.0));
    assert_eq!(held.inputs.columns(8, 4), drives(-1.0));
    assert_eq!(held.parameters.column(11), setting);
    assert_eq!(held.outputs.columns(8, 4), outputs);
}

#[test]
fn rasters_are_recorded_and_replayed() {
    let path = folder("rasters");
    let config = LifChipConfig { lines: 7, neurons: 5, steps: 11, ..Default::default() };
    let chip = LifChip::nominal(&config).unwrap();
    let mut random = random::stream(6, "rasters");
    let inputs = DMatrix::from_fn(77, 40, |_, _| f32::from(random.random_bool(0.3)));
    let parameters = DVector::from_element(chip.interface().parameters.len(), 0.7);
    let mut recorder = Recorder::new(chip, &path).unwrap();
    let mut outputs = DMatrix::zeros(55, 40);
    recorder.measure(&inputs, &parameters, &mut outputs).unwrap();
    assert!(outputs.sum() > 0.0);
    assert_eq!(recorder.recording().finish().unwrap(), 40);
    let mut replay = Boundary::new(Box::new(Replay::open(&path).unwrap()));
    assert_eq!(replay.interface().outputs, Channels::raster("spike", 5, 11));
    let mut replayed = DMatrix::zeros(55, 40);
    replay.measure(&inputs, &parameters, &mut replayed).unwrap();
    assert_eq!(replayed, outputs);
}

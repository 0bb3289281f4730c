//! A recording as a device.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use nalgebra::{DMatrix, DVector};

use super::index::{Contents, Line, contents};
use super::segment::{Segment, same_bits};
use crate::{DeviceError, Interface, PhysicalLayer};

/// Answers shots from a recording, so that a laboratory's run can be repeated elsewhere.
///
/// A shot is found by the bits of its drives and parameters. A shot that was measured several times is
/// answered in the order of the recording, each measurement once. [`Recorder`](super::Recorder) has an
/// example.
pub struct Replay {
    folder: PathBuf,
    interface: Interface,
    segments: Vec<Line>,
    /// Every shot by its key, sorted; those of one key in the order of the recording.
    shots: Vec<(u64, Place)>,
    /// At the place of the first shot of each key: how many shots of the key are answered.
    answered: Vec<u32>,
    /// The segment that was read last: training reads a recording from front to back.
    current: Option<(u32, Segment)>,
}

/// The place of a shot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: u32,
    row: u32,
}

impl Replay {
    /// Opens the recording in `folder` and reads it once, every checksum included.
    ///
    /// # Errors
    /// [`DeviceError::Recording`] names the file and line that is missing or damaged.
    pub fn open(folder: &Path) -> Result<Self, DeviceError> {
        let refused = |problem: String| DeviceError::Recording { path: folder.to_owned(), problem };
        let Contents { interface, segments, .. } = contents(folder).map_err(refused)?;
        let mut replay = Self {
            folder: folder.to_owned(),
            interface,
            segments,
            shots: Vec::new(),
            answered: Vec::new(),
            current: None,
        };
        replay.read_keys().map_err(refused)?;
        Ok(replay)
    }

    fn read_keys(&mut self) -> Result<(), String> {
        let (inputs, width) = (self.interface.inputs.len(), self.interface.parameters.len());
        for number in 0..self.segments.len() as u32 {
            let segment = self.read_segment(number)?;
            let settings: Vec<u64> = match width {
                0 => vec![key(0, &[]); self.segments[number as usize].settings],
                _ => segment.parameters.chunks(width).map(|setting| key(0, setting)).collect(),
            };
            let drives = segment.inputs.chunks(inputs.max(1));
            for (row, (setting, drives)) in segment.setting.iter().zip(drives).enumerate() {
                let place = Place { segment: number, row: row as u32 };
                self.shots.push((key(settings[*setting as usize], drives), place));
            }
        }
        self.shots.sort_unstable();
        self.answered = vec![0; self.shots.len()];
        Ok(())
    }

    fn read_segment(&self, number: u32) -> Result<Segment, String> {
        let line = &self.segments[number as usize];
        Segment::read(&self.folder.join(&line.segment), line, &self.interface)
    }

    /// Number of shots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shots.len()
    }

    /// Whether there are no shots.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shots.is_empty()
    }

    /// The next measurement of a shot with this key, or why it is missing.
    fn find(&mut self, key: u64) -> Result<Place, String> {
        let first = self.shots.partition_point(|(other, _)| *other < key);
        let count = self.shots[first..].iter().take_while(|(other, _)| *other == key).count();
        if count == 0 {
            return Err(
                "it was never recorded; replay with the recipe, seed and command of the recording"
                    .to_owned(),
            );
        }
        let answered = self.answered[first] as usize;
        if answered == count {
            return Err(format!(
                "it was measured {count} times, but is asked for once more; record a longer run"
            ));
        }
        self.answered[first] += 1;
        Ok(self.shots[first + answered].1)
    }

    /// Loads segment `number`.
    fn load(&mut self, number: u32) -> Result<&Segment, DeviceError> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != number) {
            let segment = self
                .read_segment(number)
                .map_err(|problem| DeviceError::Recording { path: self.folder.clone(), problem })?;
            self.current = Some((number, segment));
        }
        let (_, segment) = self.current.as_ref().expect("it was put there");
        Ok(segment)
    }

    /// Answers shot number `shot` of a batch.
    fn answer(
        &mut self,
        shot: usize,
        drives: &[f32],
        parameters: &[f32],
        readings: &mut [f32],
    ) -> Result<(), DeviceError> {
        let missing = |replay: &Self, problem: String| DeviceError::NotRecorded {
            path: replay.folder.clone(),
            shot,
            shots: replay.len(),
            problem,
        };
        let place =
            self.find(key(key(0, parameters), drives)).map_err(|problem| missing(self, problem))?;
        let segment = self.load(place.segment)?;
        let row = place.row as usize;
        // Different shots of one key have a probability of 2⁻⁶⁴.
        let held = segment.setting[row] as usize * parameters.len();
        let same = same_bits(&segment.inputs[row * drives.len()..][..drives.len()], drives)
            && same_bits(&segment.parameters[held..][..parameters.len()], parameters);
        if !same {
            return Err(missing(self, "another shot has its key".to_owned()));
        }
        readings.copy_from_slice(&segment.outputs[row * readings.len()..][..readings.len()]);
        Ok(())
    }
}

impl PhysicalLayer for Replay {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        let shots = inputs.column_iter().zip(outputs.column_iter_mut());
        for (shot, (drives, mut readings)) in shots.enumerate() {
            let drives = drives.as_slice();
            self.answer(shot, drives, parameters.as_slice(), readings.as_mut_slice())?;
        }
        Ok(())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        let shots = inputs.column_iter().zip(parameters.column_iter());
        for (shot, ((drives, parameters), mut readings)) in
            shots.zip(outputs.column_iter_mut()).enumerate()
        {
            self.answer(shot, drives.as_slice(), parameters.as_slice(), readings.as_mut_slice())?;
        }
        Ok(())
    }
}

/// A hash of `seed` and the bits of `values`.
fn key(seed: u64, values: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    for value in values {
        value.to_bits().hash(&mut hasher);
    }
    hasher.finish()
}

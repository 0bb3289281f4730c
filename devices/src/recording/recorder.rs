//! A layer with its shots recorded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nalgebra::{DMatrix, DVector};

use super::index::{ABOUT, About, Contents, FORMAT, INDEX, Line, contents};
use super::segment::{Segment, same_bits};
use crate::layer::runs_of_equal_parameters;
use crate::whole_file::sync_folder;
use crate::{DeviceError, Interface, PhysicalLayer, Usage, write_whole};

/// Shots of a full segment.
const SEGMENT_SHOTS: usize = 4096;
/// Bytes of a full segment.
const SEGMENT_BYTES: usize = 64 << 20;
/// Standard time after which a segment is written, in seconds.
const SEGMENT_SECONDS: f64 = 10.0;

/// Plays shots on a layer and records them.
///
/// ```
/// use twinprop_devices::nalgebra::{DMatrix, DVector};
/// use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
/// use twinprop_devices::recording::{Recorder, Replay};
/// use twinprop_devices::PhysicalLayer;
///
/// let folder = std::env::temp_dir().join(format!("twinprop-recording-{}", std::process::id()));
/// let device = Oscillators::nominal(&OscillatorsConfig { count: 3, ..Default::default() });
/// let mut recorder = Recorder::new(device, &folder)?;
/// let (inputs, parameters) = (DMatrix::from_element(3, 2, 0.5), DVector::zeros(12));
/// let mut measured = DMatrix::zeros(3, 2);
/// recorder.measure(&inputs, &parameters, &mut measured)?;
/// recorder.recording().finish()?;
///
/// let mut replay = Replay::open(&folder)?;
/// let mut replayed = DMatrix::zeros(3, 2);
/// replay.measure(&inputs, &parameters, &mut replayed)?;
/// assert_eq!(replayed, measured);
/// # drop(recorder);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Shots are written in segments; the last one when the recorder is dropped. [`Recording::finish`] writes it
/// earlier and returns errors. A recorder that played nothing removes its files.
pub struct Recorder<L> {
    layer: L,
    recording: Recording,
}

/// The recording of a [`Recorder`], for other threads.
#[derive(Clone)]
pub struct Recording(Arc<Mutex<Book>>);

/// A recording that is being written.
struct Book {
    folder: PathBuf,
    interface: Interface,
    index: File,
    segments: usize,
    shots: u64,
    /// Seconds after which a segment is written.
    patience: f64,
    start: Instant,
    open: Segment,
    /// Seconds from the start to the request of the open segment's first shot.
    opened: f64,
}

impl<L: PhysicalLayer> Recorder<L> {
    /// Records `layer` in the new or empty folder `folder`.
    ///
    /// # Errors
    /// [`DeviceError::Recording`] where the folder is not empty or cannot be written.
    pub fn new(layer: L, folder: &Path) -> Result<Self, DeviceError> {
        let book = Book::begin(folder, layer.interface()).map_err(|error| {
            refused(folder, &format!("{error}; name a new folder that can be written"))
        })?;
        Ok(Self { layer, recording: Recording(Arc::new(Mutex::new(book))) })
    }

    /// Continues the recording of the same kind of device in `folder`.
    ///
    /// # Errors
    /// [`DeviceError::Recording`] where there is no recording, where it is of another device, or where it
    /// cannot be written.
    pub fn resume(layer: L, folder: &Path) -> Result<Self, DeviceError> {
        let book =
            Book::resume(folder, layer.interface()).map_err(|problem| refused(folder, &problem))?;
        Ok(Self { layer, recording: Recording(Arc::new(Mutex::new(book))) })
    }

    /// Writes a segment after at most `seconds` seconds, so that a crash loses no more than that, or one batch.
    #[must_use]
    pub fn with_patience(self, seconds: f64) -> Self {
        self.recording.book().patience = seconds;
        self
    }

    /// The recording, for other threads.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.recording.clone()
    }
}

impl Recording {
    fn book(&self) -> MutexGuard<'_, Book> {
        // After a panic between two shots the shots are complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the open segment; returns the shots recorded so far.
    ///
    /// # Errors
    /// [`DeviceError::Recording`] where that fails.
    pub fn finish(&self) -> Result<u64, DeviceError> {
        let mut book = self.book();
        book.write_out()?;
        Ok(book.shots)
    }
}

impl<L: PhysicalLayer> PhysicalLayer for Recorder<L> {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let asked = self.recording.book().start.elapsed().as_secs_f64();
        self.layer.measure(inputs, parameters, outputs)?;
        let mut book = self.recording.book();
        let (inputs, shots) = (inputs.as_slice(), inputs.ncols());
        book.add(asked, shots, inputs, parameters.as_slice(), outputs.as_slice())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let asked = self.recording.book().start.elapsed().as_secs_f64();
        self.layer.measure_each(inputs, parameters, outputs)?;
        let mut book = self.recording.book();
        for run in runs_of_equal_parameters(parameters, usize::MAX) {
            let (first, shots) = (run.start, run.len());
            book.add(
                asked,
                shots,
                &inputs.as_slice()[first * inputs.nrows()..][..shots * inputs.nrows()],
                &parameters.as_slice()[first * parameters.nrows()..][..parameters.nrows()],
                &outputs.as_slice()[first * outputs.nrows()..][..shots * outputs.nrows()],
            )?;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.layer.usage()
    }

    fn resume(&mut self, usage: &Usage) {
        self.layer.resume(usage);
    }
}

impl<L> Drop for Recorder<L> {
    fn drop(&mut self) {
        let mut book = self.recording.book();
        // An error cannot be returned here; callers who need it call `finish`.
        let _ = book.write_out();
        if book.shots == 0 && book.open.shots() == 0 {
            let _ = book.remove();
        }
    }
}

impl Book {
    fn begin(folder: &Path, interface: &Interface) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty"));
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let began = since_1970.map_or(0.0, |time| time.as_secs_f64());
        let about = About { format: FORMAT, began, interface: interface.clone() };
        let text = serde_json::to_string_pretty(&about)? + "\n";
        let index = OpenOptions::new().create_new(true).append(true).open(folder.join(INDEX))?;
        write_whole(&folder.join(ABOUT), text.as_bytes())?;
        Ok(Self {
            folder: folder.to_owned(),
            interface: interface.clone(),
            index,
            segments: 0,
            shots: 0,
            patience: SEGMENT_SECONDS,
            start: Instant::now(),
            open: Segment::default(),
            opened: 0.0,
        })
    }

    fn resume(folder: &Path, device: &Interface) -> Result<Self, String> {
        let Contents { interface, segments, whole } = contents(folder)?;
        if let Some((held, found)) = interface.difference(device) {
            return Err(format!(
                "it is of another device: the recording has {held}, the device {found}"
            ));
        }
        let path = folder.join(INDEX);
        let open = OpenOptions::new().append(true).open(&path);
        // An incomplete line is cut off.
        let index = open
            .and_then(|index| index.set_len(whole as u64).map(|()| index))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            interface,
            index,
            segments: segments.len(),
            shots: segments.iter().map(|line| line.shots as u64).sum(),
            patience: SEGMENT_SECONDS,
            start: Instant::now(),
            open: Segment::default(),
            opened: 0.0,
        })
    }

    /// Removes a recording without shots.
    fn remove(&self) -> io::Result<()> {
        for name in [ABOUT, INDEX] {
            fs::remove_file(self.folder.join(name))?;
        }
        fs::remove_dir(&self.folder)
    }

    /// Adds `shots` shots with the same `parameters` that were asked for after `asked` seconds.
    fn add(
        &mut self,
        asked: f64,
        shots: usize,
        inputs: &[f32],
        parameters: &[f32],
        outputs: &[f32],
    ) -> Result<(), DeviceError> {
        if self.open.shots() == 0 {
            self.opened = asked;
        }
        let width = parameters.len();
        let segment = &mut self.open;
        let settings = segment.settings() as u32;
        let last = &segment.parameters[segment.parameters.len().saturating_sub(width)..];
        let setting = if settings > 0 && same_bits(last, parameters) {
            settings - 1
        } else {
            segment.parameters.extend_from_slice(parameters);
            settings
        };
        segment.inputs.extend_from_slice(inputs);
        segment.outputs.extend_from_slice(outputs);
        let shots = segment.setting.len() + shots;
        segment.setting.resize(shots, setting);
        segment.seconds.resize(shots, asked);
        if shots >= SEGMENT_SHOTS
            || segment.bytes() >= SEGMENT_BYTES
            || self.start.elapsed().as_secs_f64() - self.opened >= self.patience
        {
            self.write_out()?;
        }
        Ok(())
    }

    /// Writes the open segment and begins the next.
    fn write_out(&mut self) -> Result<(), DeviceError> {
        if self.open.shots() == 0 {
            return Ok(());
        }
        self.write_segment().map_err(|error| {
            let lost = self.open.shots();
            refused(
                &self.folder,
                &format!("{error}; {lost} shots are not recorded; free disk space"),
            )
        })
    }

    fn write_segment(&mut self) -> io::Result<()> {
        let segment = format!("{:06}", self.segments);
        let temporary = self.folder.join(format!("{segment}.partial"));
        if temporary.exists() {
            // Left by an earlier attempt that failed.
            fs::remove_dir_all(&temporary)?;
        }
        let crc32 = self.open.write(&temporary, &self.interface)?;
        let place = self.folder.join(&segment);
        if place.exists() {
            // Complete, but the program ended before its line was in the index.
            fs::remove_dir_all(&place)?;
        }
        fs::rename(&temporary, place)?;
        sync_folder(&self.folder)?;
        let (shots, settings) = (self.open.shots(), self.open.settings());
        let line = Line { segment, first_shot: self.shots, shots, settings, crc32 };
        self.index.write_all((serde_json::to_string(&line)? + "\n").as_bytes())?;
        self.index.sync_all()?;
        self.segments += 1;
        self.shots += shots as u64;
        self.open.clear();
        Ok(())
    }
}

fn refused(folder: &Path, problem: &str) -> DeviceError {
    DeviceError::Recording { path: folder.to_owned(), problem: problem.to_owned() }
}

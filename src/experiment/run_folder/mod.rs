//! A run's folder: results are never overwritten, and every file is complete or absent.

mod files;
mod metrics;
mod state;

pub use self::metrics::MetricsFile;
pub use self::state::Usages;
pub(super) use self::state::load_state;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::folder_lock::{self, FolderLock};
use super::provenance::{self, Begun};
use super::recipe::Recipe;
use crate::Error;
use crate::training::{Event, Observer};

/// The folder of a run, a calibration, a comparison, a transfer or a meta-training.
pub struct RunFolder {
    path: PathBuf,
    /// Lock, if this process writes the folder.
    _lock: Option<FolderLock>,
}

const WRITABLE: &str = "name a folder that can be written with option `out`";

impl RunFolder {
    /// Name of the resolved recipe.
    pub const RECIPE: &'static str = "recipe.toml";
    /// Name of the file about the beginning of the run.
    pub const BEGUN: &'static str = "begun.json";
    /// Name of the metrics, one line per epoch.
    pub const METRICS: &'static str = "metrics.jsonl";
    /// Name of the correlations between units of regularised stages.
    pub const ASSEMBLIES: &'static str = "assemblies.json";
    /// Name of the last answers to the test samples, where the targets are values, `[samples, targets]`.
    pub const TEST_PREDICTED: &'static str = "test.predicted.npy";
    /// Name of the true values of the test samples, of the same shape.
    pub const TEST_TRUE: &'static str = "test.true.npy";
    /// Name of the summary.
    pub const SUMMARY: &'static str = "summary.json";
    /// Name of the file about the usage of the devices.
    const USAGES: &'static str = "usage.json";
    /// Name of the trained parameters.
    pub const PARAMETERS: &'static str = "parameters.safetensors";
    /// Name of a calibration's summary.
    pub const CALIBRATION: &'static str = "calibration.json";
    /// Name of a calibration's report.
    pub const CALIBRATION_REPORT: &'static str = "calibration.html";
    /// Name of a probe's results.
    pub const PROBE: &'static str = "probe.json";
    /// Name of a probe's report.
    pub const PROBE_REPORT: &'static str = "probe.html";
    /// Name of an adaptation's results.
    pub const ADAPTATION: &'static str = "adaptation.json";
    /// Name of a transfer's results.
    pub const TRANSFER: &'static str = "transfer.json";
    /// Name of a transfer's report.
    pub const TRANSFER_REPORT: &'static str = "transfer.html";
    /// Name of a meta-training's results.
    pub const META: &'static str = "meta.json";
    /// Name of a meta-training's report.
    pub const META_REPORT: &'static str = "meta.html";
    /// Name of a plasticity rule's coefficients.
    pub const PLASTICITY: &'static str = "plasticity.json";
    /// Files that must not be overwritten: measurements and results.
    const RESULTS: [&'static str; 8] = [
        Self::METRICS,
        Self::ASSEMBLIES,
        Self::SHOTS,
        Self::CALIBRATION,
        Self::PROBE,
        Self::ADAPTATION,
        Self::TRANSFER,
        Self::PLAN,
    ];
    /// Name of the plan of a comparison or meta-training.
    pub(super) const PLAN: &'static str = "plan.json";
    /// Name of a comparison's results.
    pub const COMPARISON: &'static str = "compare.json";
    /// Name of a comparison's report.
    pub const COMPARISON_REPORT: &'static str = "compare.html";
    /// Name of the folder of the reference sets.
    const REFERENCE: &'static str = "reference";
    /// Name of the folder of the calibration's shots.
    const SHOTS: &'static str = "shots";
    /// Name of the report.
    pub const REPORT: &'static str = "report.html";

    /// Makes the folder `wanted` or, if `None`, the first free of `runs/NAME`, `runs/NAME-2`, …
    ///
    /// # Errors
    /// [`Error::Usage`] if the folder has a run already or another process writes it, [`Error::File`] if it cannot be
    /// made or written.
    pub fn create(
        wanted: Option<&Path>,
        name: &str,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        Self::refuse_taken(wanted)?;
        let path = match wanted {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(Error::file(path, WRITABLE))?;
                path.to_owned()
            }
            None => Self::next_free(name)?,
        };
        let lock = lock(&path, observer)?;
        // The last owner of the lock may have written a run.
        Self::refuse_results(wanted)?;
        // An existing folder that is not writable is refused before the first shot.
        tempfile::NamedTempFile::new_in(&path).map_err(Error::file(&path, WRITABLE))?;
        Ok(Self { path, _lock: Some(lock) })
    }

    /// Makes the first free folder of `runs/NAME`, `runs/NAME-2`, …
    fn next_free(name: &str) -> Result<PathBuf, Error> {
        let runs = Path::new("runs");
        std::fs::create_dir_all(runs).map_err(Error::file(runs, WRITABLE))?;
        let mut count = 1;
        loop {
            let path = match count {
                1 => runs.join(name),
                _ => runs.join(format!("{name}-{count}")),
            };
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => count += 1,
                Err(error) => return Err(Error::file(&path, WRITABLE)(error)),
            }
        }
    }

    /// Locks the folder for this process.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process writes it.
    pub(super) fn locked(mut self, observer: &mut dyn Observer) -> Result<Self, Error> {
        self._lock = Some(lock(&self.path, observer)?);
        Ok(self)
    }

    /// The subfolder `name`, made if it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made.
    pub(super) fn inner(&self, name: &str) -> Result<Self, Error> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).map_err(Error::file(&path, WRITABLE))?;
        Ok(Self { path, _lock: None })
    }

    /// The folder `path`, without a check or a lock.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// Refuses a folder `wanted` that cannot become the folder of a new run. Makes nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] if another process writes it, or it has a run already.
    pub fn refuse_taken(wanted: Option<&Path>) -> Result<(), Error> {
        wanted.map_or(Ok(()), Self::refuse_written)?;
        Self::refuse_results(wanted)
    }

    /// Refuses a folder that another process writes.
    fn refuse_written(path: &Path) -> Result<(), Error> {
        if path.join(folder_lock::FILE).exists() {
            drop(FolderLock::acquire(path)?);
        }
        Ok(())
    }

    fn refuse_results(wanted: Option<&Path>) -> Result<(), Error> {
        match wanted {
            Some(path) if Self::RESULTS.iter().any(|name| path.join(name).exists()) => {
                Err(Error::Usage(format!(
                    "{} holds a run already; name another folder with option `out`, or remove this one",
                    path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes the beginning of a run: its `recipe`, read at `path`, and the command line `command`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(super) fn begin(&self, recipe: &Recipe, path: &Path, command: &str) -> Result<(), Error> {
        self.write(Self::RECIPE, &recipe.to_toml())?;
        let recipe = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (version, command) = (provenance::version(), command.to_owned());
        self.write_json(Self::BEGUN, &Begun { recipe, version, command, began: provenance::now() })
    }

    /// Refuses a path `wanted` that cannot be written. Makes nothing.
    ///
    /// # Errors
    /// [`Error::File`] if a file is in the way, or the nearest existing folder is not writable.
    pub(super) fn refuse_unwritable(wanted: &Path, advice: &'static str) -> Result<(), Error> {
        let mut there = wanted.ancestors();
        let there = there.find(|path| path.as_os_str().is_empty() || path.exists());
        let there = match there {
            Some(path) if !path.as_os_str().is_empty() => path,
            _ => Path::new("."),
        };
        tempfile::NamedTempFile::new_in(there).map_err(Error::file(wanted, advice))?;
        Ok(())
    }

    /// Reads the beginning of the run.
    ///
    /// # Errors
    /// [`Error::File`] if it is missing, [`Error::Data`] for a damaged file.
    pub(super) fn begun(&self) -> Result<Begun, Error> {
        self.read_json(Self::BEGUN, "start the run again")
    }

    /// Opens the folder of a complete run.
    ///
    /// # Errors
    /// [`Error::Usage`] if it has no run, or an incomplete one.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let has = |name: &str| path.join(name).is_file();
        if has(Self::BEGUN) && !has(Self::PARAMETERS) {
            Self::refuse_written(path)?;
            return Err(Error::Usage(format!(
                "{}: this run has not ended; resume it with `experiment::resume({0})`",
                path.display()
            )));
        }
        for name in [Self::RECIPE, Self::PARAMETERS] {
            if !path.join(name).is_file() {
                return Err(Error::Usage(format!(
                    "{} is not the folder of a run: it has no {name}; name a folder that `experiment::train` wrote",
                    path.display()
                )));
            }
        }
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    /// Opens and locks the folder of a run or a calibration that has begun, complete or not.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing has begun there, or another process writes it.
    pub fn open_begun(path: &Path, observer: &mut dyn Observer) -> Result<Self, Error> {
        if path.join(Self::RECIPE).is_file() {
            return Self::at(path).locked(observer);
        }
        Err(Error::Usage(format!(
            "{}: no run or calibration has begun here; name the folder of one that has begun",
            path.display()
        )))
    }

    /// Whether the folder has shots of a calibration.
    pub(super) fn has_shots(&self) -> bool {
        self.path.join(Self::SHOTS).exists()
    }

    /// Folder of the calibration's shots of `device`.
    #[must_use]
    pub fn shots(&self, device: &str) -> PathBuf {
        self.path.join(Self::SHOTS).join(device)
    }

    /// Folder of the reference set of `device`, for drift checks.
    #[must_use]
    pub fn reference(&self, device: &str) -> PathBuf {
        self.path.join(Self::REFERENCE).join(device)
    }

    /// Names of the devices with a reference set, sorted.
    #[must_use]
    pub fn referenced(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path.join(Self::REFERENCE)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks the folder `path`; `observer` hears a warning if the file system has no locks.
fn lock(path: &Path, observer: &mut dyn Observer) -> Result<FolderLock, Error> {
    let lock = FolderLock::acquire(path)?;
    if let Some(warning) = &lock.warning {
        let _ = observer.observe(&Event::Warning(warning))?;
    }
    Ok(lock)
}

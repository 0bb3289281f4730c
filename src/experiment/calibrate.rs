//! Twins for the devices of an experiment: fitted to measured shots or loaded, then judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::design::{DesignConfig, TaskDrives};
use twinprop_calibration::fidelity::{SlopeChoice, SlopeTrial, choose_slope, predict};
use twinprop_calibration::{DigitalTwin, Fidelity, Shots};
use twinprop_devices::recording::{self, Recorder};
use twinprop_devices::shots::beside;
use twinprop_devices::{Boundary, Channels, Interface, PhysicalLayer};

use super::build::Experiment;
use super::calibrated::{Calibrated, CalibrationSummary, InsideSummary, TwinSummary};
use super::memory::ShotMemory;
use super::recipe::{CalibrationConfig, Recipe};
use super::run_folder::RunFolder;
use super::twins::{TwinnedDevice, file_name, load_twins};
use crate::Error;
use crate::network::Instrument;
use crate::training::{Observer, Task};

/// Most seconds of measured shots that an interrupted calibration loses.
const MOST_SECONDS_LOST: f64 = 1.0;

/// Gives every device of `experiment` the twin that its recipe asks for. Saves shots and twins in `folder`;
/// shots recorded there before are not played again.
pub(super) fn calibrate(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
    observer: &mut dyn Observer,
) -> Result<Vec<Calibrated>, Error> {
    let mut calibrated = Vec::new();
    for instrument in &mut experiment.laboratory.instruments {
        let config = &recipe.calibration_of(&instrument.name);
        let given = instrument.twin.take();
        let Instrument { device, task, .. } = instrument;
        let interface = device.interface().clone();
        let is_fitted = config.twin.is_fitted() && given.is_none();
        let fitted_to = if is_fitted { config.shots_on(&interface)? } else { 0 };
        let name = &instrument.name;
        let subject = TwinnedDevice {
            name,
            interface: &interface,
            nominal: instrument.nominal.clone(),
            seed: recipe.seed,
            backend,
        };
        let source = ShotSource {
            name,
            config,
            interface: &interface,
            task: task.as_ref(),
            recipe,
            backend,
        };
        // A twin is loaded before the first shot, so that an error costs no shot; then only the test shots are
        // played.
        let made = match (given, &config.load) {
            (None, Some(from)) => Made::Before(subject.load(config, from)?.into()),
            (None, None) => Made::By(subject),
            (Some(twin), _) => Made::Before(twin),
        };
        let chooses_slope = config.twin.chooses_slope() && matches!(made, Made::By(_));
        let (mut twin, seen, unseen) = match made {
            Made::Before(twin) => {
                let (place, count) = (folder.shots(name), config.test_shots);
                let mut shots = ShotRecorder::open(device, name, &place, count, observer)?;
                let unseen = source.unseen(fitted_to, &mut shots)?;
                shots.finish()?;
                (twin, 0, unseen)
            }
            Made::By(subject) => {
                let total = fitted_to + config.test_shots;
                let mut shots =
                    ShotRecorder::open(device, name, &folder.shots(name), total, observer)?;
                let (seen, unseen) = source.take(fitted_to, &mut shots)?;
                shots.finish()?;
                (subject.fit(config, &seen, observer)?.into(), seen.len(), unseen)
            }
        };
        let mut slopes = Vec::new();
        if chooses_slope {
            let choosing =
                Choosing { name: &instrument.name, unseen: &unseen, config, recipe, backend };
            if let Some(choice) = choosing.slope(&*twin, device, observer)? {
                (twin, slopes) = (choice.twin.into(), choice.trials);
            }
        }
        twin.save(folder.path(), &file_name(&instrument.name))?;
        let mut judging = Task::in_shares(observer, &format!("judge the twin of {name}"))?;
        let fidelity = Fidelity::measure(
            &*twin,
            device,
            &unseen,
            &config.fidelity,
            recipe.seed,
            backend,
            |share| {
                let _ = judging.advance_to_share(share, "");
            },
        )?;
        judging.end(&format!("gradient cosine {:.3}", fidelity.gradient.cosine))?;
        let predicted = predict(&*twin, &unseen.inputs, &unseen.parameters, backend);
        folder.write_predicted(&instrument.name, &predicted)?;
        let longest = config.twin.identify().map_or(1, |identify| identify.shots_per_setting);
        let inside = InsideSummary::of(&*twin, &unseen, longest);
        calibrated.push(Calibrated {
            device: instrument.name.clone(),
            summary: TwinSummary {
                shots: seen,
                test_shots: unseen.len(),
                fidelity,
                inside,
                slopes,
            },
        });
        instrument.twin = Some(twin);
    }
    Ok(calibrated)
}

/// The choice of a surrogate gradient's slope.
struct Choosing<'a> {
    name: &'a str,
    unseen: &'a Shots,
    config: &'a CalibrationConfig,
    recipe: &'a Recipe,
    backend: &'a Device,
}

impl Choosing<'_> {
    fn slope(
        &self,
        twin: &dyn DigitalTwin,
        device: &mut Boundary,
        observer: &mut dyn Observer,
    ) -> Result<Option<SlopeChoice>, Error> {
        let Self { name, unseen, config, recipe, backend } = self;
        let label = format!("choose the slope of the surrogate gradient of {name}");
        let mut task = Task::in_shares(observer, &label)?;
        let tell = |share| {
            let _ = task.advance_to_share(share, "");
        };
        let fidelity = &config.fidelity;
        let choice = choose_slope(twin, device, unseen, fidelity, recipe.seed, backend, tell)?;
        task.end(&match &choice {
            None => "none: no spikes".to_owned(),
            Some(SlopeChoice { chosen: SlopeTrial { slope, cosine }, .. }) => {
                format!("slope {slope}, gradient cosine {cosine:.3}")
            }
        })?;
        Ok(choice)
    }
}

/// How a device gets its twin.
enum Made<'a> {
    /// It was made before.
    Before(Arc<dyn DigitalTwin>),
    /// By a fit.
    By(TwinnedDevice<'a>),
}

/// Loads the twins that [`calibrate`] saved in `folder`, and returns its result. Measures and fits nothing.
pub(super) fn reload(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
) -> Result<Vec<Calibrated>, Error> {
    load_twins(experiment, recipe, folder.path(), backend)?;
    let mut summary: CalibrationSummary =
        folder.read_json(RunFolder::CALIBRATION, "make it readable, or start the run again")?;
    let instruments = experiment.laboratory.instruments.iter();
    instruments
        .map(|instrument| {
            let device = instrument.name.clone();
            let path = folder.path().join(RunFolder::CALIBRATION);
            let summary = summary.twins.remove(&device).ok_or_else(|| Error::Data {
                path,
                problem: format!("it has no twin of `{device}`; start the run again"),
            })?;
            Ok(Calibrated { device, summary })
        })
        .collect()
}

/// Draws the drives of a calibration's shots.
struct ShotSource<'a> {
    /// Name of the device in the recipe.
    name: &'a str,
    config: &'a CalibrationConfig,
    interface: &'a Interface,
    /// Drives that the network uses; `None` for a device outside the network.
    task: Option<&'a TaskDrives>,
    recipe: &'a Recipe,
    backend: &'a Device,
}

impl ShotSource<'_> {
    /// Measures `fitted_to` shots for the fit, and the test shots.
    fn take(
        &self,
        fitted_to: usize,
        shots: &mut ShotRecorder<'_>,
    ) -> Result<(Shots, Shots), Error> {
        let Self { config, interface, task, recipe, backend, .. } = self;
        let DesignConfig::Active(active) = &config.design else {
            let (inputs, parameters) = self.draw(fitted_to + config.test_shots)?;
            return Ok(shots.play(inputs, parameters)?.split_last(config.test_shots));
        };
        let measure = |inputs, parameters| shots.play(inputs, parameters);
        let seen = active.measure(interface, fitted_to, *task, recipe.seed, backend, measure)?;
        Ok((seen, self.unseen(fitted_to, shots)?))
    }

    /// Measures the test shots of a twin that is fitted to `fitted_to` other shots.
    fn unseen(&self, fitted_to: usize, shots: &mut ShotRecorder<'_>) -> Result<Shots, Error> {
        let count = self.config.test_shots;
        let (inputs, parameters) = self.draw(fitted_to + count)?;
        let last = |drives: DMatrix<f32>| drives.columns(fitted_to, count).into_owned();
        shots.play(last(inputs), last(parameters))
    }

    fn draw(&self, count: usize) -> Result<(DMatrix<f32>, DMatrix<f32>), Error> {
        let Self { name, config, interface, task, recipe, .. } = self;
        let advice = |most| {
            format!(
                "calibration.shots (or those of calibration.device_seconds) and calibration.test_shots may be {most} together"
            )
        };
        ShotMemory { work: "calibration", device: name, interface, shots: count, advice }
            .check()?;
        Ok(config.draw(interface, count, *task, recipe.seed)?)
    }
}

/// Plays and records the shots of a device; shots that an interrupted calibration recorded are not played again.
struct ShotRecorder<'a> {
    recorder: Recorder<&'a mut Boundary>,
    place: PathBuf,
    /// Shots recorded before.
    before: Shots,
    /// Shots asked for so far.
    asked: usize,
    task: Task<'a>,
    total: usize,
}

impl<'a> ShotRecorder<'a> {
    /// Opens the recording in `place` for `total` shots of `device`, called `name` in the recipe.
    fn open(
        device: &'a mut Boundary,
        name: &str,
        place: &Path,
        total: usize,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Error> {
        let (recorder, before) = if place.exists() {
            (Recorder::resume(device, place)?, recording::read(place)?)
        } else {
            let Interface { inputs, parameters, outputs, .. } = device.interface();
            let none = |channels: &Channels| DMatrix::zeros(channels.len(), 0);
            let before = Shots {
                inputs: none(inputs),
                parameters: none(parameters),
                outputs: none(outputs),
            };
            (Recorder::new(device, place)?, before)
        };
        Ok(Self {
            recorder: recorder.with_patience(MOST_SECONDS_LOST),
            place: place.to_owned(),
            before,
            asked: 0,
            task: Task::of_steps(observer, &format!("measure {name}"), total)?,
            total,
        })
    }

    /// Plays the drives of a design, except those played before.
    fn play(&mut self, inputs: DMatrix<f32>, parameters: DMatrix<f32>) -> Result<Shots, Error> {
        let Self { recorder, before, asked, task, .. } = self;
        let there = before.len().saturating_sub(*asked).min(inputs.ncols());
        let first = (*asked).min(before.len());
        if before.inputs.columns(first, there) != inputs.columns(0, there)
            || before.parameters.columns(first, there) != parameters.columns(0, there)
        {
            return Err(self.refuse());
        }
        let rest =
            |drives: &DMatrix<f32>| drives.columns(there, drives.ncols() - there).into_owned();
        let done_before = *asked + there;
        let shots = Shots::measure(recorder, rest(&inputs), rest(&parameters), |done| {
            let _ = task.advance(done_before + done, "");
        })?;
        let outputs = before.outputs.columns(first, there).into_owned();
        let outputs = beside(&outputs, &shots.outputs);
        *asked += inputs.ncols();
        Ok(Shots { inputs, parameters, outputs })
    }

    fn refuse(&self) -> Error {
        Error::Usage(format!(
            "{}: its {} shots have other drives than this calibration's; name another folder with option `out`",
            self.place.display(),
            self.before.len()
        ))
    }

    /// Writes the remaining shots to the files, and ends the task.
    fn finish(self) -> Result<(), Error> {
        if self.before.len() > self.total {
            return Err(self.refuse());
        }
        self.recorder.recording().finish()?;
        self.task.end(&match self.before.len() {
            0 => format!("{} shots", self.total),
            there => format!("{} shots, {there} of them measured before", self.total),
        })
    }
}

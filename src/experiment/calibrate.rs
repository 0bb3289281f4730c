//! Twins for the devices of an experiment: measured, fitted and judged, or loaded.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::design::{DesignConfig, TaskDrives};
use twinprop_calibration::fidelity::predict;
use twinprop_calibration::shots::beside;
use twinprop_calibration::{Fidelity, Shots};
use twinprop_devices::recording::{Recorded, Recorder};
use twinprop_devices::{Boundary, Channels, Interface, PhysicalLayer};

use super::build::Experiment;
use super::calibrated::{Calibrated, CalibrationSummary, TwinSummary};
use super::recipe::{CalibrationConfig, Recipe};
use super::run_folder::RunFolder;
use super::twins::{Subject, file_name, load_twins};
use crate::Error;
use crate::network::Instrument;
use crate::training::{Observer, Task};

/// A calibration that is cut off loses the shots of so many seconds at most.
const SECONDS_AT_STAKE: f64 = 1.0;

/// Gives every device of `experiment` the twin that its recipe asks for. What was measured and fitted
/// is saved in `folder`; shots that are there already are not played again.
pub(super) fn calibrate(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
    observer: &mut dyn Observer,
) -> Result<Vec<Calibrated>, Error> {
    let config = &recipe.calibration;
    let mut calibrated = Vec::new();
    for instrument in &mut experiment.laboratory.instruments {
        let Instrument { device, task, .. } = instrument;
        let nominal = instrument.nominal.clone();
        let interface = device.interface().clone();
        let fitted_to = if config.twin.is_fitted() { config.shots_on(&interface)? } else { 0 };
        let name = &instrument.name;
        let subject = Subject { name, interface: &interface, nominal, seed: recipe.seed, backend };
        let source =
            ShotSource { config, interface: &interface, task: task.as_ref(), recipe, backend };
        // A twin that cannot be loaded is known before the first shot, and only the shots that judge it
        // are played.
        let (twin, seen, unseen) = match &config.load {
            Some(from) => {
                let twin = subject.load(config, from)?;
                let mut tape =
                    Tape::open(device, name, &folder.shots(name), config.test_shots, observer)?;
                let unseen = source.unseen(fitted_to, &mut tape)?;
                tape.finish()?;
                (twin, 0, unseen)
            }
            None => {
                let total = fitted_to + config.test_shots;
                let mut tape = Tape::open(device, name, &folder.shots(name), total, observer)?;
                let (seen, unseen) = source.take(fitted_to, &mut tape)?;
                tape.finish()?;
                (subject.fit(config, &seen, observer)?, seen.len(), unseen)
            }
        };
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
        calibrated.push(Calibrated {
            device: instrument.name.clone(),
            summary: TwinSummary { shots: seen, test_shots: unseen.len(), fidelity },
        });
        instrument.twin = Some(twin.into());
    }
    Ok(calibrated)
}

/// Gives every device of `experiment` the twin that [`calibrate`] saved in `folder`, where nothing is
/// measured or fitted again; returns what it returned.
pub(super) fn reload(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
) -> Result<Vec<Calibrated>, Error> {
    load_twins(experiment, recipe, folder.path(), backend)?;
    let mut summary: CalibrationSummary =
        folder.read_json(RunFolder::CALIBRATION, "let it be read, or begin the run again")?;
    let instruments = experiment.laboratory.instruments.iter();
    instruments
        .map(|instrument| {
            let device = instrument.name.clone();
            let path = folder.path().join(RunFolder::CALIBRATION);
            let summary = summary.twins.remove(&device).ok_or_else(|| Error::Data {
                path,
                problem: format!("it does not tell of the twin of `{device}`"),
            })?;
            Ok(Calibrated { device, summary })
        })
        .collect()
}

/// Where the shots of a calibration come from.
struct ShotSource<'a> {
    config: &'a CalibrationConfig,
    interface: &'a Interface,
    /// A device that the network never plays has no task; it is still calibrated by design.
    task: Option<&'a TaskDrives>,
    recipe: &'a Recipe,
    backend: &'a Device,
}

impl ShotSource<'_> {
    /// Measures `fitted_to` shots to fit to, and those that judge the twin.
    fn take(&self, fitted_to: usize, tape: &mut Tape<'_>) -> Result<(Shots, Shots), Error> {
        let Self { config, interface, task, recipe, backend } = self;
        let DesignConfig::Active(active) = &config.design else {
            let (inputs, parameters) = self.draw(fitted_to + config.test_shots)?;
            return Ok(tape.play(inputs, parameters)?.split_last(config.test_shots));
        };
        let measure = |inputs, parameters| tape.play(inputs, parameters);
        let seen = active.measure(interface, fitted_to, *task, recipe.seed, backend, measure)?;
        Ok((seen, self.unseen(fitted_to, tape)?))
    }

    /// Measures the shots that judge a twin which is fitted to `fitted_to` others.
    fn unseen(&self, fitted_to: usize, tape: &mut Tape<'_>) -> Result<Shots, Error> {
        let count = self.config.test_shots;
        let (inputs, parameters) = self.draw(fitted_to + count)?;
        let last = |drives: DMatrix<f32>| drives.columns(fitted_to, count).into_owned();
        tape.play(last(inputs), last(parameters))
    }

    fn draw(&self, count: usize) -> Result<(DMatrix<f32>, DMatrix<f32>), Error> {
        let Self { config, interface, task, recipe, .. } = self;
        Ok(config.draw(interface, count, *task, recipe.seed)?)
    }
}

/// A device whose shots are written down, where some may be already.
struct Tape<'a> {
    recorder: Recorder<&'a mut Boundary>,
    place: PathBuf,
    /// What was measured before, and how much of it was asked for again.
    before: Recorded,
    asked: usize,
    task: Task<'a>,
    total: usize,
}

impl<'a> Tape<'a> {
    /// Opens the tape in `place` for `total` shots of `device`, which the recipe calls `name`.
    fn open(
        device: &'a mut Boundary,
        name: &str,
        place: &Path,
        total: usize,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Error> {
        let (recorder, before) = if place.exists() {
            (Recorder::resume(device, place)?, Recorded::read(place)?)
        } else {
            let Interface { inputs, parameters, outputs, .. } = device.interface();
            let none = |channels: &Channels| DMatrix::zeros(channels.len(), 0);
            let before = Recorded {
                inputs: none(inputs),
                parameters: none(parameters),
                outputs: none(outputs),
            };
            (Recorder::new(device, place)?, before)
        };
        Ok(Self {
            recorder: recorder.with_patience(SECONDS_AT_STAKE),
            place: place.to_owned(),
            before,
            asked: 0,
            task: Task::of_steps(observer, &format!("measure {name}"), total)?,
            total,
        })
    }

    /// Plays the drives of a design, but what was played before.
    fn play(&mut self, inputs: DMatrix<f32>, parameters: DMatrix<f32>) -> Result<Shots, Error> {
        let Self { recorder, before, asked, task, .. } = self;
        let there = before.inputs.ncols().saturating_sub(*asked).min(inputs.ncols());
        let first = (*asked).min(before.inputs.ncols());
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
            "{}: its {} shots are not those of this calibration, though of the same device; name another folder with option `out`",
            self.place.display(),
            self.before.inputs.ncols()
        ))
    }

    /// Writes down what is left.
    fn finish(self) -> Result<(), Error> {
        if self.before.inputs.ncols() > self.total {
            return Err(self.refuse());
        }
        self.recorder.recording().finish()?;
        self.task.end(&match self.before.inputs.ncols() {
            0 => format!("{} shots", self.total),
            there => format!("{} shots, {there} of them measured before", self.total),
        })
    }
}

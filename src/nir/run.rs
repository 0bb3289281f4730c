//! A trained run as a network.

use std::path::Path;

use burn::tensor::Device;
use twinprop_calibration::TwinConfig;
use twinprop_calibration::bridge::{from_vec, to_vec};
use twinprop_devices::DeviceKind;
use twinprop_devices::neuromorphic::{LifChip, LifChipConfig, LifReadout};

use super::network::{Dense, Layer, SpikingNetwork};
use super::omission::{Omission, Unsaid, refuse, unsaid};
use crate::Error;
use crate::experiment::build::AtHand;
use crate::experiment::recipe::{DeviceEntry, PhysicalConfig, Recipe, StageConfig};
use crate::experiment::{Given, Reopening, Trained};
use crate::network::{Network, Physical, Stage};
use crate::training::Observer;

/// An exported network, and what a reader should know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The network.
    pub network: SpikingNetwork,
    /// Where its constants come from and what it leaves out, one sentence each.
    pub notes: Vec<String>,
}

/// Gives a chip the learned constants of the device with a name; returns whether there are any.
type Learn<'a> = dyn FnMut(&str, &mut LifChip) -> Result<bool, Error> + 'a;

impl SpikingNetwork {
    /// The trained network of the run in the folder `run`, as its digital twins say: weights as the chips apply them, so
    /// quantised, times the gains that the twin has learned; constants of each neuron that it has learned, or those of the
    /// data sheet. What a true chip has and its twin does not know is not exported. Plays no shot, and needs neither data
    /// nor real devices.
    ///
    /// # Errors
    /// [`Error::Usage`] for a run that is not complete, for stages that NIR has no nodes for, and for what NIR cannot say
    /// and is not `omitted`: it names the stage or the key.
    pub fn of_run(
        run: &Path,
        omitted: &[Omission],
        observer: &mut dyn Observer,
    ) -> Result<Exported, Error> {
        let (reopening, given) = (Reopening::default(), Given::default());
        let trained = Trained::open_with(run, &reopening, AtHand::Nothing, given, observer)?;
        let is_nominal = omitted.contains(&Omission::Constants);
        let learn = &mut |name: &str, chip: &mut LifChip| match is_nominal {
            true => Ok(false),
            false => trained.learned_constants(name, chip),
        };
        export(&trained.recipe, &trained.experiment.network, learn, omitted)
    }

    /// The same for the `network` of a `recipe` in memory, on chips as their data sheets say.
    ///
    /// # Errors
    /// As [`of_run`](Self::of_run).
    pub fn of_network(
        recipe: &Recipe,
        network: &Network,
        omitted: &[Omission],
    ) -> Result<Exported, Error> {
        export(recipe, network, &mut |_, _| Ok(false), omitted)
    }
}

fn export(
    recipe: &Recipe,
    network: &Network,
    learn: &mut Learn<'_>,
    omitted: &[Omission],
) -> Result<Exported, Error> {
    let mut of = Export {
        recipe,
        layers: Vec::new(),
        readout: Vec::new(),
        chips: Vec::new(),
        counted: false,
        unsaid: Vec::new(),
        notes: Vec::new(),
    };
    // A skip is no stage of its own, and is refused before it could shift the places of those behind it.
    for (place, config) in recipe.network.iter().enumerate() {
        of.add(
            place,
            config,
            network.stages.get(place),
            learn,
            omitted.contains(&Omission::Readout),
        )?;
    }
    let mut notes = refuse(&of.unsaid, omitted)?;
    notes.append(&mut of.notes);
    let [(_, first), others @ ..] = of.chips.as_slice() else {
        return Err(Error::Usage(
            "no stage plays a `lif_chip`; NIR describes spiking networks".to_owned(),
        ));
    };
    let grid = |chip: &LifChipConfig| (chip.steps, chip.step_seconds);
    if others.iter().any(|(_, other)| grid(other) != grid(first)) {
        return Err(Error::Usage(
            "the chips play steps of different lengths; give all the same `step_seconds`"
                .to_owned(),
        ));
    }
    let (steps, step_seconds) = grid(first);
    let network = SpikingNetwork { layers: of.layers, readout: of.readout, steps, step_seconds };
    Ok(Exported { network, notes })
}

/// An export under way.
struct Export<'a> {
    recipe: &'a Recipe,
    layers: Vec<Layer>,
    readout: Vec<Dense>,
    /// Its devices' names and models, chip by chip.
    chips: Vec<(&'a str, &'a LifChipConfig)>,
    /// Whether spikes are counted: the values behind are counts, no raster.
    counted: bool,
    unsaid: Vec<Unsaid>,
    notes: Vec<String>,
}

impl<'a> Export<'a> {
    fn add(
        &mut self,
        place: usize,
        config: &'a StageConfig,
        stage: Option<&Stage>,
        learn: &mut Learn<'_>,
        is_short: bool,
    ) -> Result<(), Error> {
        let wrong = |problem: &str| {
            let is_skip = matches!(config, StageConfig::Skip(_));
            let kind = stage.filter(|_| !is_skip).map_or("skip", Stage::kind);
            Err(Error::Usage(format!("stage {place} of `network`, \"{kind}\": {problem}")))
        };
        match (config, stage) {
            // They act in training only.
            (StageConfig::Dropout(_) | StageConfig::Jitter(_), _) => Ok(()),
            (StageConfig::Wire, _) if !self.counted => Ok(()),
            (StageConfig::Physical(config), Some(Stage::Physical(stage))) if !self.counted => {
                self.add_chip(place, config, stage, learn)
            }
            (StageConfig::SpikeCounts, _) => {
                self.counted = true;
                Ok(())
            }
            (StageConfig::Linear(_) | StageConfig::Readout, Some(stage))
                if self.counted || self.reads_counts() =>
            {
                self.counted = true;
                if is_short {
                    self.notes.push(format!(
                        "left out: stage {place} of `network`, \"{}\"",
                        stage.kind()
                    ));
                    return Ok(());
                }
                match self.dense(stage) {
                    Some(dense) => self.readout.push(dense),
                    None => return wrong("its tensors are not those of a matrix"),
                }
                Ok(())
            }
            (StageConfig::Linear(_) | StageConfig::Readout, _) => wrong(
                "NIR weighs spikes, not each cell of a raster; put \"spike_counts\" before it",
            ),
            (StageConfig::Wire | StageConfig::Physical(_), _) => {
                wrong("counts of spikes do not drive a chip in NIR; pass on the raster")
            }
            (StageConfig::Encode, _) => wrong("NIR takes spikes as they are; use \"wire\""),
            _ => wrong(
                "NIR has no node for it; a network of \"wire\" and physical layers that are `lif_chip`s, then \"spike_counts\", \"linear\" and \"readout\", can be exported",
            ),
        }
    }

    /// Whether the last chip is read as counts.
    fn reads_counts(&self) -> bool {
        self.chips.last().is_some_and(|(_, chip)| chip.readout == LifReadout::Counts)
    }

    fn add_chip(
        &mut self,
        place: usize,
        config: &'a PhysicalConfig,
        stage: &Physical,
        learn: &mut Learn<'_>,
    ) -> Result<(), Error> {
        let recipe = self.recipe;
        let name = config.device.get_ref();
        let entry = &recipe.devices[name];
        let Some(DeviceKind::LifChip(chip)) = &entry.model else {
            return Err(Error::Usage(format!(
                "stage {place} of `network`: `{name}` is no `lif_chip` by its model; NIR describes spiking networks"
            )));
        };
        if config.shots != 1 {
            return Err(Error::Usage(format!(
                "stage {place} of `network`: {} shots of `{name}` side by side; NIR has one network; set `shots` to 1",
                config.shots
            )));
        }
        let twin = recipe.calibration_of(name).twin;
        let has_equation = matches!(
            twin,
            TwinConfig::Surrogate(_)
                | TwinConfig::SpikeTrain(_)
                | TwinConfig::Physics
                | TwinConfig::LearnedPhysics(_)
        );
        if !has_equation {
            return Err(Error::Usage(format!(
                "the twin of `{name}` has no neurons of which NIR could say the constants; calibrate a `surrogate` or `spike_train` twin"
            )));
        }
        let mut equation = LifChip::nominal(chip)?;
        let is_learned = learn(name, &mut equation)?;
        self.note_constants(name, entry, chip, is_learned);
        self.unsaid.extend(unsaid(name, chip, &entry.imperfections));
        let mut population = equation.population(stage.setting(0).as_slice());
        population.neurons.refractory.fill(0);
        let times = self.chips.iter().filter(|(other, _)| other == name).count();
        let layer = if times == 0 { name.clone() } else { format!("{name}_{}", times + 1) };
        self.layers.push(Layer { name: layer, population });
        self.chips.push((name, chip));
        Ok(())
    }

    fn note_constants(
        &mut self,
        name: &str,
        entry: &DeviceEntry,
        chip: &LifChipConfig,
        is_learned: bool,
    ) {
        let deviates =
            entry.is_real() || entry.imperfections.mismatch > 0.0 || chip.gain_error > 0.0;
        if is_learned {
            self.notes.push(format!("`{name}`: constants and gains of each neuron and synapse as its twin has learned them"));
        } else if deviates {
            self.notes.push(format!(
                "`{name}`: constants of the data sheet; the true chip deviates from them"
            ));
        }
    }

    /// The matrix and bias of a "linear" or "readout" stage.
    fn dense(&self, stage: &Stage) -> Option<Dense> {
        let parameters = stage.parameters();
        let values = |name: &str| {
            let mut named = parameters.iter().filter(|(of, _)| *of == name);
            named.next().map(|(_, tensor)| (*tensor).clone())
        };
        if values("temperature").is_some() {
            return self.readout(stage);
        }
        let (weight, bias) = (values("weight")?, to_vec(values("bias")?));
        let inputs = weight.dims()[0];
        Some(Dense { inputs, weight: to_vec(weight.transpose()), bias })
    }

    /// The matrix of a "readout", which has no bias: its outputs for one count of 1.
    fn readout(&self, stage: &Stage) -> Option<Dense> {
        let Stage::Digital(stage) = stage else { return None };
        let counts = self.chips.last().map_or(0, |(_, chip)| chip.neurons);
        let inputs = self.readout.last().map_or(counts, |before| before.bias.len());
        let one_each = (0..inputs * inputs).map(|cell| f32::from(cell % (inputs + 1) == 0));
        let one_each = from_vec(one_each.collect(), [inputs, inputs], &Device::flex());
        let gains = stage.forward(&one_each, None);
        let outputs = gains.dims()[1];
        Some(Dense { inputs, weight: to_vec(gains.transpose()), bias: vec![0.0; outputs] })
    }
}

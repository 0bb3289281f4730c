//! What a run can have and NIR cannot say.

use std::str::FromStr;

use twinprop_devices::ImperfectionsConfig;
use twinprop_devices::neuromorphic::LifChipConfig;

use crate::Error;

/// A part of a run that a graph leaves out, because NIR has nothing for it or because its reader has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Omission {
    /// Steps without a spike after each spike. Without them, neurons fire more.
    Refractory,
    /// Noise of membranes, drives and readings.
    Noise,
    /// Spikes that the link loses.
    SpikeLoss,
    /// Spikes that are recorded late.
    SpikeJitter,
    /// Resolutions of drives and readings.
    Converters,
    /// Drift of constants.
    Drift,
    /// Constants and gains that the twin has learned, one a neuron or synapse; those of the data sheet take their place.
    Constants,
    /// The digital layers behind the spikes: simulators that have no integrator `I` read the rest.
    Readout,
}

impl Omission {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Refractory,
        Self::Noise,
        Self::SpikeLoss,
        Self::SpikeJitter,
        Self::Converters,
        Self::Drift,
        Self::Constants,
        Self::Readout,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refractory => "refractory",
            Self::Noise => "noise",
            Self::SpikeLoss => "spike-loss",
            Self::SpikeJitter => "spike-jitter",
            Self::Converters => "converters",
            Self::Drift => "drift",
            Self::Constants => "constants",
            Self::Readout => "readout",
        }
    }
}

impl FromStr for Omission {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{name}` cannot be left out; expected one of {names}")
        })
    }
}

/// A key of a recipe that NIR has nothing for.
pub(super) struct Unsaid {
    what: Omission,
    key: String,
    value: String,
}

/// What NIR cannot say of the device `name`.
pub(super) fn unsaid(
    name: &str,
    chip: &LifChipConfig,
    imperfections: &ImperfectionsConfig,
) -> Vec<Unsaid> {
    let ImperfectionsConfig {
        input_noise,
        readout_noise,
        shot_noise,
        dac_bits,
        adc_bits,
        drift,
        ..
    } = imperfections;
    let of_chip = [
        (Omission::Refractory, "refractory", f64::from(chip.refractory)),
        (Omission::Noise, "membrane_noise", chip.membrane_noise),
        (Omission::SpikeLoss, "spike_loss", chip.spike_loss),
        (Omission::SpikeJitter, "spike_jitter", chip.spike_jitter),
    ];
    let of_others = [
        (Omission::Noise, "input_noise", *input_noise),
        (Omission::Noise, "readout_noise", *readout_noise),
        (Omission::Noise, "shot_noise", *shot_noise),
        (Omission::Converters, "dac_bits", f64::from(*dac_bits)),
        (Omission::Converters, "adc_bits", f64::from(*adc_bits)),
    ];
    let numbers = of_chip
        .map(|value| ("model.lif_chip", value))
        .into_iter()
        .chain(of_others.map(|value| ("imperfections", value)));
    let mut found: Vec<Unsaid> = numbers
        .filter(|(_, (.., value))| *value != 0.0)
        .map(|(table, (what, key, value))| Unsaid {
            what,
            key: format!("devices.{name}.{table}.{key}"),
            value: value.to_string(),
        })
        .collect();
    if drift.is_some() {
        let key = format!("devices.{name}.imperfections.drift");
        found.push(Unsaid { what: Omission::Drift, key, value: "{ … }".to_owned() });
    }
    found
}

/// Refuses what is `unsaid` and not `omitted`; returns notes of what is left out.
///
/// # Errors
/// [`Error::Usage`] names each key, and how to leave it out.
pub(super) fn refuse(unsaid: &[Unsaid], omitted: &[Omission]) -> Result<Vec<String>, Error> {
    let line = |one: &Unsaid| format!("`{}` = {}", one.key, one.value);
    let is_left = |one: &&Unsaid| !omitted.contains(&one.what);
    let refused: Vec<&Unsaid> = unsaid.iter().filter(is_left).collect();
    if refused.is_empty() {
        return Ok(unsaid.iter().map(|one| format!("left out: {}", line(one))).collect());
    }
    let keys: Vec<String> = refused.iter().map(|one| line(one)).collect();
    let is_refused = |what: &Omission| refused.iter().any(|one| one.what == *what);
    let names: Vec<&str> =
        Omission::ALL.into_iter().filter(is_refused).map(Omission::name).collect();
    Err(Error::Usage(format!(
        "NIR cannot say {}; the exported network would play without it; leave it out with option `drop` {}",
        keys.join(", "),
        names.join(",")
    )))
}

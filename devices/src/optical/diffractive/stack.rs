//! A network's channels and constants, and its masks at a setting.

use std::f32::consts::PI;

use rustfft::num_complex::{Complex32, Complex64};

use super::config::DiffractiveConfig;
use super::fourier::Fourier;
use super::gap::{Gap, Grid, OfGap};
use super::mask::{differences, phases, turns};
use super::window::Window;
use crate::saturation::Saturation;
use crate::{Channels, Constant, DeviceError, Interface, random};

/// Most masks: more are a mistake, and their phases fill the memory.
const MOST_LAYERS: usize = 256;

/// Share of the phases that four neighbours may take together.
const MOST_CROSSTALK: f64 = 0.25;

/// A diffractive network: nominal, or as built.
#[derive(Clone, Debug)]
pub struct Diffractive {
    pub(super) interface: Interface,
    pub(super) grid: Grid,
    pub(super) modulator: Window,
    pub(super) camera: Window,
    /// K.
    pub(super) layers: usize,
    pub(super) gain: f32,
    pub(super) full_scale: f32,
    /// Lengths of the gaps by design, in units of p²/λ.
    depths: Vec<f64>,
    waves: Vec<Complex64>,
    pub(super) errors: Errors,
    /// The gaps with their errors.
    pub(super) gaps: Vec<Gap>,
}

/// Errors of a network, and what its detectors make of light.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    /// ε of each gap.
    depths: Vec<f32>,
    /// Displacements of each mask in pixels.
    across: Vec<f32>,
    down: Vec<f32>,
    /// δ of each pixel, mask by mask.
    pub phases: Vec<f32>,
    /// κ.
    pub crosstalk: f32,
    /// s of each bin.
    pub sensitivity: Vec<f32>,
}

/// Cotangents of a network's phases, gaps and sensitivities.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Of φ, mask by mask.
    pub phases: Vec<f32>,
    pub gaps: Vec<OfGap>,
    pub sensitivity: Vec<f32>,
}

impl Diffractive {
    /// The network as designed: perfect.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for a grid whose side is no power of two from 4 to 1024, for more than 256 masks, for more
    /// drives or bins a side than the grid has pixels, and for masks whose pixels leak all of their phase.
    pub fn nominal(config: &DiffractiveConfig) -> Result<Self, DeviceError> {
        let perfect = DiffractiveConfig {
            misalignment: 0.0,
            gap_error: 0.0,
            phase_error: 0.0,
            pixel_crosstalk: 0.0,
            ..config.clone()
        };
        check(config)?;
        Self::fabricated(&perfect, 0.0, 0)
    }

    /// A copy with the configuration's errors, and with bins off by a relative normal deviate of standard deviation
    /// `mismatch`, all drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &DiffractiveConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        check(config)?;
        let DiffractiveConfig { layers, pixels, outputs, .. } = *config;
        let grid = Grid {
            side: pixels,
            pitch: config.pitch,
            wavelength: config.wavelength,
            fourier: Fourier::new(pixels),
        };
        let depths: Vec<f64> = config.lengths().map(|length| length / grid.depth()).collect();
        let mut random = random::stream(seed, "fabrication");
        let mut deviate = |deviation: f64| deviation * random::deviate(&mut random);
        let count = layers * pixels * pixels;
        let errors = Errors {
            depths: depths
                .iter()
                .map(|depth| (depth * deviate(config.gap_error).max(-0.9)) as f32)
                .collect(),
            across: (0..layers).map(|_| deviate(config.misalignment) as f32).collect(),
            down: (0..layers).map(|_| deviate(config.misalignment) as f32).collect(),
            phases: (0..count).map(|_| deviate(config.phase_error) as f32).collect(),
            crosstalk: config.pixel_crosstalk as f32,
            sensitivity: (0..outputs * outputs)
                .map(|_| (1.0 + deviate(mismatch)).max(0.1) as f32)
                .collect(),
        };
        let full_scale = config.full_scale as f32;
        let amplitudes = config.inputs * config.inputs;
        let waves = grid.waves();
        let mut network = Self {
            interface: Interface {
                device: "diffractive".to_owned(),
                inputs: Channels::bank("amplitude", amplitudes, "1", 0.0, 1.0),
                parameters: Channels::bank("phase", count, "rad", -PI, 3.0 * PI),
                outputs: Channels::bank(
                    "intensity",
                    outputs * outputs,
                    "1",
                    -0.05 * full_scale,
                    full_scale,
                ),
                seconds_per_shot: config.seconds_per_shot,
            },
            modulator: Window::new(config.inputs, pixels),
            camera: Window::new(outputs, pixels),
            layers,
            gain: config.gain as f32,
            full_scale,
            depths,
            waves,
            errors,
            gaps: Vec::new(),
            grid,
        };
        network.set_gaps();
        Ok(network)
    }

    /// Propagates the errors of lengths and places into the gaps.
    fn set_gaps(&mut self) {
        let Errors { depths: errors, across, down, .. } = &self.errors;
        // Modulator and camera are where they should be.
        let step = |places: &[f32], gap: usize| {
            let place = |mask: Option<usize>| {
                mask.and_then(|mask| places.get(mask)).map_or(0.0, |&place| f64::from(place))
            };
            place(Some(gap)) - place(gap.checked_sub(1))
        };
        let lengths = self.depths.iter().zip(errors).enumerate();
        self.gaps = lengths
            .map(|(gap, (depth, error))| {
                let depth = depth + f64::from(*error);
                self.grid.gap(&self.waves, depth, step(across, gap), step(down, gap))
            })
            .collect();
    }

    /// n².
    pub(super) fn pixels(&self) -> usize {
        self.grid.side * self.grid.side
    }

    /// e^{iφ} of every pixel at the phases `parameters`, mask by mask.
    pub(super) fn at(&self, parameters: &[f32]) -> Vec<Complex32> {
        let masks = parameters.chunks_exact(self.pixels());
        let errors = self.errors.phases.chunks_exact(self.pixels());
        let masks = masks.zip(errors).flat_map(|(theta, errors)| {
            phases(theta, errors, self.errors.crosstalk, self.grid.side)
        });
        turns(&masks.collect::<Vec<_>>())
    }

    /// Cotangents of the parameters from those of φ.
    pub(super) fn of_parameters(&self, of_phases: &[f32], of_parameters: &mut [f32]) {
        let pixels = self.pixels();
        let masks = of_phases.chunks_exact(pixels).zip(of_parameters.chunks_exact_mut(pixels));
        for (of_phases, of_parameters) in masks {
            let leaked = differences(of_phases, self.grid.side);
            for ((of, phase), leaked) in of_parameters.iter_mut().zip(of_phases).zip(leaked) {
                *of = phase + self.errors.crosstalk * leaked;
            }
        }
    }

    /// Cotangents of the constants, in their order, at the phases `parameters`.
    pub(super) fn of_constants(&self, sums: Sums, parameters: &[f32]) -> Vec<f32> {
        let pixels = self.pixels();
        let masks = parameters.chunks_exact(pixels).zip(sums.phases.chunks_exact(pixels));
        let crosstalk: f32 = masks
            .map(|(theta, of)| {
                let leaked = differences(theta, self.grid.side);
                leaked.iter().zip(of).map(|(leaked, of)| leaked * of).sum::<f32>()
            })
            .sum();
        // A mask's displacement moves the plane behind one gap and before the next.
        let displaced = |of: fn(&OfGap) -> f32| {
            let gaps = sums.gaps.windows(2);
            gaps.map(move |gaps| of(&gaps[0]) - of(&gaps[1])).collect::<Vec<_>>()
        };
        let depths = sums.gaps.iter().map(|gap| gap.depth);
        depths
            .chain(displaced(|gap| gap.across))
            .chain(displaced(|gap| gap.down))
            .chain(sums.phases.iter().copied())
            .chain(sums.sensitivity.iter().copied())
            .chain([crosstalk])
            .collect()
    }

    /// √(1/λ² − |f|²) − 1/λ of each wave in cycles over p²/λ, column by column.
    pub(super) fn waves(&self) -> Vec<Complex32> {
        self.waves.iter().map(|z| Complex32::new(z.re as f32, z.im as f32)).collect()
    }

    /// s of each bin.
    pub(super) fn sensitivity(&self) -> &[f32] {
        &self.errors.sensitivity
    }

    /// The camera's converter.
    pub(super) fn saturation(&self) -> Saturation {
        Saturation::at(self.full_scale)
    }

    /// Its constants that can be learned.
    pub(super) fn all_constants(&self) -> Vec<Constant> {
        let Errors { depths, across, down, phases, crosstalk, sensitivity } = &self.errors;
        Constant::bank("gap", depths)
            .chain(Constant::bank("across", across))
            .chain(Constant::bank("down", down))
            .chain(Constant::bank("phase", phases))
            .chain(Constant::bank("sensitivity", sensitivity))
            .chain([Constant { name: "crosstalk".to_owned(), value: *crosstalk }])
            .collect()
    }

    /// Sets them, in the same order.
    pub(super) fn set_all_constants(&mut self, values: &[f32]) {
        let Errors { depths, across, down, phases, crosstalk, sensitivity } = &mut self.errors;
        let mut rest = values;
        for bank in [depths, across, down, phases, sensitivity] {
            let (values, others) = rest.split_at(bank.len());
            bank.copy_from_slice(values);
            rest = others;
        }
        *crosstalk = rest[0];
        self.set_gaps();
    }
}

impl DiffractiveConfig {
    /// Lengths of the gaps in µm.
    fn lengths(&self) -> impl Iterator<Item = f64> {
        let first = self.first_gap.unwrap_or(self.gap);
        let last = self.last_gap.unwrap_or(self.gap);
        let between = std::iter::repeat_n(self.gap, self.layers - 1);
        [first].into_iter().chain(between).chain([last]).map(|length| 1e3 * length)
    }
}

fn check(config: &DiffractiveConfig) -> Result<(), DeviceError> {
    let DiffractiveConfig { layers, pixels, inputs, outputs, pixel_crosstalk, .. } = *config;
    let problem = if !pixels.is_power_of_two() || !(4..=1024).contains(&pixels) {
        format!("pixels = {pixels} is no power of two from 4 to 1024; ask for 32, for example")
    } else if layers > MOST_LAYERS {
        format!("layers = {layers} are more than {MOST_LAYERS}; ask for fewer masks")
    } else if inputs > pixels {
        format!(
            "inputs = {inputs} a side are more than the {pixels} pixels of the grid; raise `pixels`"
        )
    } else if outputs > pixels {
        format!(
            "outputs = {outputs} a side are more than the {pixels} pixels of the grid; raise `pixels`"
        )
    } else if pixel_crosstalk >= MOST_CROSSTALK {
        format!(
            "pixel_crosstalk = {pixel_crosstalk} goes to each of four neighbours, and leaves a pixel nothing of its phase; keep it below {MOST_CROSSTALK}"
        )
    } else {
        return Ok(());
    };
    Err(DeviceError::Config { device: "diffractive".to_owned(), problem })
}

//! The errors of a stack's interferometers: drawn, or read from files.

use std::path::Path;

use npyz::NpyFile;
use rand_chacha::ChaCha8Rng;

use super::config::{CoherentStackConfig, ErrorFiles};
use super::mesh::places;
use crate::{DeviceError, random};

/// Largest error of a splitter: it then passes all light, or none.
const WHOLE: f64 = 1.0;

/// Errors of all interferometers, mesh by mesh and column by column.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    /// δ_l and δ_r of each, in rad.
    pub splitters: Vec<f32>,
    /// Errors of θ, and of φ, in rad.
    pub theta: Vec<f32>,
    pub phi: Vec<f32>,
    /// ℓ of each.
    pub transmission: Vec<f32>,
}

impl Errors {
    /// None, for a stack of `count` interferometers.
    pub fn none(count: usize) -> Self {
        Self {
            splitters: vec![0.0; 2 * count],
            theta: vec![0.0; count],
            phi: vec![0.0; count],
            transmission: vec![1.0; count],
        }
    }

    /// As `config` has them, drawn by `random` where it names no file.
    pub fn of(config: &CoherentStackConfig, random: &mut ChaCha8Rng) -> Result<Self, DeviceError> {
        let count = config.meshes
            * (0..config.modes).map(|c| places(config.modes, c).count()).sum::<usize>();
        let mut deviates = |count: usize, deviation: f64| -> Vec<f64> {
            (0..count).map(|_| deviation * random::deviate(random)).collect()
        };
        let mut splitters = deviates(2 * count, config.splitter_error);
        let [mut theta, mut phi] = [(); 2].map(|()| deviates(count, config.phase_error));
        let losses = deviates(count, config.loss_spread);
        if let Some(ErrorFiles { splitters: of_splitters, phases }) = &config.error_files {
            if let Some(folder) = of_splitters {
                let left = read(config, folder, "e_l.npy")?;
                let right = read(config, folder, "e_r.npy")?;
                splitters = left.into_iter().zip(right).flat_map(|(l, r)| [l, r]).collect();
            }
            if let Some(folder) = phases {
                theta = read(config, folder, "theta_errors.npy")?;
                phi = read(config, folder, "phi_errors.npy")?;
            }
        }
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        let angle = |e: f64| (-0.5 * e.clamp(-WHOLE, WHOLE).asin()) as f32;
        let transmission = |spread: f64| {
            let loss_db = (config.loss_db * (1.0 + spread)).max(0.0);
            10f64.powf(-loss_db / 20.0) as f32
        };
        Ok(Self {
            splitters: splitters.into_iter().map(angle).collect(),
            theta: single(theta),
            phi: single(phi),
            transmission: losses.into_iter().map(transmission).collect(),
        })
    }
}

/// The arrays `name` of all meshes under `folder`, without the pairs that an odd column does not have.
fn read(config: &CoherentStackConfig, folder: &Path, name: &str) -> Result<Vec<f64>, DeviceError> {
    let modes = config.modes;
    let mut values = Vec::new();
    for mesh in 0..config.meshes {
        let path = folder.join(format!("Iter{mesh}")).join(name);
        let problem = |problem: String| DeviceError::Config {
            device: "coherent_stack".to_owned(),
            problem: format!("{}: {problem}", path.display()),
        };
        let bytes = std::fs::read(&path)
            .map_err(|error| problem(format!("{error}; correct `error_files`")))?;
        let file = NpyFile::new(&bytes[..]).map_err(|error| problem(error.to_string()))?;
        let expected = [modes as u64, (modes / 2) as u64];
        if file.shape() != expected {
            let found = file.shape();
            return Err(problem(format!(
                "its shape is {found:?}, and a mesh of {modes} modes has errors of the shape {expected:?}"
            )));
        }
        if file.order() != npyz::Order::C {
            return Err(problem("it is in Fortran's order; save it in C's".to_owned()));
        }
        let all: Vec<f64> = file.into_vec().map_err(|error| problem(error.to_string()))?;
        if !all.iter().all(|value| value.is_finite()) {
            return Err(problem("it has NaN or infinite values".to_owned()));
        }
        for (column, row) in all.chunks_exact(modes / 2).enumerate() {
            values.extend(&row[..places(modes, column).count()]);
        }
    }
    Ok(values)
}

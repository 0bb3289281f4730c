//! Which shots to take: drives and parameters over a device's ranges.

mod active;
mod config;
mod gaussian;
mod latin_hypercube;
mod raster;
mod sobol;
mod task_like;
mod uniform;

use nalgebra::DMatrix;

pub use config::{ActiveConfig, DesignConfig};
pub use gaussian::GaussianConfig;
pub use task_like::{TaskDrives, TaskLikeConfig};

/// Gives all shots of each run of `run` neighbours the parameters of its first shot, so that the device
/// is set less often and an equation is evaluated for whole batches. `parameters`: a column a shot.
pub fn share_settings(parameters: &mut DMatrix<f32>, run: usize) {
    let height = parameters.nrows();
    for run in parameters.as_mut_slice().chunks_mut((run * height).max(1)) {
        let (first, others) = run.split_at_mut(height);
        others.chunks_exact_mut(height.max(1)).for_each(|other| other.copy_from_slice(first));
    }
}

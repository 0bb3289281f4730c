//! A twin's gradient compared with the device's.
//!
//! About a point p of the unseen shots, a cotangent c of random normals weighs the outputs, in binary units. Along a
//! direction v, which moves every channel of a group by ± its range at random, the derivative of c·y is
//! vjp(c)·v by the twin, and measured D = (c·y(p + hv) − c·y(p − hv)) / 2h. Since
//! E[(g·v)(g′·v)] = g·g′, sums of products over points and directions are those of the gradients
//! (simultaneous perturbations; Spall 1992), in units of each channel's range. The cotangent is scaled
//! so that the twin's gradient has length one: all points have equal weight, sensitive or not.
//!
//! The shots of each end are averaged in two halves A and B: the mean of D_A D_B is the square of the
//! device's derivative, without the variance of the noise, which would make every twin look worse. The
//! step h is as large as the curvature allows: see [`step`]. Of a device with rasters, gradients of mean counts are
//! compared: see [`counts`].

mod agreement;
mod comparison;
mod counts;
mod differences;
mod group;
mod step;

use nalgebra::DVector;
use twinprop_devices::{DeviceError, PhysicalLayer, random};

use self::agreement::{add, products};
use self::differences::CentralDifferences;
use self::group::{Directions, groups};
use self::step::choose_steps;

pub use agreement::{Gradient, GroupGradient};
pub(super) use comparison::GradientComparison;
pub(super) use counts::compare as compare_counts;

/// Compares the gradients with respect to all channels, and to each group of them. `noise`: variance of a shot's noise in
/// each output, in binary units; `progress` gets the share that is done.
pub(super) fn compare(
    case: &GradientComparison<'_>,
    noise: &DVector<f32>,
    device: &mut dyn PhysicalLayer,
    mut progress: impl FnMut(f64),
) -> Result<(Gradient, Vec<GroupGradient>), DeviceError> {
    let &GradientComparison { twin, unseen, config, seed, backend, .. } = case;
    let interface = device.interface().clone();
    if interface.has_raster() {
        return compare_counts(case, device, progress);
    }
    let groups = groups(&interface.inputs, &interface.parameters);
    let mut differences = CentralDifferences {
        channels: interface.inputs.clone().and(interface.parameters.clone()),
        width: interface.inputs.len(),
        outputs: interface.outputs.clone(),
        device,
        repeats: config.repeats.next_multiple_of(2),
        random: random::stream(seed, "gradient fidelity"),
    };
    let mut total = vec![[0.0; 4]; config.points];
    let mut by_group = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        progress(number as f64 / groups.len() as f64);
        let points = differences.points(unseen, config.points, group);
        let of_twin = differences.gradients(twin, &points, backend)?;
        let directions: Vec<Directions> =
            (0..config.points).map(|_| differences.directions(group, config.directions)).collect();
        let mut steps = choose_steps(case, noise, &differences, &points, &of_twin, &directions);
        let mut by_point = vec![[0.0; 4]; config.points];
        for (point, sums) in by_point.iter_mut().enumerate() {
            let directions = directions[point].first(&differences.channels, config.directions);
            let measured = differences.derivatives(
                &points.drives.column(point).into_owned(),
                &directions,
                &of_twin.cotangents.column(point).into_owned(),
                group,
                steps[point],
            )?;
            for (direction, halves) in directions.column_iter().zip(measured) {
                let predicted = f64::from(of_twin.gradients.column(point).dot(&direction));
                add(sums, &products(halves, predicted));
            }
        }
        total.iter_mut().zip(&by_point).for_each(|(total, sums)| add(total, sums));
        steps.sort_by(f32::total_cmp);
        by_group.push(GroupGradient {
            group: group.name.clone(),
            gradient: Gradient::of(&by_point),
            step: steps[steps.len() / 2],
        });
    }
    Ok((Gradient::of(&total), by_group))
}

use nalgebra::{DMatrix, DVector};
use std::time::Instant;
use twinprop_devices::optical::{CoherentStack, CoherentStackConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};
fn best(name: &str, mut f: impl FnMut()) {
    let mut all: Vec<f64> = (0..400)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    println!(
        "{name:10} min {:.3} p25 {:.3} median {:.3}",
        1e3 * all[0],
        1e3 * all[100],
        1e3 * all[200]
    );
}
fn main() {
    let config = CoherentStackConfig {
        modes: 64,
        splitter_error: 0.06,
        phase_error: 0.06,
        ..Default::default()
    };
    let stack = CoherentStack::fabricated(&config, 0.0, 1).unwrap();
    let wave = |k: usize| (k as f32 * 1.7).sin();
    let x = DMatrix::from_fn(128, 500, |r, c| 2.0 * wave(r + 128 * c));
    let theta = DVector::from_fn(stack.interface().parameters.len(), |k, _| 3.0 * wave(k));
    let mut y = DMatrix::zeros(64, 500);
    best("respond", || stack.respond(&x, &theta, &mut y).unwrap());
    best("linearise", || drop(stack.linearise(&x, &theta)));
    let lin = stack.linearise(&x, &theta).unwrap();
    let (mut dx, mut dt) = (DMatrix::zeros(128, 500), DVector::zeros(theta.len()));
    best("vjp", || lin.vjp(&y, &y, &mut dx, &mut dt));
    best("matrices", || drop(stack.matrices(&theta)));
    let m = stack.matrices(&theta).unwrap();
    let of: Vec<Vec<f32>> = (0..3).map(|k| (0..128 * 128).map(|i| wave(i + k)).collect()).collect();
    best("slopes", || drop(m.parameter_cotangents(&of)));
}

//! Crossbar, mesh, stack, microring bank and diffractive network obey the equations of their modules.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::electronic::{Crossbar, CrossbarConfig};
use twinprop_devices::optical::{
    CoherentStack, CoherentStackConfig, Diffractive, DiffractiveConfig, MicroringBank,
    MicroringBankConfig, MziMesh, MziMeshConfig, StackReadout,
};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

fn uniform(rows: usize, columns: usize, largest: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    DMatrix::from_fn(rows, columns, |_, _| random.random_range(-largest..largest))
}

fn vector(length: usize, largest: f32, seed: u64) -> DVector<f32> {
    uniform(length, 1, largest, seed).column(0).into_owned()
}

fn respond(
    device: &dyn Differentiable,
    x: &DMatrix<f32>,
    parameters: &DVector<f32>,
) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.respond(x, parameters, &mut y).unwrap();
    y
}

fn measure(
    device: &mut dyn PhysicalLayer,
    x: &DMatrix<f32>,
    parameters: &DVector<f32>,
) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.measure(x, parameters, &mut y).unwrap();
    y
}

fn tile() -> CrossbarConfig {
    CrossbarConfig { inputs: 7, outputs: 5, full_scale: 10.0, ..Default::default() }
}

fn mesh(modes: usize) -> MziMeshConfig {
    MziMeshConfig {
        modes,
        splitter_error: 0.05,
        phase_error: 0.1,
        crosstalk: 0.03,
        loss_db: 0.1,
        full_scale: 100.0,
        ..Default::default()
    }
}

#[test]
fn adjoints_agree_with_central_differences_in_drives_parameters_and_constants() {
    let wired = CrossbarConfig { wire_resistance: 2e-3, ..tile() };
    let stack = CoherentStackConfig {
        modes: 5,
        splitter_error: 0.1,
        phase_error: 0.1,
        crosstalk: 0.03,
        loss_db: 0.1,
        loss_spread: 0.5,
        ..Default::default()
    };
    let fixed = CoherentStackConfig { readout: StackReadout::FullScale(10.0), ..stack.clone() };
    let rings = MicroringBankConfig {
        inputs: 18,
        outputs: 5,
        resonance_error: 5.0,
        efficiency_error: 0.05,
        crosstalk: 0.05,
        ..Default::default()
    };
    let masks = DiffractiveConfig {
        inputs: 4,
        outputs: 3,
        pixels: 8,
        gap: 0.8,
        misalignment: 0.3,
        gap_error: 0.02,
        phase_error: 0.2,
        pixel_crosstalk: 0.05,
        ..Default::default()
    };
    let devices: [Box<dyn Differentiable>; 7] = [
        Box::new(Diffractive::fabricated(&masks, 0.1, 3).unwrap()),
        Box::new(MicroringBank::fabricated(&rings, 0.1, 3).unwrap()),
        Box::new(CoherentStack::fabricated(&stack, 0.1, 3).unwrap()),
        Box::new(CoherentStack::fabricated(&fixed, 0.1, 3).unwrap()),
        Box::new(Crossbar::fabricated(&tile(), 0.1, 3).unwrap()),
        Box::new(Crossbar::fabricated(&wired, 0.1, 3).unwrap()),
        Box::new(MziMesh::fabricated(&mesh(5), 0.1, 3).unwrap()),
    ];
    for mut device in devices {
        let interface = device.interface().clone();
        let shots = 9;
        // Weak light is divided by a floor.
        let strength = if interface.device == "coherent_stack" { 3.0 } else { 0.8 };
        let x = uniform(interface.inputs.len(), shots, strength, 4);
        let theta = vector(interface.parameters.len(), 0.8, 5);
        let weights = uniform(interface.outputs.len(), shots, 1.0, 6);
        let (mut dx, mut dtheta) = (DMatrix::zeros(x.nrows(), shots), DVector::zeros(theta.len()));
        device.vjp(&x, &theta, &weights, &mut dx, &mut dtheta).unwrap();
        let dconstants =
            DVector::from_vec(device.constant_cotangents(&x, &theta, &weights).unwrap());
        let constants =
            DVector::from_iterator(dconstants.len(), device.constants().iter().map(|c| c.value));
        for direction in 0..6u64 {
            let part = |index: u64| if direction % 3 == index { 1.0 } else { 0.0 };
            let vx = uniform(x.nrows(), shots, 1.0, 10 + direction) * part(0);
            let vtheta = vector(theta.len(), 1.0, 20 + direction) * part(1);
            let mut vconstants = vector(constants.len(), 1.0, 30 + direction) * part(2);
            if interface.device == "crossbar" {
                // The wire's resistance is a thousandth of the cells' size, and bounded.
                let last = vconstants.len() - 1;
                vconstants[last] *= 1e-2;
            }
            let mut end = |h: f32| -> f64 {
                device.set_constants((&constants + &vconstants * h).as_slice());
                let y = respond(&*device, &(&x + &vx * h), &(&theta + &vtheta * h));
                y.iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
            };
            // Readings go with the ninth power of a stack's drives.
            let h = if interface.device == "coherent_stack" { 0.004 } else { 0.02 };
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            device.set_constants(constants.as_slice());
            let predicted =
                f64::from(dx.dot(&vx) + dtheta.dot(&vtheta) + dconstants.dot(&vconstants));
            let size = predicted.abs().max(0.1);
            assert!(
                (measured - predicted).abs() < 2e-3 * size,
                "{}, direction {direction}: {measured} measured, {predicted} predicted",
                interface.device
            );
        }
    }
}

#[test]
fn a_perfect_mesh_conserves_power() {
    for modes in [2, 5, 8, 16] {
        let device = MziMesh::nominal(&MziMeshConfig { modes, ..Default::default() }).unwrap();
        let phases = vector(modes * (modes - 1), std::f32::consts::PI, 1);
        assert_eq!(device.interface().parameters.len(), phases.len());
        let [real, imaginary] = device.matrix(&phases);
        // (R + iI)ᴴ (R + iI) = 1.
        let gram = real.tr_mul(&real) + imaginary.tr_mul(&imaginary);
        let skew = real.tr_mul(&imaginary) - imaginary.tr_mul(&real);
        assert!((gram - DMatrix::identity(modes, modes)).amax() < 2e-6, "{modes} modes");
        assert!(skew.amax() < 2e-6, "{modes} modes");
        // Light in one mode reaches all outputs.
        let from_first = respond(
            &device,
            &DMatrix::from_fn(modes, 1, |i, _| f32::from(u8::from(i == 0))),
            &phases,
        );
        assert!((from_first.sum() - 1.0).abs() < 1e-5);
        assert!(from_first.iter().filter(|power| **power > 1e-12).count() == modes, "{from_first}");
    }
}

#[test]
fn an_interferometer_is_a_switch() {
    // With φ = 0: θ = 0 crosses, θ = π goes straight; loss takes its share.
    let config = MziMeshConfig { modes: 2, loss_db: 3.0, ..Default::default() };
    let device = MziMesh::fabricated(&config, 0.0, 1).unwrap();
    let x = DMatrix::from_column_slice(2, 1, &[1.0, 0.0]);
    let left = 10f32.powf(-0.3);
    for (theta, expected) in [(0.0, [0.0, left]), (std::f32::consts::PI, [left, 0.0])] {
        let y = respond(&device, &x, &DVector::from_vec(vec![0.0, theta]));
        assert!((y - DMatrix::from_column_slice(2, 1, &expected)).amax() < 1e-6);
    }
}

#[test]
fn a_perfect_tile_multiplies() {
    let device = Crossbar::nominal(&tile()).unwrap();
    let (x, weights) = (uniform(7, 4, 1.0, 1), vector(35, 1.0, 2));
    let matrix = DMatrix::from_column_slice(5, 7, weights.as_slice());
    let expected = matrix * &x / 7f32.sqrt();
    assert!((respond(&device, &x, &weights) - expected).amax() < 1e-5);
}

/// Currents of one of the two tiles by solving all its nodes: rows driven from the left, columns
/// grounded at the last row's foot, every wire segment of resistance r.
fn ladder(conductance: &DMatrix<f64>, x: &[f64], r: f64) -> Vec<f64> {
    let (outputs, inputs) = conductance.shape();
    let cells = outputs * inputs;
    let (row, column) =
        (|o: usize, i: usize| i * outputs + o, |o: usize, i: usize| cells + i * outputs + o);
    let mut matrix = DMatrix::<f64>::zeros(2 * cells, 2 * cells);
    let mut source = DVector::<f64>::zeros(2 * cells);
    let mut connect = |a: usize, b: Option<usize>, g: f64, volts: f64| {
        matrix[(a, a)] += g;
        match b {
            Some(b) => {
                matrix[(b, b)] += g;
                matrix[(a, b)] -= g;
                matrix[(b, a)] -= g;
            }
            None => source[a] += g * volts,
        }
    };
    for i in 0..inputs {
        for o in 0..outputs {
            connect(row(o, i), Some(column(o, i)), conductance[(o, i)], 0.0);
            let before = (o > 0).then(|| row(o - 1, i));
            connect(row(o, i), before, 1.0 / r, x[i]);
            let below = (i + 1 < inputs).then(|| column(o, i + 1));
            connect(column(o, i), below, 1.0 / r, 0.0);
        }
    }
    let nodes = matrix.lu().solve(&source).unwrap();
    (0..outputs).map(|o| nodes[column(o, inputs - 1)] / r).collect()
}

#[test]
fn the_drop_on_the_wires_agrees_with_the_solved_network_to_first_order() {
    let weights = vector(35, 1.0, 2);
    let x = uniform(7, 1, 1.0, 1);
    let drives: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let read = |r: f64| -> (Vec<f64>, Vec<f64>) {
        let config = CrossbarConfig { wire_resistance: r, ..tile() };
        let device = Crossbar::fabricated(&config, 0.0, 1).unwrap();
        let y = respond(&device, &x, &weights);
        let off = 1.0 / config.on_off_ratio;
        let (middle, half) = (0.5 * (1.0 + off), 0.5 * (1.0 - off));
        let conductance = |sign: f64| {
            DMatrix::from_iterator(
                5,
                7,
                weights.iter().map(|&w| middle + sign * half * f64::from(w)),
            )
        };
        let plus = ladder(&conductance(1.0), &drives, r);
        let minus = ladder(&conductance(-1.0), &drives, r);
        let solved =
            plus.iter().zip(&minus).map(|(p, m)| (p - m) / (2.0 * half * 7f64.sqrt())).collect();
        (y.iter().map(|&y| f64::from(y)).collect(), solved)
    };
    let worst = |r: f64| -> (f64, f64) {
        let ((ours, solved), (ideal, _)) = (read(r), read(1e-9));
        let largest = |left: &[f64], right: &[f64]| {
            left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0, f64::max)
        };
        (largest(&ours, &solved), largest(&ideal, &solved))
    };
    let (error, effect) = worst(1e-3);
    assert!(error < 0.15 * effect, "{error} of {effect}");
    let (smaller, _) = worst(5e-4);
    let order = (error / smaller).log2();
    assert!((order - 2.0).abs() < 0.3, "{order}");
}

#[test]
fn a_tile_is_programmed_with_new_weights_only_and_drifts_afterwards() {
    let config = CrossbarConfig {
        programming_noise: 0.03,
        drift_exponent: 0.05,
        seconds_per_shot: 1.0,
        ..tile()
    };
    let mut device = Crossbar::fabricated(&config, 0.0, 1).unwrap();
    let (x, weights) = (uniform(7, 1, 1.0, 1), vector(35, 1.0, 2));
    let first = measure(&mut device, &x, &weights);
    let second = measure(&mut device, &x, &weights);
    // One shot, one second: (1 + 1)^−0.05, common to all cells.
    assert!((&first * 2f32.powf(-0.05) - &second).amax() < 1e-5);
    let other = vector(35, 1.0, 3);
    measure(&mut device, &x, &other);
    let again = measure(&mut device, &x, &weights);
    assert!((&again - &first).amax() > 1e-3, "programming noise is drawn again");
    let perfect = respond(&Crossbar::nominal(&config).unwrap(), &x, &weights);
    assert!((&first - &perfect).amax() < 0.3);
    let mut same = Crossbar::fabricated(&config, 0.0, 1).unwrap();
    assert_eq!(measure(&mut same, &x, &weights), first);
    // Another process resumes without programming again.
    let mut later = Crossbar::fabricated(&config, 0.0, 1).unwrap();
    later.resume(&device.usage());
    assert_eq!(measure(&mut later, &x, &weights), measure(&mut device, &x, &weights));
    assert_eq!(measure(&mut later, &x, &other), measure(&mut device, &x, &other));
    assert_eq!(later.usage(), device.usage());
}

#[test]
fn read_noise_has_its_strength_and_depends_on_the_shot_alone() {
    let config = CrossbarConfig { read_noise: 0.05, ..tile() };
    let mut device = Crossbar::fabricated(&config, 0.0, 1).unwrap();
    let (x, weights) = (DMatrix::from_element(7, 4000, 0.5), vector(35, 1.0, 2));
    let y = measure(&mut device, &x, &weights);
    let off = 1.0 / 20.0;
    let (middle, half) = (0.5 * (1.0 + off), 0.5 * (1.0 - off));
    for (o, row) in y.row_iter().enumerate() {
        let squares: f32 = (0..7)
            .map(|i| {
                let w = weights[i * 5 + o];
                (middle + half * w).powi(2) + (middle - half * w).powi(2)
            })
            .sum();
        let expected = 0.05 * 0.5 * squares.sqrt() / (2.0 * half * 7f32.sqrt());
        let found = row.variance().sqrt();
        assert!((found / expected - 1.0).abs() < 0.06, "{o}: {found} {expected}");
    }
    let mut same = Crossbar::fabricated(&config, 0.0, 1).unwrap();
    let halves =
        [0, 2000].map(|from| measure(&mut same, &x.columns(from, 2000).into_owned(), &weights));
    assert_eq!(halves[1].column(1999), y.column(3999));
}

#[test]
fn impossible_devices_are_refused() {
    let long = CrossbarConfig { inputs: 64, outputs: 64, wire_resistance: 1e-3, ..tile() };
    let error = Crossbar::fabricated(&long, 0.0, 1).err().unwrap().to_string();
    assert!(error.contains("64 × 64 cells"), "{error}");
    let error = MziMesh::nominal(&MziMeshConfig { modes: 1, ..Default::default() }).unwrap_err();
    assert!(error.to_string().contains("two or more"), "{error}");
}

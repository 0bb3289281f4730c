//! A coherent stack obeys the equations of its module, and agrees with reference values.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;

use nalgebra::{DMatrix, DVector};
use npyz::WriterBuilder;
use rand::RngExt;
use serde_json::Value;
use twinprop_devices::optical::{
    CoherentStack, CoherentStackConfig, ErrorFiles, Modulators, StackReadout,
};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

/// The numbers of a nested list, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        _ => vec![value.as_f64().unwrap()],
    }
}

/// Values `[mesh][column][pair]` without the pairs that an odd column does not have.
fn of_interferometers(value: &Value, modes: usize) -> Vec<f64> {
    let columns = value.as_array().unwrap().iter().flat_map(|mesh| mesh.as_array().unwrap());
    let kept = columns.enumerate().flat_map(|(number, column)| {
        let pairs = modes / 2 - number % modes % 2;
        flat(column).into_iter().take(pairs)
    });
    kept.collect()
}

/// Shots `[shots][modes]` of complex numbers, in-phase parts first.
fn complex(value: &Value) -> DMatrix<f32> {
    let [re, im] = ["re", "im"].map(|part| value[part].as_array().unwrap());
    let shots: Vec<f32> = re
        .iter()
        .zip(im)
        .flat_map(|(re, im)| [flat(re), flat(im)].concat())
        .map(|value| value as f32)
        .collect();
    DMatrix::from_vec(shots.len() / re.len(), re.len(), shots)
}

fn largest(difference: impl Iterator<Item = f64>) -> f64 {
    difference.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// Reference values of this project, checked against the code of Zheng et al. (2023) to 9e-7.
#[test]
fn fields_outputs_loss_and_gradients_agree_with_reference_values() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/coherent-stack.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no file {}", path.display());
        return;
    };
    let golden: Value = serde_json::from_str(&text).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let (modes, name) = (case["modes"].as_u64().unwrap() as usize, &case["case"]);
        let inputs = &golden[format!("inputs_{modes}")];
        let x = complex(&inputs["drives"]);
        let shots = x.ncols();
        let config = CoherentStackConfig { modes, ..Default::default() };
        let mut stack = CoherentStack::nominal(&config).unwrap();
        let of = |key: &str| of_interferometers(&inputs[key], modes);
        let has = |part: &str| name == "errors" || name == part;
        let zero = |values: Vec<f64>| vec![0.0; values.len()];
        let [left, right] =
            ["e_l", "e_r"].map(of).map(|e| if has("splitters only") { e } else { zero(e) });
        let phases =
            ["d_theta", "d_phi"].map(of).map(|d| if has("phases only") { d } else { zero(d) });
        let splitters = left.iter().zip(&right).flat_map(|(l, r)| [l, r]).map(|e| -e.asin() / 2.0);
        let constants = splitters.chain(phases.concat()).chain(vec![1.0; modes]);
        stack.set_constants(&constants.map(|value| value as f32).collect::<Vec<_>>());
        let theta = [of("theta"), of("phi"), flat(&inputs["gamma"])].concat();
        let theta =
            DVector::from_iterator(theta.len(), theta.into_iter().map(|value| value as f32));

        let fields = stack.fields(&x, &theta).unwrap();
        for (mesh, field) in fields.iter().enumerate() {
            let expected = complex(&case["fields"][2 * mesh]);
            let off = largest((field - &expected).iter().map(|&value| f64::from(value)));
            println!("{modes} {name}, mesh {mesh}: fields to {off:.1e}");
            assert!(off < 1e-5, "{modes} {name}: fields of mesh {mesh} differ by {off}");
        }
        let mut y = DMatrix::zeros(modes, shots);
        stack.respond(&x, &theta, &mut y).unwrap();
        let expected = flat(&case["outputs"]);
        let off = largest(y.iter().zip(&expected).map(|(y, expected)| f64::from(*y) - expected));
        assert!(off < 1e-5, "{modes} {name}: outputs differ by {off}");

        // Softmax cross-entropy of the first readings.
        let classes = modes.min(10);
        let labels: Vec<usize> =
            flat(&case["labels"]).iter().map(|&label| label as usize).collect();
        let mut dy = DMatrix::zeros(modes, shots);
        let mut loss = 0.0;
        for (shot, &label) in labels.iter().enumerate() {
            let exponentials: Vec<f64> =
                (0..classes).map(|class| f64::from(y[(class, shot)]).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            loss += (sum.ln() - f64::from(y[(label, shot)])) / shots as f64;
            for class in 0..classes {
                let target = f64::from(u8::from(class == label));
                dy[(class, shot)] = ((exponentials[class] / sum - target) / shots as f64) as f32;
            }
        }
        let expected = case["loss"].as_f64().unwrap();
        assert!((loss - expected).abs() < 1e-5, "{modes} {name}: loss {loss}, not {expected}");
        let (mut dx, mut dtheta) = (DMatrix::zeros(2 * modes, shots), DVector::zeros(theta.len()));
        stack.vjp(&x, &theta, &dy, &mut dx, &mut dtheta).unwrap();
        let each = modes * (modes - 1) / 2;
        for entry in case["gradient"].as_array().unwrap() {
            let number = |place: usize| entry[place].as_u64().unwrap() as usize;
            let (mesh, column) = (number(0), number(2));
            let before: usize = (0..column).map(|column| modes / 2 - column % 2).sum();
            let place = match entry[1].as_str().unwrap() {
                "theta" => mesh * each + before + number(3),
                "phi" => (3 + mesh) * each + before + number(3),
                _ => 6 * each + mesh * modes + number(3),
            };
            let expected = entry[4].as_f64().unwrap();
            let found = f64::from(dtheta[place]);
            assert!((found - expected).abs() < 1e-5, "{modes} {name} {entry}: {found}");
        }
    }
}

fn uniform(rows: usize, columns: usize, largest: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    DMatrix::from_fn(rows, columns, |_, _| random.random_range(-largest..largest))
}

/// A perfect mesh moves light between the modes, whatever its phases; of an odd number of modes as well.
#[test]
fn a_perfect_mesh_conserves_power() {
    for modes in [2, 3, 5, 8, 33, 64] {
        let config = CoherentStackConfig { modes, meshes: 1, ..Default::default() };
        let stack = CoherentStack::nominal(&config).unwrap();
        let count = stack.interface().parameters.len();
        assert_eq!(count, modes * modes, "phases of a unitary matrix");
        let theta = uniform(count, 1, 3.0, 1).column(0).into_owned();
        let x = uniform(2 * modes, 7, 1.0, 2);
        let field = &stack.fields(&x, &theta).unwrap()[0];
        for (before, behind) in x.column_iter().zip(field.column_iter()) {
            let (before, behind) = (before.norm_squared(), behind.norm_squared());
            assert!((before - behind).abs() < 1e-5 * before, "{modes}: {before} to {behind}");
        }
    }
}

/// Modulators for amplitude and phase make the same light as those for its parts, and pull back to their own drives.
#[test]
fn amplitudes_and_phases_drive_the_stack_as_their_parts_do() {
    let config = CoherentStackConfig { modes: 5, splitter_error: 0.1, ..Default::default() };
    let by_parts = CoherentStack::fabricated(&config, 0.05, 4).unwrap();
    let config = CoherentStackConfig { modulators: Modulators::AmplitudePhase, ..config };
    let by_phase = CoherentStack::fabricated(&config, 0.05, 4).unwrap();
    assert_eq!(by_phase.interface().inputs.complex_banks()[0].largest(), 32.0);
    let shots = 67;
    let mut polar = uniform(10, shots, 3.0, 1);
    polar.rows_mut(0, 5).apply(|amplitude| *amplitude = amplitude.abs());
    let parts = DMatrix::from_fn(10, shots, |row, shot| {
        let (amplitude, phase) = (polar[(row % 5, shot)], polar[(row % 5 + 5, shot)]);
        amplitude * if row < 5 { phase.cos() } else { phase.sin() }
    });
    let theta = uniform(3 * 25, 1, 3.0, 2).column(0).into_owned();
    let respond = |stack: &CoherentStack, x: &DMatrix<f32>| {
        let mut y = DMatrix::zeros(5, shots);
        stack.respond(x, &theta, &mut y).unwrap();
        y
    };
    assert!((respond(&by_phase, &polar) - respond(&by_parts, &parts)).amax() < 1e-5);

    let of = uniform(5, shots, 1.0, 4);
    let (mut dx, mut dtheta) = (DMatrix::zeros(10, shots), DVector::zeros(theta.len()));
    by_phase.vjp(&polar, &theta, &of, &mut dx, &mut dtheta).unwrap();
    // Central differences of all shots at once: a shot's reading depends on its own drives alone.
    for row in 0..10 {
        const STEP: f32 = 2e-3;
        let moved = |step: f32| {
            let mut moved = polar.clone();
            moved.row_mut(row).add_scalar_mut(step);
            respond(&by_phase, &moved)
        };
        let slopes = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        for shot in 0..shots {
            let expected = slopes.column(shot).dot(&of.column(shot));
            let found = dx[(row, shot)];
            let largest = dx.column(shot).amax().max(0.1);
            assert!(
                (found - expected).abs() < 0.02 * largest,
                "{row}, {shot}: {found}, {expected}"
            );
        }
    }
}

/// The derivative of I ↦ I/‖I‖ is taken at the measured readings y: (dI − y (y · dI)) / ‖I‖.
#[test]
fn the_normalisation_is_differentiated_at_the_measured_readings() {
    let ranged = CoherentStackConfig { modes: 6, splitter_error: 0.1, ..Default::default() };
    let powers = CoherentStackConfig { readout: StackReadout::FullScale(1e9), ..ranged.clone() };
    let [ranged, powers] =
        [ranged, powers].map(|config| CoherentStack::fabricated(&config, 0.05, 4).unwrap());
    let shots = 70;
    let x = uniform(12, shots, 3.0, 1);
    let theta = uniform(3 * 36, 1, 3.0, 2).column(0).into_owned();
    let (readings, of) = (uniform(6, shots, 0.7, 3), uniform(6, shots, 1.0, 4));
    let mut of_powers = DMatrix::zeros(6, shots);
    powers.respond(&x, &theta, &mut of_powers).unwrap();
    for (shot, mut powers) in of_powers.column_iter_mut().enumerate() {
        let (y, of) = (readings.column(shot), of.column(shot));
        let pulled = (of - y * y.dot(&of)) / powers.norm();
        powers.copy_from(&pulled);
    }
    let pull = |stack: &CoherentStack, of: &DMatrix<f32>| {
        let (mut dx, mut dtheta) = (DMatrix::zeros(12, shots), DVector::zeros(theta.len()));
        stack.vjp_at_readings(&x, &theta, &readings, of, &mut dx, &mut dtheta).unwrap();
        (dx, dtheta)
    };
    let (dx, dtheta) = pull(&ranged, &of);
    let (expected_dx, expected_dtheta) = pull(&powers, &of_powers);
    assert!((&dx - &expected_dx).amax() < 1e-5 * expected_dx.amax());
    assert!((&dtheta - &expected_dtheta).amax() < 1e-5 * expected_dtheta.amax());
}

/// Errors of files are those of the interferometers, without the pairs that an odd column does not have.
#[test]
fn errors_are_read_from_files_and_unusable_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: [u64; 2], value: &dyn Fn(usize) -> f64| {
        let path = folder.path().join("Iter0").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::<f64>::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        writer.extend((0..(shape[0] * shape[1]) as usize).map(value)).unwrap();
        writer.finish().unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let here = || Some(folder.path().to_owned());
    let config = |splitters, phases| CoherentStackConfig {
        modes: 4,
        meshes: 1,
        error_files: Some(ErrorFiles { splitters, phases }),
        ..Default::default()
    };
    let fabricate = |config: &CoherentStackConfig| {
        CoherentStack::fabricated(config, 0.0, 1).map_err(|error| error.to_string())
    };
    let missing = fabricate(&config(here(), None)).unwrap_err();
    assert!(missing.contains("e_l.npy") && missing.contains("error_files"), "{missing}");

    write("e_l.npy", [4, 2], &|place| 0.01 * place as f64);
    write("e_r.npy", [4, 2], &|_| 0.5);
    let stack = fabricate(&config(here(), None)).unwrap();
    let constants = stack.constants();
    let splitters = constants.iter().filter(|constant| constant.name.starts_with("splitter"));
    let values: Vec<f32> = splitters.map(|constant| constant.value).collect();
    // Columns 1 and 3 have one interferometer.
    let left = [0.0, 0.01, 0.02, 0.04, 0.05, 0.06].map(|e: f64| (-0.5 * e.asin()) as f32);
    let expected: Vec<f32> =
        left.iter().flat_map(|&l| [l, (-0.5 * 0.5f64.asin()) as f32]).collect();
    assert_eq!(values, expected);

    write("theta_errors.npy", [2, 4], &|_| 0.0);
    let wrong = fabricate(&config(None, here())).unwrap_err();
    assert!(wrong.contains("[2, 4]") && wrong.contains("[4, 2]"), "{wrong}");
    write("theta_errors.npy", [4, 2], &|place| if place == 3 { f64::NAN } else { 0.0 });
    let wrong = fabricate(&config(None, here())).unwrap_err();
    assert!(wrong.contains("theta_errors.npy") && wrong.contains("NaN"), "{wrong}");
}

/// The field behind a mesh by photontorch 0.4.1 (Laporte, Dambre & Bienstman, Sci. Rep. 9, 5918, 2019), which knows
/// couplers and waveguides and nothing of this project: `bench/peers/photontorch_mesh.py` prints it.
#[test]
fn the_field_behind_a_mesh_is_that_of_photontorch() {
    const REAL: [f32; 16] = [
        -0.311028, 0.640744, -0.773815, 0.228313, -1.034807, 0.044785, -1.034563, -0.220541,
        -0.646860, -0.113228, -0.061710, 0.628325, -0.131232, -0.010290, 0.214941, 1.053662,
    ];
    const IMAGINARY: [f32; 16] = [
        0.032975, -1.456507, 0.048779, 0.334146, -0.536561, 0.012972, -0.037775, -0.840977,
        0.558464, -0.021187, 1.952989, -0.570771, 0.566334, 0.280490, 0.443405, -1.526269,
    ];
    let (modes, count) = (16, 120);
    let config = CoherentStackConfig { modes, meshes: 1, ..Default::default() };
    let mut stack = CoherentStack::nominal(&config).unwrap();
    let wave = |start: f64, step: f64, place: usize| (start + step * place as f64).sin();
    let angle = |e: f64| -0.5 * e.asin();
    let splitters =
        (0..count).flat_map(|k| [angle(0.2 * wave(0.5, 0.9, k)), angle(0.2 * wave(1.5, 1.7, k))]);
    let constants = splitters.chain(vec![0.0; 2 * count]).chain(vec![1.0; modes]);
    stack.set_constants(&constants.map(|value| value as f32).collect::<Vec<_>>());
    let theta = (0..count).map(|k| 3.0 * wave(1.0, 0.7, k));
    let phi = (0..count).map(|k| 3.0 * wave(2.0, 1.3, k));
    let gamma = (0..modes).map(|mode| wave(0.3, 1.1, mode));
    let phases = theta.chain(phi).chain(gamma).map(|value| value as f32);
    let phases = DVector::from_iterator(2 * count + modes, phases);
    let light = (0..modes).map(|mode| wave(0.4, 0.8, mode));
    let light = light.chain((0..modes).map(|mode| (1.2 * mode as f64).cos()));
    let light = DMatrix::from_iterator(2 * modes, 1, light.map(|value| value as f32));
    let field = &stack.fields(&light, &phases).unwrap()[0];
    for (mode, (re, im)) in REAL.into_iter().zip(IMAGINARY).enumerate() {
        let off = (field[mode] - re).abs().max((field[modes + mode] - im).abs());
        assert!(off < 1e-5, "mode {mode}: {} + {} i", field[mode], field[modes + mode]);
    }
}

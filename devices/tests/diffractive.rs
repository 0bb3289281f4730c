//! Diffractive networks obey the equation of their module: beams, images, conserved power, and the plain formula.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::f64::consts::{PI, TAU};

use nalgebra::{Complex, DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::optical::{Diffractive, DiffractiveConfig};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

type Field = DMatrix<Complex<f64>>;

fn uniform(rows: usize, columns: usize, smallest: f32, largest: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    DMatrix::from_fn(rows, columns, |_, _| random.random_range(smallest..largest))
}

fn vector(length: usize, smallest: f32, largest: f32, seed: u64) -> DVector<f32> {
    uniform(length, 1, smallest, largest, seed).column(0).into_owned()
}

fn respond(device: &Diffractive, x: &DMatrix<f32>, theta: &DVector<f32>) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.respond(x, theta, &mut y).unwrap();
    y
}

/// The field of one shot on a grid of `side` pixels, from real parts above imaginary ones.
fn field_of(parts: &DMatrix<f32>, shot: usize, side: usize) -> Field {
    let pixels = side * side;
    DMatrix::from_fn(side, side, |row, column| {
        let part = |first: usize| f64::from(parts[(first + row * side + column, shot)]);
        Complex::new(part(0), part(pixels))
    })
}

fn power(field: &Field) -> f64 {
    field.iter().map(Complex::norm_sqr).sum()
}

/// A network with every error, whose squares and bins do not fill the grid.
fn flawed() -> DiffractiveConfig {
    DiffractiveConfig {
        inputs: 3,
        outputs: 5,
        layers: 3,
        pixels: 16,
        gap: 1.5,
        first_gap: Some(0.7),
        last_gap: Some(2.0),
        misalignment: 0.4,
        gap_error: 0.02,
        phase_error: 0.3,
        pixel_crosstalk: 0.05,
        ..Default::default()
    }
}

#[test]
fn free_space_and_masks_conserve_power() {
    // The pitch is above λ/√2: no wave of the grid decays.
    let config = DiffractiveConfig { pitch: 0.5, wavelength: 0.6, gap: 0.01, ..flawed() };
    let device = Diffractive::fabricated(&config, 0.0, 2).unwrap();
    let x = uniform(9, 19, 0.0, 1.0, 4);
    let theta = vector(3 * 256, -3.0, 9.0, 5);
    let fields = device.fields(&x, &theta).unwrap();
    assert_eq!(fields.len(), 4);
    for shot in 0..19 {
        // A square has five pixels a side.
        let launched: f64 = x.column(shot).iter().map(|x| 25.0 * f64::from(*x).powi(2)).sum();
        for field in &fields {
            let kept = power(&field_of(field, shot, 16)) / launched;
            assert!((kept - 1.0).abs() < 2e-6, "{kept}");
        }
    }
    // With a finer pitch some waves decay.
    let fine = DiffractiveConfig { pitch: 0.2, ..config };
    let device = Diffractive::nominal(&fine).unwrap();
    let fields = device.fields(&x, &theta).unwrap();
    let kept = power(&field_of(&fields[3], 0, 16)) / power(&field_of(&fields[0], 0, 16));
    assert!(kept < 0.9 && kept > 0.01, "{kept}");
}

/// Width, curvature and phase of a Gaussian beam: u = q_0/q exp(i k r² / 2q), q = z − i k w²/2, without the common
/// phase k z (Saleh & Teich, Fundamentals of Photonics, 2nd edition, eq. 3.1-7).
#[test]
fn a_gaussian_beam_spreads_as_the_fresnel_integral_says() {
    let (side, pitch, wavelength, waist) = (128usize, 4.0, 0.5, 30.0);
    for length in [2.0, 6.0] {
        let config = DiffractiveConfig {
            inputs: side,
            pixels: side,
            pitch,
            wavelength,
            layers: 1,
            gap: length,
            ..Default::default()
        };
        let device = Diffractive::nominal(&config).unwrap();
        let square = |row: usize, column: usize| {
            let from_middle = |place: usize| (place as f64 - 64.0) * pitch;
            from_middle(row).powi(2) + from_middle(column).powi(2)
        };
        let x = DMatrix::from_fn(side * side, 1, |pixel, _| {
            (-square(pixel / side, pixel % side) / (waist * waist)).exp() as f32
        });
        let theta = DVector::zeros(side * side);
        let fields = device.fields(&x, &theta).unwrap();
        for (plane, field) in fields.iter().enumerate() {
            let found = field_of(field, 0, side);
            let k = TAU / wavelength;
            let start = Complex::new(0.0, -0.5 * k * waist * waist);
            let q = start + 1e3 * length * (plane + 1) as f64;
            for row in 0..side {
                for column in 0..side {
                    let phase = Complex::i() * (0.5 * k * square(row, column)) / q;
                    let expected = start / q * phase.exp();
                    let off = (found[(row, column)] - expected).norm();
                    assert!(off < 1e-3, "{length} mm, plane {plane}, {row}, {column}: {off}");
                }
            }
        }
        // At 12 mm its intensity has fallen to less than a fifth.
        let peak = field_of(&fields[1], 0, side)[(64, 64)].norm_sqr();
        let rayleigh = PI * waist * waist / wavelength;
        let expected = 1.0 / (1.0 + (2e3 * length / rayleigh).powi(2));
        assert!((peak - expected).abs() < 1e-3, "{peak}, {expected}");
    }
}

/// Waves of a grid of the period L are in step again after 2 L²/λ, as far as they are paraxial (Talbot's distance).
#[test]
fn masks_without_phases_image_the_drives_over_a_talbot_distance() {
    let (side, pitch, wavelength): (usize, f64, f64) = (16, 100.0, 0.5);
    let talbot = 2.0 * (side as f64 * pitch).powi(2) / wavelength;
    let config = DiffractiveConfig {
        inputs: 8,
        outputs: 8,
        pixels: side,
        pitch,
        wavelength,
        gain: 1.5,
        gap: 1e-3 * talbot / 3.0,
        ..Default::default()
    };
    let x = uniform(64, 5, 0.0, 1.0, 4);
    let image = x.map(|amplitude| 1.5 * amplitude * amplitude);
    let device = Diffractive::nominal(&config).unwrap();
    let flat = DVector::from_element(2 * side * side, 0.7);
    let read = respond(&device, &x, &flat);
    assert!((&read - &image).amax() < 0.02, "{}", (&read - &image).amax());
    // Over half of it the image is displaced by half of the grid, and elsewhere there is none.
    let half = DiffractiveConfig { gap: 0.5 * config.gap, ..config.clone() };
    let read = respond(&Diffractive::nominal(&half).unwrap(), &x, &flat);
    let displaced = DMatrix::from_fn(64, 5, |bin, shot| {
        let (row, column) = ((bin / 8 + 4) % 8, (bin % 8 + 4) % 8);
        image[(8 * row + column, shot)]
    });
    assert!((&read - &displaced).amax() < 0.02, "{}", (&read - &displaced).amax());
    let other = DiffractiveConfig { gap: 0.71 * config.gap, ..config };
    let read = respond(&Diffractive::nominal(&other).unwrap(), &x, &flat);
    assert!((&read - &image).amax() > 0.2 && (&read - &displaced).amax() > 0.2);
}

/// F u F, the spectrum of a field by frequencies from −n/2.
fn spectrum(field: &Field, sign: f64) -> Field {
    let side = field.nrows();
    let middle = side as f64 / 2.0;
    // Forward to frequencies, backward from them.
    let turn = |k: usize, x: usize| {
        let (k, x) = if sign < 0.0 { (k, x) } else { (x, k) };
        Complex::cis(sign * TAU * (k as f64 - middle) * x as f64 / side as f64)
    };
    let matrix = DMatrix::from_fn(side, side, turn);
    &matrix * field * matrix.transpose()
}

fn across_gap(field: &Field, config: &DiffractiveConfig, length: f64, by: [f64; 2]) -> Field {
    let side = field.nrows();
    let mut waves = spectrum(field, -1.0);
    for row in 0..side {
        for column in 0..side {
            let frequency =
                |place: usize| (place as f64 - side as f64 / 2.0) / (side as f64 * config.pitch);
            let (across, down) = (frequency(column), frequency(row));
            let square = config.wavelength.powi(-2) - across * across - down * down;
            let along = Complex::new(square, 0.0).sqrt() * length;
            let displaced = config.pitch * (across * by[0] + down * by[1]);
            waves[(row, column)] *= (Complex::i() * TAU * (along + displaced)).exp();
        }
    }
    spectrum(&waves, 1.0) / Complex::new((side * side) as f64, 0.0)
}

#[test]
fn readings_are_those_of_the_plain_formula() {
    // With decaying waves, and without.
    for (pitch, scale) in [(8.0, 1.0), (0.3, 2e-4)] {
        let base = flawed();
        let config = DiffractiveConfig {
            pitch,
            gap: scale * base.gap,
            first_gap: base.first_gap.map(|gap| scale * gap),
            last_gap: base.last_gap.map(|gap| scale * gap),
            ..base
        };
        let device = Diffractive::fabricated(&config, 0.1, 3).unwrap();
        let (side, shots, layers) = (16usize, 18, 3);
        let x = uniform(9, shots, 0.0, 1.0, 4);
        let theta = vector(layers * 256, -3.0, 9.0, 5);
        let constants: Vec<f64> = device.constants().iter().map(|c| f64::from(c.value)).collect();
        let (gaps, rest) = constants.split_at(4);
        let (across, rest) = rest.split_at(3);
        let (down, rest) = rest.split_at(3);
        let (errors, rest) = rest.split_at(layers * 256);
        let (sensitivity, crosstalk) = (&rest[..25], rest[25]);
        assert!(gaps.iter().chain(across).chain(down).chain(errors).all(|error| *error != 0.0));
        let lengths = [config.first_gap.unwrap(), config.gap, config.gap, config.last_gap.unwrap()];
        let found = respond(&device, &x, &theta);
        for shot in 0..shots {
            let mut field: Field = DMatrix::from_fn(side, side, |row, column| {
                // Three squares of five pixels a side, from pixel 0.
                let (row, column) = (row / 5, column / 5);
                let dark = row > 2 || column > 2;
                let amplitude = if dark { 0.0 } else { f64::from(x[(3 * row + column, shot)]) };
                Complex::new(amplitude, 0.0)
            });
            for plane in 0..4 {
                let length =
                    1e3 * lengths[plane] + gaps[plane] * config.pitch.powi(2) / config.wavelength;
                let by = [across, down].map(|place| {
                    let behind = if plane < 3 { place[plane] } else { 0.0 };
                    behind - if plane > 0 { place[plane - 1] } else { 0.0 }
                });
                field = across_gap(&field, &config, length, by);
                if plane == 3 {
                    break;
                }
                let at =
                    |row: usize, column: usize| f64::from(theta[plane * 256 + row * side + column]);
                field = DMatrix::from_fn(side, side, |row, column| {
                    let mut phase = at(row, column) + errors[plane * 256 + row * side + column];
                    for (other_row, other_column) in [
                        (row.wrapping_sub(1), column),
                        (row + 1, column),
                        (row, column.wrapping_sub(1)),
                        (row, column + 1),
                    ] {
                        if other_row < side && other_column < side {
                            phase += crosstalk * (at(other_row, other_column) - at(row, column));
                        }
                    }
                    field[(row, column)] * Complex::cis(phase)
                });
            }
            for bin in 0..25 {
                // Five bins of three pixels a side, from pixel 0.
                let block = field.view((3 * (bin / 5), 3 * (bin % 5)), (3, 3));
                let mean = block.iter().map(Complex::norm_sqr).sum::<f64>() / 9.0;
                let expected = (sensitivity[bin] * config.gain * mean).min(config.full_scale);
                let found = f64::from(found[(bin, shot)]);
                assert!(
                    (found - expected).abs() < 2e-5 * expected.max(0.5),
                    "{pitch} µm, bin {bin}, shot {shot}: {found} {expected}"
                );
            }
        }
    }
}

/// Where some bins saturate, as well: there the derivative is zero.
#[test]
fn adjoints_agree_with_central_differences_over_the_range() {
    let open = Diffractive::fabricated(&flawed(), 0.1, 3).unwrap();
    for full_scale in [20.0, 0.5] {
        let config = DiffractiveConfig { full_scale, ..flawed() };
        let mut device = Diffractive::fabricated(&config, 0.1, 3).unwrap();
        let shots = 19;
        let x = uniform(9, shots, 0.0, 1.0, 4);
        let theta = vector(3 * 256, -3.0, 9.0, 5);
        let readings = respond(&device, &x, &theta);
        let bound = full_scale as f32;
        assert_eq!(readings.iter().any(|y| *y == bound), full_scale < 1.0);
        // A reading that a step takes across the bound has no derivative.
        let mut of = uniform(25, shots, -1.0, 1.0, 6);
        of.zip_apply(&respond(&open, &x, &theta), |of, y| {
            if (y - bound).abs() < 0.2 {
                *of = 0.0;
            }
        });
        let (mut dx, mut dtheta) = (DMatrix::zeros(9, shots), DVector::zeros(theta.len()));
        device.vjp(&x, &theta, &of, &mut dx, &mut dtheta).unwrap();
        let dconstants = DVector::from_vec(device.constant_cotangents(&x, &theta, &of).unwrap());
        let mut of_readings = |found: DMatrix<f32>| {
            assert_eq!(found, readings);
            of.clone()
        };
        let at_once = device.constant_cotangents_of(&x, &theta, &mut of_readings).unwrap();
        assert_eq!(at_once, dconstants.as_slice());
        let (mut same_dx, mut same_dtheta) = (dx.clone() * 0.0, dtheta.clone() * 0.0);
        let linearised = device.linearise(&x, &theta).unwrap();
        linearised.vjp(&readings, &of, Some(&mut same_dx), &mut same_dtheta);
        assert_eq!((same_dx, same_dtheta), (dx.clone(), dtheta.clone()));
        let constants =
            DVector::from_iterator(dconstants.len(), device.constants().iter().map(|c| c.value));
        for direction in 0..9u64 {
            let part = |index: u64| if direction % 3 == index { 1.0 } else { 0.0 };
            let vx = uniform(9, shots, -1.0, 1.0, 10 + direction) * part(0);
            let vtheta = vector(theta.len(), -1.0, 1.0, 20 + direction) * part(1);
            let mut vconstants = vector(constants.len(), -1.0, 1.0, 30 + direction) * part(2);
            // Of crosstalk, between phases that differ by up to 12 rad.
            vconstants[constants.len() - 1] *= 0.05;
            let mut end = |h: f32| -> f64 {
                device.set_constants((&constants + &vconstants * h).as_slice());
                let y = respond(&device, &(&x + &vx * h), &(&theta + &vtheta * h));
                y.iter().zip(&of).map(|(y, of)| f64::from(*y) * f64::from(*of)).sum()
            };
            let h = 0.01;
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            device.set_constants(constants.as_slice());
            let predicted =
                f64::from(dx.dot(&vx) + dtheta.dot(&vtheta) + dconstants.dot(&vconstants));
            assert!(
                (measured - predicted).abs() < 3e-3 * predicted.abs().max(0.1),
                "to {full_scale}, direction {direction}: {measured} measured, {predicted} predicted"
            );
        }
    }
}

/// The cotangent of every kind of constant by itself, so that none hides behind the others, also of decaying waves.
#[test]
fn each_kind_of_constant_has_its_own_cotangent() {
    let near = DiffractiveConfig {
        pitch: 0.3,
        gap: 3e-4,
        first_gap: Some(2e-4),
        last_gap: None,
        ..flawed()
    };
    for config in [flawed(), near] {
        let mut device = Diffractive::fabricated(&config, 0.1, 3).unwrap();
        let (x, theta) = (uniform(9, 18, 0.0, 1.0, 4), vector(3 * 256, -3.0, 9.0, 5));
        let of = uniform(25, 18, -1.0, 1.0, 6);
        let predicted = device.constant_cotangents(&x, &theta, &of).unwrap();
        let constants = device.constants();
        let values: Vec<f32> = constants.iter().map(|constant| constant.value).collect();
        assert_eq!((predicted.len(), values.len()), (10 + 768 + 26, 10 + 768 + 26));
        for place in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 110, 300, 700, 790, 803] {
            let name = constants[place].name.as_str();
            let mut end = |h: f32| -> f64 {
                let mut moved = values.clone();
                moved[place] += h;
                device.set_constants(&moved);
                let y = respond(&device, &x, &theta);
                y.iter().zip(&of).map(|(y, of)| f64::from(*y) * f64::from(*of)).sum()
            };
            // Neighbours' phases differ by up to 12 rad.
            let h = if name == "crosstalk" { 0.001 } else { 0.02 };
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            let found = f64::from(predicted[place]);
            assert!(
                (measured - found).abs() < 5e-3 * found.abs().max(0.1),
                "{name}: {measured} {found}"
            );
        }
    }
}

#[test]
fn intensities_inside_are_those_of_the_fields() {
    let device = Diffractive::fabricated(&flawed(), 0.1, 3).unwrap();
    let (x, theta) = (uniform(9, 18, 0.0, 1.0, 4), vector(3 * 256, -3.0, 9.0, 5));
    let fields = device.fields(&x, &theta).unwrap();
    let inside = device.inside(&x, &theta).unwrap();
    assert_eq!(inside.len(), 3);
    for (mask, (inside, field)) in inside.iter().zip(&fields).enumerate() {
        assert_eq!(inside.name, format!("intensity at mask {}", mask + 1));
        let field = field_of(field, 17, 16);
        for pixel in [0, 77, 255] {
            let expected = field[(pixel / 16, pixel % 16)].norm_sqr();
            assert!((f64::from(inside.values[(pixel, 17)]) - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn the_nominal_network_has_no_errors_and_impossible_ones_are_refused() {
    let nominal = Diffractive::nominal(&flawed()).unwrap();
    let all = |kind: &str, value: f32| {
        let constants = nominal.constants();
        let mut of_kind = constants.iter().filter(|constant| constant.name.starts_with(kind));
        of_kind.clone().count() > 0 && of_kind.all(|constant| constant.value == value)
    };
    assert!(["gap", "across", "down", "phase", "crosstalk"].iter().all(|kind| all(kind, 0.0)));
    assert!(all("sensitivity", 1.0));
    for (config, words) in [
        (DiffractiveConfig { pixels: 30, ..flawed() }, ["pixels = 30", "power of two"]),
        (DiffractiveConfig { pixels: 2, ..flawed() }, ["pixels = 2", "from 4"]),
        (DiffractiveConfig { pixels: 2048, ..flawed() }, ["pixels = 2048", "to 1024"]),
        (DiffractiveConfig { layers: 257, ..flawed() }, ["layers = 257", "fewer masks"]),
        (DiffractiveConfig { inputs: 17, ..flawed() }, ["inputs = 17", "raise `pixels`"]),
        (DiffractiveConfig { outputs: 17, ..flawed() }, ["outputs = 17", "raise `pixels`"]),
        (
            DiffractiveConfig { pixel_crosstalk: 0.25, ..flawed() },
            ["pixel_crosstalk", "below 0.25"],
        ),
    ] {
        for made in [Diffractive::nominal(&config), Diffractive::fabricated(&config, 0.1, 1)] {
            let error = made.unwrap_err().to_string();
            assert!(words.iter().all(|words| error.contains(words)), "{error}");
        }
    }
}

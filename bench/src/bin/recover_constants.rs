//! Physics twins recover a device's constants: for each simulated device, the constants that they learn from shots
//! of a mismatched, noisy copy, beside a neural twin fitted to the same shots.
//!
//! `cargo run --release -p twinprop-bench --bin recover_constants`

use std::error::Error;

use nalgebra::DMatrix;
use twinprop::Backend;
use twinprop::calibration::design::{DesignConfig, share_settings};
use twinprop::calibration::fidelity::predict;
use twinprop::calibration::identify::identify;
use twinprop::calibration::{
    DigitalTwin, EquationTwin, FitConfig, IdentifyConfig, NeuralTwin, NeuralTwinConfig, Shots,
};
use twinprop::devices::electronic::{CrossbarConfig, TransistorConfig};
use twinprop::devices::mechanical::{OscillatorsConfig, PendulaConfig, PlateConfig};
use twinprop::devices::optical::{
    DiffractiveConfig, MicroringBankConfig, MziMeshConfig, SecondHarmonicConfig,
};
use twinprop::devices::{Constant, DeviceConfig, DeviceKind, ImperfectionsConfig};

/// Test shots, read without noise.
const TEST_SHOTS: usize = 512;

/// Each device with its number of shots and its readout noise, as a share of the range.
fn devices() -> Vec<(DeviceKind, usize, f64)> {
    let oscillators = OscillatorsConfig {
        count: 20,
        time: 2.0,
        steps: 10,
        largest_angle: 1.5,
        largest_parameter: 0.5,
        bend: 0.1,
        coupling_deviation: 0.2,
        ..Default::default()
    };
    // Short enough that no mode's phase is off by a turn at the end: beyond, the error has more than one minimum.
    let plate = PlateConfig {
        inputs: 16,
        parameters: 16,
        outputs: 32,
        modes: 8,
        damping: 0.05,
        ..Default::default()
    };
    let crossbar =
        CrossbarConfig { inputs: 16, outputs: 8, wire_resistance: 1e-3, ..Default::default() };
    let mesh = MziMeshConfig {
        modes: 8,
        splitter_error: 0.05,
        phase_error: 0.1,
        crosstalk: 0.02,
        ..Default::default()
    };
    let rings = MicroringBankConfig {
        inputs: 16,
        outputs: 8,
        resonance_error: 5.0,
        efficiency_error: 0.05,
        crosstalk: 0.02,
        ..Default::default()
    };
    let masks = DiffractiveConfig {
        pixels: 16,
        gap: 2.0,
        misalignment: 0.3,
        gap_error: 0.01,
        phase_error: 0.2,
        pixel_crosstalk: 0.03,
        ..Default::default()
    };
    vec![
        (
            DeviceKind::SecondHarmonic(SecondHarmonicConfig {
                exposure: 0.5,
                ..Default::default()
            }),
            4096,
            0.003,
        ),
        // The range of an angle is its sensor's, 200 rad: this noise is 1 % of the angles that occur.
        (DeviceKind::Oscillators(oscillators), 1024, 0.00005),
        (DeviceKind::Pendula(PendulaConfig::default()), 1024, 0.00001),
        (DeviceKind::Plate(plate), 1024, 0.01),
        (DeviceKind::Transistor(TransistorConfig::default()), 1024, 0.01),
        (DeviceKind::Crossbar(crossbar), 4096, 0.01),
        (DeviceKind::MziMesh(mesh), 4096, 0.01),
        (DeviceKind::MicroringBank(rings), 4096, 0.01),
        (DeviceKind::Diffractive(masks), 4096, 0.01),
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "device | shots | constants: number, error before → after by kind | R² physics | R² neural"
    );
    for (model, shots, readout_noise) in devices() {
        row(model, shots, readout_noise)?;
    }
    Ok(())
}

fn row(model: DeviceKind, shots: usize, readout_noise: f64) -> Result<(), Box<dyn Error>> {
    let imperfections = ImperfectionsConfig { mismatch: 0.1, readout_noise, ..Default::default() };
    let mut simulated = DeviceConfig { model, imperfections }.fabricate(1)?;
    let interface = simulated.exact.interface().clone();
    let config = IdentifyConfig { epochs: 150, ..Default::default() };
    let (inputs, mut parameters) = DesignConfig::LatinHypercube.draw(&interface, shots, None, 1)?;
    share_settings(&mut parameters, config.shots_per_setting);
    let seen = Shots::measure(&mut simulated.device, inputs, parameters, |_| ())?;

    let designed = simulated.nominal.constants();
    let backend = Backend::Flex.device()?;
    identify(&mut *simulated.nominal, &config, &seen, 1, &backend, |_, _| ())?;
    let (truth, learned) = (simulated.exact.constants(), simulated.nominal.constants());
    let (neural, _) = NeuralTwin::fit(
        &NeuralTwinConfig::default(),
        &FitConfig { epochs: 60, batch: 64, ..Default::default() },
        &interface,
        &seen,
        1,
        &backend,
        |_, _| (),
    )?;

    let (inputs, parameters) =
        DesignConfig::LatinHypercube.draw(&interface, TEST_SHOTS, None, 2)?;
    let exact = EquationTwin::new(simulated.exact);
    let readings = predict(&exact, &inputs, &parameters, &backend);
    let r2 = |twin: &dyn DigitalTwin| {
        let error: DMatrix<f32> = predict(twin, &inputs, &parameters, &backend) - &readings;
        let count = readings.ncols() as f32;
        1.0 - error.norm_squared() / count / readings.column_variance().sum()
    };
    println!(
        "{} | {shots} | {}: {} | {:.5} | {:.3}",
        interface.device,
        truth.len(),
        errors(&truth, &designed, &learned),
        r2(&EquationTwin::new(simulated.nominal)),
        r2(&neural),
    );
    Ok(())
}

/// Root mean square error of the data sheet's and of the learned constants, for each kind of constant.
fn errors(truth: &[Constant], designed: &[Constant], learned: &[Constant]) -> String {
    let bank = |constant: &Constant| {
        constant.name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end().to_owned()
    };
    let mut kinds: Vec<String> = truth.iter().map(bank).collect();
    kinds.dedup();
    let error = |kind: &str, values: &[Constant]| -> f32 {
        let squares: Vec<f32> = truth
            .iter()
            .zip(values)
            .filter(|(truth, _)| bank(truth) == kind)
            .map(|(truth, value)| (truth.value - value.value).powi(2))
            .collect();
        (squares.iter().sum::<f32>() / squares.len() as f32).sqrt()
    };
    kinds
        .iter()
        .map(|kind| format!("{kind} {:.4} → {:.4}", error(kind, designed), error(kind, learned)))
        .collect::<Vec<_>>()
        .join(", ")
}

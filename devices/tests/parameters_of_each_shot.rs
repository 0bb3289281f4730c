//! `measure_each` reads what one `measure` a shot reads, on every device and through every wrapper.

#![cfg(all(feature = "rig", feature = "recording"))]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::electronic::{CrossbarConfig, TransistorConfig};
use twinprop_devices::imperfections::{DriftConfig, DriftCourse, ImperfectionsConfig, Span};
use twinprop_devices::mechanical::{OscillatorsConfig, PendulaConfig, PlateConfig};
use twinprop_devices::neuromorphic::LearningChipConfig;
use twinprop_devices::optical::{MicroringBankConfig, MziMeshConfig, SecondHarmonicConfig};
use twinprop_devices::recording::{self, Recorder, Replay};
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::rig::{Emulator, EmulatorConfig, Encoding, Farm, Patience, Rig};
use twinprop_devices::{
    Boundary, Channels, DeviceConfig, DeviceError, DeviceKind, Interface, PhysicalLayer,
    ShotsOfSettings, SlewLimit, random, runs_of_equal_parameters,
};

mod support;

use support::{Doubler, listen};

/// Settings of a batch and shots on each, in their order.
const RUNS: [(usize, usize); 6] = [(0, 200), (1, 1), (2, 3), (1, 39), (1, 1), (0, 5)];

struct Batch {
    inputs: DMatrix<f32>,
    parameters: DMatrix<f32>,
}

/// Drives over a little more than the ranges of `interface`, if `stray`.
fn batch(interface: &Interface, stray: f32) -> Batch {
    let mut random = random::stream(3, "parameters of each shot");
    let mut draw = |channels: &Channels| {
        let values = channels.iter().map(|channel| {
            let share = random.random_range(-stray..1.0 + stray);
            channel.minimum + share * channel.span()
        });
        values.collect::<Vec<f32>>()
    };
    let settings = [(); 3].map(|()| draw(&interface.parameters));
    let (mut inputs, mut parameters, mut shots) = (Vec::new(), Vec::new(), 0);
    for (setting, count) in RUNS {
        for _ in 0..count {
            inputs.extend(draw(&interface.inputs));
            parameters.extend_from_slice(&settings[setting]);
            shots += 1;
        }
    }
    Batch {
        inputs: DMatrix::from_vec(interface.inputs.len(), shots, inputs),
        parameters: DMatrix::from_vec(interface.parameters.len(), shots, parameters),
    }
}

fn together(device: &mut dyn PhysicalLayer, batch: &Batch) -> DMatrix<f32> {
    let shots = batch.inputs.ncols();
    let mut outputs = DMatrix::from_element(device.interface().outputs.len(), shots, f32::NAN);
    device.measure_each(&batch.inputs, &batch.parameters, &mut outputs).unwrap();
    outputs
}

fn one_by_one(device: &mut dyn PhysicalLayer, batch: &Batch) -> DMatrix<f32> {
    let bins = device.interface().outputs.len();
    let mut readings = Vec::new();
    for shot in 0..batch.inputs.ncols() {
        let mut output = DMatrix::from_element(bins, 1, f32::NAN);
        let parameters = batch.parameters.column(shot).into_owned();
        let input = batch.inputs.columns(shot, 1).into_owned();
        device.measure(&input, &parameters, &mut output).unwrap();
        readings.extend_from_slice(output.as_slice());
    }
    DMatrix::from_vec(bins, batch.inputs.ncols(), readings)
}

fn kinds() -> [DeviceKind; 9] {
    [
        DeviceKind::SecondHarmonic(SecondHarmonicConfig::default()),
        DeviceKind::Oscillators(OscillatorsConfig { count: 100, ..Default::default() }),
        DeviceKind::Pendula(PendulaConfig { count: 6, time: 3.0, ..Default::default() }),
        DeviceKind::Plate(PlateConfig::default()),
        DeviceKind::Transistor(TransistorConfig::default()),
        DeviceKind::Crossbar(CrossbarConfig {
            drift_exponent: 0.05,
            drift_onset_seconds: 1e-3,
            ..Default::default()
        }),
        DeviceKind::MicroringBank(MicroringBankConfig { inputs: 100, ..Default::default() }),
        DeviceKind::MziMesh(MziMeshConfig { modes: 100, ..Default::default() }),
        DeviceKind::LearningChip(LearningChipConfig {
            layers: vec![20, 10, 4],
            ..Default::default()
        }),
    ]
}

/// All imperfections; the constants drift every few shots.
fn imperfections() -> ImperfectionsConfig {
    let over = Span::Shots(500.0);
    ImperfectionsConfig {
        mismatch: 0.01,
        input_noise: 0.01,
        readout_noise: 0.01,
        shot_noise: 0.01,
        dac_bits: 12,
        adc_bits: 12,
        drift: Some(DriftConfig { deviation: 0.02, over, course: DriftCourse::Ageing }),
    }
}

#[test]
fn every_simulated_device_reads_the_same_as_shot_by_shot() {
    for imperfections in [ImperfectionsConfig::default(), imperfections()] {
        for model in kinds() {
            let config = DeviceConfig { model, imperfections: imperfections.clone() };
            let name = config.model.name();
            let device = || Boundary::new(config.fabricate(5).unwrap().device);
            let (mut whole, mut single) = (device(), device());
            let batch = batch(whole.interface(), 0.1);
            assert_eq!(together(&mut whole, &batch), one_by_one(&mut single, &batch), "{name}");
            assert_eq!(whole.counts(), single.counts(), "{name}");
            assert!(whole.counts().clamped > 0, "{name}");
            assert_eq!(whole.usage(), single.usage(), "{name}");
            // Later shots are the same, too.
            assert_eq!(one_by_one(&mut whole, &batch), together(&mut single, &batch), "{name}");
        }
    }
}

/// Of every device and wrapper, with values out of range.
#[test]
fn settings_at_once_read_the_same_as_one_after_the_other() {
    for imperfections in [ImperfectionsConfig::default(), imperfections()] {
        for model in kinds() {
            let config = DeviceConfig { model, imperfections: imperfections.clone() };
            let name = config.model.name();
            let device = || Boundary::new(config.fabricate(5).unwrap().device);
            let (mut whole, mut single) = (device(), device());
            let batch = batch(whole.interface(), 0.1);
            let (inputs, bins) = (batch.inputs.columns(0, 120), whole.interface().outputs.len());
            for settings in [1, 3] {
                // The settings of three runs.
                let of_setting = |place: usize| batch.parameters.column([0, 200, 202][place]);
                let columns: Vec<_> = (0..settings).map(of_setting).collect();
                let parameters = DMatrix::from_columns(&columns);
                let mut together = DMatrix::from_element(bins, 120, f32::NAN);
                let inputs = inputs.into_owned();
                whole.measure_settings(&inputs, &parameters, &mut together).unwrap();
                let shots = 120 / settings;
                for (place, parameters) in columns.iter().enumerate() {
                    let mut outputs = DMatrix::from_element(bins, shots, f32::NAN);
                    let inputs = inputs.columns(place * shots, shots).into_owned();
                    single.measure(&inputs, &parameters.into_owned(), &mut outputs).unwrap();
                    assert_eq!(together.columns(place * shots, shots), outputs, "{name}");
                }
                assert_eq!(whole.counts(), single.counts(), "{name}");
                assert_eq!(whole.usage(), single.usage(), "{name}");
            }
            assert!(whole.counts().clamped > 0, "{name}");
            let none = DMatrix::zeros(whole.interface().inputs.len(), 0);
            let parameters = batch.parameters.columns(0, 2).into_owned();
            whole.measure_settings(&none, &parameters, &mut DMatrix::zeros(bins, 0)).unwrap();
            let before = whole.counts();
            let odd = batch.inputs.columns(0, 5).into_owned();
            let refused = whole.measure_settings(&odd, &parameters, &mut DMatrix::zeros(bins, 5));
            assert!(matches!(refused, Err(DeviceError::Shape { .. })), "{name}");
            let mut spoilt = batch.inputs.columns(0, 4).into_owned();
            spoilt[(0, 3)] = f32::NAN;
            let refused =
                whole.measure_settings(&spoilt, &parameters, &mut DMatrix::zeros(bins, 4));
            assert!(matches!(refused, Err(DeviceError::NonFiniteDrive { .. })), "{name}");
            assert_eq!(whole.counts(), before, "{name}: nothing of it was played");
        }
    }
}

/// Responses and adjoints of every equation, with and without shots; slices that do not fit are refused.
#[test]
fn settings_at_once_respond_and_differentiate_as_one_after_the_other() {
    for model in kinds() {
        let name = model.name();
        let config = DeviceConfig { model, imperfections: ImperfectionsConfig::default() };
        let exact = config.fabricate(5).unwrap().exact;
        let interface = exact.interface();
        let batch = batch(interface, 0.0);
        let (width, bins) = (interface.inputs.len(), interface.outputs.len());
        for (settings, shots) in [(1, 6), (3, 5), (3, 0), (1, 0)] {
            let all = settings * shots;
            let x = batch.inputs.columns(0, all).into_owned();
            let theta = [0, 200, 202].map(|shot| batch.parameters.column(shot).into_owned());
            let parameters: Vec<f32> =
                theta[..settings].iter().flat_map(|theta| theta.as_slice().to_vec()).collect();
            let of_settings =
                ShotsOfSettings { count: settings, inputs: x.as_slice(), parameters: &parameters };
            let mut y = vec![f32::NAN; bins * all];
            exact.respond_settings(of_settings, &mut y).unwrap();
            let dy: Vec<f32> = (0..bins * all).map(|place| (place as f32).sin()).collect();
            let (mut dx, mut dtheta) = (vec![f32::NAN; width * all], parameters.clone());
            exact.vjp_settings(of_settings, &y, &dy, &mut dx, &mut dtheta).unwrap();
            for (place, theta) in theta[..settings].iter().enumerate() {
                let columns = |values: &[f32], rows: usize| {
                    let values = &values[place * rows * shots..][..rows * shots];
                    DMatrix::from_column_slice(rows, shots, values)
                };
                let x = columns(x.as_slice(), width);
                let mut response = DMatrix::zeros(bins, shots);
                exact.respond(&x, theta, &mut response).unwrap();
                assert_eq!(columns(&y, bins), response, "{name}");
                let mut of_x = DMatrix::zeros(width, shots);
                let mut of_theta = DVector::zeros(theta.len());
                let of = columns(&dy, bins);
                exact.vjp_at_readings(&x, theta, &response, &of, &mut of_x, &mut of_theta).unwrap();
                assert_eq!(columns(&dx, width), of_x, "{name}");
                let found = &dtheta[place * theta.len()..][..theta.len()];
                assert_eq!(found, of_theta.as_slice(), "{name}, {settings}, {shots}");
            }
            let is_refused = |result| matches!(result, Err(DeviceError::Shape { .. }));
            let mut long = vec![0.0; width * all + 1];
            let refused = exact.vjp_settings(of_settings, &y, &dy, &mut long, &mut dtheta);
            assert!(is_refused(refused), "{name}");
            let mut long = vec![0.0; bins * all + 1];
            assert!(is_refused(exact.respond_settings(of_settings, &mut long)), "{name}");
            let refused = exact.vjp_settings(of_settings, &y, &long, &mut dx, &mut dtheta);
            assert!(is_refused(refused), "{name}");
            let refused = exact.vjp_settings(of_settings, &y, &dy, &mut dx, &mut []);
            assert!(is_refused(refused), "{name}");
        }
    }
}

/// Reads its drive plus its parameter; counts its batches.
struct Adder {
    interface: Interface,
    batches: Arc<AtomicUsize>,
}

impl Adder {
    fn new() -> Self {
        let interface = Interface {
            device: "adder".to_owned(),
            inputs: Channels::bank("x", 1, "V", -1.0, 1.0),
            parameters: Channels::bank("p", 1, "V", -1.0, 1.0).with_largest_step(0.25),
            outputs: Channels::bank("y", 1, "V", -2.0, 2.0),
            seconds_per_shot: 1e-3,
        };
        Self { interface, batches: Arc::default() }
    }
}

impl PhysicalLayer for Adder {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.batches.fetch_add(1, Ordering::Relaxed);
        outputs.copy_from(&inputs.add_scalar(parameters[0]));
        Ok(())
    }
}

#[test]
fn neighbours_with_equal_parameters_are_one_batch() {
    let device = Adder::new();
    let batches = Arc::clone(&device.batches);
    let batch = batch(device.interface(), 0.0);
    let runs = runs_of_equal_parameters(&batch.parameters, usize::MAX);
    // Two neighbouring runs have the same setting.
    assert_eq!(runs.collect::<Vec<_>>(), [0..200, 200..201, 201..204, 204..244, 244..249]);
    let shorter = runs_of_equal_parameters(&batch.parameters, 150);
    assert_eq!(shorter.take(3).collect::<Vec<_>>(), [0..150, 150..200, 200..201]);
    let expected = &batch.inputs + &batch.parameters;
    assert_eq!(together(&mut Boundary::new(Box::new(device)), &batch), expected);
    assert_eq!(batches.load(Ordering::Relaxed), 5);
}

#[test]
fn parameters_out_of_range_are_clamped_and_what_is_not_finite_is_refused() {
    let device = Adder::new();
    let batches = Arc::clone(&device.batches);
    let mut device = Boundary::new(Box::new(device));
    let inputs = DMatrix::from_row_slice(1, 3, &[0.5, 0.25, 0.0]);
    let mut parameters = DMatrix::from_row_slice(1, 3, &[3.0, 0.5, f32::NAN]);
    let mut outputs = DMatrix::zeros(1, 3);
    let refused = device.measure_each(&inputs, &parameters, &mut outputs).unwrap_err();
    assert!(matches!(refused, DeviceError::NonFiniteDrive { shot: 2, .. }), "{refused}");
    assert_eq!((batches.load(Ordering::Relaxed), device.shots()), (0, 0));
    parameters[2] = -2.0;
    device.measure_each(&inputs, &parameters, &mut outputs).unwrap();
    assert_eq!(outputs.as_slice(), [1.5, 0.75, -1.0]);
    assert_eq!((device.clamped(), device.shots(), device.counts().values), (2, 3, 6));
    for parameters in [DMatrix::zeros(1, 2), DMatrix::zeros(2, 3)] {
        let refused = device.measure_each(&inputs, &parameters, &mut outputs).unwrap_err();
        assert!(matches!(refused, DeviceError::Shape { .. }), "{refused}");
    }
}

#[test]
fn a_device_with_small_steps_is_ramped_to_the_parameters_of_each_shot() {
    let batch = batch(Adder::new().interface(), 0.0);
    let (mut whole, mut single) = (SlewLimit::new(Adder::new()), SlewLimit::new(Adder::new()));
    assert_eq!(together(&mut whole, &batch), one_by_one(&mut single, &batch));
    assert_eq!(whole.ramp_shots(), single.ramp_shots());
    assert!(whole.ramp_shots() > 0);
}

#[test]
fn the_parameters_of_each_shot_are_recorded_and_replayed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parameters of each shot");
    let _ = fs::remove_dir_all(&folder);
    let batch = batch(Adder::new().interface(), 0.0);
    let mut recorder = Recorder::new(Adder::new(), &folder).unwrap();
    let measured = together(&mut recorder, &batch);
    recorder.recording().finish().unwrap();
    let recorded = recording::read(&folder).unwrap();
    assert_eq!(recorded.inputs, batch.inputs);
    assert_eq!(recorded.parameters, batch.parameters);
    assert_eq!(recorded.outputs, measured);
    let mut replay = Replay::open(&folder).unwrap();
    assert_eq!(together(&mut replay, &batch), measured);
    let mut outputs = measured.clone();
    let again = replay.measure_each(&batch.inputs, &batch.parameters, &mut outputs).unwrap_err();
    assert!(matches!(again, DeviceError::NotRecorded { shot: 0, .. }), "{again}");
}

#[test]
fn a_rig_plays_the_parameters_of_each_shot() {
    let device = || {
        let config =
            SecondHarmonicConfig { inputs: 4, parameters: 3, outputs: 5, ..Default::default() };
        let model = DeviceKind::SecondHarmonic(config);
        // An emulator plays a frame at a time, and drifts from frame to frame.
        let imperfections = ImperfectionsConfig { drift: None, ..imperfections() };
        DeviceConfig { model, imperfections }.fabricate(1).unwrap().device
    };
    let mut emulator = Emulator::new(device(), "shg", EmulatorConfig::default());
    let address = listen(move |mut link| emulator.serve(&mut link, |_| {}).unwrap());
    let link = Box::new(Tcp::new(&address));
    let mut rig = Rig::on(link, &address, Patience::default(), Encoding::Floats).unwrap();
    let batch = batch(rig.interface(), 0.0);
    assert_eq!(together(&mut rig, &batch), one_by_one(&mut *device(), &batch));
}

#[test]
fn a_farm_spreads_shots_with_parameters_of_their_own() {
    let adder = Adder::new();
    let batch = batch(adder.interface(), 0.0);
    let mut farm = Farm::new(vec![Box::new(adder), Box::new(Adder::new())]).unwrap();
    for _ in 0..10 {
        assert_eq!(together(&mut farm, &batch), &batch.inputs + &batch.parameters);
    }
    let fails = |_, shots| shots > 30;
    let mortal = Doubler::new(1, fails);
    let other = Doubler::new(1, |_, _| false);
    let mut farm = Farm::new(vec![Box::new(mortal), Box::new(other)]).unwrap();
    let inputs = DMatrix::from_fn(1, 64, |_, shot| (shot as f32).sin());
    let mut outputs = DMatrix::zeros(1, 64);
    for _ in 0..4 {
        farm.measure_each(&inputs, &DMatrix::zeros(0, 64), &mut outputs).unwrap();
        assert_eq!(outputs, &inputs * 2.0);
        thread::yield_now();
    }
}

//! Digital twins that devices serve, over sockets and from a Python script: their answers are those of the
//! function, over faulty links as well, and asking drives nothing.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;
use std::thread;

use nalgebra::{DMatrix, DVector};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::rig::{
    Capacity, Emulator, EmulatorConfig, Encoding, FaultsConfig, Patience, Rig, RigError,
    RigOptions, ServedTwin, Target, open,
};
use twinprop_devices::{DeviceError, Differentiable, PhysicalLayer};

mod support;

use support::EVERY_FAULT;

const INPUTS: usize = 4;
const PARAMETERS: usize = 3;
const OUTPUTS: usize = 5;

fn device() -> SecondHarmonic {
    let config = SecondHarmonicConfig {
        inputs: INPUTS,
        parameters: PARAMETERS,
        outputs: OUTPUTS,
        ..Default::default()
    };
    SecondHarmonic::nominal(&config).unwrap()
}

/// A device that listens, with a twin unless `twin` is false.
fn serve(capacity: Capacity, faults: FaultsConfig, twin: bool) -> String {
    let config = EmulatorConfig { capacity, faults, seed: 7, ..EmulatorConfig::default() };
    let mut emulator = Emulator::new(Box::new(device()), "shg", config);
    if twin {
        emulator = emulator.with_twin(Box::new(device()));
    }
    support::listen(move |mut link| emulator.serve(&mut link, |_| {}).unwrap())
}

fn rig_at(address: &str, encoding: Encoding) -> Rig {
    Rig::on(Box::new(Tcp::new(address)), address, Patience::default(), encoding).unwrap()
}

/// Drives, one column of parameters a group, and cotangents.
fn batch(shots: usize, groups: usize) -> [DMatrix<f32>; 3] {
    [
        DMatrix::from_fn(INPUTS, shots, |row, shot| ((row * 7 + shot) % 11) as f32 / 10.0),
        DMatrix::from_fn(PARAMETERS, groups, |row, group| ((row + 3 * group) % 7) as f32 / 7.0),
        DMatrix::from_fn(OUTPUTS, shots, |row, shot| ((row * 5 + shot) % 13) as f32 - 6.0),
    ]
}

/// Checks that the twin answers as its equation does, for 60 shots.
fn answers_as_the_equation(twin: &ServedTwin, groups: usize) {
    let [x, theta, dy] = batch(60, groups);
    let predicted = twin.predict(&x, &theta).unwrap();
    let (dx, dtheta) = twin.vjp(&x, &theta, &dy).unwrap();
    let each = x.ncols() / groups;
    for group in 0..groups {
        let (first, setting) = (group * each, theta.column(group).into_owned());
        let (x, dy) = (x.columns(first, each).into_owned(), dy.columns(first, each).into_owned());
        let mut y = DMatrix::zeros(OUTPUTS, each);
        device().respond(&x, &setting, &mut y).unwrap();
        assert_eq!(predicted.columns(first, each), y);
        let (mut of_x, mut of_theta) = (DMatrix::zeros(INPUTS, each), DVector::zeros(PARAMETERS));
        device().vjp(&x, &setting, &dy, &mut of_x, &mut of_theta).unwrap();
        let largest = of_x.amax().max(of_theta.amax());
        assert!((dx.columns(first, each) - of_x).amax() <= 1e-5 * largest);
        assert!((dtheta.column(group) - of_theta).amax() <= 1e-5 * largest);
    }
}

#[test]
fn a_twin_over_a_socket_answers_as_its_equation_and_drives_nothing() {
    for largest_frame in [64, 16_384] {
        let capacity =
            Capacity { largest_frame, window_bytes: 3 * largest_frame, ..Capacity::default() };
        let address = serve(capacity, FaultsConfig::default(), true);
        // Codes are for shots alone.
        let mut rig = rig_at(&address, Encoding::Codes);
        let twin = rig.twin().unwrap();
        assert_eq!(twin.interface(), rig.interface());
        for groups in [1, 3, 60] {
            answers_as_the_equation(&twin, groups);
        }
        let health = rig.health().unwrap().unwrap();
        assert_eq!((health.safe, health.shots), (true, 0));

        // The safe state forgets the parameters; they are sent again.
        let [x, theta, _] = batch(60, 1);
        rig.measure(&x, &theta.column(0).into_owned(), &mut DMatrix::zeros(OUTPUTS, 60)).unwrap();
        answers_as_the_equation(&twin, 1);
        assert!(!rig.health().unwrap().unwrap().safe);
        rig.make_safe().unwrap();
        answers_as_the_equation(&twin, 1);
        let health = rig.health().unwrap().unwrap();
        assert_eq!((health.safe, health.shots, rig.monitor().shots()), (true, 60, 60));

        drop(rig);
        let error = twin.predict(&x, &theta).unwrap_err();
        assert!(matches!(error, DeviceError::Rig { error: RigError::Interrupted, .. }), "{error}");
    }
}

#[test]
fn a_faulty_link_changes_no_answer() {
    let capacity = Capacity { largest_frame: 128, window_bytes: 512, ..Capacity::default() };
    let rig = rig_at(&serve(capacity, EVERY_FAULT, true), Encoding::Floats);
    for groups in [1, 5, 12] {
        answers_as_the_equation(&rig.twin().unwrap(), groups);
    }
    let counts = rig.monitor().counts();
    assert!(counts.frames_damaged > 0 && counts.frames_repeated > 0, "{counts:?}");
}

#[test]
fn threads_share_the_link_with_the_measurements() {
    let mut rig =
        rig_at(&serve(Capacity::default(), FaultsConfig::default(), true), Encoding::Floats);
    let twin = rig.twin().unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            let twin = twin.clone();
            scope.spawn(move || (0..10).for_each(|_| answers_as_the_equation(&twin, 2)));
        }
        let [x, theta, _] = batch(60, 1);
        let theta = theta.column(0).into_owned();
        let (mut here, mut there) = (DMatrix::zeros(OUTPUTS, 60), DMatrix::zeros(OUTPUTS, 60));
        device().measure(&x, &theta, &mut here).unwrap();
        for _ in 0..20 {
            rig.measure(&x, &theta, &mut there).unwrap();
            assert_eq!(here, there);
        }
    });
    assert_eq!(rig.health().unwrap().unwrap().shots, 20 * 60);
}

#[test]
fn only_one_device_that_says_so_has_a_twin_and_sizes_are_checked() {
    let (with, without) = (
        serve(Capacity::default(), FaultsConfig::default(), true),
        serve(Capacity::default(), FaultsConfig::default(), false),
    );
    let target = |address: &str| format!("tcp://{address}").parse::<Target>().unwrap();
    let opened = open(&[target(&without)], RigOptions::default()).unwrap();
    assert!(opened.twin.is_none());
    let farm = [target(&with), target(&without)];
    drop(opened);
    assert!(open(&farm, RigOptions::default()).unwrap().twin.is_none());
    let opened = open(&farm[..1], RigOptions::default()).unwrap();
    let twin = opened.twin.unwrap();
    answers_as_the_equation(&twin, 1);

    let [x, theta, dy] = batch(60, 7);
    for error in [
        twin.predict(&x, &theta).unwrap_err(),
        twin.predict(&x.rows(0, 3).into_owned(), &theta).unwrap_err(),
        twin.predict(&x, &theta.columns(0, 0).into_owned()).unwrap_err(),
        twin.vjp(&x, &theta.columns(0, 1).into_owned(), &dy.columns(0, 5).into_owned())
            .unwrap_err(),
    ] {
        assert!(matches!(error, DeviceError::Shape { .. }), "{error}");
    }
    // Values out of range are clamped.
    let theta = theta.columns(0, 1).into_owned();
    let far = |factor| twin.predict(&(x.clone() * factor), &theta).unwrap();
    assert_eq!(far(1e6), far(1e9));
    // What is refused sends the device to its safe state, and the next question is answered.
    let error = twin.vjp(&x, &theta, &(dy * f32::INFINITY)).unwrap_err().to_string();
    assert!(error.contains("cotangent"), "{error}");
    answers_as_the_equation(&twin, 1);
}

const SCRIPT: &str = r#"
import sys
sys.path.insert(0, "FOLDER")
from twinprop_rig import bank, rig

@rig(inputs=bank("x", 2, "V", -1, 1), parameters=bank("p", 1, "V", 0, 1), outputs=bank("y", 2, "V", -4, 4))
def measure(xs, p):
    raise RuntimeError("it was driven")

@measure.twin
def predict(xs, p):
    if p[0] == 0:
        raise ValueError("no model at zero")
    return [[x[0] * x[1] + p[0], 3 * x[1] * p[0] ** 2] for x in xs]

VJP
measure.serve()
"#;

const VJP: &str = "
@predict.vjp
def vjp(xs, p, dys):
    if p[0] == 1:
        return [[float('nan')] * 2 for _ in xs], [[0.0] for _ in xs]
    of_p = sum(d[0] + 6 * x[1] * p[0] * d[1] for x, d in zip(xs, dys))
    return [[x[1] * d[0], x[0] * d[0] + 3 * p[0] ** 2 * d[1]] for x, d in zip(xs, dys)], [of_p]
";

#[test]
fn a_script_serves_a_twin_with_and_without_a_product_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
    if !folder.join("twinprop_rig.py").exists() {
        println!("skipped: the crate is not in its repository");
        return;
    }
    for (name, vjp) in [("own", VJP), ("differences", "")] {
        let text = SCRIPT.replace("FOLDER", &folder.display().to_string()).replace("VJP", vjp);
        let path = std::env::temp_dir().join(format!("twin-{name}-{}.py", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let target: Target = format!("process:python3 {}", path.display()).parse().unwrap();
        let rig = Rig::open(&target, RigOptions { retries: 1, ..RigOptions::default() }).unwrap();
        let twin = rig.twin().unwrap();
        let x =
            DMatrix::from_fn(2, 70, |row, shot| ((row * 7 + 3 * shot) % 21) as f32 / 10.0 - 1.0);
        let dy = DMatrix::from_fn(2, 70, |row, shot| ((row + shot) % 5) as f32 - 2.0);
        let p = 0.5;
        let theta = DMatrix::from_element(1, 1, p);
        let predicted = twin.predict(&x, &theta).unwrap();
        let (dx, dtheta) = twin.vjp(&x, &theta, &dy).unwrap();
        let mut sum = 0.0;
        for shot in 0..70 {
            let (x, dy) = (x.column(shot), dy.column(shot));
            let near = |found: f32, wanted: f32| {
                assert!((found - wanted).abs() < 1e-4, "{name}, shot {shot}: {found}, {wanted}");
            };
            near(predicted[(0, shot)], x[0] * x[1] + p);
            near(predicted[(1, shot)], 3.0 * x[1] * p * p);
            near(dx[(0, shot)], x[1] * dy[0]);
            near(dx[(1, shot)], x[0] * dy[0] + 3.0 * p * p * dy[1]);
            sum += dy[0] + 6.0 * x[1] * p * dy[1];
        }
        assert!((dtheta[0] - sum).abs() < 1e-3, "{name}: {dtheta}, {sum}");

        let error = twin.predict(&x, &DMatrix::zeros(1, 1)).unwrap_err().to_string();
        assert!(error.contains("the twin failed 2 times in a row"), "{error}");
        assert!(error.contains("ValueError: no model at zero"), "{error}");
        if name == "own" {
            let error = twin.vjp(&x, &DMatrix::from_element(1, 1, 1.0), &dy).unwrap_err();
            assert!(error.to_string().contains("cotangent `x 0` of shot 0 is NaN"), "{error}");
        }
        assert_eq!(twin.predict(&x, &theta).unwrap(), predicted);
        let health = rig.health().unwrap().unwrap();
        assert_eq!((health.safe, health.shots), (true, 0));
        drop(rig);
        std::fs::remove_file(path).unwrap();
    }
}

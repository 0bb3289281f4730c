//! Twins learn from the shots of a device that differs from the one that they were fitted to.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use twinprop_calibration::design::{DesignConfig, share_settings};
use twinprop_calibration::fidelity::predict;
use twinprop_calibration::refine::Lesson;
use twinprop_calibration::state::State;
use twinprop_calibration::{
    CalibrationError, DigitalTwin, EquationTwin, FitConfig, HybridTwin, Learner, NeuralTwin,
    NeuralTwinConfig, Refiner, ShotRun, Shots,
};
use twinprop_devices::mechanical::PendulaConfig;
use twinprop_devices::{
    DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer, SimulatedDevice,
};

const SHOTS_A_SETTING: usize = 4;

/// A chain of pendula with constants that differ from the data sheet by a tenth.
fn pendula() -> SimulatedDevice {
    let model = DeviceKind::Pendula(PendulaConfig { count: 6, time: 3.0, ..Default::default() });
    let imperfections =
        ImperfectionsConfig { mismatch: 0.1, readout_noise: 1e-5, ..Default::default() };
    DeviceConfig { model, imperfections }.fabricate(3).unwrap()
}

fn shots(device: &mut dyn PhysicalLayer, count: usize, seed: u64) -> Shots {
    let (inputs, mut parameters) =
        DesignConfig::Uniform.draw(device.interface(), count, None, seed).unwrap();
    share_settings(&mut parameters, SHOTS_A_SETTING);
    Shots::measure(device, inputs, parameters, |_| ()).unwrap()
}

/// `steps` steps on `runs`, eight a step, in turn.
fn lesson(runs: &[Arc<ShotRun>], steps: usize, rate: f64) -> Lesson {
    (0..steps)
        .map(|step| {
            let chosen = (0..8).map(|place| Arc::clone(&runs[(8 * step + place) % runs.len()]));
            (chosen.collect(), rate * (1.0 - step as f64 / steps as f64))
        })
        .collect()
}

/// The error of `twin`, as a share of the readings' variance.
fn error_of(twin: &dyn DigitalTwin, shots: &Shots) -> f32 {
    let predicted = predict(twin, &shots.inputs, &shots.parameters, &Device::flex());
    let mean = shots.outputs.column_mean();
    let spread: f32 = shots.outputs.column_iter().map(|y| (y - &mean).norm_squared()).sum();
    (predicted - &shots.outputs).norm_squared() / spread
}

/// The error of `twin` on the pendula's readings, before and after a lesson.
fn before_and_after(twin: &dyn DigitalTwin, steps: usize) -> (f32, f32) {
    let mut device = pendula().device;
    let seen = shots(&mut device, 1024, 1);
    let unseen = shots(&mut device, 128, 2);
    let runs: Vec<_> = seen.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let learner = twin.learner(&Device::flex()).unwrap();
    let rate = learner.first_rate();
    let mut refiner = Refiner::new(learner);
    refiner.give(lesson(&runs, steps, rate));
    let learned = refiner.learned().unwrap().unwrap();
    assert!(learned.error_after < learned.error_before);
    (error_of(twin, &unseen), error_of(&*learned.twin, &unseen))
}

#[test]
fn an_equation_learns_its_constants() {
    let (before, after) = before_and_after(&EquationTwin::new(pendula().nominal), 800);
    assert!(before > 0.05, "nothing to learn: {before}");
    assert!(after < 0.01, "{before} before, {after} after");
}

#[test]
fn a_network_learns_its_weights() {
    // Fitted to the data sheet.
    let promised = shots(&mut pendula().nominal, 2048, 3);
    let config = NeuralTwinConfig { width: 64, depth: 2, ..Default::default() };
    let interface = pendula().nominal.interface().clone();
    let fit = FitConfig { epochs: 20, batch: 32, ..Default::default() };
    let (twin, _) =
        NeuralTwin::fit(&config, &fit, &interface, &promised, 1, &Device::flex(), |_, _| ())
            .unwrap();
    let (before, after) = before_and_after(&twin, 800);
    assert!(after < 0.8 * before, "{before} before, {after} after");
}

#[test]
fn a_hybrid_learns_both() {
    let twin = HybridTwin::new(pendula().nominal, None);
    let (before, after) = before_and_after(&twin, 800);
    assert!(after < 0.05 * before, "{before} before, {after} after");
}

#[test]
fn results_come_in_the_order_of_the_lessons() {
    let mut device = pendula().device;
    let seen = shots(&mut device, 64, 1);
    let runs: Vec<_> = seen.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let twin = EquationTwin::new(pendula().nominal);
    let learn = || {
        let mut refiner = Refiner::new(twin.learner(&Device::flex()).unwrap());
        assert!(refiner.learned().unwrap().is_none(), "no lesson was given");
        for _ in 0..3 {
            refiner.give(lesson(&runs, 5, 0.01));
        }
        let mut errors = Vec::new();
        while let Some(learned) = refiner.learned().unwrap() {
            errors.push(learned.error_before);
        }
        errors
    };
    let errors = learn();
    assert_eq!(errors.len(), 3);
    assert!(errors[2] < errors[0], "{errors:?}");
    assert_eq!(learn(), errors, "the same lessons teach the same");
}

#[test]
fn a_lesson_on_nan_is_an_error() {
    let mut device = pendula().device;
    let mut seen = shots(&mut device, 8, 1);
    seen.outputs[0] = f32::NAN;
    let runs: Vec<_> = seen.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let twin = EquationTwin::new(pendula().nominal);
    let mut refiner = Refiner::new(twin.learner(&Device::flex()).unwrap());
    refiner.give(vec![(runs, 0.01)]);
    let error = refiner.learned().err().unwrap().to_string();
    assert!(error.contains("training.refinement.pace"), "{error}");
}

#[test]
fn lessons_teach_the_same_in_any_thread_pool_and_in_none() {
    let mut device = pendula().device;
    let seen = shots(&mut device, 64, 1);
    let runs: Vec<_> = seen.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let interface = pendula().nominal.interface().clone();
    let config = NeuralTwinConfig { width: 32, depth: 2, ..Default::default() };
    let fit = FitConfig { epochs: 1, ..Default::default() };
    let backend = Device::flex();
    let (twin, _) =
        NeuralTwin::fit(&config, &fit, &interface, &seen, 1, &backend, |_, _| ()).unwrap();
    let learn = || {
        let mut refiner = Refiner::new(twin.learner(&backend).unwrap());
        for _ in 0..3 {
            refiner.give(lesson(&runs, 5, 0.01));
        }
        let mut results = Vec::new();
        while let Some(learned) = refiner.learned().unwrap() {
            let predicted = predict(&*learned.twin, &seen.inputs, &seen.parameters, &backend);
            results.push((learned.error_before, learned.error_after, predicted));
        }
        // A later process continues with the same lessons.
        refiner.give(lesson(&runs, 5, 0.01));
        let state = refiner.state();
        assert!(state.pending.is_some());
        let mut refiner = Refiner::resume(twin.learner(&backend).unwrap(), state).unwrap();
        let learned = refiner.learned().unwrap().unwrap();
        let predicted = predict(&*learned.twin, &seen.inputs, &seen.parameters, &backend);
        results.push((learned.error_before, learned.error_after, predicted));
        results
    };
    let outside = learn();
    assert_eq!(outside.len(), 4);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(learn), outside, "{threads} threads");
    }
}

/// A learner that counts the threads of the pool that it learns in.
struct PoolProbe(Box<dyn Learner>, Arc<AtomicUsize>);

impl Learner for PoolProbe {
    fn first_rate(&self) -> f64 {
        self.0.first_rate()
    }

    fn steady_rate(&self) -> f64 {
        self.0.steady_rate()
    }

    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError> {
        self.1.store(rayon::current_num_threads(), Ordering::Relaxed);
        self.0.learn(runs, rate)
    }

    fn state(&self) -> State {
        self.0.state()
    }

    fn restore(&mut self, state: State) -> Result<(), String> {
        self.0.restore(state)
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        self.0.twin()
    }
}

#[test]
fn a_lesson_uses_the_pool_of_the_thread_that_gives_it() {
    let mut device = pendula().device;
    let seen = shots(&mut device, 8, 1);
    let runs: Vec<_> = seen.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let twin = EquationTwin::new(pendula().nominal);
    for threads in [1, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let seen_threads = Arc::new(AtomicUsize::new(0));
        let learner = PoolProbe(twin.learner(&Device::flex()).unwrap(), Arc::clone(&seen_threads));
        pool.install(|| {
            let mut refiner = Refiner::new(Box::new(learner));
            refiner.give(vec![(runs.clone(), 0.01)]);
            assert!(refiner.learned().unwrap().is_some());
        });
        assert_eq!(seen_threads.load(Ordering::Relaxed), threads);
    }
}

#[test]
fn a_learner_that_panics_ends_the_lessons_and_nothing_else() {
    struct Panics(Box<dyn Learner>);
    impl Learner for Panics {
        fn first_rate(&self) -> f64 {
            0.1
        }
        fn steady_rate(&self) -> f64 {
            0.1
        }
        fn learn(&mut self, _runs: &[&ShotRun], _rate: f64) -> Result<f32, CalibrationError> {
            panic!("this learner panics, as the test wants it to")
        }
        fn state(&self) -> State {
            self.0.state()
        }
        fn restore(&mut self, state: State) -> Result<(), String> {
            self.0.restore(state)
        }
        fn twin(&self) -> Box<dyn DigitalTwin> {
            self.0.twin()
        }
    }
    let twin = EquationTwin::new(pendula().nominal);
    let panics = || {
        let mut refiner = Refiner::new(Box::new(Panics(twin.learner(&Device::flex()).unwrap())));
        refiner.give(vec![(Vec::new(), 0.01)]);
        refiner.give(vec![(Vec::new(), 0.01)]);
        assert!(refiner.learned().unwrap().is_none());
        assert!(refiner.learned().unwrap().is_none());
    };
    panics();
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(panics);
}

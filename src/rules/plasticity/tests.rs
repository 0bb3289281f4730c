#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;

use serde_json::Value;
use twinprop_devices::random;

use super::online::{Feedback, OnlineTrace, Sample, step};
use super::{Architecture, Coefficients, FeedbackKind, LearningTask, OnlineLearner, Term};

/// Elements 0.5 sin(phase + 0.37 l + 0.91 i + 0.53 j) of the matrices l = 1, 2, …, row i, column j.
fn waves(architecture: &Architecture, phase: f64) -> Vec<f64> {
    let mut weights = Vec::new();
    for layer in 0..architecture.layers() {
        for i in 0..architecture.width(layer + 1) {
            for j in 0..architecture.width(layer) {
                let angle = phase + 0.37 * (layer + 1) as f64 + 0.91 * i as f64 + 0.53 * j as f64;
                weights.push(0.5 * angle.sin());
            }
        }
    }
    weights
}

/// All numbers of a JSON value, row by row.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// Error signals and updates in f32, element by element.
#[test]
fn signals_and_updates_are_the_reference_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden/plasticity.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} does not exist", path.display());
        return;
    };
    let golden: Value = serde_json::from_str(&text).unwrap();
    let single = |value: &Value| -> Vec<f32> {
        numbers(value).into_iter().map(|value| value as f32).collect()
    };
    let architecture = Architecture::new(vec![6, 8, 7, 5], 10.0);
    let (weights, feedback) = (single(&golden["weights"]), single(&golden["feedback"]));
    let (x, label) = (single(&golden["x"]), golden["label"].as_u64().unwrap() as usize);
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let theta: Coefficients = serde_json::from_value(case["theta"].clone()).unwrap();
        let theta = theta.to_array().map(|amount| amount as f32);
        let mut next = weights.clone();
        let mut trace = OnlineTrace::new(&architecture);
        let sample = Sample { x: &x, label };
        let fixed = Feedback::Fixed(&feedback);
        step(&architecture, &theta, fixed, &weights, &mut next, sample, &mut trace);
        let updates: Vec<f32> = next.iter().zip(&weights).map(|(to, from)| to - from).collect();
        assert_close(&trace.e, &numbers(&golden["modulatory"]), 1e-5);
        // An update is the difference of two numbers, each a hundred times larger.
        assert_close(&updates, &numbers(&case["updates"]), 1e-4);
    }
}

/// The error of `found` is at most `tolerance` of the length of `expected`.
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    let errors = found.iter().zip(expected).map(|(&found, expected)| f64::from(found) - expected);
    let error = length(errors) / length(expected.iter().copied());
    assert!(found.len() == expected.len() && error <= tolerance, "relative error {error:e}");
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Lengths of the updates of three matrices, by the algorithm's public code.
#[test]
fn updates_agree_with_the_published_code() {
    let architecture = Architecture::new(vec![4, 5, 4, 47], 10.0);
    let (weights, feedback) = (waves(&architecture, 1.0), waves(&architecture, 2.0));
    let x: Vec<f64> = (0..4).map(|k| (0.7 * f64::from(k)).sin()).collect();
    let cases = [
        (
            [0.01, 0.0, 0.0],
            [0.001_299_624_993_572_301_8, 0.001_745_389_093_083_516_8, 0.003_890_875_789_514_272_3],
        ),
        (
            [0.01, 0.02, 0.0],
            [0.001_240_861_202_959_566_5, 0.002_178_254_290_297_227, 0.008_350_130_948_375_858],
        ),
        (
            [0.01, 0.0, 0.03],
            [0.024_076_641_310_653_388, 0.005_611_149_605_020_182, 0.004_100_413_233_133_664],
        ),
        (
            [0.01, 0.02, 0.03],
            [0.024_141_867_522_072_04, 0.005_436_826_192_339_652, 0.008_423_233_672_634_431],
        ),
    ];
    for ([pseudo_gradient, error_hebb, oja], expected) in cases {
        let mut theta = [0.0; Term::COUNT];
        (theta[0], theta[2], theta[9]) = (pseudo_gradient, error_hebb, oja);
        let mut next = weights.clone();
        let mut trace = OnlineTrace::new(&architecture);
        let sample = Sample { x: &x, label: 3 };
        let fixed = Feedback::Fixed(&feedback);
        step(&architecture, &theta, fixed, &weights, &mut next, sample, &mut trace);
        for (layer, expected) in expected.into_iter().enumerate() {
            let range = architecture.matrix(layer);
            let changes =
                next[range.clone()].iter().zip(&weights[range]).map(|(to, from)| to - from);
            let found = length(changes);
            assert!((found / expected - 1.0).abs() < 1e-12, "{theta:?}: {found}, not {expected}");
        }
    }
}

/// The gradient through a whole episode, each coefficient by central differences.
#[test]
fn the_adjoint_is_the_derivative_of_the_queries_loss() {
    let architecture = Architecture::new(vec![6, 5, 4, 3], 4.0);
    let sample = |k: usize| {
        let x = (0..6).map(|j| (0.7 * (6 * k + j) as f64).sin().abs()).collect();
        (x, k % 3)
    };
    let task: LearningTask<f64> = LearningTask {
        training: (0..7).map(sample).collect(),
        queries: (7..12).map(sample).collect(),
    };
    let theta = [0.05, -0.03, -0.08, 0.01, 0.02, 0.04, -0.06, 0.05, 0.07, 0.03];
    for kind in [FeedbackKind::Fixed, FeedbackKind::Symmetric] {
        let learner = || OnlineLearner::new(architecture.clone(), kind);
        let loss = |theta: [f64; Term::COUNT]| {
            let random = &mut random::stream(3, "episode");
            learner().learn(&Coefficients::from_array(theta), &task, random).loss
        };
        let differences: Vec<f64> = (0..Term::COUNT)
            .map(|place| {
                let moved = |by: f64| {
                    let mut moved = theta;
                    moved[place] += by;
                    moved
                };
                (loss(moved(1e-5)) - loss(moved(-1e-5))) / 2e-5
            })
            .collect();
        let random = &mut random::stream(3, "episode");
        let (outcome, gradient) =
            learner().learn_with_gradient(&Coefficients::from_array(theta), &task, random);
        assert!((outcome.loss - loss(theta)).abs() < 1e-12);
        for (term, (found, expected)) in
            Term::ALL.into_iter().zip(gradient.into_iter().zip(differences))
        {
            let error = (found - expected).abs() / expected.abs().max(1e-3);
            assert!(error < 1e-6, "{kind:?}, {term:?}: {found}, not {expected}");
        }
    }
}

/// Backpropagation's angle to itself is zero, and errors of fixed feedback have other directions.
#[test]
fn symmetric_feedback_is_aligned() {
    let architecture = Architecture::new(vec![6, 8, 7, 3], 10.0);
    let sample =
        |k: usize| ((0..6).map(|j| (0.3 * (6 * k + j) as f32).cos().abs()).collect(), k % 3);
    let task: LearningTask<f32> = LearningTask {
        training: (0..9).map(sample).collect(),
        queries: (9..18).map(sample).collect(),
    };
    let theta = Coefficients::pseudo_gradient(0.01);
    let angles = |kind| {
        let random = &mut random::stream(1, "episode");
        OnlineLearner::new(architecture.clone(), kind).learn(&theta, &task, random).angles
    };
    assert!(angles(FeedbackKind::Symmetric).into_iter().all(|angle| angle < 0.1));
    assert!(angles(FeedbackKind::Fixed).into_iter().all(|angle| angle > 1.0));
}

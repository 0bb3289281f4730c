//! The hot paths of training: shots of the device, the twin's VJP, and a whole PAT step.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use twinprop::Backend;
use twinprop::calibration::bridge::{from_vec, to_vec};
use twinprop::devices::{Boundary, PhysicalLayer};
use twinprop_bench::{Step, mnist_oscillators, vowels_optical};

/// Shots of one layer in a step: 22 settings of a batch of 32.
const SETTINGS: usize = 22;
const BATCH: usize = 32;

fn device_shots(criterion: &mut Criterion) {
    let (_, mut experiment) = vowels_optical(Backend::Flex);
    let device: &mut Boundary = &mut experiment.laboratory.instruments[0].device;
    let interface = device.interface().clone();
    let mut group = criterion.benchmark_group("second_harmonic");
    for shots in [1, BATCH, 2048] {
        let inputs = DMatrix::from_element(interface.inputs.len(), shots, 0.4);
        let parameters = DVector::from_element(interface.parameters.len(), 0.6);
        let mut outputs = DMatrix::zeros(interface.outputs.len(), shots);
        group.throughput(Throughput::Elements(shots as u64));
        group.bench_function(format!("{shots} shots, noisy"), |bencher| {
            bencher.iter(|| {
                device.measure(&inputs, &parameters, &mut outputs).expect("drives are in range");
                black_box(outputs[0])
            });
        });
    }
    group.finish();
}

fn twin_vjp(criterion: &mut Criterion) {
    let (_, experiment) = vowels_optical(Backend::Flex);
    let backend = Backend::Flex.device().expect("the backend is built in");
    let twin = experiment.laboratory.instruments[0].twin();
    let interface = twin.interface();
    let fill = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| 0.5 + 0.4 * (0.7 * i as f32).sin()).collect();
        from_vec(values, [rows, columns], &backend)
    };
    let x = fill(SETTINGS * BATCH, interface.inputs.len());
    let theta = fill(SETTINGS, interface.parameters.len());
    let dy = fill(SETTINGS * BATCH, interface.outputs.len());
    let mut group = criterion.benchmark_group("neural_twin");
    group.throughput(Throughput::Elements((SETTINGS * BATCH) as u64));
    group.bench_function("vjp of 22 settings × 32 shots", |bencher| {
        bencher.iter(|| {
            let (dx, dtheta) = twin.vjp(x.clone(), theta.clone(), dy.clone());
            black_box((to_vec(dx), to_vec(dtheta)))
        });
    });
    group.finish();
}

fn pat_step(criterion: &mut Criterion) {
    let (_, experiment) = vowels_optical(Backend::Flex);
    for (name, mut step) in [
        ("vowels-optical", Step::new(experiment)),
        ("mnist-oscillators on the true device", mnist_oscillators()),
    ] {
        criterion.bench_function(&format!("PAT step of {name}, batch 32"), |bencher| {
            bencher.iter(|| black_box(step.run()));
        });
    }
}

criterion_group!(hot_paths, device_shots, twin_vjp, pat_step);
criterion_main!(hot_paths);

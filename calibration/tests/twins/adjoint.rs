//! Vector-Jacobian products agree with autodiff and with central differences.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::to_vec;
use twinprop_calibration::twin::autodiff_vjp;
use twinprop_calibration::{DigitalTwin, Ensemble, EquationTwin, NeuralTwin, NeuralTwinConfig};
use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
use twinprop_devices::{Interface, PhysicalLayer};

use super::{drives, network, neural, optical, relative_error};

#[test]
fn the_neural_adjoint_agrees_with_autodiff_for_any_grouping() {
    let device = Device::flex();
    for config in [
        NeuralTwinConfig { width: 24, depth: 2, residual: false },
        NeuralTwinConfig { width: 24, depth: 4, residual: true },
    ] {
        let twin = network(config, 1, &device);
        // Groups in one block of shots, across blocks, and of one shot.
        for (shots, groups) in
            [12, 60].into_iter().flat_map(|shots| [1, 2, 3, 4, shots].map(|groups| (shots, groups)))
        {
            let (x, theta) = (drives(shots, 4, 2, &device), drives(groups, 3, 3, &device));
            let dy = drives(shots, 5, 4, &device);
            let y = twin.predict(x.clone(), theta.clone());
            let (dx, dtheta) = twin.vjp(x.clone(), theta.clone(), y, dy.clone());
            let (ax, atheta) = autodiff_vjp(&twin, x, theta, dy);
            assert!(relative_error(dx, ax) < 1e-5, "{groups} groups of {shots} shots");
            assert!(relative_error(dtheta, atheta) < 1e-5, "{groups} groups of {shots} shots");
        }
    }
}

#[test]
fn every_vjp_agrees_with_central_differences() {
    let device = Device::flex();
    let twins: [Box<dyn DigitalTwin>; 2] =
        [Box::new(neural(5, &device)), Box::new(EquationTwin::new(Box::new(optical(0.1))))];
    for twin in twins {
        let (x, theta) = (drives(6, 4, 6, &device), drives(2, 3, 7, &device));
        let dy = drives(6, 5, 8, &device);
        let y = twin.predict(x.clone(), theta.clone());
        let (dx, dtheta) = twin.vjp(x.clone(), theta.clone(), y, dy.clone());
        let (vx, vtheta) = (drives(6, 4, 9, &device) - 0.5, drives(2, 3, 10, &device) - 0.5);
        let end = |h: f64| -> f64 {
            let y = twin.predict(x.clone() + vx.clone() * h, theta.clone() + vtheta.clone() * h);
            to_vec(y * dy.clone()).iter().map(|&value| f64::from(value)).sum()
        };
        let h = 0.01;
        let measured = (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * h);
        let along = |gradient: Tensor<2>, direction: &Tensor<2>| -> f64 {
            to_vec(gradient * direction.clone()).iter().map(|&value| f64::from(value)).sum()
        };
        let predicted = along(dx, &vx) + along(dtheta, &vtheta);
        assert!((measured - predicted).abs() < 1e-3 * predicted.abs(), "{measured} {predicted}");
    }
}

#[test]
fn groups_share_their_parameters() {
    let device = Device::flex();
    let twins: [Box<dyn DigitalTwin>; 2] =
        [Box::new(neural(5, &device)), Box::new(EquationTwin::new(Box::new(optical(0.1))))];
    for twin in twins {
        let (x, theta) = (drives(6, 4, 1, &device), drives(2, 3, 2, &device));
        let grouped = twin.predict(x.clone(), theta.clone());
        for group in 0..2 {
            let run = [3 * group, 3];
            let alone =
                twin.predict(x.clone().narrow(0, run[0], 3), theta.clone().narrow(0, group, 1));
            assert!(relative_error(grouped.clone().narrow(0, run[0], 3), alone) < 1e-6);
        }
    }
}

#[test]
fn an_ensemble_is_the_mean_of_its_members() {
    let device = Device::flex();
    let members = vec![neural(1, &device), neural(2, &device)];
    let ensemble = Ensemble::new(members.clone()).unwrap();
    let (x, theta) = (drives(6, 4, 1, &device), drives(6, 3, 2, &device));
    let dy = drives(6, 5, 3, &device);
    let apart = |member: &NeuralTwin| member.predict(x.clone(), theta.clone());
    let mean = (apart(&members[0]) + apart(&members[1])) * 0.5;
    assert!(relative_error(ensemble.predict(x.clone(), theta.clone()), mean) < 1e-6);
    let y = ensemble.predict(x.clone(), theta.clone());
    let (dx, dtheta) = ensemble.vjp(x.clone(), theta.clone(), y, dy.clone());
    let (dx_expected, dtheta_expected) = autodiff_vjp(&ensemble, x, theta, dy);
    assert!(relative_error(dx, dx_expected) < 1e-4);
    assert!(relative_error(dtheta, dtheta_expected) < 1e-4);
}

/// The coupled oscillators in burn's operations, for its autodiff: classical Runge-Kutta on (q, p).
struct TensorOscillators {
    interface: Interface,
    count: usize,
    step: f64,
    steps: usize,
}

impl DigitalTwin for TensorOscillators {
    fn multiply_adds(&self) -> u64 {
        0
    }

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let n = self.count;
        let free = theta.clone().narrow(1, 0, n * n).reshape([n, n]);
        let drives = theta.narrow(1, n * n, n);
        let coupling = (free.clone() + free.transpose()) * 0.5;
        let apart = Tensor::ones([n, n], &coupling.device()) - Tensor::eye(n, &coupling.device());
        let coupling = coupling * apart;
        let pulled = coupling.clone().sum_dim(0) + 1.0;
        let force = |q: &Tensor<2>| {
            let sine = q.clone().sin();
            sine.clone().matmul(coupling.clone()) - sine * pulled.clone() + drives.clone()
        };
        let (h, mut q) = (self.step, x);
        let mut p = q.zeros_like();
        for _ in 0..self.steps {
            let (k1, a1) = (p.clone(), force(&q));
            let (k2, a2) =
                (p.clone() + a1.clone() * (h / 2.0), force(&(q.clone() + k1.clone() * (h / 2.0))));
            let (k3, a3) =
                (p.clone() + a2.clone() * (h / 2.0), force(&(q.clone() + k2.clone() * (h / 2.0))));
            let (k4, a4) = (p.clone() + a3.clone() * h, force(&(q.clone() + k3.clone() * h)));
            q = q + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0);
            p = p + (a1 + (a2 + a3) * 2.0 + a4) * (h / 6.0);
        }
        q
    }
}

#[test]
fn the_oscillators_adjoint_agrees_with_autodiff_of_their_equation() {
    let device = Device::flex();
    let config = OscillatorsConfig { count: 9, time: 1.0, steps: 4, ..Default::default() };
    let oscillators = Oscillators::nominal(&config);
    let interface = oscillators.interface().clone();
    let by_tape = TensorOscillators { interface, count: 9, step: 0.25, steps: 4 };
    let by_hand = EquationTwin::new(Box::new(oscillators));
    let (x, theta) = (drives(20, 9, 1, &device), drives(1, 90, 2, &device) * 0.5);
    let dy = drives(20, 9, 3, &device) - 0.5;
    let same = by_hand.predict(x.clone(), theta.clone());
    assert!(relative_error(same.clone(), by_tape.predict(x.clone(), theta.clone())) < 1e-6);
    let (dx, dtheta) = by_hand.vjp(x.clone(), theta.clone(), same, dy.clone());
    let (ax, atheta) = autodiff_vjp(&by_tape, x, theta, dy);
    assert!(relative_error(dx, ax) < 1e-5);
    assert!(relative_error(dtheta, atheta) < 1e-5);
}

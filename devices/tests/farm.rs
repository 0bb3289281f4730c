//! Several devices as one: every shot is measured once and rightly, by the faster one more often,
//! and a device that dies costs nothing.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nalgebra::{DMatrix, DVector};
use twinprop_devices::rig::Farm;
use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer};

/// Doubles its drive, slowly; fails after some shots.
struct Doubler {
    interface: Interface,
    microseconds: u64,
    lives: usize,
    played: Arc<AtomicUsize>,
}

impl Doubler {
    fn new(channels: usize, microseconds: u64, lives: usize) -> (Box<Self>, Arc<AtomicUsize>) {
        let interface = Interface {
            device: "doubler".to_owned(),
            inputs: Channels::bank("x", channels, "V", -1.0, 1.0),
            parameters: Channels::none(),
            outputs: Channels::bank("y", channels, "V", -2.0, 2.0),
            seconds_per_shot: 0.0,
        };
        let played = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&played);
        (Box::new(Self { interface, microseconds, lives, played }), seen)
    }
}

impl PhysicalLayer for Doubler {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        thread::sleep(Duration::from_micros(self.microseconds * inputs.ncols() as u64));
        self.lives = self.lives.saturating_sub(inputs.ncols());
        if self.lives == 0 {
            let device = self.interface.device.clone();
            return Err(DeviceError::Config { device, problem: "it burnt out".to_owned() });
        }
        self.played.fetch_add(inputs.ncols(), Ordering::Relaxed);
        outputs.copy_from(&(inputs * 2.0));
        Ok(())
    }
}

/// Plays `batches` of 100 shots and checks each.
fn play(farm: &mut Farm, batches: usize) -> Result<(), DeviceError> {
    for batch in 0..batches {
        let inputs = DMatrix::from_fn(3, 100, |i, j| ((batch + 7 * i + j) as f32 * 0.1).sin());
        let mut outputs = DMatrix::from_element(3, 100, f32::NAN);
        farm.measure(&inputs, &DVector::zeros(0), &mut outputs)?;
        assert_eq!(outputs, inputs * 2.0);
    }
    Ok(())
}

#[test]
fn shots_are_spread_by_speed() {
    let (fast, of_fast) = Doubler::new(3, 20, usize::MAX);
    let (slow, of_slow) = Doubler::new(3, 100, usize::MAX);
    let mut farm = Farm::new(vec![fast, slow]).unwrap();
    play(&mut farm, 20).unwrap();
    let (fast, slow) = (of_fast.load(Ordering::Relaxed), of_slow.load(Ordering::Relaxed));
    assert_eq!(fast + slow, 2000);
    assert!(fast > 2 * slow, "fast {fast}, slow {slow}");
}

#[test]
fn a_device_that_dies_is_dropped_and_its_shots_are_played_elsewhere() {
    let (mortal, of_mortal) = Doubler::new(3, 20, 230);
    let (other, of_other) = Doubler::new(3, 20, usize::MAX);
    let mut farm = Farm::new(vec![mortal, other]).unwrap();
    play(&mut farm, 20).unwrap();
    let (mortal, other) = (of_mortal.load(Ordering::Relaxed), of_other.load(Ordering::Relaxed));
    assert_eq!(mortal + other, 2000);
    assert!(mortal > 0 && mortal < 230, "{mortal}");
}

#[test]
fn a_farm_fails_with_its_last_device() {
    let (one, _) = Doubler::new(3, 0, 150);
    let (other, _) = Doubler::new(3, 0, 300);
    let mut farm = Farm::new(vec![one, other]).unwrap();
    let error = play(&mut farm, 20).unwrap_err();
    assert!(error.to_string().contains("burnt out"), "{error}");
    let error = play(&mut farm, 1).unwrap_err();
    assert!(error.to_string().contains("every rig of the farm has failed"), "{error}");
}

#[test]
fn rigs_of_two_kinds_make_no_farm() {
    let (three, _) = Doubler::new(3, 0, 1);
    let (four, _) = Doubler::new(4, 0, 1);
    let error = Farm::new(vec![three, four]).err().unwrap().to_string();
    assert!(error.contains("3 inputs") && error.contains("number 2 has 4 inputs"), "{error}");
    assert!(Farm::new(Vec::new()).is_err());
}

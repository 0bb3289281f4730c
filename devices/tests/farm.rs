//! A farm measures every shot once and correctly, more of them on the faster device, and survives the failure
//! of a device.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use twinprop_devices::DeviceError;
use twinprop_devices::rig::Farm;

mod support;

use support::{Doubler, play};

/// A device of `channels` drives with `microseconds` a shot, which fails as `fails` says; and its counter of
/// shots.
fn member(
    channels: usize,
    microseconds: u64,
    fails: fn(usize, usize) -> bool,
) -> (Box<Doubler>, Arc<AtomicUsize>) {
    let a_shot = Duration::from_micros(microseconds);
    let device = Doubler::new(channels, fails).with_pauses(Duration::ZERO, a_shot);
    let played = Arc::clone(&device.played);
    (Box::new(device), played)
}

/// Plays `batches` of 100 shots and checks each.
fn play_all(farm: &mut Farm, batches: usize) -> Result<(), DeviceError> {
    (0..batches).try_for_each(|_| play(farm, 100))
}

#[test]
fn shots_are_spread_by_speed() {
    let (fast, of_fast) = member(3, 20, |_, _| false);
    let (slow, of_slow) = member(3, 100, |_, _| false);
    let mut farm = Farm::new(vec![fast, slow]).unwrap();
    play_all(&mut farm, 20).unwrap();
    let (fast, slow) = (of_fast.load(Ordering::Relaxed), of_slow.load(Ordering::Relaxed));
    assert_eq!(fast + slow, 2000);
    assert!(fast > 2 * slow, "fast {fast}, slow {slow}");
}

#[test]
fn a_failed_device_is_dropped_and_its_shots_are_played_on_others() {
    let (mortal, of_mortal) = member(3, 20, |_, shots| shots >= 230);
    let (other, of_other) = member(3, 20, |_, _| false);
    let mut farm = Farm::new(vec![mortal, other]).unwrap();
    play_all(&mut farm, 20).unwrap();
    let (mortal, other) = (of_mortal.load(Ordering::Relaxed), of_other.load(Ordering::Relaxed));
    assert_eq!(mortal + other, 2000);
    assert!(mortal > 0 && mortal < 230, "{mortal}");
}

#[test]
fn a_farm_fails_with_its_last_device() {
    let (one, _) = member(3, 0, |_, shots| shots >= 150);
    let (other, _) = member(3, 0, |_, shots| shots >= 300);
    let mut farm = Farm::new(vec![one, other]).unwrap();
    let error = play_all(&mut farm, 20).unwrap_err();
    assert!(error.to_string().contains("frame dropped"), "{error}");
    let error = play_all(&mut farm, 1).unwrap_err();
    assert!(error.to_string().contains("every rig of the farm has failed"), "{error}");
}

#[test]
fn rigs_of_two_kinds_make_no_farm() {
    let (three, _) = member(3, 0, |_, _| true);
    let (four, _) = member(4, 0, |_, _| true);
    let error = Farm::new(vec![three, four]).err().unwrap().to_string();
    assert!(error.contains("3 inputs") && error.contains("number 2 has 4 inputs"), "{error}");
    assert!(Farm::new(Vec::new()).is_err());
}

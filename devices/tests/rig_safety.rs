//! Safe states of devices that ramp, fail, restart and are slow, behind a socket in this program.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use twinprop_devices::DeviceError;
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::rig::{
    Capacity, Emulator, EmulatorConfig, Encoding, Patience, Rig, Transport, may_be_driven,
};

mod support;

use support::{Doubler, listen, play};

/// A link that is cut after so many bytes.
struct Cut(Tcp, usize);

impl Transport for Cut {
    fn open(&mut self) -> Result<(), String> {
        self.0.open()
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let count = self.0.read(bytes, patience)?;
        self.1 = self.1.checked_sub(count).ok_or(io::ErrorKind::ConnectionReset)?;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        self.0.write(bytes, patience)
    }
}

/// Serves devices of `make` to one host after another, each over at most `most` bytes.
fn serve(most: usize, mut make: impl FnMut() -> Emulator + Send + 'static) -> String {
    listen(move |link| {
        let _ = make().serve(&mut Cut(link, most), |_| {});
    })
}

fn emulator(layer: Doubler) -> Emulator {
    Emulator::new(Box::new(layer), "doubler", EmulatorConfig::default())
}

fn rig_at(address: &str, retries: u32) -> Result<Rig, DeviceError> {
    let patience = Patience { retries, ..Patience::default() };
    Rig::on(Box::new(Tcp::new(address)), address, patience, Encoding::Floats)
}

#[test]
fn a_safe_function_runs_once_and_is_waited_for() {
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let address = serve(usize::MAX, move || {
        let runs = Arc::clone(&seen);
        emulator(Doubler::new(2, |_, _| false)).with_safe_function(3.0, move || {
            thread::sleep(Duration::from_millis(800));
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    });
    let mut rig = rig_at(&address, 0).unwrap();
    play(&mut rig, 10).unwrap();
    let start = Instant::now();
    rig.make_safe().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(800), "{:?}", start.elapsed());
    rig.make_safe().unwrap();
    assert!(rig.health().unwrap().unwrap().safe);
    drop(rig);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_failed_safe_function_is_reported_and_the_device_is_not_driven_again() {
    let address = serve(usize::MAX, || {
        let device = emulator(Doubler::new(2, |_, _| false));
        device.with_safe_function(3.0, || Err("no answer from the supply".to_owned()))
    });
    let mut rig = rig_at(&address, 0).unwrap();
    play(&mut rig, 10).unwrap();
    let message = rig.make_safe().unwrap_err().to_string();
    assert!(message.contains("MAY STILL BE DRIVEN") && message.contains("the supply"), "{message}");
    assert!(!rig.health().unwrap().unwrap().safe);
    drop(rig);
    assert!(may_be_driven().iter().any(|line| line.contains(&address)));
    let message = rig_at(&address, 0).err().unwrap().to_string();
    assert!(message.contains("did not confirm its safe state"), "{message}");
}

#[test]
fn a_safe_state_that_takes_too_long_is_an_error() {
    let address = serve(usize::MAX, || {
        let device = emulator(Doubler::new(2, |_, _| false));
        device.with_safe_function(0.1, || {
            thread::sleep(Duration::from_secs(6));
            Ok(())
        })
    });
    let mut rig = rig_at(&address, 0).unwrap();
    play(&mut rig, 10).unwrap();
    let message = rig.make_safe().unwrap_err().to_string();
    assert!(message.contains("`safe_seconds`"), "{message}");
}

#[test]
fn a_failed_measurement_is_retried_a_set_number_of_times() {
    let now_and_then = || emulator(Doubler::new(2, |call, _| call % 3 == 1));
    let mut rig = rig_at(&serve(usize::MAX, now_and_then), 3).unwrap();
    for _ in 0..20 {
        play(&mut rig, 10).unwrap();
    }
    assert_eq!(rig.monitor().counts().retried, 10);
    let mut rig = rig_at(&serve(usize::MAX, now_and_then), 0).unwrap();
    let message = (0..2).find_map(|_| play(&mut rig, 10).err()).unwrap().to_string();
    assert!(message.contains("the measurement failed: doubler: frame dropped"), "{message}");

    let always = || emulator(Doubler::new(2, |_, _| true));
    let mut rig = rig_at(&serve(usize::MAX, always), 3).unwrap();
    let message = play(&mut rig, 10).unwrap_err().to_string();
    assert!(message.contains("failed 4 times in a row"), "{message}");
    assert_eq!(rig.monitor().counts().retried, 3);

    let stateful = || {
        let capacity = Capacity { stateful: true, ..Capacity::default() };
        let config = EmulatorConfig { capacity, ..EmulatorConfig::default() };
        let layer = Doubler::new(2, |call, _| call == 1);
        Emulator::new(Box::new(layer), "doubler", config)
    };
    let mut rig = rig_at(&serve(usize::MAX, stateful), 3).unwrap();
    play(&mut rig, 10).unwrap();
    assert!(play(&mut rig, 10).is_err(), "a shot of a stateful device was played again");
}

#[test]
fn a_device_that_restarts_at_the_same_shot_is_given_up() {
    let address = serve(200, || emulator(Doubler::new(2, |_, _| false)));
    let mut rig = rig_at(&address, 3).unwrap();
    let error = play(&mut rig, 1_000).unwrap_err().to_string();
    assert!(error.contains("without one more shot played"), "{error}");
}

#[test]
fn a_busy_device_is_waited_for() {
    let pause = Duration::from_millis(1_500);
    let slow = move || emulator(Doubler::new(2, |_, _| false).with_pauses(pause, Duration::ZERO));
    let address = serve(usize::MAX, slow);
    let mut rig = rig_at(&address, 0).unwrap();
    play(&mut rig, 3).unwrap();
    play(&mut rig, 3).unwrap();
    let counts = rig.monitor().counts();
    // Without busy frames, a frame would be repeated after 0.1, 0.3, 0.7 s and so on.
    assert!(counts.frames_repeated <= 4, "{counts:?}");
}

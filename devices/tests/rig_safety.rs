//! Devices that ramp, fail, restart and take their time, behind a socket in this program.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::rig::{
    Capacity, Emulator, EmulatorConfig, Encoding, Patience, Rig, Transport, may_be_driven,
};
use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer};

/// Doubles its drives; fails in the calls that `fails` says, and takes `pause` for each.
#[derive(Clone)]
struct Doubler {
    interface: Interface,
    calls: Arc<AtomicUsize>,
    fails: fn(usize) -> bool,
    pause: Duration,
}

impl Doubler {
    fn new(fails: fn(usize) -> bool, pause: Duration) -> Self {
        let interface = Interface {
            device: "doubler".to_owned(),
            inputs: Channels::bank("x", 2, "V", -1.0, 1.0),
            parameters: Channels::none(),
            outputs: Channels::bank("y", 2, "V", -2.0, 2.0),
            seconds_per_shot: 0.0,
        };
        Self { interface, calls: Arc::default(), fails, pause }
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
        thread::sleep(self.pause);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if (self.fails)(call) {
            let device = self.interface.device.clone();
            return Err(DeviceError::Config { device, problem: "frame dropped".to_owned() });
        }
        outputs.copy_from(&(inputs * 2.0));
        Ok(())
    }
}

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

/// Serves what `make` makes to one host after another, each over at most `most` bytes.
fn serve(most: usize, mut make: impl FnMut() -> Emulator + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = make().serve(&mut Cut(Tcp::accepted(stream.unwrap()).unwrap(), most), |_| {});
        }
    });
    address
}

fn emulator(layer: Doubler) -> Emulator {
    Emulator::new(Box::new(layer), "doubler", EmulatorConfig::default())
}

fn rig_at(address: &str, retries: u32) -> Result<Rig, DeviceError> {
    let patience = Patience { retries, ..Patience::default() };
    Rig::on(Box::new(Tcp::new(address)), address, patience, Encoding::Floats)
}

fn play(rig: &mut Rig, shots: usize) -> Result<(), DeviceError> {
    let inputs = DMatrix::from_fn(2, shots, |row, shot| ((row + shot) as f32 * 0.1).sin());
    let mut outputs = DMatrix::zeros(2, shots);
    rig.measure(&inputs, &DVector::zeros(0), &mut outputs)?;
    assert_eq!(outputs, inputs * 2.0);
    Ok(())
}

#[test]
fn a_safe_function_is_run_once_and_waited_for() {
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let address = serve(usize::MAX, move || {
        let runs = Arc::clone(&seen);
        emulator(Doubler::new(|_| false, Duration::ZERO)).with_safe_function(3.0, move || {
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
fn a_safe_function_that_fails_is_told_and_the_device_is_not_driven_again() {
    let address = serve(usize::MAX, || {
        let device = emulator(Doubler::new(|_| false, Duration::ZERO));
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
fn a_safe_state_that_takes_longer_than_it_may_is_an_error() {
    let address = serve(usize::MAX, || {
        let device = emulator(Doubler::new(|_| false, Duration::ZERO));
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
fn a_measurement_that_fails_is_asked_for_again_a_stated_number_of_times() {
    let now_and_then = || emulator(Doubler::new(|call| call % 3 == 1, Duration::ZERO));
    let mut rig = rig_at(&serve(usize::MAX, now_and_then), 3).unwrap();
    for _ in 0..20 {
        play(&mut rig, 10).unwrap();
    }
    assert_eq!(rig.monitor().counts().retried, 10);
    let mut rig = rig_at(&serve(usize::MAX, now_and_then), 0).unwrap();
    let message = (0..2).find_map(|_| play(&mut rig, 10).err()).unwrap().to_string();
    assert!(message.contains("the measurement failed: doubler: frame dropped"), "{message}");

    let always = || emulator(Doubler::new(|_| true, Duration::ZERO));
    let mut rig = rig_at(&serve(usize::MAX, always), 3).unwrap();
    let message = play(&mut rig, 10).unwrap_err().to_string();
    assert!(message.contains("failed 4 times in a row"), "{message}");
    assert_eq!(rig.monitor().counts().retried, 3);

    let stateful = || {
        let capacity = Capacity { stateful: true, ..Capacity::default() };
        let config = EmulatorConfig { capacity, ..EmulatorConfig::default() };
        let layer = Doubler::new(|call| call == 1, Duration::ZERO);
        Emulator::new(Box::new(layer), "doubler", config)
    };
    let mut rig = rig_at(&serve(usize::MAX, stateful), 3).unwrap();
    play(&mut rig, 10).unwrap();
    assert!(play(&mut rig, 10).is_err(), "a shot of a stateful device was played again");
}

#[test]
fn a_device_that_restarts_at_the_same_shot_is_given_up() {
    let address = serve(200, || emulator(Doubler::new(|_| false, Duration::ZERO)));
    let mut rig = rig_at(&address, 3).unwrap();
    let error = play(&mut rig, 1_000).unwrap_err().to_string();
    assert!(error.contains("without one more shot played"), "{error}");
}

#[test]
fn a_device_that_says_busy_is_waited_for() {
    let address =
        serve(usize::MAX, || emulator(Doubler::new(|_| false, Duration::from_millis(1_500))));
    let mut rig = rig_at(&address, 0).unwrap();
    play(&mut rig, 3).unwrap();
    play(&mut rig, 3).unwrap();
    let counts = rig.monitor().counts();
    // Without a word, a frame would be asked for again at 0.1, 0.3, 0.7 s and so on.
    assert!(counts.frames_repeated <= 4, "{counts:?}");
}

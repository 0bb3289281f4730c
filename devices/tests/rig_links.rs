//! Rigs over pseudo-terminals, by the code of serial ports, and over sockets.

#![cfg(feature = "serial")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::rig::transport::{Serial, SerialConfig, Tcp};
use twinprop_devices::rig::{
    Capacity, Emulator, EmulatorConfig, Encoding, Patience, Rig, Transport,
};
use twinprop_devices::{DeviceError, PhysicalLayer};

mod support;

fn device() -> SecondHarmonic {
    let config =
        SecondHarmonicConfig { inputs: 4, parameters: 3, outputs: 5, ..Default::default() };
    SecondHarmonic::nominal(&config).unwrap()
}

fn emulator(capacity: Capacity) -> Emulator {
    let config = EmulatorConfig { capacity, ..EmulatorConfig::default() };
    Emulator::new(Box::new(device()), "shg", config)
}

fn batch() -> (DMatrix<f32>, DVector<f32>) {
    let inputs = DMatrix::from_fn(4, 300, |row, shot| ((row * 7 + shot) % 11) as f32 / 10.0);
    (inputs, DVector::from_element(3, 0.4))
}

/// Checks that `rig` measures the same as the device.
fn measures_the_same(rig: &mut Rig) {
    let (inputs, parameters) = batch();
    let (mut here, mut there) = (DMatrix::zeros(5, 300), DMatrix::zeros(5, 300));
    device().measure(&inputs, &parameters, &mut here).unwrap();
    for _ in 0..3 {
        rig.measure(&inputs, &parameters, &mut there).unwrap();
        assert_eq!(here, there);
    }
}

/// The device's end of a pseudo-terminal.
#[cfg(unix)]
struct Terminal(serialport::TTYPort);

#[cfg(unix)]
impl Transport for Terminal {
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> std::io::Result<usize> {
        use serialport::SerialPort;
        self.0.set_timeout(patience)?;
        // Between two owners the other end is closed.
        Ok(self.0.read(bytes).unwrap_or_else(|_| {
            thread::sleep(Duration::from_millis(1));
            0
        }))
    }

    fn write(&mut self, bytes: &[u8], _patience: Duration) -> std::io::Result<usize> {
        let piece = bytes.len().min(1024);
        Ok(self.0.write(&bytes[..piece]).unwrap_or_default())
    }
}

#[cfg(unix)]
#[test]
fn a_serial_port_carries_a_device_in_small_frames() {
    use serialport::SerialPort;
    for largest_frame in [64, 256, 16_384] {
        let (master, slave) = serialport::TTYPort::pair().unwrap();
        let path = slave.name();
        // The pair holds its lock; the rig is to open the port by its name.
        drop(slave);
        let capacity =
            Capacity { largest_frame, window_bytes: 3 * largest_frame, ..Capacity::default() };
        thread::spawn(move || emulator(capacity).serve(&mut Terminal(master), |_| {}));
        let config = SerialConfig { path, usb: None, usb_serial: None, baud: 115_200 };
        let port = Box::new(Serial::new(config));
        let mut rig = Rig::on(port, "pty", Patience::default(), Encoding::Floats).unwrap();
        measures_the_same(&mut rig);
    }
}

/// A device that listens; it serves every host that comes.
fn listening(capacity: Capacity) -> String {
    let mut emulator = emulator(capacity);
    support::listen(move |mut link| emulator.serve(&mut link, |_| {}).unwrap())
}

fn rig_at(address: &str, encoding: Encoding) -> Result<Rig, DeviceError> {
    Rig::on(Box::new(Tcp::new(address)), address, Patience::default(), encoding)
}

#[test]
fn a_socket_carries_a_device() {
    measures_the_same(&mut rig_at(&listening(Capacity::default()), Encoding::Floats).unwrap());
}

#[test]
fn codes_have_sixteen_bits_of_precision() {
    let mut rig = rig_at(&listening(Capacity::default()), Encoding::Codes).unwrap();
    let (inputs, parameters) = batch();
    let (mut here, mut there) = (DMatrix::zeros(5, 300), DMatrix::zeros(5, 300));
    device().measure(&inputs, &parameters, &mut here).unwrap();
    rig.measure(&inputs, &parameters, &mut there).unwrap();
    let worst = (here - there).amax();
    assert!(worst > 0.0 && worst < 1e-3, "{worst}");
}

#[test]
fn every_new_host_finds_the_device_safe() {
    let address = listening(Capacity::default());
    for _ in 0..3 {
        let mut rig = rig_at(&address, Encoding::Floats).unwrap();
        assert!(rig.health().unwrap().unwrap().safe);
        measures_the_same(&mut rig);
        assert!(!rig.health().unwrap().unwrap().safe);
    }
    let rig = rig_at(&address, Encoding::Floats).unwrap();
    let health = rig.health().unwrap().unwrap();
    assert_eq!((health.safe, health.shots, health.watchdog_trips), (true, 3 * 3 * 300, 0));
}

#[test]
fn a_keeper_feeds_the_watchdog_and_a_dropped_rig_is_safe() {
    let capacity = Capacity { watchdog: Duration::from_millis(200), ..Capacity::default() };
    let mut rig = rig_at(&listening(capacity), Encoding::Floats).unwrap();
    measures_the_same(&mut rig);
    thread::sleep(Duration::from_millis(1000));
    let health = rig.health().unwrap().unwrap();
    assert_eq!((health.safe, health.watchdog_trips), (false, 0));
}

#[test]
fn a_broken_link_is_reopened_and_the_batch_completed() {
    let device = listening(Capacity::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Every connection is cut after so many bytes: after the hello, and in the middle of a batch.
    thread::spawn(move || {
        for (place, host) in listener.incoming().enumerate() {
            let host = host.unwrap();
            let to_device = TcpStream::connect(&device).unwrap();
            let most = if place < 4 { 3_000 + 2_000 * place } else { usize::MAX };
            let back = (to_device.try_clone().unwrap(), host.try_clone().unwrap());
            thread::spawn(move || carry(back.0, back.1, usize::MAX));
            carry(host, to_device, most);
        }
    });
    let mut rig = rig_at(&address, Encoding::Floats).unwrap();
    measures_the_same(&mut rig);
    let counts = rig.monitor().counts();
    assert!(counts.reconnects >= 3, "{counts:?}");
}

/// Carries at most `most` bytes, then closes both ways.
fn carry(mut from: TcpStream, mut to: TcpStream, mut most: usize) {
    let mut bytes = [0; 512];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let count = count.min(most);
        most -= count;
        if to.write_all(&bytes[..count]).is_err() || most == 0 {
            break;
        }
    }
    for stream in [from, to] {
        // The other direction may have closed it.
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[test]
fn a_device_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let start = Instant::now();
    let patience = Patience { hello: Duration::from_millis(600), ..Patience::default() };
    let error = Rig::on(Box::new(Tcp::new(&address)), "quiet", patience, Encoding::Floats).err();
    let message = error.unwrap().to_string();
    assert!(message.contains("nothing answered hello"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

//! A device that doubles its drives, and a socket to serve one, for the tests of rigs.

#![allow(dead_code, reason = "each test uses its part")]

pub mod oracle;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nalgebra::{DMatrix, DVector};
use twinprop_devices::rig::FaultsConfig;
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer};

/// Every fault of a link at once.
pub const EVERY_FAULT: FaultsConfig = FaultsConfig {
    flip: 1e-3,
    drop: 1e-4,
    duplicate: 0.02,
    reorder: 0.02,
    truncate: 0.02,
    garbage: 0.02,
};

/// Doubles its drives, slowly; some of its calls fail.
pub struct Doubler {
    interface: Interface,
    /// Time of a call, and of each of its shots.
    pauses: (Duration, Duration),
    /// Calls and shots so far.
    asked: (usize, usize),
    /// Whether a call fails, from the number of earlier calls and of shots so far, its own included.
    fails: fn(usize, usize) -> bool,
    /// Shots that it has played.
    pub played: Arc<AtomicUsize>,
}

impl Doubler {
    /// A device of `channels` drives; its calls fail as `fails` says.
    pub fn new(channels: usize, fails: fn(usize, usize) -> bool) -> Self {
        let interface = Interface {
            device: "doubler".to_owned(),
            inputs: Channels::bank("x", channels, "V", -1.0, 1.0),
            parameters: Channels::none(),
            outputs: Channels::bank("y", channels, "V", -2.0, 2.0),
            seconds_per_shot: 0.0,
        };
        let pauses = (Duration::ZERO, Duration::ZERO);
        Self { interface, pauses, asked: (0, 0), fails, played: Arc::default() }
    }

    /// The same, where a call takes `a_call`, and each of its shots `a_shot`.
    pub fn with_pauses(self, a_call: Duration, a_shot: Duration) -> Self {
        Self { pauses: (a_call, a_shot), ..self }
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
        let shots = inputs.ncols();
        thread::sleep(self.pauses.0 + self.pauses.1 * shots as u32);
        let calls = self.asked.0;
        self.asked = (calls + 1, self.asked.1 + shots);
        if (self.fails)(calls, self.asked.1) {
            let device = self.interface.device.clone();
            return Err(DeviceError::Config { device, problem: "frame dropped".to_owned() });
        }
        self.played.fetch_add(shots, Ordering::Relaxed);
        outputs.copy_from(&(inputs * 2.0));
        Ok(())
    }
}

/// Plays `shots` shots on `layer`, which is or wraps a [`Doubler`], and checks them.
pub fn play(layer: &mut dyn PhysicalLayer, shots: usize) -> Result<(), DeviceError> {
    let channels = layer.interface().inputs.len();
    let inputs =
        DMatrix::from_fn(channels, shots, |row, shot| ((7 * row + shot) as f32 * 0.1).sin());
    let mut outputs = DMatrix::from_element(channels, shots, f32::NAN);
    layer.measure(&inputs, &DVector::zeros(0), &mut outputs)?;
    assert_eq!(outputs, inputs * 2.0);
    Ok(())
}

/// Listens on a free port of this machine and calls `serve` for one host after another; returns the address.
pub fn listen(mut serve: impl FnMut(Tcp) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(Tcp::accepted(stream.unwrap()).unwrap());
        }
    });
    address
}

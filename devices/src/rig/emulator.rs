//! Any layer behind the protocol: a simulated device as a rig.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::DMatrix;

use super::faults::{Faults, FaultsConfig};
use super::message::Description;
use super::responder::{Capacity, Play, Responder};
use super::transport::Transport;
use crate::PhysicalLayer;

/// How an emulated device behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EmulatorConfig {
    /// How much it takes at a time.
    pub capacity: Capacity,
    /// How bad its link is.
    pub faults: FaultsConfig,
    /// Whether a shot takes the time that the interface declares.
    pub real_time: bool,
    /// Seed of the faults.
    pub seed: u64,
}

/// What an emulator tells its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmulatorEvent {
    /// No frame came for longer than the watchdog's interval: the device is in its safe state.
    WatchdogTripped,
    /// The host sent it to its safe state.
    MadeSafe,
    /// The link ended; the device is in its safe state.
    LinkEnded,
}

/// Patience of a read: how often the watchdog is looked after.
const LOOK_UP: Duration = Duration::from_millis(10);
/// A device that is slow says so this often.
const BUSY_PERIOD: Duration = Duration::from_millis(250);
/// A host that does not read for so long has gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Serves `layer`, called `name`, on standard input and output until the host ends: all that a program needs
/// to be a device that a recipe names as `process:PROGRAM`. What it prints belongs on standard error.
///
/// # Errors
/// Whatever ends the link other than the host.
pub fn serve_on_stdio(layer: impl PhysicalLayer + 'static, name: &str) -> io::Result<()> {
    let mut emulator = Emulator::new(Box::new(layer), name, EmulatorConfig::default());
    emulator.serve(&mut Stdio::take(), |_| ())
}

/// A layer behind the protocol.
pub struct Emulator {
    layer: Box<dyn PhysicalLayer>,
    responder: Responder,
    config: EmulatorConfig,
    faults: Faults,
    start: Instant,
    outputs: DMatrix<f32>,
}

impl Emulator {
    /// `layer`, called `name`. Its boot is drawn from the clock.
    #[must_use]
    pub fn new(layer: Box<dyn PhysicalLayer>, name: &str, config: EmulatorConfig) -> Self {
        let description = Description {
            name: name.to_owned(),
            serial_number: "emulated".to_owned(),
            firmware: concat!("twinprop ", env!("CARGO_PKG_VERSION")).to_owned(),
            largest_shot_rate: None,
            interface: layer.interface().clone(),
        };
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let boot = since_epoch.map_or(1, |time| time.as_nanos() as u32).max(1);
        Self {
            responder: Responder::new(description, config.capacity, boot),
            layer,
            faults: Faults::new(config.faults, config.seed, "emulator"),
            config,
            start: Instant::now(),
            outputs: DMatrix::zeros(0, 0),
        }
    }

    /// Serves a host on `link` until it ends, and tells `observe` what happens.
    ///
    /// # Errors
    /// Whatever ends the link other than its other end.
    pub fn serve(
        &mut self,
        link: &mut dyn Transport,
        mut observe: impl FnMut(EmulatorEvent),
    ) -> io::Result<()> {
        let mut bytes = vec![0; 1 << 16];
        let outcome = loop {
            let count = match link.read(&mut bytes, LOOK_UP) {
                Ok(count) => count,
                Err(error) => break Err(error),
            };
            let was_safe = self.responder.is_safe();
            self.responder.receive(self.start.elapsed(), &bytes[..count]);
            if !was_safe && self.responder.is_safe() {
                observe(EmulatorEvent::MadeSafe);
            }
            if self.responder.watch(self.start.elapsed()) {
                observe(EmulatorEvent::WatchdogTripped);
            }
            if let Err(error) = self.answer(link) {
                break Err(error);
            }
        };
        self.responder.make_safe();
        observe(EmulatorEvent::LinkEnded);
        outcome.or_else(|error: io::Error| match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Ok(()),
            _ => Err(error),
        })
    }

    /// Plays what waits and sends what is to be said.
    fn answer(&mut self, link: &mut dyn Transport) -> io::Result<()> {
        self.send(link)?;
        while let Some(play) = self.responder.play() {
            self.take_time(&play, link)?;
            let shots = play.inputs.ncols();
            let channels = self.layer.interface().outputs.len();
            self.outputs.resize_mut(channels, shots, 0.0);
            let parameters = self.responder.parameters().clone();
            let outcome = self.layer.measure(&play.inputs, &parameters, &mut self.outputs);
            let outcome = outcome.map(|()| &self.outputs).map_err(|error| error.to_string());
            self.responder.measured(&play, outcome);
            self.send(link)?;
        }
        Ok(())
    }

    /// Waits as long as the shots take, if that is asked for.
    fn take_time(&mut self, play: &Play, link: &mut dyn Transport) -> io::Result<()> {
        if !self.config.real_time {
            return Ok(());
        }
        let seconds = self.layer.interface().seconds_per_shot * play.inputs.ncols() as f64;
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            thread::sleep(left.min(BUSY_PERIOD));
            if left <= BUSY_PERIOD {
                return Ok(());
            }
            self.responder.busy(play);
            self.send(link)?;
        }
    }

    fn send(&mut self, link: &mut dyn Transport) -> io::Result<()> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.responder.transmit() {
            self.faults.pass(&frame, |piece| bytes.extend_from_slice(piece));
        }
        let end = Instant::now() + WRITE_PATIENCE;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = link.write(rest, LOOK_UP)?;
            rest = &rest[written..];
            if written == 0 && Instant::now() > end {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }
}

/// A program's own standard input and output, for a device that is a child process.
pub struct Stdio {
    input: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Stdio {
    /// Takes them; nothing else may read or print from now on.
    #[must_use]
    pub fn take() -> Self {
        let (was_read, input) = sync_channel(64);
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = io::stdin().read(&mut bytes) {
                if was_read.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { input, rest: Vec::new() }
    }
}

impl Transport for Stdio {
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        if self.rest.is_empty() {
            match self.input.recv_timeout(patience) {
                Ok(piece) => self.rest = piece,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        let count = self.rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], _patience: Duration) -> io::Result<usize> {
        let mut output = io::stdout().lock();
        output.write_all(bytes)?;
        output.flush()?;
        Ok(bytes.len())
    }
}

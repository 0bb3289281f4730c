//! A host on a transport and on the machine's clock.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::RigError;
use super::host::Host;
use super::transport::Transport;

/// How long a lost link is tried to be opened again.
const REOPEN: Duration = Duration::from_secs(10);
/// Pause between two tries.
const REOPEN_PAUSE: Duration = Duration::from_millis(250);
/// Bytes that may wait to be written: what is behind them is decided later, with newer answers.
const BACKLOG: usize = 64 * 1024;
/// Writing gives way to reading after so long, or both ends could wait for each other.
const WRITE_PATIENCE: Duration = Duration::from_millis(5);
/// A pump looks up so often, whatever it waits for.
const LOOK_UP: Duration = Duration::from_millis(50);
/// The safe state is confirmed within this time, or the device is left to its watchdog.
const SAFE_PATIENCE: Duration = Duration::from_millis(300);

/// Carries bytes between a host and its device.
pub(super) struct Pump {
    host: Host,
    transport: Box<dyn Transport>,
    start: Instant,
    /// Bytes on their way to the transport.
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Pump {
    /// Opens `transport` and says hello.
    pub fn open(
        mut host: Host,
        mut transport: Box<dyn Transport>,
        stop: &AtomicBool,
    ) -> Result<Self, RigError> {
        transport.open().map_err(RigError::Link)?;
        host.connect(Duration::ZERO);
        let (outgoing, incoming) = (Vec::new(), vec![0; 1 << 16]);
        let mut pump = Self { host, transport, start: Instant::now(), outgoing, incoming };
        pump.finish(stop)?;
        Ok(pump)
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Measures a batch; see [`Host::play`].
    pub fn play(
        &mut self,
        parameters: &[f32],
        inputs: &[f32],
        stop: &AtomicBool,
    ) -> Result<(), RigError> {
        let now = self.now();
        self.host.play(now, parameters, inputs);
        self.finish(stop)
    }

    /// Sends what is due and takes what has come, without waiting.
    pub fn look_after(&mut self) {
        if self.step(Duration::ZERO).is_err() {
            // The next batch finds the link lost, and opens it.
        }
    }

    /// Asks for the device's state and waits for it.
    pub fn ask_health(&mut self, patience: Duration) -> Result<(), RigError> {
        self.host.ask_health();
        let end = self.now() + patience;
        while self.host.health().is_none() && self.now() < end {
            self.step(LOOK_UP.min(patience)).map_err(|error| RigError::Link(error.to_string()))?;
        }
        Ok(())
    }

    /// Sends the device to its safe state and waits for its word, though not long.
    pub fn make_safe(&mut self) {
        self.host.make_safe();
        self.await_safe();
    }

    fn await_safe(&mut self) {
        let end = self.now() + SAFE_PATIENCE;
        while self.host.awaits_safe() && self.now() < end {
            if self.step(Duration::from_millis(10)).is_err() {
                return;
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Works until the host has an outcome.
    fn finish(&mut self, stop: &AtomicBool) -> Result<(), RigError> {
        let outcome = loop {
            if let Some(outcome) = self.host.outcome() {
                break outcome;
            }
            if stop.load(Ordering::Relaxed) {
                self.host.abandon();
                continue;
            }
            match self.step(LOOK_UP) {
                Ok(()) => {}
                // What ends before it says who it is, would end again.
                Err(error) if self.host.identity().is_none() => {
                    self.host.lost(format!("it ended before it answered hello: {error}"));
                }
                Err(error) => self.reopen(&error, stop),
            }
        };
        if outcome.is_err() {
            self.await_safe();
        }
        outcome
    }

    /// One round: writes what is due, then reads, waiting at most `patience` for something.
    fn step(&mut self, patience: Duration) -> io::Result<()> {
        let mut now = self.now();
        while self.outgoing.len() < BACKLOG
            && let Some(frame) = self.host.transmit(now)
        {
            self.outgoing.extend_from_slice(frame);
        }
        if !self.outgoing.is_empty() {
            let written = self.transport.write(&self.outgoing, WRITE_PATIENCE)?;
            self.outgoing.drain(..written);
            now = self.now();
        }
        let due = self.host.deadline().map_or(patience, |due| due.saturating_sub(now));
        let wait = if self.outgoing.is_empty() { patience.min(due) } else { Duration::ZERO };
        let count = self.transport.read(&mut self.incoming, wait)?;
        let now = self.now();
        self.host.receive(now, &self.incoming[..count]);
        Ok(())
    }

    fn reopen(&mut self, error: &io::Error, stop: &AtomicBool) {
        self.outgoing.clear();
        let end = Instant::now() + REOPEN;
        loop {
            match self.transport.open() {
                Ok(()) => return self.host.reopened(self.now()),
                Err(problem) if Instant::now() > end || stop.load(Ordering::Relaxed) => {
                    return self.host.lost(format!(
                        "the link was lost ({error}) and could not be opened again: {problem}"
                    ));
                }
                Err(_) => std::thread::sleep(REOPEN_PAUSE),
            }
        }
    }
}

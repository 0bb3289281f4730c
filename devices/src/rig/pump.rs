//! A host with a transport and a clock.

mod safety;
mod telling;
#[cfg(test)]
mod tests;
mod told;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::told::Told;
use super::error::RigError;
use super::host::Host;
use super::transport::Transport;
use super::work::Work;

/// How long reopening a lost link is tried.
const REOPEN: Duration = Duration::from_secs(10);
/// Pause between two tries.
const REOPEN_PAUSE: Duration = Duration::from_millis(250);
/// Most bytes that wait to be written; later frames are created when there is space, with newer answers known.
const BACKLOG: usize = 64 * 1024;
/// Longest time of a write before reading, because both ends could wait for each other.
const WRITE_PATIENCE: Duration = Duration::from_millis(5);
/// Longest time of one wait.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Most restarts of a device without a shot in between.
const RESTARTS: u64 = 3;
/// Most losses of a link without a shot in between, while the device keeps running.
const REOPENINGS: u64 = 10;

/// Carries bytes between a host and its device.
pub(super) struct Pump {
    target: String,
    host: Host,
    transport: Box<dyn Transport>,
    start: Instant,
    /// Bytes on their way to the transport.
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    since_progress: Since,
    told: Told,
    /// The device was released: nothing more is sent.
    is_closed: bool,
}

/// The counters at the last answered shot.
#[derive(Clone, Copy, Default)]
struct Since {
    shots: u64,
    restarts: u64,
    reconnects: u64,
}

impl Pump {
    /// A pump for the device `target` at the other end of `transport`, not open yet.
    pub fn new(target: &str, mut host: Host, transport: Box<dyn Transport>) -> Self {
        if transport.starts_a_program() {
            host.wait_for_program();
        }
        Self {
            target: target.to_owned(),
            host,
            transport,
            start: Instant::now(),
            outgoing: Vec::new(),
            incoming: vec![0; 1 << 16],
            since_progress: Since::default(),
            told: Told::default(),
            is_closed: false,
        }
    }

    /// Opens the link and says hello.
    pub fn open(&mut self, stop: &AtomicBool) -> Result<(), RigError> {
        if self.is_closed {
            return Err(RigError::Interrupted);
        }
        self.open_link().map_err(RigError::Link)?;
        self.host.connect(self.now());
        self.finish(stop)
    }

    /// Opens or reopens the link.
    fn open_link(&mut self) -> Result<(), String> {
        self.give_time_to_end();
        self.transport.open()?;
        self.host.link_is_open(self.transport.reaches_another_machine());
        Ok(())
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Has a batch measured, predicted or pulled back; see [`Host::ask`].
    pub fn ask(
        &mut self,
        work: Work,
        parameters: &[f32],
        values: &[f32],
        stop: &AtomicBool,
    ) -> Result<(), RigError> {
        if self.is_closed {
            return Err(RigError::Interrupted);
        }
        let now = self.now();
        self.host.ask(now, work, parameters, values);
        self.finish(stop)
    }

    /// Sends and receives without waiting.
    pub fn look_after(&mut self) {
        if !self.is_closed && self.step(Duration::ZERO).is_err() {
            // The next batch reopens a lost link.
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

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Runs until the host has an outcome and, after an error, until the device is safe.
    fn finish(&mut self, stop: &AtomicBool) -> Result<(), RigError> {
        self.told.begins(&self.host);
        let outcome = loop {
            if let Some(outcome) = self.host.outcome() {
                break outcome;
            }
            if stop.load(Ordering::Relaxed) {
                self.host.abandon();
                continue;
            }
            match self.step(LOOK_UP) {
                Ok(()) => self.tell_news(),
                // A program that ends before it answers hello would end again.
                Err(error) if self.host.identity().is_none() => {
                    let words = self.transport.last_words();
                    let words = if words.is_empty() { words } else { format!(":\n{words}") };
                    self.host.lost(format!("it ended before it answered hello: {error}{words}"));
                }
                Err(error) => self.reopen(&error, stop),
            }
            self.give_up_what_restarts();
        };
        outcome.map_err(|error| self.fail(error))
    }

    /// Gives up a device that restarts repeatedly without a shot in between.
    fn give_up_what_restarts(&mut self) {
        let counts = self.host.counts();
        let shots = self.host.shots_answered();
        if shots > self.since_progress.shots {
            let (restarts, reconnects) = (counts.restarts, counts.reconnects);
            self.since_progress = Since { shots, restarts, reconnects };
        }
        if counts.restarts - self.since_progress.restarts > RESTARTS {
            self.give_up("it is found restarted each time");
        }
    }

    fn give_up(&mut self, why: &str) {
        let counts = self.host.counts();
        let restarts = match self.transport.starts_a_program() {
            true => counts.reconnects - self.since_progress.reconnects,
            false => counts.restarts - self.since_progress.restarts,
        };
        self.host.give_up(RigError::KeepsRestarting {
            restarts: restarts as u32,
            why: why.to_owned(),
            last_words: self.transport.last_words(),
        });
    }

    /// One round: writes due frames, then reads for at most `patience`.
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

    /// Reopens a lost link; a device that is a program is started again.
    fn reopen(&mut self, error: &io::Error, stop: &AtomicBool) {
        self.outgoing.clear();
        let tried = self.host.counts().reconnects - self.since_progress.reconnects;
        let is_program = self.transport.starts_a_program();
        if tried >= if is_program { RESTARTS } else { REOPENINGS } {
            if is_program {
                return self.give_up(&error.to_string());
            }
            return self.host.lost(format!(
                "the link was lost {} times without one more shot played: {error}",
                tried + 1
            ));
        }
        self.tell_reopening(error, tried + 1);
        let end = Instant::now() + REOPEN;
        loop {
            match self.open_link() {
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

//! An emulated rig: any layer behind the protocol.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};

pub use super::stdio::Stdio;

use super::capacity::Capacity;
use super::faults::{Faults, FaultsConfig};
use super::frame::Header;
use super::message::Description;
use super::responder::{Play, Responder};
use super::transport::Transport;
use super::work::Work;
use crate::raster::{self, Side};
use crate::{DeviceError, Differentiable, PhysicalLayer};

/// Configuration of an emulated device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EmulatorConfig {
    /// Capacity of its end of the link.
    pub capacity: Capacity,
    /// Faults of its link.
    pub faults: FaultsConfig,
    /// Whether shots take the time that the interface declares.
    pub real_time: bool,
    /// Seed of the faults.
    pub seed: u64,
}

/// An event of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmulatorEvent {
    /// The watchdog expired: the device is in its safe state.
    WatchdogTripped,
    /// The host sent it to its safe state.
    MadeSafe,
    /// The link ended; the device is in its safe state.
    LinkEnded,
}

/// Timeout of a read, and period of the watchdog's check.
const LOOK_UP: Duration = Duration::from_millis(10);
/// Period of the busy frames of a slow device.
const BUSY_PERIOD: Duration = Duration::from_millis(200);
/// A host that does not read for so long is disconnected.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Serves `layer`, called `name`, on standard input and output until the host ends. A program that does only
/// this is a device with the target `process:PROGRAM`; it may print on standard error.
///
/// # Errors
/// Whatever ends the link other than the host.
pub fn serve_on_stdio(layer: impl PhysicalLayer + 'static, name: &str) -> io::Result<()> {
    let mut emulator = Emulator::new(Box::new(layer), name, EmulatorConfig::default());
    emulator.serve(&mut Stdio::take(), |_| ())
}

/// Turns every drive off; an error says why some may be on.
type SafeFunction = Box<dyn FnMut() -> Result<(), String> + Send>;

/// A layer behind the protocol.
pub struct Emulator {
    layer: Box<dyn PhysicalLayer>,
    twin: Option<Box<dyn Differentiable>>,
    safe_function: Option<SafeFunction>,
    description: Description,
    responder: Responder,
    config: EmulatorConfig,
    faults: Faults,
    start: Instant,
}

impl Emulator {
    /// Emulates `layer`, called `name`. Its boot number is drawn from the clock.
    #[must_use]
    pub fn new(layer: Box<dyn PhysicalLayer>, name: &str, config: EmulatorConfig) -> Self {
        let description = Description {
            name: name.to_owned(),
            serial_number: "emulated".to_owned(),
            firmware: concat!("twinprop ", env!("CARGO_PKG_VERSION")).to_owned(),
            largest_shot_rate: None,
            safe_seconds: None,
            interface: layer.interface().clone(),
        };
        Self {
            responder: Responder::new(description.clone(), config.capacity, boot()),
            description,
            layer,
            twin: None,
            safe_function: None,
            faults: Faults::new(config.faults, config.seed, "emulator"),
            config,
            start: Instant::now(),
        }
    }

    /// The same device with a safe function, which takes at most `seconds`. It returns when every drive is off, or
    /// an error that says why one may be on.
    #[must_use]
    pub fn with_safe_function(
        mut self,
        seconds: f64,
        function: impl FnMut() -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.description.safe_seconds = Some(seconds);
        let responder = Responder::new(self.description.clone(), self.config.capacity, boot());
        self.responder = responder.unsure();
        self.safe_function = Some(Box::new(function));
        self
    }

    /// The same device with a digital twin, whose interface is the layer's.
    #[must_use]
    pub fn with_twin(mut self, twin: Box<dyn Differentiable>) -> Self {
        self.config.capacity.twin = true;
        let responder = Responder::new(self.description.clone(), self.config.capacity, boot());
        self.responder = if self.safe_function.is_some() { responder.unsure() } else { responder };
        self.twin = Some(twin);
        self
    }

    /// Serves a host on `link` until the link ends; `observe` gets the events. Afterwards the device is in its
    /// safe state.
    ///
    /// # Errors
    /// Failures of the link, and a safe state that was not reached at the end.
    pub fn serve(
        &mut self,
        link: &mut dyn Transport,
        observe: impl FnMut(EmulatorEvent),
    ) -> io::Result<()> {
        let Self { layer, twin, safe_function, responder, config, faults, start, .. } = self;
        let real_time = config.real_time;
        let (jobs, to_do) = channel();
        let (is_done, done) = channel();
        thread::scope(|scope| {
            // The device works in a thread of its own, so that the link is served at the same time.
            scope.spawn(move || {
                for job in to_do {
                    let outcome = match job {
                        Job::Play { play, parameters } => {
                            let answers = match play.work {
                                Work::Play => {
                                    measure(layer.as_mut(), &play.inputs, &parameters, real_time)
                                }
                                _ => ask_twin(twin.as_deref(), &play, &parameters),
                            };
                            Done::Played(play, answers)
                        }
                        Job::MakeSafe => Done::Safe(safe_function.as_mut().map_or(Ok(()), caught)),
                    };
                    if is_done.send(outcome).is_err() {
                        return;
                    }
                }
            });
            Desk { responder, faults, start: *start, link, jobs, done, observe }.run()
        })
    }
}

/// A boot number, different at every start.
fn boot() -> u32 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.map_or(1, |time| time.as_nanos() as u32).max(1)
}

/// A job of the device.
enum Job {
    Play { play: Play, parameters: DVector<f32> },
    MakeSafe,
}

/// The outcome of a job.
enum Done {
    Played(Play, Result<DMatrix<f32>, String>),
    Safe(Result<(), String>),
}

fn measure(
    layer: &mut dyn PhysicalLayer,
    inputs: &DMatrix<f32>,
    parameters: &DVector<f32>,
    real_time: bool,
) -> Result<DMatrix<f32>, String> {
    let interface = layer.interface();
    let (channels, shots) = (interface.outputs.len(), inputs.ncols());
    if real_time {
        let seconds = interface.seconds_per_shot * shots as f64;
        thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }
    let mut outputs = DMatrix::zeros(channels, shots);
    caught(|| layer.measure(inputs, parameters, &mut outputs).map_err(in_words))?;
    // In bits any other value would become a spike.
    let interface = layer.interface();
    raster::check_shots(interface, Side::Readings, outputs.as_slice()).map_err(in_words)?;
    Ok(outputs)
}

/// Predictions, or the cotangents of each shot.
fn ask_twin(
    twin: Option<&dyn Differentiable>,
    play: &Play,
    parameters: &DVector<f32>,
) -> Result<DMatrix<f32>, String> {
    let twin = twin.ok_or("this device has no twin")?;
    let interface = twin.interface();
    let n_inputs = interface.inputs.len();
    let mut answers = DMatrix::zeros(play.work.answer_width(interface), play.inputs.ncols());
    if play.work == Work::Predict {
        caught(|| twin.respond(&play.inputs, parameters, &mut answers).map_err(in_words))?;
    } else {
        let mut dtheta = DVector::zeros(parameters.len());
        for (shot, mut answer) in answers.column_iter_mut().enumerate() {
            let x = play.inputs.columns(shot, 1).into_owned();
            let dy = play.cotangents.columns(shot, 1).into_owned();
            let mut dx = DMatrix::zeros(n_inputs, 1);
            caught(|| twin.vjp(&x, parameters, &dy, &mut dx, &mut dtheta).map_err(in_words))?;
            answer.rows_mut(0, n_inputs).copy_from(&dx);
            answer.rows_mut(n_inputs, dtheta.len()).copy_from(&dtheta);
        }
    }
    if answers.iter().all(|value| value.is_finite()) {
        Ok(answers)
    } else {
        Err("the twin's answer is not finite".to_owned())
    }
}

fn in_words(error: DeviceError) -> String {
    error.to_string()
}

/// A panic of a device's code is an error of the device.
fn caught(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(format!("it panicked: {}", text.unwrap_or("without a text")))
    })
}

/// The link's end, served while the device works.
struct Desk<'a, F> {
    responder: &'a mut Responder,
    faults: &'a mut Faults,
    start: Instant,
    link: &'a mut dyn Transport,
    jobs: Sender<Job>,
    done: Receiver<Done>,
    observe: F,
}

impl<F: FnMut(EmulatorEvent)> Desk<'_, F> {
    fn run(mut self) -> io::Result<()> {
        let outcome = loop {
            if let Err(error) = self.attend(LOOK_UP) {
                break error;
            }
        };
        let safe = self.make_safe();
        (self.observe)(EmulatorEvent::LinkEnded);
        safe.map_err(|problem| io::Error::other(format!("the safe state failed: {problem}")))?;
        match outcome.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Ok(()),
            _ => Err(outcome),
        }
    }

    /// Reads for up to `patience`, executes the requests, and answers.
    fn attend(&mut self, patience: Duration) -> io::Result<()> {
        self.read(patience)?;
        if self.responder.watch(self.start.elapsed()) {
            (self.observe)(EmulatorEvent::WatchdogTripped);
            // The host learns this with its next request.
            let _ = self.make_safe();
        }
        loop {
            if self.responder.safe_is_asked() && self.make_safe().is_ok() {
                (self.observe)(EmulatorEvent::MadeSafe);
            }
            self.send()?;
            let Some(play) = self.responder.play() else { return Ok(()) };
            let header = play.header;
            let parameters = self.responder.parameters().clone();
            let done = self.have_done(Job::Play { play, parameters }, Some(&header));
            let Some(Done::Played(play, measured)) = done else {
                return Err(io::Error::other("the device's thread has ended"));
            };
            match measured {
                Ok(outputs) => self.responder.measured(&play, Ok(&outputs)),
                // Its twin drives nothing.
                Err(problem) if play.work != Work::Play => {
                    self.responder.measured(&play, Err(problem));
                }
                Err(problem) => match self.make_safe() {
                    Ok(()) => self.responder.measured(&play, Err(problem)),
                    Err(failure) => {
                        let text = format!("{failure}\nafter the measurement failed: {problem}");
                        self.responder.failed_unsafely(&play, &text);
                    }
                },
            }
        }
    }

    /// Runs `job`, and serves the link meanwhile unless it is lost.
    fn have_done(&mut self, job: Job, play: Option<&Header>) -> Option<Done> {
        self.jobs.send(job).ok()?;
        let mut said = Instant::now();
        let (mut reads, mut writes) = (true, true);
        loop {
            match self.done.recv_timeout(LOOK_UP) {
                Ok(done) => return Some(done),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if writes && said.elapsed() >= BUSY_PERIOD {
                said = Instant::now();
                self.responder.busy(play);
            }
            // The next read reports the loss. A host that has closed its side may still listen.
            reads = reads && self.read(Duration::ZERO).is_ok();
            writes = writes && self.send().is_ok();
        }
    }

    fn make_safe(&mut self) -> Result<(), String> {
        let outcome = if self.responder.is_safe() {
            Ok(())
        } else {
            match self.have_done(Job::MakeSafe, None) {
                Some(Done::Safe(outcome)) => outcome,
                _ => Err("the device's thread has ended".to_owned()),
            }
        };
        self.responder.safe_state(outcome.as_ref().copied().map_err(String::as_str));
        outcome
    }

    fn read(&mut self, patience: Duration) -> io::Result<()> {
        let mut bytes = [0; 1 << 14];
        let count = self.link.read(&mut bytes, patience)?;
        self.responder.receive(self.start.elapsed(), &bytes[..count]);
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.responder.transmit() {
            self.faults.pass(&frame, |piece| bytes.extend_from_slice(piece));
        }
        let end = Instant::now() + WRITE_PATIENCE;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = self.link.write(rest, LOOK_UP)?;
            rest = &rest[written..];
            if written == 0 && Instant::now() > end {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }
}

//! A calculation on a thread of its own, served by the thread of Python that started it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use twinprop::Error;
use twinprop::calibration::CalibrationError;
use twinprop::devices::DeviceError;

use crate::callback::{Request, raised};
use crate::error::{exception, of_calibration, of_library};
use crate::pool;

/// How long Python's thread waits before it looks for Ctrl-C.
const WAIT: Duration = Duration::from_millis(50);
/// Least time between two reports of progress.
const REPORTS: Duration = Duration::from_millis(100);

/// What a job asks of Python's thread.
pub enum Message {
    /// Call a Python function.
    Call(Request),
    /// Show progress.
    Progress {
        /// What is done.
        label: String,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// Tell the listener.
    Tell {
        /// The kind of event.
        kind: &'static str,
        /// What happened.
        text: String,
        /// Whether the job is to stop.
        reply: SyncSender<bool>,
    },
    /// The job has ended.
    Done,
}

/// Why a job failed.
pub enum Failure {
    /// A calibration did.
    Calibration(CalibrationError),
    /// Something else of the library did.
    Library(Error),
}

impl From<CalibrationError> for Failure {
    fn from(error: CalibrationError) -> Self {
        Self::Calibration(error)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self::Calibration(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// The payload of the panic by which an interrupted job unwinds.
pub struct Interrupted;

/// A job that has not begun.
pub struct Job {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    is_stopping: Arc<AtomicBool>,
    /// Numbers of the functions that its devices call.
    functions: Vec<u64>,
}

/// What a job knows of its caller.
pub struct Caller {
    sender: Sender<Message>,
    is_stopping: Arc<AtomicBool>,
    /// The last report: its label and when it was sent.
    last: Option<(String, Instant)>,
}

impl Job {
    /// A job that has not begun.
    pub fn new() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, is_stopping: Arc::default(), functions: Vec::new() }
    }

    /// Where its devices send requests.
    pub fn sender(&self) -> Sender<Message> {
        self.sender.clone()
    }

    /// Set when it is to end.
    pub fn is_stopping(&self) -> Arc<AtomicBool> {
        self.is_stopping.clone()
    }

    /// Notes that it calls function `number`.
    pub fn calls(&mut self, number: u64) {
        self.functions.push(number);
    }

    /// Runs `work` and serves it until it ends; `progress` is called with `(label, done, total)`, `listener`
    /// with a kind of event and its text.
    ///
    /// An exception of a function, of `progress` or of a signal handler ends the work, and is raised unchanged.
    pub fn run<T: Send>(
        self,
        py: Python,
        progress: Option<&Bound<PyAny>>,
        listener: Option<&Bound<PyAny>>,
        work: impl FnOnce(&mut Caller) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        let Self { sender, receiver, is_stopping, functions } = self;
        let pool = pool::new(py)?;
        let mut caller =
            Caller { sender: sender.clone(), is_stopping: is_stopping.clone(), last: None };
        let (outcome, interruption) = thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| pool.install(|| work(&mut caller))));
                // Nobody listens if Python's thread has gone.
                let _ = sender.send(Message::Done);
                outcome
            });
            let interruption = serve(py, receiver, &is_stopping, progress, listener);
            (worker.join().unwrap_or_else(Err), interruption)
        });
        // All are taken, so that none is raised by a later failure.
        let raised: Vec<PyErr> = functions.into_iter().filter_map(raised).collect();
        if let Some(error) = interruption {
            return Err(error);
        }
        if let Some(error) = raised.into_iter().next() {
            return Err(error);
        }
        Err(match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Failure::Calibration(error))) => of_calibration(py, &error),
            Ok(Err(Failure::Library(error))) => of_library(py, &error),
            Err(panic) => exception(py, "InternalError", in_words(&*panic)),
        })
    }
}

/// Serves a job until it ends; returns what interrupted it.
fn serve(
    py: Python,
    mut receiver: Receiver<Message>,
    is_stopping: &AtomicBool,
    progress: Option<&Bound<PyAny>>,
    listener: Option<&Bound<PyAny>>,
) -> Option<PyErr> {
    let mut interruption = None;
    loop {
        let message;
        (receiver, message) = py.detach(move || {
            let message = receiver.recv_timeout(WAIT);
            (receiver, message)
        });
        let served = match message {
            Ok(Message::Call(request)) if interruption.is_some() => {
                request.refuse();
                Ok(())
            }
            Ok(Message::Call(request)) => {
                if request.serve(py) {
                    is_stopping.store(true, Ordering::Relaxed);
                }
                Ok(())
            }
            Ok(Message::Progress { label, done, total }) => match progress {
                Some(progress) => progress.call1((label, done, total)).map(|_| ()),
                None => Ok(()),
            },
            Ok(Message::Tell { kind, text, reply }) => {
                let told = listener.map_or(Ok(false), |listener| {
                    listener.call1((kind, text)).and_then(|answer| answer.is_truthy())
                });
                if told.is_err() {
                    is_stopping.store(true, Ordering::Relaxed);
                }
                // The job is waiting for it.
                let _ = reply.send(*told.as_ref().unwrap_or(&true));
                told.map(|_| ())
            }
            Ok(Message::Done) | Err(RecvTimeoutError::Disconnected) => return interruption,
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        if let Err(error) = served.and_then(|()| py.check_signals()) {
            interruption.get_or_insert(error);
            is_stopping.store(true, Ordering::Relaxed);
        }
    }
}

impl Caller {
    /// Whether it is to end.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Reports progress, at most ten times a second, and unwinds the job where it is to end.
    pub fn progress(&mut self, label: &str, done: usize, total: usize) {
        if self.is_stopping() {
            resume_unwind(Box::new(Interrupted));
        }
        self.show(label, done, total);
    }

    /// Reports progress, at most ten times a second.
    pub fn show(&mut self, label: &str, done: usize, total: usize) {
        let is_due = |(last, sent): &(String, Instant)| last != label || sent.elapsed() >= REPORTS;
        if done == total || self.last.as_ref().is_none_or(is_due) {
            self.last = Some((label.to_owned(), Instant::now()));
            // Without a listener there is nobody to tell.
            let _ = self.sender.send(Message::Progress { label: label.to_owned(), done, total });
        }
    }

    /// Tells the listener of an event, and returns whether it asks for the end.
    pub fn tell(&mut self, kind: &'static str, text: String) -> bool {
        let (reply, answer) = sync_channel(1);
        let sent = self.sender.send(Message::Tell { kind, text, reply });
        sent.is_ok() && answer.recv().unwrap_or(true)
    }
}

fn in_words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    format!("a fault in twinprop, please report it: {text}")
}

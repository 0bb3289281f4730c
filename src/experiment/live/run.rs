//! The observer that shows a run and stops it on request.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use twinprop_devices::rig::{LinkCounts, Monitor};
use twinprop_devices::{BoundaryCounts, Interface, PhysicalLayer, ShotCounter, ShotSampler};

use super::rates::Rates;
use super::record::{DeviceRecord, LinkRecord, Phase, Record, ShotRecord, WorkRecord};
use super::{LIVE, STOP, forget_stop};
use crate::Error;
use crate::experiment::troubles::troubles;
use crate::network::{Laboratory, ShotWatch};
use crate::training::{Event, Observer, Work, WorkSize};

/// Time between two writes of the file.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks for a request to stop.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most warnings that are shown.
const MOST_WARNINGS: usize = 5;

/// Observes a run, writes `live.json` in its folder from a thread of its own, and asks the run to stop when another
/// process does. Sends all events to another observer.
pub(in crate::experiment) struct LiveRun<'a> {
    inner: &'a mut dyn Observer,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What the run and the writing thread share.
struct Shared {
    folder: PathBuf,
    /// Another process has asked the run to stop.
    stop: AtomicBool,
    state: Mutex<State>,
}

/// What is known about the run.
struct State {
    record: Record,
    devices: Vec<Device>,
    /// The real devices' links, and their counts after the last step: counting waits for a batch that is played.
    links: Vec<(Monitor, LinkCounts)>,
    /// Counts the shots of the present work.
    work_shots: Option<ShotWatch>,
    /// When this process began to train, and the steps done before.
    trains_since: Option<(Instant, usize)>,
    rates: Rates,
}

/// A device, as any thread can look at it.
struct Device {
    interface: Interface,
    shots: ShotCounter,
    sampler: ShotSampler,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // After a panic the state is still valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file whole or not at all. A run does not fail because nobody can look at it.
    fn write(&self) {
        let is_stopping = self.stop.load(Ordering::Relaxed);
        let record = Record { is_stopping, ..self.state().record() };
        let Ok(text) = serde_json::to_string(&record) else { return };
        // Not synced: after a crash nobody looks at it.
        let partial = self.folder.join(format!(".{LIVE}.partial"));
        if std::fs::write(&partial, text + "\n").is_ok() {
            let _ = std::fs::rename(&partial, self.folder.join(LIVE));
        }
    }

    /// Writes the file every second, and looks for a request to stop, until the run has ended.
    fn keep_written(&self) {
        let mut written = Instant::now();
        loop {
            thread::park_timeout(LOOK_EVERY);
            let is_new = !self.stop.load(Ordering::Relaxed) && self.folder.join(STOP).exists();
            if is_new {
                self.stop.store(true, Ordering::Relaxed);
            }
            if self.state().record.phase == Phase::Ended {
                return;
            }
            if is_new || written.elapsed() >= WRITE_EVERY {
                self.write();
                written = Instant::now();
            }
        }
    }
}

impl State {
    fn new(laboratory: &Laboratory, epochs: usize) -> Self {
        let instruments = laboratory.instruments.iter();
        let devices = instruments.clone().map(|one| DeviceRecord {
            name: one.name.clone(),
            kind: one.kind(),
            model: one.device.interface().device.clone(),
            is_in_tensors: one.tensors.is_some(),
            counts: BoundaryCounts::default(),
            shots_per_second: 0.0,
            shot: None,
        });
        let record = Record { epochs, devices: devices.collect(), ..Record::default() };
        let seen = instruments.map(|one| Device {
            interface: one.device.interface().clone(),
            shots: one.device.counter(),
            sampler: one.device.sampler(),
        });
        Self {
            record,
            devices: seen.collect(),
            links: laboratory.links().map(|link| (link.clone(), link.counts())).collect(),
            work_shots: None,
            trains_since: None,
            rates: Rates::default(),
        }
    }

    /// The record at this time.
    fn record(&mut self) -> Record {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        self.record.updated = since_1970.map_or(0.0, |since| since.as_secs_f64());
        let shots = self.devices.iter().map(|device| device.shots.shots()).collect();
        let rates = self.rates.push(Instant::now(), shots);
        for ((device, shown), rate) in self.devices.iter().zip(&mut self.record.devices).zip(rates)
        {
            shown.counts.shots = device.shots.shots();
            shown.shots_per_second = rate;
            let Interface { inputs, outputs, .. } = &device.interface;
            if let Some(shot) = device.sampler.take() {
                shown.shot = Some(ShotRecord::of(&shot, inputs, outputs));
            }
            device.sampler.request();
        }
        if let (Some(work), Some(watch)) = (&mut self.record.work, &self.work_shots) {
            work.done = watch.shots() as usize;
        }
        self.record.links =
            self.links.iter().map(|(link, counts)| LinkRecord::of(link, *counts)).collect();
        let Record { steps, done, .. } = self.record;
        self.record.seconds_left = self.trains_since.and_then(|(since, before)| {
            let made = done.checked_sub(before).filter(|made| *made > 0)?;
            Some(since.elapsed().as_secs_f64() / made as f64 * steps.saturating_sub(done) as f64)
        });
        self.record.clone()
    }

    fn read_counts(&mut self, laboratory: &Laboratory) {
        for (shown, one) in self.record.devices.iter_mut().zip(&laboratory.instruments) {
            shown.counts = one.device.counts();
        }
        for (link, counts) in &mut self.links {
            *counts = link.counts();
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::WorkBegins(Work { label, size }) => {
                let (total, watch) = match size {
                    WorkSize::Unknown => (0, None),
                    WorkSize::Steps(total) => (*total, None),
                    WorkSize::Shots { total, watch } => (*total, Some((*watch).clone())),
                };
                let (label, message) = ((*label).to_owned(), String::new());
                self.record.work = Some(WorkRecord { label, done: 0, total, message });
                self.work_shots = watch;
            }
            Event::WorkAdvances { done, message } => {
                if let Some(work) = &mut self.record.work {
                    (work.done, work.message) = (*done, (*message).to_owned());
                }
            }
            Event::WorkEnds(_) => self.record.work = None,
            Event::Warning(warning) => {
                let warnings = &mut self.record.warnings;
                if !warnings.iter().any(|known| known == warning) {
                    warnings.push((*warning).to_owned());
                    let surplus = warnings.len().saturating_sub(MOST_WARNINGS);
                    warnings.drain(..surplus);
                }
            }
            Event::TrainingBegins(begins) => {
                let record = &mut self.record;
                record.phase = Phase::Training;
                (record.steps, record.done) = (begins.steps, begins.done);
                self.trains_since = Some((Instant::now(), begins.done));
                self.read_counts(begins.laboratory);
            }
            Event::Twins(twins) => self.record.twins_at_start = twins.to_vec(),
            Event::Step(step) => {
                self.record.done = step.done;
                self.record.loss.push(step.done, step.loss);
                self.read_counts(step.laboratory);
            }
            Event::TrainingEnds(_) => self.record.phase = Phase::Finishing,
            _ => {}
        }
    }
}

impl LinkRecord {
    fn of(link: &Monitor, counts: LinkCounts) -> Self {
        let (target, troubles) = (link.target().to_owned(), troubles(&counts));
        Self { target, shots: link.shots(), counts, troubles, failure: link.failure() }
    }
}

impl<'a> LiveRun<'a> {
    /// Shows the run in `folder` on the devices of `laboratory`, which trains for `epochs`, from now on; sends events
    /// to `inner`.
    pub fn start(
        folder: &Path,
        laboratory: &Laboratory,
        epochs: usize,
        inner: &'a mut dyn Observer,
    ) -> Self {
        forget_stop(folder);
        let state = Mutex::new(State::new(laboratory, epochs));
        let shared = Shared { folder: folder.to_owned(), stop: AtomicBool::new(false), state };
        shared.write();
        let shared = Arc::new(shared);
        let writer = Arc::clone(&shared);
        let name = "live view".to_owned();
        // Without the thread the run is as good as with it.
        let writer = thread::Builder::new().name(name).spawn(move || writer.keep_written()).ok();
        Self { inner, shared, writer }
    }

    /// Shows how the run ended.
    pub fn end(self, outcome: Result<(), &Error>) {
        let words = match outcome {
            Ok(()) => "complete".to_owned(),
            // How to resume it is for the view to say.
            Err(Error::Interrupted(_)) => "It was stopped on request.".to_owned(),
            Err(Error::Cut { source, .. }) => source.to_string(),
            Err(error) => error.to_string(),
        };
        self.shared.state().record.outcome = Some(words);
    }
}

impl Drop for LiveRun<'_> {
    fn drop(&mut self) {
        self.shared.state().record.phase = Phase::Ended;
        if let Some(writer) = self.writer.take() {
            writer.thread().unpark();
            // A panic of the view is no failure of the run.
            let _ = writer.join();
        }
        self.shared.write();
        forget_stop(&self.shared.folder);
    }
}

impl Observer for LiveRun<'_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        self.shared.state().note(event);
        let flow = self.inner.observe(event)?;
        let is_stopped = self.shared.stop.load(Ordering::Relaxed);
        Ok(if is_stopped { ControlFlow::Break(()) } else { flow })
    }

    fn completes(&self) -> bool {
        // A run that another process stops can be resumed.
        !self.shared.stop.load(Ordering::Relaxed) && self.inner.completes()
    }
}

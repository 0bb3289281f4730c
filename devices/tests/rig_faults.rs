//! Over faulty links the protocol gives no wrong, stale or repeated measurement.
//!
//! Both ends run on a virtual clock. Each shot has a unique first drive, and its measurement depends on all drives
//! and parameters, so that a wrong, swapped, stale or repeated measurement is detected. `cargo test -p twinprop-devices --test rig_faults -- --nocapture` prints the
//! table of counts; a failure names its seed.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use nalgebra::DMatrix;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use twinprop_devices::random;
use twinprop_devices::rig::{
    Capacity, Encoding, Faults, FaultsConfig, Host, Patience, Responder, RigError, Work,
};

mod support;

use support::EVERY_FAULT;
use support::oracle::{INPUTS, Oracle, PARAMETERS, SHOTS};

const BATCHES: usize = 10_000;
const LATENCY: Duration = Duration::from_micros(500);

/// The twin of [`Oracle::answer`] with values: the cotangents of drives and parameters. They tell a shot from others by its
/// cotangents.
fn pulled_back(dy: &[f32]) -> [f32; INPUTS + PARAMETERS] {
    [dy[0] + 0.25 * dy[1], 0.5 * dy[0], -dy[0], dy[1], -2.0 * dy[1]]
}

/// Events besides faults of the bytes.
#[derive(Clone, Copy, Default)]
struct Events {
    /// Probability in a batch that the device stops for a while,
    hang: f64,
    /// restarts,
    restart: f64,
    /// that the link is closed and opened again,
    reopen: f64,
    /// and that a frame of parameters is lost.
    lose_configure: f64,
}

struct Direction {
    faults: Faults,
    /// Pieces in flight, by their time of arrival.
    pieces: BTreeMap<(Duration, u64), Vec<u8>>,
    count: u64,
}

impl Direction {
    fn new(config: FaultsConfig, seed: u64, name: &str) -> Self {
        Self { faults: Faults::new(config, seed, name), pieces: BTreeMap::new(), count: 0 }
    }

    fn send(&mut self, now: Duration, frame: &[u8]) {
        self.faults.pass(frame, |piece| {
            self.pieces.insert((now + LATENCY, self.count), piece.to_vec());
            self.count += 1;
        });
    }

    fn arrived(&mut self, now: Duration) -> Option<Vec<u8>> {
        let (time, _) = *self.pieces.first_key_value()?.0;
        (time <= now).then(|| self.pieces.pop_first().map(|(_, piece)| piece))?
    }

    fn next(&self) -> Option<Duration> {
        self.pieces.first_key_value().map(|((time, _), _)| *time)
    }
}

struct Bench {
    oracle: Oracle,
    now: Duration,
    host: Host,
    device: Responder,
    capacity: Capacity,
    boot: u32,
    played: HashSet<(u32, u32)>,
    there: Direction,
    back: Direction,
    hangs_until: Duration,
    losing_configure: bool,
    random: ChaCha8Rng,
}

impl Bench {
    fn new(oracle: Oracle, faults: FaultsConfig, capacity: Capacity, seed: u64) -> Self {
        let boot = 1;
        Self {
            oracle,
            now: Duration::ZERO,
            host: Host::new(Patience::default(), Encoding::Floats),
            device: Responder::new(oracle.description(), capacity, boot),
            capacity,
            boot,
            played: HashSet::new(),
            there: Direction::new(faults, seed, "there"),
            back: Direction::new(faults, seed, "back"),
            hangs_until: Duration::ZERO,
            losing_configure: false,
            random: random::stream(seed, "events"),
        }
    }

    fn serve(&mut self, seed: u64) {
        while let Some(play) = self.device.play() {
            let parameters = self.device.parameters().clone();
            if play.work == Work::Vjp {
                let mut answers = DMatrix::zeros(INPUTS + PARAMETERS, play.inputs.ncols());
                for (dy, mut answer) in play.cotangents.column_iter().zip(answers.column_iter_mut())
                {
                    answer.copy_from_slice(&pulled_back(&[dy[0], dy[1]]));
                }
                self.device.measured(&play, Ok(&answers));
                continue;
            }
            let width = self.oracle.description().interface.outputs.len();
            let mut outputs = DMatrix::zeros(width, play.inputs.ncols());
            for (shot, mut y) in play.inputs.column_iter().zip(outputs.column_iter_mut()) {
                let is_played = play.work == Work::Play;
                let x: Vec<f32> = shot.iter().copied().collect();
                let number = self.oracle.number(&x);
                assert!(
                    !is_played || self.played.insert((self.boot, number)),
                    "shot {number} was played twice in boot {}, seed {seed}",
                    self.boot
                );
                y.copy_from_slice(&self.oracle.answer(&x, parameters.as_slice()));
            }
            self.device.measured(&play, Ok(&outputs));
        }
        while let Some(frame) = self.device.transmit() {
            self.back.send(self.now, &frame);
        }
    }

    /// Runs until the host has an outcome.
    fn run(&mut self, events: &Events, seed: u64) -> Result<(), RigError> {
        let steps_to_event = self.random.random_range(0..12);
        let mut steps = 0;
        loop {
            steps += 1;
            if steps == steps_to_event {
                self.strike(events);
            }
            while let Some(frame) = self.host.transmit(self.now) {
                // The kind stands behind the first zero, the code byte and the version.
                let configure = frame.get(3) == Some(&4);
                if configure && std::mem::take(&mut self.losing_configure) {
                    continue;
                }
                let frame = frame.to_vec();
                self.there.send(self.now, &frame);
            }
            if let Some(outcome) = self.host.outcome() {
                return outcome;
            }
            let hung = self.now < self.hangs_until;
            if !hung {
                while let Some(piece) = self.there.arrived(self.now) {
                    self.device.receive(self.now, &piece);
                }
                if self.device.watch(self.now) || self.device.safe_is_asked() {
                    self.device.safe_state(Ok(()));
                }
                self.serve(seed);
            }
            while let Some(piece) = self.back.arrived(self.now) {
                self.host.receive(self.now, &piece);
            }
            if let Some(outcome) = self.host.outcome() {
                return outcome;
            }
            let wakes = if hung { Some(self.hangs_until) } else { self.there.next() };
            let next = [wakes, self.back.next(), self.host.deadline()].into_iter().flatten().min();
            let next = next.unwrap_or_else(|| panic!("nothing will ever happen, seed {seed}"));
            self.now = next.max(self.now + Duration::from_nanos(1));
            assert!(steps < 200_000, "a batch that does not end, seed {seed}");
        }
    }

    fn strike(&mut self, events: &Events) {
        if self.random.random_bool(events.hang) {
            let long = self.random.random_bool(0.05);
            let seconds = if long { 60.0 } else { self.random.random_range(0.01..3.0) };
            self.hangs_until = self.now + Duration::from_secs_f64(seconds);
        }
        if self.random.random_bool(events.restart) {
            self.boot += 1;
            self.device = Responder::new(self.oracle.description(), self.capacity, self.boot);
        }
        if self.random.random_bool(events.reopen) {
            self.there.pieces.clear();
            self.back.pieces.clear();
            self.host.reopened(self.now);
        }
        self.losing_configure = self.random.random_bool(events.lose_configure);
    }
}

/// Ten thousand batches of shots; returns how many were measured and how many ended in an error.
fn ladder(name: &str, faults: FaultsConfig, events: Events, largest_frame: usize) -> [usize; 2] {
    ladder_of(Oracle::Values, &[Work::Play], name, faults, events, largest_frame)
}

/// The same, for these kinds of work in turns.
fn ladder_of(
    oracle: Oracle,
    works: &[Work],
    name: &str,
    faults: FaultsConfig,
    events: Events,
    largest_frame: usize,
) -> [usize; 2] {
    let seed = 20_261_125;
    let capacity = Capacity {
        largest_frame,
        window_bytes: 4 * largest_frame,
        window_frames: 4,
        twin: works != [Work::Play],
        watchdog: Duration::from_secs(1),
        ..Capacity::default()
    };
    let mut bench = Bench::new(oracle, faults, capacity, seed);
    let (mut right, mut errors) = (0, 0);
    while bench.host.identity().is_none() {
        bench.host.connect(bench.now);
        let _ = bench.run(&Events::default(), seed);
    }
    let mut parameters = [0.0; PARAMETERS];
    for batch in 0..BATCHES {
        if batch % 3 == 0 {
            parameters = [batch as f32, 0.5 * batch as f32];
        }
        let inputs: Vec<f32> =
            (0..SHOTS).flat_map(|shot| oracle.drives(batch * SHOTS + shot, batch)).collect();
        let work = works[batch % works.len()];
        let values = if work == Work::Vjp {
            let with_cotangents = |x: &[f32]| [x[0], x[1], x[2], x[0] - 7.0, -x[2]];
            inputs.chunks(INPUTS).flat_map(with_cotangents).collect()
        } else {
            inputs.clone()
        };
        bench.host.ask(bench.now, work, &parameters, &values);
        match bench.run(&events, seed) {
            Ok(()) => {
                right += 1;
                let measured = bench.host.outputs();
                let width = measured.len() / SHOTS;
                for (x, y) in values.chunks(values.len() / SHOTS).zip(measured.chunks(width)) {
                    let here = format!("{name}: {work:?}, batch {batch}, seed {seed}");
                    if work == Work::Vjp {
                        assert_eq!(y, pulled_back(&x[INPUTS..]), "{here}");
                    } else {
                        assert_eq!(y, oracle.answer(x, &parameters), "{here}");
                    }
                }
            }
            Err(_) => errors += 1,
        }
    }
    let counts = bench.host.counts();
    println!(
        "| {name} | {right} | {errors} | {} | {} | {} | {} | {} | {} | {seed} |",
        counts.frames_sent,
        counts.frames_repeated,
        counts.frames_damaged,
        counts.frames_stale,
        counts.timeouts,
        counts.replayed_after_restart
    );
    [right, errors]
}

fn all_right(name: &str, faults: FaultsConfig, events: Events) {
    assert_eq!(ladder(name, faults, events, 128), [BATCHES, 0], "{name}");
}

#[test]
fn flipped_bits() {
    for flip in [1e-5, 1e-4, 1e-3] {
        let faults = FaultsConfig { flip, ..FaultsConfig::default() };
        all_right(&format!("bytes flipped, {flip:.0e}"), faults, Events::default());
    }
}

#[test]
fn one_byte_in_a_hundred_flipped() {
    let faults = FaultsConfig { flip: 1e-2, ..FaultsConfig::default() };
    let [right, _] = ladder("bytes flipped, 1e-2, frames of 64", faults, Events::default(), 64);
    assert!(right > BATCHES / 2, "{right}");
}

#[test]
fn lost_bytes() {
    for drop in [1e-5, 1e-4, 1e-3] {
        let faults = FaultsConfig { drop, ..FaultsConfig::default() };
        all_right(&format!("bytes lost, {drop:.0e}"), faults, Events::default());
    }
    let faults = FaultsConfig { drop: 1e-2, ..FaultsConfig::default() };
    let [right, _] = ladder("bytes lost, 1e-2, frames of 64", faults, Events::default(), 64);
    assert!(right > BATCHES / 2, "{right}");
}

#[test]
fn duplicated_late_truncated_frames_and_garbage() {
    let none = FaultsConfig::default();
    all_right("no fault", none, Events::default());
    for (name, faults) in [
        ("frames twice, 0.1", FaultsConfig { duplicate: 0.1, ..none }),
        ("frames late, 0.1", FaultsConfig { reorder: 0.1, ..none }),
        ("frames cut, 0.1", FaultsConfig { truncate: 0.1, ..none }),
        ("random bytes before frames, 0.3", FaultsConfig { garbage: 0.3, ..none }),
    ] {
        all_right(name, faults, Events::default());
    }
}

#[test]
fn a_lost_setting_of_the_parameters() {
    let events = Events { lose_configure: 0.5, ..Events::default() };
    all_right("configure lost, 0.5", FaultsConfig::default(), events);
}

#[test]
fn a_link_that_is_closed_and_opened() {
    let events = Events { reopen: 0.2, ..Events::default() };
    all_right("link reopened, 0.2", FaultsConfig::default(), events);
}

#[test]
fn a_device_that_restarts() {
    let events = Events { restart: 0.2, ..Events::default() };
    all_right("device restarts, 0.2", FaultsConfig::default(), events);
}

#[test]
fn a_device_that_hangs() {
    let events = Events { hang: 0.05, ..Events::default() };
    let [right, errors] = ladder("device hangs, 0.05", FaultsConfig::default(), events, 128);
    assert!(errors > 0 && right > BATCHES * 9 / 10, "{right} right, {errors} errors");
}

#[test]
fn everything_at_once() {
    everything(Oracle::Values, "everything at once", &[Work::Play]);
}

#[test]
fn everything_at_once_between_shots_and_questions_to_the_twin() {
    let works = [Work::Play, Work::Predict, Work::Vjp, Work::Vjp, Work::Play];
    everything(Oracle::Values, "everything, with a twin", &works);
}

fn everything(oracle: Oracle, name: &str, works: &[Work]) {
    let events = Events { hang: 0.01, restart: 0.01, reopen: 0.01, lose_configure: 0.01 };
    let [right, errors] = ladder_of(oracle, works, name, EVERY_FAULT, events, 128);
    assert!(right + errors == BATCHES && right > BATCHES * 9 / 10, "{right} right");
}

#[test]
fn spikes_over_every_fault_of_a_link() {
    let none = FaultsConfig::default();
    for (name, faults) in [
        ("spikes, no fault", none),
        ("spikes, bytes flipped, 1e-3", FaultsConfig { flip: 1e-3, ..none }),
        ("spikes, bytes lost, 1e-3", FaultsConfig { drop: 1e-3, ..none }),
        ("spikes, frames twice, 0.1", FaultsConfig { duplicate: 0.1, ..none }),
        ("spikes, frames late, 0.1", FaultsConfig { reorder: 0.1, ..none }),
        ("spikes, frames cut, 0.1", FaultsConfig { truncate: 0.1, ..none }),
        ("spikes, random bytes before frames, 0.3", FaultsConfig { garbage: 0.3, ..none }),
    ] {
        let works = [Work::Play];
        let counts = ladder_of(Oracle::Spikes, &works, name, faults, Events::default(), 128);
        assert_eq!(counts, [BATCHES, 0], "{name}");
    }
    everything(Oracle::Spikes, "spikes, everything", &[Work::Play]);
}

//! A window of frames hides the latency of a link; on a virtual clock, so that the result is the same on any
//! machine. `bench/src/bin/link_throughput.rs` measures the same over sockets.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::VecDeque;
use std::time::Duration;

use nalgebra::DMatrix;
use twinprop_devices::rig::{Capacity, Description, Encoding, Host, Patience, Responder};
use twinprop_devices::{Channels, Interface};

const CHANNELS: usize = 64;
const SHOTS: usize = 64;
/// Each way.
const LATENCY: Duration = Duration::from_millis(1);
/// Of 100 Mbit a second.
const BYTES_A_SECOND: f64 = 12.5e6;

/// One way of a link, which carries so many bytes a second and delivers them later.
#[derive(Default)]
struct Way {
    free: Duration,
    frames: VecDeque<(Duration, Vec<u8>)>,
}

impl Way {
    fn send(&mut self, now: Duration, frame: &[u8]) {
        let carried = Duration::from_secs_f64(frame.len() as f64 / BYTES_A_SECOND);
        self.free = self.free.max(now) + carried;
        self.frames.push_back((self.free + LATENCY, frame.to_vec()));
    }

    fn next(&self) -> Option<Duration> {
        self.frames.front().map(|(time, _)| *time)
    }

    fn arrived(&mut self, now: Duration) -> Option<Vec<u8>> {
        let due = self.next().is_some_and(|time| time <= now);
        due.then(|| self.frames.pop_front().map(|(_, frame)| frame))?
    }
}

struct Link {
    now: Duration,
    host: Host,
    device: Responder,
    there: Way,
    back: Way,
}

impl Link {
    fn new(capacity: Capacity) -> Self {
        let description = Description {
            name: "echo".to_owned(),
            serial_number: "1".to_owned(),
            firmware: "1".to_owned(),
            largest_shot_rate: None,
            safe_seconds: None,
            interface: Interface {
                device: "echo".to_owned(),
                inputs: Channels::bank("x", CHANNELS, "1", -1e6, 1e6),
                parameters: Channels::none(),
                outputs: Channels::bank("y", CHANNELS, "1", -1e6, 1e6),
                seconds_per_shot: 0.0,
            },
        };
        let mut link = Self {
            now: Duration::ZERO,
            host: Host::new(Patience::default(), Encoding::Floats),
            device: Responder::new(description, capacity, 1),
            there: Way::default(),
            back: Way::default(),
        };
        link.host.connect(link.now);
        link.run();
        link
    }

    /// Runs until the host has an outcome.
    fn run(&mut self) {
        loop {
            while let Some(frame) = self.host.transmit(self.now) {
                self.there.send(self.now, frame);
            }
            while let Some(frame) = self.there.arrived(self.now) {
                self.device.receive(self.now, &frame);
                while let Some(play) = self.device.play() {
                    let echo: DMatrix<f32> = play.inputs.clone();
                    self.device.measured(&play, Ok(&echo));
                }
                while let Some(frame) = self.device.transmit() {
                    self.back.send(self.now, &frame);
                }
            }
            while let Some(frame) = self.back.arrived(self.now) {
                self.host.receive(self.now, &frame);
            }
            if let Some(outcome) = self.host.outcome() {
                return outcome.unwrap();
            }
            let next = [self.there.next(), self.back.next(), self.host.deadline()];
            self.now = next.into_iter().flatten().min().unwrap().max(self.now);
        }
    }

    /// Seconds that a batch takes.
    fn batch(&mut self) -> f64 {
        let inputs: Vec<f32> = (0..SHOTS * CHANNELS).map(|value| value as f32).collect();
        let start = self.now;
        self.host.play(start, &[], &inputs);
        self.run();
        assert_eq!(self.host.outputs(), inputs);
        (self.now - start).as_secs_f64()
    }
}

/// Seconds of a batch with `window_frames` frames of `largest_frame` bytes on the way.
fn seconds(largest_frame: usize, window_frames: usize) -> f64 {
    let window_bytes = window_frames * largest_frame;
    Link::new(Capacity { largest_frame, window_frames, window_bytes, ..Capacity::default() })
        .batch()
}

#[test]
fn the_window_shortens_a_batch_compared_with_one_frame_at_a_time() {
    let payload = (4 * SHOTS * CHANNELS) as f64 / BYTES_A_SECOND;
    let limit = 2.0 * LATENCY.as_secs_f64() + payload;
    for largest_frame in [1024, 4096] {
        // The frames in flight fill bandwidth times round trip, 25 kB.
        let windowed = seconds(largest_frame, 32 * 1024 / largest_frame);
        let stop_and_wait = seconds(largest_frame, 1);
        println!(
            "frames of {largest_frame}: {:.3} of the limit; stop and wait {:.3}",
            limit / windowed,
            limit / stop_and_wait
        );
        assert!(windowed >= limit && limit / windowed > 0.9, "{windowed} s, limit {limit} s");
        assert!(stop_and_wait > 2.5 * windowed, "{stop_and_wait} s, windowed {windowed} s");
    }
}

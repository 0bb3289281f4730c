//! The peer of a comparison, a Python script, and the timing in turns.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use twinprop::training::Awake;

use crate::limit::round_trip;
use crate::{Outcome, Step, median};

/// A Python script that answers each requested work with the seconds that it took.
pub struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `script` of `bench/peers` with `arguments`.
    pub fn start(python: &str, script: &str, arguments: &[String]) -> Outcome<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
        let mut process = Command::new(python)
            .arg(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the peer has no pipes".into());
        };
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    /// Lets the peer do `work`; returns the seconds that it took.
    pub fn seconds(&mut self, work: &str) -> Outcome<f64> {
        writeln!(self.requests, "{work}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().parse().map_err(|_| format!("the peer did not answer to `{work}`"))?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Maximum repetitions in a turn.
const REPETITIONS: usize = 20;
/// Time after which a turn ends with fewer repetitions.
const TURN: Duration = Duration::from_secs(2);
/// Pause between two turns, in which threads that wait for work by spinning go to sleep.
const PAUSE: Duration = Duration::from_millis(300);
/// Warm-up of a turn, in which the operating system spreads sleeping threads over the cores.
const WARM_UP: Duration = Duration::from_millis(50);

/// What a comparison in turns measures: medians over all turns.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Seconds of ours.
    pub ours: f64,
    /// Seconds of the peer.
    pub theirs: f64,
    /// Seconds of a round trip between two cores, measured before each turn of either side, if there are two.
    pub round_trip: Option<f64>,
}

/// Times `ours` and `theirs` in turns. Warm-ups do not count, except a repetition that takes a turn's time itself.
pub fn in_turns(
    turns: usize,
    mut ours: impl FnMut() -> Outcome<()>,
    mut theirs: impl FnMut() -> Outcome<f64>,
) -> Outcome<Times> {
    let mut round_trips = Vec::new();
    let mut timed = || -> Outcome<f64> {
        let start = Instant::now();
        ours()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        for (seconds, side) in
            [(&mut timed as &mut dyn FnMut() -> Outcome<f64>, &mut left), (&mut theirs, &mut right)]
        {
            std::thread::sleep(PAUSE);
            round_trips.extend(round_trip());
            let start = Instant::now();
            let mut last = seconds()?;
            while start.elapsed() < WARM_UP {
                last = seconds()?;
            }
            if start.elapsed() >= TURN {
                side.push(last);
                continue;
            }
            let start = Instant::now();
            for _ in 0..REPETITIONS {
                side.push(seconds()?);
                if start.elapsed() >= TURN {
                    break;
                }
            }
        }
    }
    let round_trip = (!round_trips.is_empty()).then(|| median(round_trips));
    Ok(Times { ours: median(left), theirs: median(right), round_trip })
}

/// Times our training step and the peer's.
pub fn steps_in_turns(turns: usize, step: &mut Step, torch: &mut Peer) -> Outcome<Times> {
    in_turns(
        2 * turns,
        || {
            step.run();
            Ok(())
        },
        || torch.seconds("step"),
    )
}

/// Times our vector-Jacobian product of the first layer's twin and the peer's.
pub fn vjps_in_turns(turns: usize, step: &mut Step, torch: &mut Peer) -> Outcome<Times> {
    let mut vjp = step.twin_vjp();
    in_turns(
        turns,
        || {
            // As in a training step.
            let _awake = Awake::keep();
            vjp();
            Ok(())
        },
        || torch.seconds("vjp"),
    )
}

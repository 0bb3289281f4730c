//! The other side of a comparison: a Python script, and turns with it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use twinprop::training::Awake;

use crate::{Outcome, Step, median};

/// A Python script that answers a line with the seconds that its work took.
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

    /// What it took for `work`.
    pub fn seconds(&mut self, work: &str) -> Outcome<f64> {
        writeln!(self.requests, "{work}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().parse().map_err(|_| format!("the peer did not answer to `{work}`"))?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Repetitions in a turn, or fewer that take a turn's time.
const REPETITIONS: usize = 20;
const TURN: Duration = Duration::from_secs(2);
/// Between two turns: threads that wait for work by spinning have gone to sleep by then.
const PAUSE: Duration = Duration::from_millis(300);
/// Before a turn's repetitions: the operating system has spread the threads that it finds asleep over
/// the cores by then.
const WARM_UP: Duration = Duration::from_millis(50);

/// Medians of ours and of the peer's over all repetitions, turn by turn; what
/// warms a turn up does not count, unless it takes a turn's time itself.
pub fn in_turns(
    turns: usize,
    mut ours: impl FnMut() -> Outcome<()>,
    mut theirs: impl FnMut() -> Outcome<f64>,
) -> Outcome<(f64, f64)> {
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
    Ok((median(left), median(right)))
}

/// Medians of a training step of ours and of the peer's.
pub fn steps_in_turns(turns: usize, step: &mut Step, torch: &mut Peer) -> Outcome<(f64, f64)> {
    in_turns(
        2 * turns,
        || {
            step.run();
            Ok(())
        },
        || torch.seconds("step"),
    )
}

/// Medians of the vector-Jacobian product of the first layer's twin, ours and the peer's.
pub fn vjps_in_turns(turns: usize, step: &mut Step, torch: &mut Peer) -> Outcome<(f64, f64)> {
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

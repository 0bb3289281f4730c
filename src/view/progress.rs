//! Progress with rate and time left: a bar on a terminal, plain lines elsewhere. A thread looks after each,
//! so that work which reports nothing for a while, such as a batch on a slow device, is not silent.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::errln;
use crate::network::ShotWatch;
use crate::training::{Work, WorkSize};

/// After which the first plain line comes: nothing that takes two seconds is silent.
const FIRST_LINE: Duration = Duration::from_millis(1500);
/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at the work.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Progress of one piece of work, on standard error.
pub struct Progress {
    state: Arc<Mutex<State>>,
    looker: Option<JoinHandle<()>>,
    bar: Option<ProgressBar>,
}

/// What a progress shares with the thread that looks after it.
struct State {
    label: String,
    total: usize,
    done: usize,
    message: String,
    start: Instant,
    /// When the last line was written, if one was.
    last_line: Option<Instant>,
    /// What counts the work, where it does not report.
    shots: Option<ShotWatch>,
    is_over: bool,
}

/// The bar that is on the terminal, if one is: lines are written above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn current_bar() -> MutexGuard<'static, Option<ProgressBar>> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `line` to standard error at once, above the bar if there is one.
pub fn tell(line: &str) {
    match &*current_bar() {
        Some(bar) => bar.suspend(|| errln!("{line}")),
        None => errln!("{line}"),
    }
}

impl State {
    /// What is done, and the same in a line.
    fn line(&mut self) -> String {
        if let Some(shots) = &self.shots {
            self.done = shots.shots() as usize;
        }
        let Self { label, total, done, message, start, .. } = self;
        let seconds = start.elapsed().as_secs_f64();
        let how_fast = match *done {
            0 => format!("{seconds:.0} s so far"),
            done => {
                let rate = done as f64 / seconds;
                let left = total.saturating_sub(done) as f64 / rate;
                format!("{} a second, {left:.0} s left", rate_in_words(rate))
            }
        };
        if *total == 0 {
            return format!("{label}: {seconds:.0} s so far");
        }
        let unit = if self.shots.is_some() { " shots" } else { "" };
        let comma = if message.is_empty() { "" } else { ", " };
        format!("{label}: {done}/{total}{unit}, {how_fast}{comma}{message}")
    }

    /// The line, if it is time for one.
    fn due_line(&mut self) -> Option<String> {
        let is_due = match self.last_line {
            None => self.start.elapsed() >= FIRST_LINE,
            Some(last) => last.elapsed() >= LINE_EVERY,
        };
        if !is_due || self.is_over {
            return None;
        }
        self.last_line = Some(Instant::now());
        Some(self.line())
    }
}

fn rate_in_words(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic leaves numbers that are as good as before.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Of `work`, which begins.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        match work.size {
            WorkSize::Steps(total) => Self::start(work.label, total, None),
            WorkSize::Shots { total, watch } => Self::start(work.label, total, Some(watch.clone())),
            WorkSize::Unknown => Self::start(work.label, 0, None),
        }
    }

    /// Work called `label` in `total` steps.
    #[must_use]
    pub fn new(label: &str, total: usize) -> Self {
        Self::start(label, total, None)
    }

    fn start(label: &str, total: usize, shots: Option<ShotWatch>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(match total {
                0 => "{prefix} {spinner} {elapsed}",
                _ => "{prefix} {bar:30.cyan} {pos}/{len} · {per_sec} · {eta} left · {msg}",
            });
            // The template is a constant; should a version of the crate refuse it, the default
            // style is still a bar.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(label.to_owned());
            *current_bar() = Some(bar.clone());
            bar
        });
        let state = Arc::new(Mutex::new(State {
            label: label.to_owned(),
            total,
            done: 0,
            message: String::new(),
            start: Instant::now(),
            last_line: None,
            shots,
            is_over: false,
        }));
        let looker = {
            let (state, bar) = (Arc::clone(&state), bar.clone());
            thread::spawn(move || look_after(&state, bar.as_ref()))
        };
        Self { state, looker: Some(looker), bar }
    }

    /// `done` steps are done.
    pub fn set(&mut self, done: usize, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(message.clone());
        }
        let mut state = lock(&self.state);
        (state.done, state.message) = (done, message);
    }

    /// The work is done; `message` says how it went.
    pub fn finish(mut self, message: &str) {
        let seconds = self.end();
        let label = lock(&self.state).label.clone();
        errln!("{label}: {message} ({seconds:.1} s)");
    }

    /// The work is done; that is told only where it took so long that something was told before.
    pub fn finish_quietly(mut self) {
        let seconds = self.end();
        let was_told = lock(&self.state).last_line.is_some() || seconds >= 2.0;
        if was_told {
            let label = lock(&self.state).label.clone();
            errln!("{label}: done ({seconds:.1} s)");
        }
    }

    /// Ends bar and thread, and says how many seconds the work took.
    fn end(&mut self) -> f64 {
        let seconds = {
            let mut state = lock(&self.state);
            state.is_over = true;
            state.start.elapsed().as_secs_f64()
        };
        if let Some(looker) = self.looker.take() {
            looker.thread().unpark();
            // A thread that only looked has nothing to hand over.
            let _ = looker.join();
        }
        if let Some(bar) = self.bar.take() {
            *current_bar() = None;
            bar.finish_and_clear();
        }
        seconds
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// Keeps the bar moving, or writes the lines that are due, until the work is over.
fn look_after(state: &Mutex<State>, bar: Option<&ProgressBar>) {
    loop {
        thread::park_timeout(LOOK_EVERY);
        let mut state = lock(state);
        if state.is_over {
            return;
        }
        let Some(bar) = bar else {
            if let Some(line) = state.due_line() {
                errln!("{line}");
            }
            continue;
        };
        match &state.shots {
            Some(shots) => bar.set_position(shots.shots()),
            None => bar.tick(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(done: usize, message: &str, seconds: u64) -> State {
        State {
            label: "measure shg".to_owned(),
            total: 100,
            done,
            message: message.to_owned(),
            start: Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap(),
            last_line: None,
            shots: None,
            is_over: false,
        }
    }

    #[test]
    fn a_line_says_how_far_and_how_fast_also_before_the_first_step() {
        assert_eq!(state(0, "", 4).line(), "measure shg: 0/100, 4 s so far");
        let line = state(20, "so far so good", 4).line();
        assert_eq!(line, "measure shg: 20/100, 5.0 a second, 16 s left, so far so good");
    }

    #[test]
    fn a_line_is_due_within_two_seconds_and_then_every_five() {
        assert_eq!(state(0, "", 0).due_line(), None);
        let mut late = state(1, "", 2);
        assert!(late.due_line().is_some());
        assert_eq!(late.due_line(), None);
        late.last_line = Instant::now().checked_sub(LINE_EVERY);
        assert!(late.due_line().is_some());
        late.last_line = Instant::now().checked_sub(LINE_EVERY);
        late.is_over = true;
        assert_eq!(late.due_line(), None);
    }
}

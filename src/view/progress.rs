//! Progress with rate and time left: a bar on a terminal, plain lines elsewhere. A thread updates each of them, so
//! that work without reports for a while, such as a batch on a slow device, is not silent.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::errln;
use crate::network::ShotWatch;
use crate::training::{Work, WorkSize};

/// Time until the first plain line: no work of two seconds is silent.
const FIRST_LINE: Duration = Duration::from_millis(1500);
/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Time between two updates.
const UPDATE_EVERY: Duration = Duration::from_millis(250);

/// Progress of one piece of work, on standard error.
pub struct Progress {
    state: Arc<Mutex<State>>,
    updater: Option<JoinHandle<()>>,
    bar: Option<ProgressBar>,
}

/// The state that a progress shares with the thread that updates it.
struct State {
    label: String,
    total: usize,
    done: usize,
    message: String,
    start: Instant,
    /// Time of the last plain line.
    last_line: Option<Instant>,
    /// Counter of the shots, for work that counts shots instead of reporting steps.
    shots: Option<ShotWatch>,
    is_over: bool,
}

/// The bar on the terminal; lines are written above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn current_bar() -> MutexGuard<'static, Option<ProgressBar>> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `line` to standard error at once, above an optional bar.
pub fn tell(line: &str) {
    match &*current_bar() {
        Some(bar) => bar.suspend(|| errln!("{line}")),
        None => errln!("{line}"),
    }
}

impl State {
    /// Reads the shots done and returns the progress in a line.
    fn line(&mut self) -> String {
        if let Some(shots) = &self.shots {
            self.done = shots.shots() as usize;
        }
        let Self { label, total, done, message, start, .. } = self;
        let seconds = start.elapsed().as_secs_f64();
        let pace = match *done {
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
        format!("{label}: {done}/{total}{unit}, {pace}{comma}{message}")
    }

    /// The line, if one is due.
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
    // After a panic the state is still valid.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Progress of `work`, which begins.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        match work.size {
            WorkSize::Steps(total) => Self::start(work.label, total, None),
            WorkSize::Shots { total, watch } => Self::start(work.label, total, Some(watch.clone())),
            WorkSize::Unknown => Self::start(work.label, 0, None),
        }
    }

    /// Progress of work called `label`, of `total` steps.
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
            // The template is a constant. If a version of the crate refuses it, the default style is still a bar.
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
        let updater = {
            let (state, bar) = (Arc::clone(&state), bar.clone());
            thread::spawn(move || keep_updated(&state, bar.as_ref()))
        };
        Self { state, updater: Some(updater), bar }
    }

    /// Sets the number of steps done, and the message beside it.
    pub fn set(&mut self, done: usize, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(message.clone());
        }
        let mut state = lock(&self.state);
        (state.done, state.message) = (done, message);
    }

    /// Ends the progress of completed work; `message` is its result.
    pub fn finish(mut self, message: &str) {
        let seconds = self.end();
        let label = lock(&self.state).label.clone();
        errln!("{label}: {message} ({seconds:.1} s)");
    }

    /// Ends the progress of completed work; writes a line only if the work took two seconds or wrote a line before.
    pub fn finish_quietly(mut self) {
        let seconds = self.end();
        let was_shown = lock(&self.state).last_line.is_some() || seconds >= 2.0;
        if was_shown {
            let label = lock(&self.state).label.clone();
            errln!("{label}: done ({seconds:.1} s)");
        }
    }

    /// Ends bar and thread, and returns the seconds that the work took.
    fn end(&mut self) -> f64 {
        let seconds = {
            let mut state = lock(&self.state);
            state.is_over = true;
            state.start.elapsed().as_secs_f64()
        };
        if let Some(updater) = self.updater.take() {
            updater.thread().unpark();
            // A panic of the display is no failure of the work.
            let _ = updater.join();
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

/// Updates the bar, or writes the lines that are due, until the work is over.
fn keep_updated(state: &Mutex<State>, bar: Option<&ProgressBar>) {
    loop {
        thread::park_timeout(UPDATE_EVERY);
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
    fn a_line_states_progress_and_rate_also_before_the_first_step() {
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

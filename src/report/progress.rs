//! Progress with rate and time left: a bar on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::errln;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Steps of work that is counted in shares.
const SHARES: usize = 100;
/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress of one piece of work, on standard error.
pub struct Progress {
    label: String,
    total: usize,
    start: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
    is_silent: bool,
}

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` without showing its progress: many pieces of work at once have one of their own.
pub fn without_progress<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_SILENT.replace(true);
    let outcome = work();
    IS_SILENT.set(before);
    outcome
}

impl Progress {
    /// Work called `label` in `total` steps.
    #[must_use]
    pub fn new(label: &str, total: usize) -> Self {
        let is_silent = IS_SILENT.get();
        let bar = (!is_silent && std::io::stderr().is_terminal()).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "{prefix} {bar:30.cyan} {pos}/{len} · {per_sec} · {eta} left · {msg}",
            );
            // The template is a constant; should a version of the crate refuse it, the default
            // style is still a bar.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(label.to_owned());
            bar
        });
        let now = Instant::now();
        Self { label: label.to_owned(), total, start: now, last_line: now, bar, is_silent }
    }

    /// Work called `label` of which only the share that is done is known.
    #[must_use]
    pub fn in_shares(label: &str) -> Self {
        Self::new(label, SHARES)
    }

    /// `share` of the work, of one, is done.
    pub fn set_share(&mut self, share: f64, message: String) {
        self.set((share * SHARES as f64) as usize, message);
    }

    /// `done` steps are done.
    pub fn set(&mut self, done: usize, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(message);
        } else if !self.is_silent && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let seconds = self.start.elapsed().as_secs_f64();
            let rate = done as f64 / seconds;
            let left = (self.total.saturating_sub(done)) as f64 / rate;
            let comma = if message.is_empty() { "" } else { ", " };
            errln!(
                "{}: {done}/{}, {rate:.1} a second, {left:.0} s left{comma}{message}",
                self.label,
                self.total
            );
        }
    }

    /// The work is done; `message` says how it went.
    pub fn finish(self, message: String) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.is_silent {
            return;
        }
        errln!("{}: {message} ({:.1} s)", self.label, self.start.elapsed().as_secs_f64());
    }
}

//! Notices to the user while rigs are driven: waits, restarts, retries.

use std::io::{self, IsTerminal, Write};
use std::sync::{PoisonError, RwLock};

type Sink = Box<dyn Fn(&str) + Send + Sync>;

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Sends notices, one or a few lines each, to `sink` instead of standard error.
pub fn send_notices_to(sink: impl Fn(&str) + Send + Sync + 'static) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sink));
}

/// Reports `text`. It never fails, because the device must be served also without a terminal.
pub(super) fn tell(text: &str) {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(sink) = &*sink {
        return sink(text);
    }
    let mut stderr = io::stderr().lock();
    // A progress bar on this line is drawn again below.
    let clear = if stderr.is_terminal() { "\r\x1b[2K" } else { "" };
    let _ = stderr.write_all(format!("{clear}{text}\n").as_bytes());
}

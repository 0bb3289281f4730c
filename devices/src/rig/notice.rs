//! What a person is to know while rigs are driven: waits, restarts, retries.

use std::io::{self, IsTerminal, Write};
use std::sync::{PoisonError, RwLock};

type Sink = Box<dyn Fn(&str) + Send + Sync>;

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Sends notices to `sink`, a line or a few each, instead of to standard error.
pub fn send_notices_to(sink: impl Fn(&str) + Send + Sync + 'static) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sink));
}

/// Tells `text`. It never fails: a terminal that is gone is no reason to leave a device alone.
pub(super) fn tell(text: &str) {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(sink) = &*sink {
        return sink(text);
    }
    let mut stderr = io::stderr().lock();
    // The line of a progress bar is drawn again below.
    let clear = if stderr.is_terminal() { "\r\x1b[2K" } else { "" };
    let _ = stderr.write_all(format!("{clear}{text}\n").as_bytes());
}

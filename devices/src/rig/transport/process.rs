//! A child process by its standard input and output, so that a program in any language can be a device.
//!
//! Pipes have no timeouts. One thread reads the child's output and another writes its input, each through a
//! bounded queue, so that a child that hangs does not block the host. Its standard error is passed on, and the
//! last lines are kept.
//!
//! A child that still sends output is never killed: it ends by itself, in its safe state.
//!
//! The child has a process group of its own: a Ctrl-C in the terminal reaches only the host, which sends the
//! device to its safe state. So does the end of the child's input, also when the host is killed.

use std::io::{self, PipeReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Ended, Transport};
use crate::rig::message::Description;
use crate::rig::notice::tell;

/// Most pieces in a queue.
const QUEUE: usize = 64;
/// Time for a child to end after its output has ended.
const ENDING: Duration = Duration::from_millis(500);
/// A busy child sends a frame twice a second, so one arrives within this time.
const HEARD: Duration = Duration::from_secs(2);
/// A longer wait is reported.
const TOLD_AFTER: Duration = Duration::from_secs(2);
/// Bytes that a child can print after its host was killed, before printing blocks.
#[cfg(target_os = "linux")]
const UNREAD_BYTES: usize = 1 << 20;
/// Most lines of standard error that are kept, and most bytes of each.
const LINES: usize = 12;
const LINE_BYTES: usize = 300;

/// A child process. Its standard error is passed on.
pub struct Process {
    command: Vec<String>,
    running: Option<Running>,
    printed: LastLines,
    /// Time that the program may take to end after its input did.
    time_to_end: Duration,
}

struct Running {
    child: Child,
    input: Option<SyncSender<Vec<u8>>>,
    output: Receiver<Vec<u8>>,
    /// Time of the last output.
    heard: Instant,
    /// Ends when all of standard error is passed on.
    errors: Receiver<()>,
    /// Received bytes that are not read yet.
    rest: Vec<u8>,
    name: String,
}

impl Process {
    /// The program and arguments in `command`, split as a shell splits words; not started yet.
    ///
    /// # Errors
    /// For an empty command, or an unclosed quote.
    pub fn new(command: &str) -> Result<Self, String> {
        let words = shell_words::split(command)
            .map_err(|error| format!("`{command}` is no command: {error}"))?;
        if words.is_empty() {
            return Err("name a program, such as process:python3 rig.py".to_owned());
        }
        let time_to_end = Duration::from_secs_f64(Description::SAFE_SECONDS);
        Ok(Self { command: words, running: None, printed: LastLines::default(), time_to_end })
    }

    fn running(&mut self) -> io::Result<&mut Running> {
        self.running.as_mut().ok_or_else(super::lost)
    }

    fn start(&self) -> Result<Running, String> {
        let (program, arguments) = self.command.split_first().ok_or("no program is named")?;
        let cannot = |error: io::Error| format!("`{program}` cannot be started: {error}");
        let (errors, to_errors) = io::pipe().map_err(cannot)?;
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(to_errors);
        apart_from_the_terminal(&mut command);
        let readable = keep_readable(&errors).map_err(cannot)?;
        let child = command.spawn().map_err(cannot);
        // The child's ends of the pipes are closed here.
        drop((command, readable));
        let mut child = child?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(mut stdout)) = (stdin, stdout) else {
            return Err(format!("`{program}` has no standard input or output"));
        };
        let (input, to_write) = sync_channel::<Vec<u8>>(QUEUE);
        thread::spawn(move || {
            for bytes in to_write {
                if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        let (was_read, output) = sync_channel(QUEUE);
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                if was_read.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (printed, errors) = (self.printed.clone(), pass_on(errors, self.printed.clone()));
        printed.forget();
        Ok(Running {
            child,
            input: Some(input),
            output,
            heard: Instant::now(),
            errors,
            rest: Vec::new(),
            name: self.command.join(" "),
        })
    }
}

impl Transport for Process {
    fn open(&mut self) -> Result<(), String> {
        if let Some(before) = &mut self.running
            && let End::StillRuns(how) = before.end(self.time_to_end)
        {
            // Otherwise two programs would drive the device.
            return Err(how);
        }
        self.running = None;
        self.running = Some(self.start()?);
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let running = self.running()?;
        if running.rest.is_empty() {
            match running.output.recv_timeout(patience) {
                Ok(piece) => (running.rest, running.heard) = (piece, Instant::now()),
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(running.ended()),
            }
        }
        let count = running.rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&running.rest[..count]);
        running.rest.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let running = self.running()?;
        let Some(input) = &running.input else { return Err(running.ended()) };
        match input.try_send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(TrySendError::Full(_)) => {
                thread::sleep(patience.min(Duration::from_millis(1)));
                Ok(0)
            }
            // Its output says how it ended, and may hold its last frames.
            Err(TrySendError::Disconnected(_)) => Ok(bytes.len()),
        }
    }

    fn starts_a_program(&self) -> bool {
        true
    }

    fn advice(&self) -> &'static str {
        "does the program serve the device (in Python, is its last line measure.serve()?), and does nothing else in it use standard input and output?"
    }

    fn last_words(&self) -> String {
        self.printed.text()
    }

    fn give_time_to_end(&mut self, time: Duration) {
        self.time_to_end = time;
    }

    fn close(&mut self) -> Ended {
        let Some(mut running) = self.running.take() else { return Ended::Unknown };
        match running.end(self.time_to_end) {
            End::Well => Ended::Well,
            End::Badly(how) | End::StillRuns(how) => Ended::Badly(how),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.close();
    }
}

/// The end of a child.
enum End {
    Well,
    Badly(String),
    /// Still running.
    StillRuns(String),
}

impl Running {
    /// Why its output has ended.
    fn ended(&mut self) -> io::Error {
        let text = match self.wait(ENDING) {
            Some(status) => format!("the program ended: {status}"),
            None => "the program closed its standard output".to_owned(),
        };
        io::Error::new(io::ErrorKind::BrokenPipe, text)
    }

    /// Its exit status, if it ends within `patience`; all of its standard error has been passed on then.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        let mut told = false;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let _ = self.errors.recv_timeout(ENDING);
                return Some(status);
            }
            self.drain();
            let waited = start.elapsed();
            if waited >= patience {
                return None;
            }
            if waited > TOLD_AFTER && !told {
                let seconds = patience.as_secs_f64();
                tell(&format!("waiting for `{}` to end, up to {seconds:.0} s", self.name));
                told = true;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Discards its output, so that it can write more.
    fn drain(&mut self) {
        while self.output.try_recv().is_ok() {
            self.heard = Instant::now();
        }
    }

    /// Ends its input, which sends it to its safe state, and waits for it. A child that neither ends nor sends
    /// anything within `patience` is killed; one that sends busy frames is not, because a measurement may take longer.
    fn end(&mut self, patience: Duration) -> End {
        self.input = None;
        match self.wait(patience) {
            Some(status) if status.success() => End::Well,
            Some(status) => End::Badly(format!("its program ended: {status}")),
            None if self.heard.elapsed() < HEARD => End::StillRuns(format!(
                "its program, process {}, still runs; it goes to its safe state when its measurement ends",
                self.child.id()
            )),
            None => {
                // It may have ended by itself meanwhile.
                let _ = self.child.kill();
                let _ = self.child.wait();
                let seconds = patience.as_secs_f64();
                End::Badly(format!(
                    "its program did not end within {seconds:.0} s after its input did, and was killed"
                ))
            }
        }
    }
}

/// The last lines of a child's standard error.
#[derive(Clone, Default)]
struct LastLines(Arc<Mutex<Vec<u8>>>);

impl LastLines {
    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let excess = kept.len().saturating_sub(LINES * LINE_BYTES);
        kept.drain(..excess);
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The lines, indented by two spaces.
    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<&str> =
            text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }
}

/// Passes `errors` on to this program's standard error, and keeps the last lines.
fn pass_on(mut errors: PipeReader, printed: LastLines) -> Receiver<()> {
    let (done, is_done) = sync_channel(1);
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 12];
        while let Ok(count @ 1..) = errors.read(&mut bytes) {
            printed.add(&bytes[..count]);
            // The device must be served also without a terminal.
            let _ = io::stderr().write_all(&bytes[..count]);
        }
        drop(done);
    });
    is_done
}

/// The child holds the reading end of its own standard error, so that it can print when its host is gone: a broken
/// pipe would end it before its safe state. Nothing reads there then, so the pipe is made as large as possible.
#[cfg(unix)]
fn keep_readable(errors: &PipeReader) -> io::Result<PipeReader> {
    // If the system does not allow a larger one, it stays at 64 KiB.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(errors, UNREAD_BYTES);
    let inherited = errors.try_clone()?;
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty())?;
    Ok(inherited)
}

#[cfg(not(unix))]
fn keep_readable(errors: &PipeReader) -> io::Result<PipeReader> {
    errors.try_clone()
}

/// Signals of the terminal reach only the host.
#[cfg(unix)]
fn apart_from_the_terminal(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn apart_from_the_terminal(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn started(script: &str, time_to_end: Duration) -> Process {
        let mut process = Process::new(&format!("sh -c '{script}'")).expect("it is a command");
        process.give_time_to_end(time_to_end);
        process.open().expect("it starts");
        process
    }

    #[test]
    fn a_program_that_says_that_it_is_busy_is_neither_killed_nor_started_twice() {
        let script = "for i in 1 2 3 4 5 6 7 8; do echo busy; sleep 0.2; done";
        let mut process = started(script, Duration::from_millis(300));
        let problem = process.open().expect_err("it still runs");
        assert!(problem.contains("still runs"), "{problem}");
        process.give_time_to_end(Duration::from_secs(5));
        process.open().expect("it has ended by itself");
        process.give_time_to_end(Duration::from_millis(300));
        let Ended::Badly(how) = process.close() else { panic!("it still runs") };
        assert!(how.contains("still runs") && !how.contains("killed"), "{how}");
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_this_is_told() {
        let time = HEARD + Duration::from_millis(100);
        let Ended::Badly(how) = started("exec sleep 60", time).close() else {
            panic!("it ended well")
        };
        assert!(how.contains("was killed"), "{how}");
        assert_eq!(started("cat; exit 0", time).close(), Ended::Well);
    }
}

//! A child process on its standard input and output: any program in any language is a device.
//!
//! Pipes know no timeouts. A thread reads the child's output and another writes its input, each
//! through a bounded queue, so that a child that hangs hangs nobody else.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Transport, lost};

/// Pieces that wait in a queue.
const QUEUE: usize = 64;
/// A child that is told to end, by the end of its input, has so long.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A child process. Its standard error is the terminal's.
pub struct Process {
    command: Vec<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: Option<SyncSender<Vec<u8>>>,
    output: Receiver<Vec<u8>>,
    /// What was received and not read yet.
    rest: Vec<u8>,
}

impl Process {
    /// The program and arguments in `command`, split as a shell splits words; not started yet.
    ///
    /// # Errors
    /// Where there is no word, or a quote that does not end.
    pub fn new(command: &str) -> Result<Self, String> {
        let words = shell_words::split(command)
            .map_err(|error| format!("`{command}` is no command: {error}"))?;
        if words.is_empty() {
            return Err("name a program, such as process:python3 rig.py".to_owned());
        }
        Ok(Self { command: words, running: None })
    }

    fn running(&mut self) -> io::Result<&mut Running> {
        self.running.as_mut().ok_or_else(lost)
    }
}

impl Transport for Process {
    fn open(&mut self) -> Result<(), String> {
        self.running = None;
        let (program, arguments) = self.command.split_first().ok_or("no program is named")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
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
        self.running = Some(Running { child, input: Some(input), output, rest: Vec::new() });
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let running = self.running()?;
        if running.rest.is_empty() {
            match running.output.recv_timeout(patience) {
                Ok(piece) => running.rest = piece,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(lost()),
            }
        }
        let count = running.rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&running.rest[..count]);
        running.rest.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let input = self.running()?.input.as_ref().ok_or_else(lost)?;
        match input.try_send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(TrySendError::Full(_)) => {
                thread::sleep(patience.min(Duration::from_millis(1)));
                Ok(0)
            }
            Err(TrySendError::Disconnected(_)) => Err(lost()),
        }
    }
}

impl Drop for Running {
    /// Ends the child's input, which tells it to go to its safe state, and then the child.
    fn drop(&mut self) {
        self.input = None;
        let start = Instant::now();
        while start.elapsed() < LAST_WORDS {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // It may be gone by now, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

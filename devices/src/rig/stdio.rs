//! A program's own standard input and output as a link.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::transport::Transport;

/// A program's own standard input and output, for a device that is a child process.
pub struct Stdio {
    input: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Stdio {
    /// Takes standard input and output; nothing else may read or print afterwards.
    #[must_use]
    pub fn take() -> Self {
        let (was_read, input) = sync_channel(64);
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = io::stdin().read(&mut bytes) {
                if was_read.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { input, rest: Vec::new() }
    }
}

impl Transport for Stdio {
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        if self.rest.is_empty() {
            match self.input.recv_timeout(patience) {
                Ok(piece) => self.rest = piece,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        let count = self.rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], _patience: Duration) -> io::Result<usize> {
        let mut output = io::stdout().lock();
        output.write_all(bytes)?;
        output.flush()?;
        Ok(bytes.len())
    }
}

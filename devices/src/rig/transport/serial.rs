//! A serial port.
//!
//! `serialport` 4.10 waits once until the port is writable and then writes without a timeout, so that a large
//! write to a device that does not read never returns. The port is made non-blocking and written in small pieces.
//! One owner reads and writes in turn, and no handle is cloned, because dropping a clone would release the lock of
//! the port.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, SerialPort, SerialPortType};

use super::{SerialConfig, Transport, zero_if_late};

/// Largest piece of one write.
const PIECE: usize = 1024;
/// Pause before a write is retried after a full buffer.
const PAUSE: Duration = Duration::from_micros(200);

#[cfg(unix)]
type Port = serialport::TTYPort;
#[cfg(windows)]
type Port = serialport::COMPort;

/// A serial port.
pub struct Serial {
    config: SerialConfig,
    port: Option<Port>,
}

impl Serial {
    /// The port of `config`, not open yet.
    #[must_use]
    pub fn new(config: SerialConfig) -> Self {
        Self { config, port: None }
    }

    fn port(&mut self) -> io::Result<&mut Port> {
        self.port.as_mut().ok_or_else(super::lost)
    }

    /// The port's path, looked up by USB identity if it is not given: a board may get another name when it
    /// restarts.
    fn path(&self) -> Result<String, String> {
        if let Some(path) = &self.config.path {
            return Ok(path.clone());
        }
        let ports = serialport::available_ports()
            .map_err(|error| format!("the serial ports cannot be listed: {error}"))?;
        let found: Vec<String> = ports
            .into_iter()
            .filter(|port| match &port.port_type {
                SerialPortType::UsbPort(usb) => {
                    self.config.usb.is_none_or(|wanted| wanted == (usb.vid, usb.pid))
                        && (self.config.usb_serial.is_none()
                            || self.config.usb_serial == usb.serial_number)
                }
                _ => false,
            })
            .map(|port| port.port_name)
            .collect();
        match found.as_slice() {
            [path] => Ok(path.clone()),
            [] => Err("no USB serial port has that vendor, product and serial number; `twinprop device list` shows those that are there".to_owned()),
            several => Err(format!(
                "{} have that identity; add serial=… or name the port",
                several.join(" and ")
            )),
        }
    }
}

impl Serial {
    /// Advice for an adapter that delays short answers, if this port is one: FTDI's wait 16 ms for more bytes
    /// by default.
    #[must_use]
    pub fn latency_advice(&self) -> Option<String> {
        let path = std::fs::canonicalize(self.path().ok()?).ok()?;
        let port = path.file_name()?.to_str()?;
        let timer = format!("/sys/bus/usb-serial/devices/{port}/latency_timer");
        let milliseconds: u32 = std::fs::read_to_string(&timer).ok()?.trim().parse().ok()?;
        (milliseconds > 1).then(|| {
            format!(
                "The adapter delays short answers by {milliseconds} ms: echo 1 | sudo tee {timer}"
            )
        })
    }
}

impl Transport for Serial {
    fn open(&mut self) -> Result<(), String> {
        self.port = None;
        let path = self.path()?;
        let port = serialport::new(&path, self.config.baud)
            .timeout(Duration::from_millis(10))
            .open_native()
            .map_err(|error| {
                let advice = match error.kind() {
                    serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
                        "; may you open it (group dialout), and is it not open elsewhere?"
                    }
                    serialport::ErrorKind::NoDevice => {
                        "; is it plugged in, and not open in another program?"
                    }
                    _ => "",
                };
                format!("{path} cannot be opened: {error}{advice}")
            })?;
        make_non_blocking(&port).map_err(|error| format!("{path}: {error}"))?;
        // Clears bytes of an earlier run; a port without buffers cannot.
        let _ = port.clear(ClearBuffer::All);
        self.port = Some(port);
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let port = self.port()?;
        port.set_timeout(patience.max(Duration::from_millis(1)))?;
        zero_if_late(port.read(bytes))
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let start = Instant::now();
        let port = self.port()?;
        port.set_timeout(Duration::from_millis(1))?;
        let mut written = 0;
        while written < bytes.len() && start.elapsed() < patience {
            let piece = &bytes[written..bytes.len().min(written + PIECE)];
            match zero_if_late(port.write(piece))? {
                0 => std::thread::sleep(PAUSE),
                count => written += count,
            }
        }
        Ok(written)
    }
}

#[cfg(unix)]
fn make_non_blocking(port: &Port) -> io::Result<()> {
    use std::os::fd::{AsRawFd, BorrowedFd};
    // SAFETY: the port owns the descriptor and outlives the borrow.
    #[expect(unsafe_code, reason = "serialport gives its descriptor only as a number")]
    let descriptor = unsafe { BorrowedFd::borrow_raw(port.as_raw_fd()) };
    Ok(rustix::io::ioctl_fionbio(descriptor, true)?)
}

#[cfg(windows)]
fn make_non_blocking(_port: &Port) -> io::Result<()> {
    // A Windows port keeps its write timeout.
    Ok(())
}

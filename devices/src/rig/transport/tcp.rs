//! A TCP connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{Transport, lost, zero_if_late};

/// Timeout of a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// A TCP connection.
pub struct Tcp {
    address: String,
    stream: Option<TcpStream>,
    /// Bytes to read again.
    rest: Vec<u8>,
}

impl Tcp {
    /// A connection to `address`, such as `127.0.0.1:7777`, not open yet.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, rest: Vec::new() }
    }

    /// The device's end of a connection that a host opened.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn accepted(stream: TcpStream) -> io::Result<Self> {
        let address = stream.peer_addr()?.to_string();
        stream.set_nodelay(true)?;
        Ok(Self { address, stream: Some(stream), rest: Vec::new() })
    }

    /// Puts `bytes` back, to be read again first.
    pub(in crate::rig) fn read_again(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    fn stream(&mut self) -> io::Result<&mut TcpStream> {
        self.stream.as_mut().ok_or_else(lost)
    }
}

impl Transport for Tcp {
    fn open(&mut self) -> Result<(), String> {
        self.stream = None;
        self.rest.clear();
        let refused = |error: io::Error| {
            format!("{} does not answer: {error}; is the device's program running?", self.address)
        };
        let mut outcome = Err(format!(
            "`{}` is no address; write it as host:port, such as 127.0.0.1:7777",
            self.address
        ));
        for address in self.address.to_socket_addrs().into_iter().flatten() {
            outcome = TcpStream::connect_timeout(&address, CONNECT)
                .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                .map_err(refused);
            if outcome.is_ok() {
                break;
            }
        }
        self.stream = Some(outcome?);
        Ok(())
    }

    fn is_network(&self) -> bool {
        true
    }

    fn reaches_another_machine(&self) -> bool {
        let peer = self.stream.as_ref().map(TcpStream::peer_addr);
        peer.is_some_and(|peer| peer.map_or(true, |peer| !is_loopback(peer.ip())))
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        if !self.rest.is_empty() {
            let count = self.rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&self.rest[..count]);
            self.rest.drain(..count);
            return Ok(count);
        }
        let stream = self.stream()?;
        // A timeout of zero would mean to wait without limit.
        stream.set_read_timeout(Some(patience.max(Duration::from_micros(1))))?;
        match stream.read(bytes) {
            Ok(0) => Err(lost()),
            other => zero_if_late(other),
        }
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let stream = self.stream()?;
        stream.set_write_timeout(Some(patience.max(Duration::from_micros(1))))?;
        zero_if_late(stream.write(bytes))
    }
}

/// Whether `ip` can be reached only from this machine.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(ip.is_loopback(), |ip| ip.is_loopback()),
    }
}

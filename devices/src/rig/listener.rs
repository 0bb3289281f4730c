//! The device's end of TCP: one authenticated host at a time.
//!
//! Every connection is checked in a thread of its own before it reaches the device. With a [`Token`] it must
//! prove within [`GREETING_PATIENCE`] that it knows the token; without one it must send a complete frame in
//! that time. So neither noise nor a silent client blocks the device, and a second host gets the answer that
//! the device is in use. At most [`GREETINGS`] connections are checked at once; more are closed.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::frame::{Decoder, Encoder, Header, Kind};
use super::refusal::Refusal;
use super::token::{NONCE_BYTES, Prover, TOKEN_VARIABLE, Token, fresh_nonce};
use super::transport::tcp::is_loopback;
use super::transport::{Tcp, Transport};

/// Time within which a connection must prove that it is a host.
pub const GREETING_PATIENCE: Duration = Duration::from_secs(5);
/// Connections that are checked at once.
pub const GREETINGS: usize = 64;
/// Largest frame before a session: a proof, or hello.
const LARGEST_GREETING: usize = 256;
/// Stack of a thread that checks a connection.
const STACK: usize = 128 * 1024;
/// Pause after a failed accept, and between two checks of a connection.
const PAUSE: Duration = Duration::from_millis(5);
/// A closed connection is noticed within this time.
const LEAVING: Duration = Duration::from_secs(1);
/// Shortest time between two reports of refused connections.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Listens for hosts.
pub struct Listener {
    address: SocketAddr,
    admitted: Receiver<Tcp>,
    gate: Arc<Gate>,
}

/// What the threads of a listener share.
struct Gate {
    token: Option<Token>,
    /// Whether a host uses the device.
    in_use: AtomicBool,
    greetings: AtomicUsize,
    refused: AtomicU64,
    last_told: Mutex<Option<Instant>>,
    tell: Box<dyn Fn(String) + Send + Sync>,
}

/// Checks that `address` is local or that there is a token; everyone who reaches it could do `what`.
///
/// # Errors
/// Where there is no token, with advice how to set one and how to do without.
pub fn require_token(address: SocketAddr, token: Option<&Token>, what: &str) -> Result<(), String> {
    if is_loopback(address.ip()) || token.is_some() {
        return Ok(());
    }
    let port = address.port();
    Err(format!(
        "{address}: everyone who reaches this address could {what}; set {TOKEN_VARIABLE} on both sides (`export {TOKEN_VARIABLE}=$(openssl rand -hex 16)`), or listen on 127.0.0.1:{port} and reach it through SSH: `ssh -L {port}:127.0.0.1:{port} THIS_MACHINE`"
    ))
}

impl Listener {
    /// Listens on `address`; hosts must know `token` if there is one. `tell` gets a
    /// message for refused connections.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn bind(
        address: SocketAddr,
        token: Option<Token>,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let gate = Arc::new(Gate {
            token,
            in_use: AtomicBool::new(false),
            greetings: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            last_told: Mutex::new(None),
            tell: Box::new(tell),
        });
        // The one place holds the host that was admitted; `in_use` keeps others out.
        let (admit, admitted) = sync_channel(1);
        let doorkeeper = Arc::clone(&gate);
        thread::spawn(move || doorkeeper.accept(&listener, &admit));
        Ok(Self { address, admitted, gate })
    }

    /// Its address, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.gate.refused.load(Ordering::Relaxed)
    }

    /// Waits for the next host. A host that is silent for `silence` is disconnected; zero is never.
    ///
    /// # Errors
    /// Where no connection can be accepted any more.
    pub fn accept(&self, silence: Duration) -> io::Result<AdmittedHost> {
        let link =
            self.admitted.recv().map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
        Ok(AdmittedHost { link, silence, heard: Instant::now(), gate: Arc::clone(&self.gate) })
    }
}

impl Gate {
    fn accept(self: Arc<Self>, listener: &TcpListener, admit: &SyncSender<Tcp>) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Perhaps too many open files: the next attempt may succeed.
                thread::sleep(PAUSE);
                continue;
            };
            if self.greetings.fetch_add(1, Ordering::Relaxed) >= GREETINGS {
                self.greetings.fetch_sub(1, Ordering::Relaxed);
                self.refuse(None, "too many connections at once");
                continue;
            }
            let (gate, admit) = (Arc::clone(&self), admit.clone());
            let greeting = thread::Builder::new().stack_size(STACK).spawn(move || {
                gate.greet(stream, &admit);
                gate.greetings.fetch_sub(1, Ordering::Relaxed);
            });
            if greeting.is_err() {
                self.greetings.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Checks that `stream` is a host and that the device is free.
    fn greet(&self, stream: TcpStream, admit: &SyncSender<Tcp>) {
        let peer = stream.peer_addr().map_or("a client".to_owned(), |peer| peer.to_string());
        let admission = match &self.token {
            Some(token) => self.challenge(stream, token),
            None => wait_for_frame(stream),
        };
        match admission {
            Ok(mut link) => {
                if !self.takes() {
                    let text = "another host is using the device";
                    say_no(&mut link, Refusal::InUse, text);
                    self.refuse(Some(&peer), text);
                } else if admit.send(link).is_err() {
                    self.in_use.store(false, Ordering::Release);
                }
            }
            Err(Stranger(why)) => self.refuse(Some(&peer), &why),
        }
    }

    /// Reserves the device for a host; waits briefly for a host that is disconnecting.
    fn takes(&self) -> bool {
        let end = Instant::now() + LEAVING;
        while self.in_use.swap(true, Ordering::AcqRel) {
            if Instant::now() > end {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    /// Checks the host's proof that it knows the token.
    fn challenge(&self, stream: TcpStream, token: &Token) -> Result<Tcp, Stranger> {
        let mut link = Tcp::accepted(stream)?;
        let challenge = fresh_nonce().map_err(Stranger)?;
        let mut encoder = Encoder::default();
        let frame = encoder.encode(&Header::new(Kind::Challenge, 0, 0), |bytes| {
            bytes.extend(challenge);
        });
        send(&mut link, frame)?;
        let mut decoder = Decoder::new(LARGEST_GREETING);
        let mut bytes = [0; 512];
        let end = Instant::now() + GREETING_PATIENCE;
        while Instant::now() < end {
            let count = link.read(&mut bytes, PAUSE * 10)?;
            let mut proof = None;
            decoder.read(&bytes[..count], |frame| {
                if frame.header.kind == Kind::Proof {
                    proof = Some(frame.payload.to_vec());
                }
            });
            // Hello may come before the host has read the challenge; it is repeated.
            let Some(payload) = proof else { continue };
            let Some((nonce, proof)) = payload.split_first_chunk::<NONCE_BYTES>() else {
                return Err(Stranger("its proof is cut short".to_owned()));
            };
            if !token.verifies(Prover::Host, &challenge, nonce, proof) {
                let text = format!(
                    "the token that this host has is not the device's; set {TOKEN_VARIABLE} to the same on both"
                );
                say_no(&mut link, Refusal::Token, &text);
                return Err(Stranger("it does not know the token".to_owned()));
            }
            let answer = token.prove(Prover::Device, &challenge, nonce);
            let frame =
                encoder.encode(&Header::new(Kind::Proved, 0, 0), |bytes| bytes.extend(answer));
            send(&mut link, frame)?;
            return Ok(link);
        }
        let text = format!("this host sent no proof; set {TOKEN_VARIABLE} to the same on both");
        say_no(&mut link, Refusal::Token, &text);
        Err(Stranger("it sent no proof of the token".to_owned()))
    }

    /// Counts a refused connection, and reports it now and then.
    fn refuse(&self, peer: Option<&str>, why: &str) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last = self.last_told.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            *last = Some(Instant::now());
            let from = peer.map_or(String::new(), |peer| format!(" from {peer}"));
            (self.tell)(format!("refused a connection{from}: {why} ({refused} refused so far)"));
        }
    }
}

/// Why a connection was refused.
struct Stranger(String);

impl From<io::Error> for Stranger {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Waits until a complete frame has come from `stream`, without consuming it.
fn wait_for_frame(stream: TcpStream) -> Result<Tcp, Stranger> {
    let mut link = Tcp::accepted(stream)?;
    let mut bytes = [0; LARGEST_GREETING];
    let mut length = 0;
    let end = Instant::now() + GREETING_PATIENCE;
    while Instant::now() < end && length < bytes.len() {
        let count = link.read(&mut bytes[length..], PAUSE * 10)?;
        length += count;
        let mut is_host = false;
        Decoder::new(LARGEST_GREETING).read(&bytes[..length], |_| is_host = true);
        if is_host {
            link.read_again(&bytes[..length]);
            return Ok(link);
        }
    }
    Err(Stranger("it sent no frame".to_owned()))
}

/// Sends an error outside any session; the link is closed next.
fn say_no(link: &mut Tcp, refusal: Refusal, text: &str) {
    let mut encoder = Encoder::default();
    let frame = encoder.encode(&Header::new(Kind::Error, 0, 0), |bytes| {
        bytes.extend((refusal as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    });
    // The other end may be gone.
    let _ = send(link, frame);
}

fn send(link: &mut Tcp, frame: &[u8]) -> io::Result<()> {
    let end = Instant::now() + GREETING_PATIENCE;
    let mut rest = frame;
    while !rest.is_empty() {
        let written = link.write(rest, PAUSE * 10)?;
        rest = &rest[written..];
        if Instant::now() > end {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// The link to a host that was admitted; the device is free again when it is dropped.
pub struct AdmittedHost {
    link: Tcp,
    silence: Duration,
    heard: Instant,
    gate: Arc<Gate>,
}

impl Drop for AdmittedHost {
    fn drop(&mut self) {
        self.gate.in_use.store(false, Ordering::Release);
    }
}

impl Transport for AdmittedHost {
    fn open(&mut self) -> Result<(), String> {
        Err("a host opens its link itself".to_owned())
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let count = self.link.read(bytes, patience)?;
        if count > 0 {
            self.heard = Instant::now();
        } else if !self.silence.is_zero() && self.heard.elapsed() > self.silence {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        self.link.write(bytes, patience)
    }
}

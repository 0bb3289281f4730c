//! Shots a second over a slow link, beside a client that waits for each frame.
//!
//! `cargo run --release -p twinprop-bench --bin link_throughput` puts a proxy, which delays and paces the bytes,
//! between a rig and an emulator on this machine's loopback. The limit of a batch is the round trip plus the time of
//! its values on the link, without framing. A bare socket that sends as many bytes to an echo, in the same turns,
//! shows how much of the time the proxy itself costs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop::devices::rig::transport::Tcp;
use twinprop::devices::rig::{Capacity, Emulator, EmulatorConfig, Rig, RigOptions};
use twinprop::devices::{Channels, DeviceError, Interface, PhysicalLayer};
use twinprop_bench::median;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Latency in each direction.
const LATENCY: Duration = Duration::from_millis(1);
const CHANNELS: usize = 64;
const SHOTS: usize = 64;
/// Batches of a turn.
const BATCHES: usize = 20;
/// Turns of each side.
const TURNS: usize = 5;
/// Last part of a wait, which is not slept but polled.
const AWAKE: Duration = Duration::from_micros(150);
/// Bytes of a packet.
const PACKET: usize = 1448;

/// A device that returns its drives as readings, at once.
struct Echo(Interface);

impl PhysicalLayer for Echo {
    fn interface(&self) -> &Interface {
        &self.0
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        outputs.copy_from(inputs);
        Ok(())
    }
}

/// Serves an echo with `capacity` and returns its port.
fn serve_echo(capacity: Capacity) -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let interface = Interface {
        device: "echo".to_owned(),
        inputs: Channels::bank("x", CHANNELS, "1", -1e6, 1e6),
        parameters: Channels::none(),
        outputs: Channels::bank("y", CHANNELS, "1", -1e6, 1e6),
        seconds_per_shot: 0.0,
    };
    thread::spawn(move || {
        let config = EmulatorConfig { capacity, ..EmulatorConfig::default() };
        let mut emulator = Emulator::new(Box::new(Echo(interface)), "echo", config);
        if let Ok((stream, _)) = listener.accept()
            && let Ok(mut link) = Tcp::accepted(stream)
            && let Err(error) = emulator.serve(&mut link, |_| {})
        {
            eprintln!("the emulator: {error}");
        }
    });
    Ok(port)
}

/// Starts a link to `port` with a rate of `bytes_a_second` in each direction; returns its own port.
fn slow_link(port: u16, bytes_a_second: f64) -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    thread::spawn(move || -> std::io::Result<()> {
        let (near, _) = listener.accept()?;
        let far = TcpStream::connect(("127.0.0.1", port))?;
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            from.set_nodelay(true)?;
            let (departing, arriving) = channel();
            thread::spawn(move || depart(from, &departing, bytes_a_second));
            thread::spawn(move || arrive(to, &arriving));
        }
        Ok(())
    });
    Ok(own)
}

/// Reads packets and sends each with the time of its arrival at the other end.
fn depart(mut from: TcpStream, departing: &Sender<(Instant, Vec<u8>)>, bytes_a_second: f64) {
    let mut packet = [0; PACKET];
    let mut free = Instant::now();
    while let Ok(count @ 1..) = from.read(&mut packet) {
        free = free.max(Instant::now()) + Duration::from_secs_f64(count as f64 / bytes_a_second);
        if departing.send((free + LATENCY, packet[..count].to_vec())).is_err() {
            break;
        }
    }
}

/// Writes each packet at the time of its arrival.
fn arrive(mut to: TcpStream, arriving: &Receiver<(Instant, Vec<u8>)>) {
    for (time, packet) in arriving {
        // A sleep ends some tens of microseconds late: the end of the wait is polled.
        let left = time.saturating_duration_since(Instant::now());
        thread::sleep(left.saturating_sub(AWAKE));
        while Instant::now() < time {
            thread::yield_now();
        }
        if to.write_all(&packet).is_err() {
            break;
        }
    }
}

/// Starts a server that sends back what it receives; returns its port.
fn echo() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; PACKET];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            stream.write_all(&bytes[..count])?;
        }
        Ok(())
    });
    Ok(port)
}

/// Seconds that a bare socket takes for the bytes of each batch of a turn, there and back.
fn bare_turn(stream: &mut TcpStream) -> Outcome<Vec<f64>> {
    let mut bytes = vec![7; 4 * SHOTS * CHANNELS];
    let mut seconds = Vec::new();
    for _ in 0..BATCHES {
        let start = Instant::now();
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// A rig behind a slow link, with at most `window_frames` frames in flight.
fn rig(frame: usize, window_frames: usize, bytes_a_second: f64) -> Outcome<Rig> {
    let capacity = Capacity {
        largest_frame: frame,
        window_frames,
        window_bytes: window_frames * frame,
        ..Capacity::default()
    };
    let port = slow_link(serve_echo(capacity)?, bytes_a_second)?;
    Ok(Rig::open(&format!("tcp://127.0.0.1:{port}").parse()?, RigOptions::default())?)
}

/// Seconds that the rig takes for each batch of a turn.
fn turn(rig: &mut Rig) -> Outcome<Vec<f64>> {
    let inputs = DMatrix::from_fn(CHANNELS, SHOTS, |row, shot| (row * SHOTS + shot) as f32);
    let (none, mut outputs) = (DVector::zeros(0), DMatrix::zeros(CHANNELS, SHOTS));
    let mut seconds = Vec::new();
    for _ in 0..BATCHES {
        outputs.fill(f32::NAN);
        let start = Instant::now();
        rig.measure(&inputs, &none, &mut outputs)?;
        seconds.push(start.elapsed().as_secs_f64());
        if outputs != inputs {
            return Err("a measurement is wrong".into());
        }
    }
    Ok(seconds)
}

fn compare() -> Outcome<()> {
    println!("{SHOTS} shots of {CHANNELS} channels, {LATENCY:?} each way, medians");
    println!(
        "link (Mbit/s) | frame (bytes) | shots a second | of the limit | of the bare socket | stop and wait | speed-up"
    );
    for (megabits, frame, window_frames) in
        [(10.0, 1024, 8), (30.0, 1024, 16), (100.0, 1024, 48), (100.0, 2048, 24), (100.0, 4096, 12)]
    {
        let bytes_a_second = megabits * 1e6 / 8.0;
        let mut windowed = rig(frame, window_frames, bytes_a_second)?;
        let mut waiting = rig(frame, 1, bytes_a_second)?;
        let link = slow_link(echo()?, bytes_a_second)?;
        let mut bare = TcpStream::connect(("127.0.0.1", link))?;
        bare.set_nodelay(true)?;
        let (mut ours, mut theirs, mut bares) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            bares.extend(bare_turn(&mut bare)?);
            ours.extend(turn(&mut windowed)?);
            theirs.extend(turn(&mut waiting)?);
        }
        let (ours, theirs, bare) = (median(ours), median(theirs), median(bares));
        let payload = (4 * SHOTS * CHANNELS) as f64 / bytes_a_second;
        let limit = 2.0 * LATENCY.as_secs_f64() + payload;
        println!(
            "{megabits} | {frame} | {:.0} | {:.3} | {:.3} | {:.0} | {:.1}",
            SHOTS as f64 / ours,
            limit / ours,
            bare / ours,
            SHOTS as f64 / theirs,
            theirs / ours
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

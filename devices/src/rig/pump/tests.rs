//! The way to the safe state over links that are lost.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Pump;
use crate::rig::error::RigError;
use crate::rig::host::{Host, Patience};
use crate::rig::responder::Responder;
use crate::rig::test_device::description;
use crate::rig::transport::{Ended, Transport};
use crate::rig::{Capacity, Encoding, Work};

/// A device at the other end of a link that can be cut.
struct Wire {
    device: Responder,
    start: Instant,
    /// Nothing comes through before.
    cut_until: Option<Instant>,
    /// It answers nothing more.
    hangs: bool,
    /// How its program ends, if it is one.
    ended: Option<Ended>,
}

#[derive(Clone)]
struct Link(Arc<Mutex<Wire>>);

impl Link {
    fn new(ended: Option<Ended>) -> Self {
        let device = Responder::new(description(0.2), Capacity::default(), 7);
        let wire = Wire { device, start: Instant::now(), cut_until: None, hangs: false, ended };
        Self(Arc::new(Mutex::new(wire)))
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().expect("no test panics with it in hand")
    }
}

impl Transport for Link {
    fn open(&mut self) -> Result<(), String> {
        let mut wire = self.wire();
        if wire.cut_until.is_some_and(|end| Instant::now() < end) {
            return Err("there is no link".to_owned());
        }
        wire.cut_until = None;
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], _patience: Duration) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(1));
        let mut wire = self.wire();
        if wire.cut_until.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        while let Some(play) = wire.device.play() {
            let outputs = play.inputs.clone();
            wire.device.measured(&play, Ok(&outputs));
        }
        if wire.device.safe_is_asked() {
            wire.device.safe_state(Ok(()));
        }
        let Some(frame) = wire.device.transmit().filter(|_| !wire.hangs) else { return Ok(0) };
        bytes[..frame.len()].copy_from_slice(&frame);
        Ok(frame.len())
    }

    fn write(&mut self, bytes: &[u8], _patience: Duration) -> io::Result<usize> {
        let mut wire = self.wire();
        let now = wire.start.elapsed();
        wire.device.receive(now, bytes);
        Ok(bytes.len())
    }

    fn starts_a_program(&self) -> bool {
        self.wire().ended.is_some()
    }

    fn close(&mut self) -> Ended {
        self.wire().ended.clone().unwrap_or(Ended::Unknown)
    }
}

/// A device that is driven over `link`.
fn driven(link: &Link) -> Pump {
    let host = Host::new(Patience::default(), Encoding::Floats);
    let mut pump = Pump::new("bench", host, Box::new(link.clone()));
    let stop = AtomicBool::new(false);
    pump.open(&stop).expect("it answers");
    pump.ask(Work::Play, &[], &[0.5; 4], &stop).expect("it measures");
    pump
}

#[test]
fn a_link_lost_during_the_safe_state_is_reopened_until_the_timeout() {
    let link = Link::new(None);
    let mut pump = driven(&link);
    link.wire().cut_until = Some(Instant::now() + Duration::from_millis(1_200));
    pump.make_safe().expect("the link is back in time");
    assert!(link.wire().device.is_safe());

    let mut pump = driven(&link);
    link.wire().cut_until = Some(Instant::now() + Duration::from_secs(60));
    let start = Instant::now();
    let error = pump.make_safe().expect_err("there is no link").to_string();
    assert!(error.contains("could not be opened again: there is no link"), "{error}");
    assert!((2.0..4.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

#[test]
fn the_exit_status_of_a_program_counts_without_a_confirmed_safe_state() {
    let link = Link::new(Some(Ended::Well));
    let mut pump = driven(&link);
    link.wire().hangs = true;
    assert!(matches!(pump.make_safe(), Err(RigError::NotSafe { .. })));
    pump.release().expect("its exit status confirms it");
    pump.release().expect("it is released");
    assert_eq!(pump.open(&AtomicBool::new(false)), Err(RigError::Interrupted));

    let link = Link::new(Some(Ended::Badly("it was killed".to_owned())));
    let mut pump = driven(&link);
    link.wire().hangs = true;
    for _ in 0..2 {
        let error = pump.release().expect_err("nothing confirms it").to_string();
        assert!(error.contains("`safe_seconds`") && error.contains("it was killed"), "{error}");
    }
}

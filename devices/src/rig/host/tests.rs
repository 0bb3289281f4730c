//! A host and a device without a link, on a clock of their own.

use std::time::Duration;

use super::{Host, Patience};
use crate::rig::error::RigError;
use crate::rig::frame::{Decoder, Encoder, Header, Kind, LARGEST_FRAME};
use crate::rig::responder::{Play, Responder};
use crate::rig::test_device::description;
use crate::rig::token::{NONCE_BYTES, Prover, Token};
use crate::rig::{Capacity, Encoding};

const fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn device() -> Responder {
    Responder::new(description(1.0), Capacity::default(), 7).unsure()
}

fn host(token: Option<&Token>) -> Host {
    Host::new(Patience::default(), Encoding::Floats).with_token(token.cloned())
}

/// Carries frames both ways until neither end has any.
fn exchange(host: &mut Host, device: &mut Responder, now: Duration) {
    loop {
        let mut is_quiet = true;
        while let Some(frame) = host.transmit(now) {
            device.receive(now, frame);
            is_quiet = false;
        }
        while let Some(frame) = device.transmit() {
            host.receive(now, &frame);
            is_quiet = false;
        }
        if is_quiet {
            return;
        }
    }
}

/// A host with a device that plays a frame of shots.
fn playing() -> (Host, Responder, Play) {
    let (mut host, mut device) = (host(None), device());
    host.connect(Duration::ZERO);
    exchange(&mut host, &mut device, Duration::ZERO);
    assert_eq!(host.outcome(), Some(Ok(())));
    host.play(Duration::ZERO, &[], &[0.5; 8]);
    exchange(&mut host, &mut device, Duration::ZERO);
    let play = device.play().expect("shots have come");
    (host, device, play)
}

#[test]
fn a_device_busy_with_shots_gets_more_time_for_its_safe_state() {
    let (mut host, mut device, play) = playing();
    host.abandon();
    let mut now = Duration::ZERO;
    exchange(&mut host, &mut device, now);
    assert!(device.safe_is_asked() && host.safe_time() == milliseconds(3_000));
    while now < Duration::from_secs(40) {
        now += milliseconds(200);
        device.busy(Some(&play.header));
        exchange(&mut host, &mut device, now);
        assert!(host.plays_before_safe(now) && host.safe_time() > now, "{now:?}");
    }
    // From then on it has the time that it declares, and no more.
    let most = host.safe_time();
    assert!(most <= now + milliseconds(4_000), "{most:?}");
    device.safe_state(Ok(()));
    exchange(&mut host, &mut device, now);
    assert!(host.is_safe());
}

#[test]
fn a_device_busy_with_its_safe_state_or_endlessly_gets_no_more_time() {
    let (mut host, mut device, play) = playing();
    host.abandon();
    let mut now = Duration::ZERO;
    exchange(&mut host, &mut device, now);
    while now < Duration::from_secs(10) {
        now += milliseconds(200);
        device.busy(None);
        exchange(&mut host, &mut device, now);
    }
    assert_eq!(host.safe_time(), milliseconds(3_000));
    while now < Duration::from_secs(1_000) {
        now += milliseconds(500);
        device.busy(Some(&play.header));
        exchange(&mut host, &mut device, now);
    }
    assert_eq!(host.safe_time(), Patience::default().busy + milliseconds(3_000));
}

#[test]
fn another_machine_must_prove_that_it_knows_the_token() {
    let token = Token::new("0123456789abcdef").expect("it is long enough");
    for (known, elsewhere, is_refused) in
        [(Some(&token), true, true), (Some(&token), false, false), (None, true, false)]
    {
        let (mut host, mut device) = (host(known), device());
        host.link_is_open(elsewhere);
        host.connect(Duration::ZERO);
        exchange(&mut host, &mut device, Duration::ZERO);
        match host.outcome() {
            Some(Err(RigError::Stranger(text))) if is_refused => {
                assert!(text.contains("TWINPROP_TOKEN"), "{text}");
            }
            Some(Ok(())) if !is_refused => {}
            other => panic!("{elsewhere}, {is_refused}: {other:?}"),
        }
    }
}

/// Asks `host` for a proof as a device does, and proves in its turn by `token`.
fn prove(host: &mut Host, token: &Token) {
    let challenge = [9; NONCE_BYTES];
    let mut encoder = Encoder::default();
    let frame = encoder.encode(&Header::new(Kind::Challenge, 0, 0), |bytes| {
        bytes.extend(challenge);
    });
    host.receive(Duration::ZERO, frame);
    let mut nonce = None;
    while let Some(frame) = host.transmit(Duration::ZERO) {
        Decoder::new(LARGEST_FRAME).read(frame, |frame| {
            if frame.header.kind == Kind::Proof {
                nonce = frame.payload.first_chunk::<NONCE_BYTES>().copied();
            }
        });
    }
    let answer = token.prove(Prover::Device, &challenge, &nonce.expect("it sends a proof"));
    let frame = encoder.encode(&Header::new(Kind::Proved, 0, 0), |bytes| bytes.extend(answer));
    host.receive(Duration::ZERO, frame);
}

#[test]
fn a_proof_holds_for_one_connection() {
    let token = Token::new("0123456789abcdef").expect("it is long enough");
    let (mut host, mut device) = (host(Some(&token)), device());
    host.link_is_open(true);
    host.connect(Duration::ZERO);
    prove(&mut host, &token);
    exchange(&mut host, &mut device, Duration::ZERO);
    assert_eq!(host.outcome(), Some(Ok(())));

    // What answers next asks for nothing: its word on the safe state is not believed.
    host.make_safe();
    host.link_is_open(true);
    host.ask_safe_again(Duration::ZERO);
    device.safe_state(Ok(()));
    exchange(&mut host, &mut device, Duration::ZERO);
    assert!(matches!(host.outcome(), Some(Err(RigError::Stranger(_)))));
    assert!(host.awaits_safe());

    let other = Token::new("another token, as long").expect("it is long enough");
    host.link_is_open(true);
    host.connect(Duration::ZERO);
    prove(&mut host, &other);
    let Some(Err(RigError::Stranger(text))) = host.outcome() else { panic!("it is believed") };
    assert!(text.contains("check the address"), "{text}");
}

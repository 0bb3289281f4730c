//! Authentication: the proofs of a token, and refusals before a session.

use std::time::Duration;

use super::Host;
use super::state::{Admission, State};
use crate::rig::error::RigError;
use crate::rig::frame::{Frame, Header, Kind};
use crate::rig::refusal::Refusal;
use crate::rig::token::{Nonce, Prover, TOKEN_VARIABLE, Token, fresh_nonce};

impl Host {
    /// The host of a device that may ask for `token`.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.admission.token = token;
        self
    }

    /// The link has been opened or reopened. If this host has a token, a device on another machine must prove
    /// that it knows it.
    pub fn link_is_open(&mut self, to_another_machine: bool) {
        let token = self.admission.token.take();
        let is_required = to_another_machine && token.is_some();
        self.admission = Admission { token, is_required, ..Admission::default() };
    }

    /// Whether the device still has to prove that it knows the token.
    pub(super) fn is_stranger(&self) -> bool {
        self.admission.is_required && !self.admission.is_proved
    }

    /// Fails because the device answered hello without asking for the token.
    pub(super) fn refuse_stranger(&mut self) {
        self.fail(RigError::Stranger(format!(
            "it did not ask for the token that is set here: check the address, and set {TOKEN_VARIABLE} where the device is served"
        )));
    }

    /// Takes the device's request for a proof of the token.
    pub(super) fn take_challenge(&mut self, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { .. } = self.state else { return None };
        let challenge = Nonce::try_from(frame.payload).ok()?;
        if self.admission.token.is_none() {
            self.fail(RigError::Token(format!("set {TOKEN_VARIABLE} to the one that it has")));
            return Some(true);
        }
        match fresh_nonce() {
            Ok(nonce) => {
                self.admission.challenge = Some((challenge, nonce));
                self.admission.wants_proof = true;
            }
            Err(problem) => self.fail(RigError::Link(problem)),
        }
        Some(true)
    }

    /// Takes the device's proof of the token: hello is next.
    pub(super) fn take_proved(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
        let (challenge, nonce) = self.admission.challenge.take()?;
        let token = self.admission.token.as_ref()?;
        if token.verifies(Prover::Device, &challenge, &nonce, frame.payload) {
            self.admission.is_proved = true;
            self.greet(now);
        } else {
            self.fail(RigError::Stranger(
                "the program at this address does not know the token; check the address".to_owned(),
            ));
        }
        Some(true)
    }

    /// Takes the device's refusal of this host before a session.
    pub(super) fn take_rejection(&mut self, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { .. } = self.state else { return None };
        let (code, text) = frame.payload.split_first_chunk::<2>()?;
        let text = String::from_utf8_lossy(text).into_owned();
        match Refusal::of(u16::from_le_bytes(*code))? {
            Refusal::Token => self.fail(RigError::Token(text)),
            // For a short time a device may treat this host's lost link as open.
            Refusal::InUse if self.identity.is_none() => self.fail(RigError::InUse(text)),
            _ => return None,
        }
        Some(true)
    }

    /// Whether a challenge is not answered yet.
    pub(super) fn owes_proof(&self) -> bool {
        self.admission.wants_proof
    }

    /// The proof that is due.
    pub(super) fn transmit_proof(&mut self, now: Duration) -> Option<&[u8]> {
        let Admission { token, challenge, wants_proof, .. } = &mut self.admission;
        let (token, (challenge, nonce)) = (token.as_ref()?, challenge.as_ref()?);
        *wants_proof = false;
        let proof = token.prove(Prover::Host, challenge, nonce);
        self.last_sent = now;
        self.counts.frames_sent += 1;
        Some(self.encoder.encode(&Header::new(Kind::Proof, 0, 0), |bytes| {
            bytes.extend(nonce.iter());
            bytes.extend(proof);
        }))
    }
}

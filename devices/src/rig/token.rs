//! A shared secret that protects a device on a network.
//!
//! Host and device prove to each other that they know the token, without sending it:
//!
//! ```text
//! device → host   challenge   c: 32 random bytes, new for each connection
//! host → device   proof       n: 32 random bytes ‖ HMAC-SHA-256(token, "twinprop host 1" ‖ c ‖ n)
//! device → host   proved      HMAC-SHA-256(token, "twinprop device 1" ‖ c ‖ n)
//! ```
//!
//! HMAC is RFC 2104. A recorded proof is useless on another connection, because each has a new challenge.
//! Later frames are neither encrypted nor signed: an attacker who can change the network traffic can still
//! drive the device. Use a tunnel (SSH) against that.

use std::env;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The environment variable that holds the token, on both sides.
pub const TOKEN_VARIABLE: &str = "TWINPROP_TOKEN";
/// Shortest token that is accepted: a shorter one can be guessed from a recorded proof.
pub const SHORTEST_TOKEN: usize = 16;
/// Bytes of a challenge, and of the host's number.
pub const NONCE_BYTES: usize = 32;
/// Bytes of a proof.
pub const PROOF_BYTES: usize = 32;

/// A random number that is used once.
pub type Nonce = [u8; NONCE_BYTES];
/// A proof that only a holder of the token can compute.
pub type Proof = [u8; PROOF_BYTES];

/// The end that proves that it knows the token. The proofs of the two ends differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prover {
    /// The host.
    Host,
    /// The device.
    Device,
}

impl Prover {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Host => b"twinprop host 1",
            Self::Device => b"twinprop device 1",
        }
    }
}

/// A shared secret; its text is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The token `text`, spaces and line feeds around it left out.
    ///
    /// # Errors
    /// Where it is shorter than [`SHORTEST_TOKEN`] bytes.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < SHORTEST_TOKEN {
            return Err(format!(
                "{TOKEN_VARIABLE} has {} bytes, and a token needs {SHORTEST_TOKEN}; make one with `openssl rand -hex 16` and set it on both sides",
                text.len()
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The token in the environment variable [`TOKEN_VARIABLE`], if it is set.
    ///
    /// # Errors
    /// As [`new`](Self::new), and where it is not UTF-8.
    pub fn from_environment() -> Result<Option<Self>, String> {
        match env::var(TOKEN_VARIABLE) {
            Ok(text) => Self::new(&text).map(Some),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(format!("{TOKEN_VARIABLE} is no UTF-8")),
        }
    }

    /// A credential for protocols that send a secret in plain text: HMAC-SHA-256(token, `twinprop backend 1`) in
    /// hexadecimal digits. It gives access to backends, but not to devices. Never print it.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn backend_credential(&self) -> String {
        let mut mac = self.keyed();
        mac.update(b"twinprop backend 1");
        hex(&mac.finalize().into_bytes())
    }

    fn keyed(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length")
    }

    fn mac(&self, prover: Prover, challenge: &Nonce, nonce: &Nonce) -> Hmac<Sha256> {
        let mut mac = self.keyed();
        for part in [prover.label(), challenge, nonce] {
            mac.update(part);
        }
        mac
    }

    /// The proof of `prover` for `challenge` and the host's number `nonce`.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn prove(&self, prover: Prover, challenge: &Nonce, nonce: &Nonce) -> Proof {
        self.mac(prover, challenge, nonce).finalize().into_bytes().into()
    }

    /// Whether `proof` is that of `prover`; in constant time.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn verifies(&self, prover: Prover, challenge: &Nonce, nonce: &Nonce, proof: &[u8]) -> bool {
        self.mac(prover, challenge, nonce).verify_slice(proof).is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes from the system.
///
/// # Errors
/// Where the system has no random source.
pub fn fresh_nonce() -> Result<Nonce, String> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "7b8cef7b281561702ce5b1179e2fb54a67628d66305f6d164d091b0067d469fd";
    const BACKEND: &str = "4d9f19544ecf4a807f39e45260088e3cd629f7862f4e91a16551fbe15dacf7a3";
    const DEVICE: &str = "4e528721ef61f9dcff861b369d00ac3cc8a996361cb944c04a5422d365d1ebb8";

    #[test]
    fn a_proof_is_the_hmac_of_label_challenge_and_nonce() {
        // Computed with Python's hmac module; python/test_token.py has the same values.
        let token = Token::new("a token of twenty-nine bytes.").expect("it is long enough");
        let (challenge, nonce) = ([1; NONCE_BYTES], [2; NONCE_BYTES]);
        let proofs =
            [Prover::Host, Prover::Device].map(|who| hex(&token.prove(who, &challenge, &nonce)));
        assert_eq!(proofs, [HOST, DEVICE]);
        assert_eq!(token.backend_credential(), BACKEND);
    }

    #[test]
    fn only_the_right_proof_of_the_right_prover_counts() {
        let token = Token::new("0123456789abcdef").expect("it is long enough");
        let other = Token::new("0123456789abcdeg").expect("it is long enough");
        let (challenge, nonce) = ([3; NONCE_BYTES], [4; NONCE_BYTES]);
        let proof = token.prove(Prover::Host, &challenge, &nonce);
        assert!(token.verifies(Prover::Host, &challenge, &nonce, &proof));
        assert!(!token.verifies(Prover::Device, &challenge, &nonce, &proof), "a reflected proof");
        assert!(!token.verifies(Prover::Host, &nonce, &nonce, &proof), "a replayed proof");
        assert!(!token.verifies(Prover::Host, &challenge, &challenge, &proof), "another nonce");
        assert!(!other.verifies(Prover::Host, &challenge, &nonce, &proof), "another token");
        assert!(!token.verifies(Prover::Host, &challenge, &nonce, &proof[..16]), "half a proof");
        assert!(!token.verifies(Prover::Host, &challenge, &nonce, &[]), "no proof");
    }

    #[test]
    fn a_short_token_is_refused_and_none_is_printed() {
        let problem = Token::new("  secret \n").expect_err("it is short");
        assert!(problem.contains("has 6 bytes") && problem.contains("openssl"), "{problem}");
        let token = Token::new("0123456789abcdef").expect("it is long enough");
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}

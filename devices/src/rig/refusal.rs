//! Why a device refuses a frame.

use std::fmt;

/// Why a device refused or could not execute a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum Refusal {
    /// The session is not open: the device restarted, or another host took it.
    Session = 1,
    /// The device has other parameters than the shots need.
    Epoch = 2,
    /// The frame does not fit the interface.
    Shape = 3,
    /// A value is not finite or out of range.
    Range = 4,
    /// The measurement failed, or the twin.
    Fault = 5,
    /// The device does not know the frame's kind, such as a question to a twin that it does not have.
    Unknown = 6,
    /// The device could not reach its safe state: it may still be driven.
    SafeFailed = 7,
    /// The host does not know the device's token.
    Token = 8,
    /// Another host uses the device.
    InUse = 9,
}

impl Refusal {
    pub(super) fn of(code: u16) -> Option<Self> {
        let known = [
            Self::Session,
            Self::Epoch,
            Self::Shape,
            Self::Range,
            Self::Fault,
            Self::Unknown,
            Self::SafeFailed,
            Self::Token,
            Self::InUse,
        ];
        known.into_iter().find(|refusal| *refusal as u16 == code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "no session",
            Self::Epoch => "wrong parameters",
            Self::Shape => "wrong size",
            Self::Range => "out of range",
            Self::Fault => "the measurement failed",
            Self::Unknown => "unknown request",
            Self::SafeFailed => "the safe state failed",
            Self::Token => "token",
            Self::InUse => "in use",
        })
    }
}

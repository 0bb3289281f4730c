//! Options of a rig.

use super::host::Patience;
use super::values::Encoding;

/// Options of a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RigOptions {
    /// Encoding of values, if the device supports it.
    pub encoding: Encoding,
    /// Retries of a measurement that failed on the device; 0 for none.
    pub retries: u32,
}

impl Default for RigOptions {
    fn default() -> Self {
        Self { encoding: Encoding::default(), retries: Patience::default().retries }
    }
}

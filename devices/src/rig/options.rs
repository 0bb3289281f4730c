//! How a rig is driven.

use super::host::Patience;
use super::values::Encoding;

/// How a rig is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RigOptions {
    /// How values travel, where the device takes it.
    pub encoding: Encoding,
    /// How often in a row a measurement that failed on the device is asked for again; 0 is never.
    pub retries: u32,
}

impl Default for RigOptions {
    fn default() -> Self {
        Self { encoding: Encoding::default(), retries: Patience::default().retries }
    }
}

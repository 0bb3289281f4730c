//! Which compute backend runs the twins: a burn device by name.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A compute backend by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// burn's own CPU backend, always there.
    #[default]
    Flex,
    /// The ndarray CPU backend; needs the cargo feature `ndarray`.
    Ndarray,
    /// Any GPU through wgpu; needs the cargo feature `wgpu`.
    Wgpu,
}

impl Backend {
    const NAMES: [(&'static str, Self); 3] =
        [("flex", Self::Flex), ("ndarray", Self::Ndarray), ("wgpu", Self::Wgpu)];

    /// The burn device of this backend.
    ///
    /// # Errors
    /// [`Error::Usage`] where the program was built without the backend.
    pub fn device(self) -> Result<Device, Error> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[expect(deprecated, reason = "kept beside its successor for those who compare them")]
            Self::Ndarray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[allow(unreachable_patterns, reason = "reached where a backend is built out")]
            other => Err(Error::Usage(format!(
                "this program was built without the backend `{other}`; build it with `cargo build --release --features {other}`"
            ))),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, backend)| backend == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, backend)| *backend)
            .ok_or_else(|| format!("unknown backend `{text}`, expected flex, ndarray or wgpu"))
    }
}

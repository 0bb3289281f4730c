//! Compute backends of the twins: burn devices by name.

#[cfg(feature = "remote")]
mod remote;

#[cfg(feature = "remote")]
pub use remote::BackendServer;

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A compute backend by its name on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Backend {
    /// burn's pure-Rust CPU backend, always built in.
    #[default]
    Flex,
    /// The ndarray CPU backend; needs the cargo feature `ndarray`.
    Ndarray,
    /// Any GPU through wgpu; needs the cargo feature `wgpu`.
    Wgpu,
    /// An NVIDIA GPU through CUDA; needs the cargo feature `cuda`.
    Cuda,
    /// The backend that `twinprop serve` serves on another machine, at this WebSocket address, such as
    /// `ws://gpu:3000`; needs the cargo feature `remote`.
    Remote(String),
}

impl Backend {
    const LOCAL: [(&'static str, Self); 4] = [
        ("flex", Self::Flex),
        ("ndarray", Self::Ndarray),
        ("wgpu", Self::Wgpu),
        ("cuda", Self::Cuda),
    ];

    /// Returns the burn device of this backend; connects to a remote one.
    ///
    /// # Errors
    /// [`Error::Usage`] if the program was built without the backend, no GPU answers, or no server answers at the
    /// remote address.
    pub fn device(&self) -> Result<Device, Error> {
        match self {
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[expect(deprecated, reason = "kept beside its successor for comparisons")]
            Self::Ndarray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                if Device::enumerate(burn::tensor::DeviceType::Wgpu).is_empty() {
                    return Err(Error::Usage(
                        "no GPU answers through Vulkan, Metal or DirectX; install its driver, or Mesa's software Vulkan (mesa-vulkan-drivers), or compute with option `backend` flex".to_owned(),
                    ));
                }
                Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
            }
            #[cfg(feature = "cuda")]
            Self::Cuda => {
                if Device::enumerate(burn::tensor::DeviceType::Cuda).is_empty() {
                    return Err(Error::Usage(
                        "no NVIDIA GPU answers; install its driver and CUDA, or compute with option `backend` wgpu or flex".to_owned(),
                    ));
                }
                Ok(Device::cuda(0))
            }
            #[cfg(feature = "remote")]
            Self::Remote(address) => remote::connect(address),
            #[allow(unreachable_patterns, reason = "reachable only if a backend is not built in")]
            other => Err(Error::Usage(format!(
                "this program was built without the backend `{other}`; build it with `cargo build --release --features {}`",
                other.feature()
            ))),
        }
    }

    /// The cargo feature that builds this backend in.
    fn feature(&self) -> &'static str {
        let local = Self::LOCAL.iter().find(|(_, backend)| backend == self);
        local.map_or("remote", |(name, _)| name)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(address) => write!(f, "remote:{address}"),
            local => f.write_str(local.feature()),
        }
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("remote:") {
            return if address.starts_with("ws://") && address.len() > "ws://".len() {
                Ok(Self::Remote(address.to_owned()))
            } else {
                Err(format!("`{address}` is not a WebSocket address, such as ws://gpu:3000"))
            };
        }
        let found = Self::LOCAL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, backend)| backend).ok_or_else(|| {
            format!(
                "unknown backend `{text}`, expected flex, ndarray, wgpu, cuda or remote:ws://HOST:PORT"
            )
        })
    }
}

impl TryFrom<String> for Backend {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Backend> for String {
    fn from(backend: Backend) -> Self {
        backend.to_string()
    }
}

//! The memory that shots take, refused before it is taken: in a calibration, each shot is kept with its parameters.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::Error;
use crate::counted::counted;
use crate::devices::Interface;

/// Copies of the shots at the same time: as they are drawn, as they are measured, and in batches.
const COPIES: u64 = 3;

/// Most bytes of shots whose number nobody asked for.
const UNASKED: u64 = 2_000_000_000;

/// A gigabyte.
const GB: f64 = 1e9;

/// Shots of a device that are in memory together.
pub(super) struct ShotMemory<'a> {
    /// What measures them, such as `calibration`.
    pub work: &'a str,
    /// Name of the device in the recipe.
    pub device: &'a str,
    pub interface: &'a Interface,
    pub shots: usize,
    /// What to change where at most so many shots fit.
    pub advice: fn(u64) -> String,
}

/// Bytes that a program can still take; `None` where the operating system does not say it.
fn free() -> Option<u64> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    let available = system.available_memory();
    // Files that a container's kernel keeps in memory give way.
    let of_container = system.cgroup_limits();
    let of_container =
        of_container.map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    (available > 0).then(|| available.min(of_container))
}

impl ShotMemory<'_> {
    /// Refuses shots that take more memory than is free.
    ///
    /// # Errors
    /// [`Error::Usage`] says how much they would take, and what to change.
    pub fn check(&self) -> Result<(), Error> {
        free().map_or(Ok(()), |free| self.fit(free))
    }

    /// The most shots, up to these, that fit into the free memory and into 2 GB: nobody asked for their number.
    pub fn most(&self) -> usize {
        self.most_in(free().map_or(UNASKED, |free| free.min(UNASKED)))
    }

    fn most_in(&self, bytes: u64) -> usize {
        self.shots.min((bytes / self.bytes_of(1).max(1)) as usize)
    }

    /// Bytes of `shots` shots.
    fn bytes_of(&self, shots: usize) -> u64 {
        let Interface { inputs, parameters, outputs, .. } = self.interface;
        let values = (inputs.len() + parameters.len() + outputs.len()) as u64;
        COPIES * size_of::<f32>() as u64 * values * shots as u64
    }

    /// Refuses shots that take more than `free` bytes.
    fn fit(&self, free: u64) -> Result<(), Error> {
        let Self { work, device, interface, shots, advice } = self;
        let wanted = self.bytes_of(*shots);
        if wanted <= free {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "a {work} of `{device}` would take {:.1} GB of memory, and {:.1} GB are free: it keeps {} with {} each; {}",
            wanted as f64 / GB,
            free as f64 / GB,
            counted(*shots, "shot"),
            counted(interface.parameters.len(), "parameter"),
            advice(free / self.bytes_of(1)),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::Channels;

    #[test]
    fn shots_beyond_the_memory_are_refused_with_the_number_that_fits() {
        let interface = Interface {
            device: "large".to_owned(),
            inputs: Channels::bank("angle", 1000, "rad", -1.0, 1.0),
            parameters: Channels::bank("coupling", 998_000, "1", -1.0, 1.0),
            outputs: Channels::bank("angle", 1000, "rad", -1.0, 1.0),
            seconds_per_shot: 1.0,
        };
        let memory = |shots| ShotMemory {
            work: "recalibration",
            device: "large",
            interface: &interface,
            shots,
            advice: |most| format!("set some.key to at most {most}"),
        };
        // 12 MB a shot.
        memory(1000).fit(12_000_000_000).unwrap();
        memory(0).fit(1).unwrap();
        assert_eq!([memory(1000), memory(7)].map(|memory| memory.most_in(120_000_000)), [10, 7]);
        assert!(memory(1000).most() <= 166);
        let refused = memory(1000).fit(11_999_999_999).unwrap_err().to_string();
        for words in ["12.0 GB", "1000 shots with 998000 parameters", "set some.key to at most 999"]
        {
            assert!(refused.contains(words), "{refused}");
        }
    }
}

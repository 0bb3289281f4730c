//! The next physical layer after a stage, and complex features as its drives.

use burn::tensor::Device;
use twinprop_devices::Channels;

use crate::network::Modulate;

/// The next physical layer after a stage.
pub(super) struct NextPhysical<'a> {
    /// Its input channels.
    pub channels: &'a Channels,
    /// Its shots a sample.
    pub shots: usize,
    /// Channels that are padded in between.
    pub padded: usize,
}

impl NextPhysical<'_> {
    /// The width that it needs, without what is padded.
    pub fn width(&self) -> usize {
        (self.shots * self.channels.len()).saturating_sub(self.padded)
    }

    /// Complex features with these extremes, all real parts first, each onto the whole range of its channels; `None` if
    /// not all of the channels carry complex amplitudes.
    pub fn encode(&self, minimum: &[f32], maximum: &[f32], backend: &Device) -> Option<Modulate> {
        let largest = |place: usize| maximum[place].max(-minimum[place]);
        let count = minimum.len() / 2;
        let largest: Vec<f32> =
            (0..count).map(|place| largest(place).hypot(largest(count + place))).collect();
        self.takes_amplitudes().then_some(())?;
        Modulate::encode(self.channels, self.shots, &largest, backend)
    }

    /// `width` parts of complex features as its drives, in the same unit; `None` if not all of the channels carry complex
    /// amplitudes, or take the parts in the features' order.
    pub fn wire(&self, width: usize, backend: &Device) -> Option<Modulate> {
        let is_in_order = self.shots == 1
            && matches!(self.channels.complex_banks().as_slice(), [bank] if !bank.is_polar);
        let fits = width == self.shots * self.channels.len();
        (self.takes_amplitudes() && fits && !is_in_order).then_some(())?;
        Modulate::wire(self.channels, self.shots, width / 2, backend)
    }

    fn takes_amplitudes(&self) -> bool {
        self.padded == 0
    }
}

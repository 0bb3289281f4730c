//! A forward pass that stops at every device, so that CPU and devices work on several passes in turn.

use std::sync::Arc;

use burn::tensor::Tensor;
use twinprop_calibration::DigitalTwin;
use twinprop_devices::{Boundary, DeviceError};

use super::physical::Asked;
use super::{BatchPosition, Network, Passed, Stage, Trace};

/// A measured forward pass that is under way.
pub struct PausablePass<'a> {
    network: &'a Network,
    /// `[batch, features]`.
    x: Tensor<2>,
    /// So far. Where a device is to play, one more value has entered than left.
    trace: Trace,
    asked: Option<Asked>,
}

impl<'a> PausablePass<'a> {
    /// Of `x` `[batch, features]`, the samples at `position`, before the first stage of `network`.
    #[must_use]
    pub fn new(network: &'a Network, x: Tensor<2>, position: Option<BatchPosition>) -> Self {
        let trace = Trace::for_stages(network.stages.len(), position);
        Self { network, x, trace, asked: None }
    }

    /// Computes up to the next physical stage or to the end, and prepares what that stage's device is asked.
    pub fn advance(&mut self) {
        while self.asked.is_none()
            && let Some(stage) = self.network.stages.get(self.trace.outputs.len())
        {
            let place = self.trace.outputs.len();
            let entering = self.trace.entering(place, &self.x, &self.network.skips);
            match stage {
                Stage::Physical(physical) => self.asked = Some(physical.ask(&entering)),
                Stage::Digital(stage) => {
                    let output = stage.forward(&entering, self.trace.position);
                    self.trace.leave(Passed::computed(output));
                }
            }
            self.trace.inputs.push(entering);
        }
    }

    /// Whether the rest of the pass needs a device.
    #[must_use]
    pub fn needs_device(&self) -> bool {
        let rest = &self.network.stages[self.trace.outputs.len()..];
        rest.iter().any(|stage| stage.physical().is_some())
    }

    /// Plays the physical stage at which the pass has stopped, on the device at its index in `devices`, the
    /// laboratory's. Meanwhile its twin in `twins`, if there is one, is linearised, and `meanwhile` is done. At the
    /// end of the pass only `meanwhile` is done.
    ///
    /// # Errors
    /// Those of the device.
    pub fn play(
        &mut self,
        devices: &mut [&mut Boundary],
        twins: &[Option<Arc<dyn DigitalTwin>>],
        meanwhile: impl FnOnce() + Send,
    ) -> Result<(), DeviceError> {
        let stage = self.network.stages.get(self.trace.outputs.len());
        let physical = stage.and_then(|stage| stage.physical());
        let (Some(physical), Some(asked), Some(entering)) =
            (physical, self.asked.take(), self.trace.inputs.last())
        else {
            meanwhile();
            return Ok(());
        };
        let place = physical.instrument();
        let mut linearised = None;
        // Played by this thread, so that the device does not wait for another core to wake.
        let passed = rayon::in_place_scope(|scope| {
            scope.spawn(|_| meanwhile());
            if let Some(twin) = &twins[place] {
                scope.spawn(|_| linearised = Some(physical.linearise(entering, twin)));
            }
            physical.play(asked, devices[place])
        })?;
        self.trace.leave(Passed { linearised, ..passed });
        Ok(())
    }

    /// The trace of the whole pass; what remains of it needs no device.
    #[must_use]
    pub fn finish(mut self) -> Trace {
        self.advance();
        self.trace
    }
}

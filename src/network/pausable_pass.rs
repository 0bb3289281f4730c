//! A forward pass that stops at every device, so that CPU and devices work on several passes in turn.

use std::sync::Arc;

use burn::tensor::Tensor;
use twinprop_calibration::DigitalTwin;
use twinprop_devices::{Boundary, DeviceError};

use super::physical::Request;
use super::{BatchPosition, Network, Passed, Stage, Trace};

/// A measured forward pass that is under way.
pub struct PausablePass<'a> {
    network: &'a Network,
    /// `[batch, features]`.
    x: Tensor<2>,
    /// The trace so far. While a stage waits for its device, it has one input more than outputs.
    trace: Trace,
    /// The request to the device of that stage.
    request: Option<Request>,
}

impl<'a> PausablePass<'a> {
    /// A pass of `x` `[batch, features]`, the samples at `position`, before the first stage of `network`.
    #[must_use]
    pub fn new(network: &'a Network, x: Tensor<2>, position: Option<BatchPosition>) -> Self {
        let trace = Trace::for_stages(network.stages.len(), position);
        Self { network, x, trace, request: None }
    }

    /// Computes up to the next physical stage or to the end, and prepares the request to that stage's device.
    pub fn advance(&mut self) {
        while self.request.is_none()
            && let Some(stage) = self.network.stages.get(self.trace.outputs.len())
        {
            let place = self.trace.outputs.len();
            let input = self.trace.input_of(place, &self.x, &self.network.skips);
            match stage {
                Stage::Physical(physical) => self.request = Some(physical.request(&input)),
                Stage::Digital(stage) => {
                    let output = stage.forward(&input, self.trace.position);
                    self.trace.push(Passed::computed(output));
                }
            }
            self.trace.inputs.push(input);
        }
    }

    /// Whether the rest of the pass needs a device.
    #[must_use]
    pub fn needs_device(&self) -> bool {
        let rest = &self.network.stages[self.trace.outputs.len()..];
        rest.iter().any(|stage| stage.physical().is_some())
    }

    /// Plays the physical stage at which the pass has stopped, on its device of the laboratory's `devices`; at the same
    /// time linearises its optional twin of `twins`, and runs `meanwhile`. At the end of the pass only runs `meanwhile`.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn play(
        &mut self,
        devices: &mut [&mut Boundary],
        twins: &[Option<Arc<dyn DigitalTwin>>],
        meanwhile: impl FnOnce() + Send,
    ) -> Result<(), DeviceError> {
        let stage = self.network.stages.get(self.trace.outputs.len());
        let physical = stage.and_then(|stage| stage.physical());
        let (Some(physical), Some(request), Some(input)) =
            (physical, self.request.take(), self.trace.inputs.last())
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
                scope.spawn(|_| linearised = Some(physical.linearise(input, twin)));
            }
            physical.play(request, devices[place])
        })?;
        self.trace.push(Passed { linearised, ..passed });
        Ok(())
    }

    /// Computes the rest of the pass, which needs no device, and returns its trace.
    #[must_use]
    pub fn finish(mut self) -> Trace {
        self.advance();
        self.trace
    }
}

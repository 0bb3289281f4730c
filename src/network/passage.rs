//! A forward pass that stops wherever a device is to play, so that devices and host can be kept busy with
//! several of them in turn.

use std::sync::Arc;

use burn::tensor::Tensor;
use twinprop_calibration::DigitalTwin;
use twinprop_devices::{Boundary, DeviceError};

use super::physical::Asked;
use super::{Laboratory, Moment, Network, Source, Trace};

/// A measured forward pass under way.
pub struct Passage<'a> {
    network: &'a Network,
    /// `[batch, features]`.
    x: Tensor<2>,
    /// What the stages without a device see: no device.
    away: Laboratory,
    /// So far; where a device is to play, one more value has entered than left.
    trace: Trace,
    asked: Option<Asked>,
}

impl<'a> Passage<'a> {
    /// Of `x` `[batch, features]`, samples of `moment`, through `network`, before its first stage.
    #[must_use]
    pub fn new(network: &'a Network, x: Tensor<2>, moment: Option<Moment>) -> Self {
        let away = Laboratory::without_devices(moment);
        let trace = Trace::for_stages(network.stages.len());
        Self { network, x, away, trace, asked: None }
    }

    /// Goes on to the next stage that plays on a device, or to the end, and works out what that device is
    /// asked.
    pub fn go_on(&mut self) {
        while self.asked.is_none()
            && let Some(stage) = self.network.stages.get(self.trace.outputs.len())
        {
            let place = self.trace.outputs.len();
            let entering = self.trace.entering(place, &self.x, &self.network.skips);
            if let Some(physical) = stage.physical() {
                self.asked = Some(physical.ask(&entering));
            } else {
                let output = stage.forward(&entering, &mut self.away, Source::Measured);
                self.trace.outputs.push(output.expect("a device alone fails"));
                self.trace.linearised.push(None);
            }
            self.trace.inputs.push(entering);
        }
    }

    /// Whether a device is to play in what is left of the pass.
    #[must_use]
    pub fn is_to_play(&self) -> bool {
        self.network.stages[self.trace.outputs.len()..]
            .iter()
            .any(|stage| stage.physical().is_some())
    }

    /// Plays where the pass has stopped, on the device of that place in `devices`, the laboratory's; its twin
    /// in `twins`, if there is one, is linearised and `meanwhile` done while it plays. At the end of the pass only
    /// `meanwhile` is done.
    ///
    /// # Errors
    /// Whatever the device answers.
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
        // The device is not kept waiting for another core to wake: that one has the rest.
        let output = rayon::in_place_scope(|scope| {
            scope.spawn(|_| meanwhile());
            if let Some(twin) = &twins[place] {
                scope.spawn(|_| linearised = Some(physical.linearise(entering, twin)));
            }
            physical.play(asked, devices[place])
        })?;
        self.trace.outputs.push(output);
        self.trace.linearised.push(linearised);
        Ok(())
    }

    /// The whole pass, with what is left of it gone through.
    #[must_use]
    pub fn finish(mut self) -> Trace {
        self.go_on();
        self.trace
    }
}

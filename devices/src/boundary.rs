//! The only door to a device: ranges are law here.

use nalgebra::{DMatrix, DVector};

use crate::{Channel, DeviceError, Interface, PhysicalLayer};

/// Stands in front of a device: clamps every drive and parameter into its channel's range, counts
/// what it clamped and played, and lets no impossible measurement out.
pub struct Boundary {
    layer: Box<dyn PhysicalLayer>,
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
    clamped: u64,
    shots: u64,
}

impl Boundary {
    /// Guards `layer`.
    #[must_use]
    pub fn new(layer: Box<dyn PhysicalLayer>) -> Self {
        Self {
            layer,
            inputs: DMatrix::zeros(0, 0),
            parameters: DVector::zeros(0),
            clamped: 0,
            shots: 0,
        }
    }

    /// Values clamped so far, data and parameters together.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Shots played so far.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.shots
    }

    /// Time that the shots played so far take on the device, in seconds.
    #[must_use]
    pub fn device_seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "2⁵² shots outlast any device")]
        let shots = self.shots as f64;
        shots * self.interface().seconds_per_shot
    }
}

impl PhysicalLayer for Boundary {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    /// As [`PhysicalLayer::measure`], with drives and parameters clamped first.
    ///
    /// # Errors
    /// [`DeviceError::NonFiniteDrive`] before anything is played, and
    /// [`DeviceError::BadMeasurement`] for a measurement that is not finite or out of range.
    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let interface = self.layer.interface();
        let shots = interface.check_shapes(inputs, parameters, outputs)?;
        self.inputs.clone_from(inputs);
        self.parameters.clone_from(parameters);
        let clamped = clamp(interface, &interface.inputs, self.inputs.as_mut_slice())?
            + clamp(interface, &interface.parameters, self.parameters.as_mut_slice())?;
        self.clamped += clamped;
        self.layer.measure(&self.inputs, &self.parameters, outputs)?;
        self.shots += shots as u64;
        check_measurements(self.layer.interface(), outputs.as_slice())
    }
}

/// Clamps `values` (channels fastest) into the channels' ranges and returns how many moved.
fn clamp(
    interface: &Interface,
    channels: &[Channel],
    values: &mut [f32],
) -> Result<u64, DeviceError> {
    let mut clamped = 0;
    for (shot, values) in values.chunks_mut(channels.len().max(1)).enumerate() {
        for (value, channel) in values.iter_mut().zip(channels) {
            if !value.is_finite() {
                return Err(DeviceError::NonFiniteDrive {
                    device: interface.device.clone(),
                    channel: channel.name.clone(),
                    shot,
                    value: *value,
                });
            }
            let inside = value.clamp(channel.minimum, channel.maximum);
            clamped += u64::from(inside != *value);
            *value = inside;
        }
    }
    Ok(clamped)
}

fn check_measurements(interface: &Interface, values: &[f32]) -> Result<(), DeviceError> {
    let channels = &interface.outputs;
    for (shot, values) in values.chunks(channels.len().max(1)).enumerate() {
        for (&value, channel) in values.iter().zip(channels) {
            if !(channel.minimum..=channel.maximum).contains(&value) {
                return Err(DeviceError::BadMeasurement {
                    device: interface.device.clone(),
                    channel: channel.name.clone(),
                    unit: channel.unit.clone(),
                    shot,
                    value,
                    minimum: channel.minimum,
                    maximum: channel.maximum,
                });
            }
        }
    }
    Ok(())
}

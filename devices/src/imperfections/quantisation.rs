//! Converters of finite resolution in front of and behind a device.

use nalgebra::{DMatrix, DVector};

use crate::{Channels, DeviceError, Interface, PhysicalLayer, Usage};

/// Rounds drives and parameters to a DAC's codes and readings to an ADC's, each over its
/// channel's range.
pub struct Quantisation<L> {
    layer: L,
    dac_bits: u32,
    adc_bits: u32,
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
}

impl<L: PhysicalLayer> Quantisation<L> {
    /// Resolutions in bits (0 to 24); 0 leaves that side continuous.
    pub fn new(layer: L, dac_bits: u32, adc_bits: u32) -> Self {
        Self {
            layer,
            dac_bits,
            adc_bits,
            inputs: DMatrix::zeros(0, 0),
            parameters: DVector::zeros(0),
        }
    }
}

impl<L: PhysicalLayer> PhysicalLayer for Quantisation<L> {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.inputs.clone_from(inputs);
        self.parameters.clone_from(parameters);
        let interface = self.layer.interface();
        quantise(&interface.inputs, self.dac_bits, self.inputs.as_mut_slice());
        quantise(&interface.parameters, self.dac_bits, self.parameters.as_mut_slice());
        self.layer.measure(&self.inputs, &self.parameters, outputs)?;
        quantise(&self.layer.interface().outputs, self.adc_bits, outputs.as_mut_slice());
        Ok(())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let (mut inputs, mut parameters) = (inputs.clone(), parameters.clone());
        let interface = self.layer.interface();
        quantise(&interface.inputs, self.dac_bits, inputs.as_mut_slice());
        quantise(&interface.parameters, self.dac_bits, parameters.as_mut_slice());
        self.layer.measure_each(&inputs, &parameters, outputs)?;
        quantise(&self.layer.interface().outputs, self.adc_bits, outputs.as_mut_slice());
        Ok(())
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let mut settings = settings.clone();
        self.inputs.clone_from(inputs);
        let interface = self.layer.interface();
        quantise(&interface.inputs, self.dac_bits, self.inputs.as_mut_slice());
        quantise(&interface.parameters, self.dac_bits, settings.as_mut_slice());
        self.layer.measure_settings(&self.inputs, &settings, outputs)?;
        quantise(&self.layer.interface().outputs, self.adc_bits, outputs.as_mut_slice());
        Ok(())
    }

    fn plays_settings_at_once(&self) -> bool {
        self.layer.plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        self.layer.usage()
    }

    fn resume(&mut self, usage: &Usage) {
        self.layer.resume(usage);
    }
}

/// Rounds each value to the nearest of 2^bits codes over its channel's range.
fn quantise(channels: &Channels, bits: u32, values: &mut [f32]) {
    if bits == 0 {
        return;
    }
    let last_code = ((1u32 << bits) - 1) as f32;
    for shot in values.chunks_mut(channels.len().max(1)) {
        for (value, channel) in shot.iter_mut().zip(channels.iter()) {
            let code = ((*value - channel.minimum) / channel.span() * last_code)
                .round()
                .clamp(0.0, last_code);
            *value = channel.minimum + code / last_code * channel.span();
        }
    }
}

//! Steps of networks of equal layers on one noisy device, of any kind and size.

use twinprop::Backend;

use crate::{Step, on_pixels, with_equations};

/// Kinds of devices, each with the number of oscillators, pendula, rows, modes or neurons of the GPU benchmark; 0 for a
/// fixed size.
pub const KINDS: [(&str, usize); 11] = [
    ("oscillators", 1024),
    ("pendula", 30),
    ("second_harmonic", 0),
    ("plate", 0),
    ("transistor", 0),
    ("crossbar", 64),
    ("mzi_mesh", 64),
    ("coherent_stack", 64),
    ("microring_bank", 32),
    ("diffractive", 0),
    ("lif_chip", 128),
];

/// Layers on one device, of whose readings the first ten are the classes; the device's equation is the twin.
pub struct Layers<'a> {
    /// Kind of the device.
    pub kind: &'a str,
    /// Its size, at least ten; kinds with a fixed size ignore it.
    pub count: usize,
    /// Layers, one behind the other.
    pub layers: usize,
}

impl Layers<'_> {
    /// A step on images of noise.
    ///
    /// # Panics
    /// If the network cannot be built, or the temporary folder cannot be written.
    #[must_use]
    pub fn step(&self, backend: &Backend) -> Step {
        let count = self.count;
        let (model, width, start) = match self.kind {
            "oscillators" => (
                format!("count = {count}\nlargest_angle = 16.0\nlargest_parameter = 8.0"),
                count,
                0.005,
            ),
            "pendula" => (format!("count = {count}"), count, 0.5),
            "second_harmonic" => ("inputs = 18\nparameters = 18\noutputs = 22".to_owned(), 18, 0.5),
            "plate" | "transistor" => {
                ("inputs = 64\nparameters = 64\noutputs = 64".to_owned(), 64, 0.5)
            }
            "crossbar" => (format!("inputs = {count}\noutputs = {count}"), count, 0.5),
            "mzi_mesh" => (format!("modes = {count}"), count, 0.5),
            "coherent_stack" => (format!("modes = {count}\nmeshes = 3"), 2 * count, 0.5),
            "microring_bank" => (format!("inputs = {count}\noutputs = {count}"), count, 0.5),
            "diffractive" => {
                ("inputs = 8\noutputs = 4\nlayers = 2\npixels = 32".to_owned(), 64, 0.5)
            }
            "lif_chip" => (
                format!(
                    "lines = {count}\nneurons = {count}\nsteps = 100\nreadout = \"counts\"\nmembrane_noise = 0.05"
                ),
                100 * count,
                0.1,
            ),
            other => panic!("no layers of `{other}`"),
        };
        let is_spiking = self.kind == "lif_chip";
        // 0.02 rad, as in the published example of oscillators; a spiking chip has noise on its membranes.
        let imperfections = match self.kind {
            "oscillators" => "input_noise = 0.000625",
            "lif_chip" => "",
            _ => "input_noise = 0.01\nreadout_noise = 0.01",
        };
        let kind = self.kind;
        let layer = format!(r#"{{ physical = {{ device = "one", start = {start} }} }}, "#);
        let layers = layer.repeat(self.layers);
        let recipe = format!(
            r#"
network = ["wire", {layers} {{ slice = {{ from = 0, count = 10 }} }}, "readout"]
[data]
source = {{ csv = {{ path = "noise.csv" }} }}
[devices.one.model.{kind}]
{model}
[devices.one.imperfections]
{imperfections}
"#
        );
        // Every twentieth cell of a raster is a spike.
        let value = |noise: f32| {
            if is_spiking { f32::from(u8::from(noise > 0.994)) } else { noise }
        };
        Step::new(with_equations(on_pixels(&recipe, width, value, backend).1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_makes_a_step() {
        for (kind, count) in KINDS {
            let layers = Layers { kind, count: count.min(16), layers: 1 };
            let loss = layers.step(&Backend::Flex).on_batch(2).run();
            assert!(loss.is_finite(), "{kind}: {loss}");
        }
    }
}

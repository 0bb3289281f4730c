//! The contract of every physical system: drives in, measurements out.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};

use crate::{DeviceError, Interface, Usage};

/// A physical system that turns drives into measurements.
///
/// A column is one shot: a column-major `[channels × shots]` matrix here and a row-major
/// `[shots, channels]` tensor elsewhere are the same bytes.
///
/// A device of your own says what its channels are, and measures:
///
/// ```
/// use twinprop_devices::nalgebra::{DMatrix, DVector};
/// use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer};
///
/// /// An amplifier of adjustable gain.
/// struct Amplifier {
///     interface: Interface,
/// }
///
/// impl PhysicalLayer for Amplifier {
///     fn interface(&self) -> &Interface {
///         &self.interface
///     }
///
///     fn measure(
///         &mut self,
///         inputs: &DMatrix<f32>,
///         parameters: &DVector<f32>,
///         outputs: &mut DMatrix<f32>,
///     ) -> Result<(), DeviceError> {
///         self.interface.check_shapes(inputs, parameters, outputs)?;
///         // Here a real device would be driven; a failure of its driver is `DeviceError::Host`.
///         outputs.copy_from(&(inputs * parameters[0]));
///         Ok(())
///     }
/// }
///
/// let mut amplifier = Amplifier {
///     interface: Interface {
///         device: "amplifier".to_owned(),
///         inputs: Channels::bank("in", 4, "V", -1.0, 1.0),
///         parameters: Channels::bank("gain", 1, "1", 0.0, 10.0),
///         outputs: Channels::bank("out", 4, "V", -10.0, 10.0),
///         seconds_per_shot: 1e-3,
///     },
/// };
/// let (inputs, gain) = (DMatrix::from_element(4, 2, 0.5), DVector::from_element(1, 3.0));
/// let mut outputs = DMatrix::zeros(4, 2);
/// amplifier.measure(&inputs, &gain, &mut outputs)?;
/// assert_eq!(outputs[(0, 0)], 1.5);
/// # Ok::<(), DeviceError>(())
/// ```
pub trait PhysicalLayer: Send {
    /// What the system accepts and returns: channels, ranges, units.
    fn interface(&self) -> &Interface;

    /// Plays one shot a column.
    ///
    /// `inputs`: `[n_inputs × shots]`; `parameters`: `[n_parameters]`, shared by the batch;
    /// `outputs`: `[n_outputs × shots]`, overwritten. All in the interface's units. The caller
    /// keeps drives in range; a [`Boundary`](crate::Boundary) does that for any layer.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface, and whatever else keeps a
    /// device from answering. After an error `outputs` is unspecified.
    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError>;

    /// Plays one shot a column, each with parameters of its own.
    ///
    /// `inputs`: `[n_inputs × shots]`; `parameters`: `[n_parameters × shots]`; `outputs`:
    /// `[n_outputs × shots]`, overwritten. The readings are those of one [`measure`](Self::measure)
    /// a shot, in the order of the shots. By default neighbouring shots with equal parameters are
    /// measured as one batch. A device overrides this if its readings depend on the batches, or if it can play
    /// several settings at once.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure). Shots before the one that failed have been played.
    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        measure_runs(self, inputs, parameters, outputs, usize::MAX)
    }

    /// Plays several settings of the parameters, each with as many shots as the others.
    ///
    /// `inputs`: `[n_inputs × settings · shots]`, setting by setting; `settings`: `[n_parameters × settings]`; `outputs`:
    /// `[n_outputs × settings · shots]`, overwritten. The readings are those of one [`measure`](Self::measure) a setting,
    /// in their order, which is the default. A device that overrides this returns `true` from
    /// [`plays_settings_at_once`](Self::plays_settings_at_once) as well.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure). Shots before the one that failed have been played.
    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        measure_settings_in_turn(self, inputs, settings, outputs)
    }

    /// Whether [`measure_settings`](Self::measure_settings) plays settings at once, on all cores. If not, a
    /// [`Boundary`](crate::Boundary) measures one after the other, and counts the shots of each when they are played.
    fn plays_settings_at_once(&self) -> bool {
        false
    }

    /// The state that use has changed in a simulated system; a real one keeps its own.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Restores the state that [`usage`](Self::usage) returned.
    fn resume(&mut self, _usage: &Usage) {}
}

impl<L: PhysicalLayer + ?Sized> PhysicalLayer for Box<L> {
    fn interface(&self) -> &Interface {
        (**self).interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure(inputs, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure_each(inputs, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure_settings(inputs, settings, outputs)
    }

    fn plays_settings_at_once(&self) -> bool {
        (**self).plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }

    fn resume(&mut self, usage: &Usage) {
        (**self).resume(usage);
    }
}

impl<L: PhysicalLayer + ?Sized> PhysicalLayer for &mut L {
    fn interface(&self) -> &Interface {
        (**self).interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure(inputs, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure_each(inputs, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure_settings(inputs, settings, outputs)
    }

    fn plays_settings_at_once(&self) -> bool {
        (**self).plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }

    fn resume(&mut self, usage: &Usage) {
        (**self).resume(usage);
    }
}

/// [`PhysicalLayer::measure_settings`] by one `measure` a setting.
pub(crate) fn measure_settings_in_turn<L: PhysicalLayer + ?Sized>(
    layer: &mut L,
    inputs: &DMatrix<f32>,
    settings: &DMatrix<f32>,
    outputs: &mut DMatrix<f32>,
) -> Result<(), DeviceError> {
    let shots = layer.interface().check_shapes_of_settings(inputs, settings, outputs)?;
    let mut readings = DMatrix::zeros(outputs.nrows(), shots);
    for (place, setting) in settings.column_iter().enumerate() {
        let drives = inputs.columns(place * shots, shots).into_owned();
        layer
            .measure(&drives, &setting.into_owned(), &mut readings)
            .map_err(|error| error.after_shots(place * shots))?;
        outputs.columns_mut(place * shots, shots).copy_from(&readings);
    }
    Ok(())
}

/// Neighbouring shots of `parameters` `[n_parameters × shots]` that have equal parameters, to the bit:
/// from the first of each run to before its last, at most `longest` shots a run.
pub fn runs_of_equal_parameters(
    parameters: &DMatrix<f32>,
    longest: usize,
) -> impl Iterator<Item = Range<usize>> {
    let same = |one: usize, other: usize| {
        let pairs = parameters.column(one).into_iter().zip(parameters.column(other));
        pairs.into_iter().all(|(one, other)| one.to_bits() == other.to_bits())
    };
    let mut first = 0usize;
    std::iter::from_fn(move || {
        let end = parameters.ncols().min(first.saturating_add(longest.max(1)));
        let run = first..(first..end).find(|&shot| !same(first, shot)).unwrap_or(end);
        first = run.end;
        (!run.is_empty()).then_some(run)
    })
}

/// [`PhysicalLayer::measure_each`] by one `measure` for each run of equal parameters, of at most
/// `longest` shots: for a layer that overrides it and still plays some batches so.
///
/// # Errors
/// As for [`PhysicalLayer::measure_each`].
pub fn measure_runs<L: PhysicalLayer + ?Sized>(
    layer: &mut L,
    inputs: &DMatrix<f32>,
    parameters: &DMatrix<f32>,
    outputs: &mut DMatrix<f32>,
    longest: usize,
) -> Result<(), DeviceError> {
    layer.interface().check_shapes_of_each(inputs, parameters, outputs)?;
    for run in runs_of_equal_parameters(parameters, longest) {
        let (first, shots) = (run.start, run.len());
        let setting = parameters.column(first).into_owned();
        let drives = inputs.columns(first, shots).into_owned();
        let mut readings = DMatrix::zeros(outputs.nrows(), shots);
        layer
            .measure(&drives, &setting, &mut readings)
            .map_err(|error| error.after_shots(first))?;
        outputs.columns_mut(first, shots).copy_from(&readings);
    }
    Ok(())
}

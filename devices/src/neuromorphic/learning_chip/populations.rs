//! The neurons of a chip and their error neurons, through the ticks of one shot.

use nalgebra::RealField;

use super::circuit::{Circuit, Synapses};

/// All neurons of a chip in one shot; reused for the next.
pub(super) struct Populations<F> {
    /// Layer by layer, from the first after the lines.
    pub layers: Vec<Layer<F>>,
}

/// The neurons of a layer and their error neurons.
pub(super) struct Layer<F> {
    /// u.
    potentials: Vec<F>,
    /// The neurons that spiked in the last tick.
    spiking: Indices,
    /// D of a hidden layer, Δ of the output.
    error_potentials: Vec<F>,
    /// The error neurons that spiked in the last tick: those of sign +, then those of sign −.
    errors: [Indices; 2],
    /// Counts in all ticks.
    pub all: Vec<u16>,
    /// Counts in the ticks 0 … t_w − 1.
    pub early: Vec<u16>,
    /// Counts in phase 1.
    pub free: Vec<u16>,
    /// Counts in phase 2.
    pub nudged: Vec<u16>,
}

/// Some of a layer's neurons.
struct Indices {
    /// Room for all.
    places: Vec<u32>,
    count: usize,
}

impl Indices {
    fn new(neurons: usize) -> Self {
        Self { places: vec![0; neurons], count: 0 }
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = usize> {
        self.places[..self.count].iter().map(|&place| place as usize)
    }

    /// Adds `place` if `spikes`, without a branch.
    #[inline(always)]
    fn push_if(&mut self, place: usize, spikes: bool) {
        self.places[self.count] = place as u32;
        self.count += usize::from(spikes);
    }
}

/// `sum` + `sign` · `row`.
#[inline(always)]
fn add<F: RealField + Copy>(sum: &mut [F], row: &[F], sign: F) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += sign * *value;
    }
}

#[inline(always)]
fn row<F>(matrix: &[F], row: usize, width: usize) -> &[F] {
    &matrix[row * width..][..width]
}

impl<F: RealField + Copy> Layer<F> {
    fn new(neurons: usize) -> Self {
        let (nothing, none) = (vec![F::zero(); neurons], vec![0; neurons]);
        Self {
            potentials: nothing.clone(),
            spiking: Indices::new(neurons),
            error_potentials: nothing,
            errors: [Indices::new(neurons), Indices::new(neurons)],
            all: none.clone(),
            early: none.clone(),
            free: none.clone(),
            nudged: none,
        }
    }

    fn reset(&mut self) {
        self.potentials.fill(F::zero());
        self.error_potentials.fill(F::zero());
        for counts in [&mut self.all, &mut self.early, &mut self.free, &mut self.nudged] {
            counts.fill(0);
        }
        self.spiking.count = 0;
        self.errors.iter_mut().for_each(|errors| errors.count = 0);
    }

    /// Neurons at their thresholds spike, and start again from 0; others stay above `lowest`.
    #[inline(always)]
    fn fire(&mut self, thresholds: &[F], lowest: F) {
        self.spiking.count = 0;
        let neurons = self.potentials.iter_mut().zip(thresholds);
        for (place, (potential, threshold)) in neurons.enumerate() {
            let spikes = *potential >= *threshold;
            self.spiking.push_if(place, spikes);
            let kept = if *potential < lowest { lowest } else { *potential };
            *potential = if spikes { F::zero() } else { kept };
        }
    }

    /// Counts the spikes of `tick`.
    #[inline(always)]
    fn count(&mut self, tick: usize, window: usize) {
        let Self { spiking, all, early, free, nudged, .. } = self;
        let count = |counts: &mut [u16]| spiking.iter().for_each(|place| counts[place] += 1);
        count(all);
        if tick < window {
            count(early);
        }
        if tick > window + 1 {
            count(nudged);
        } else if tick > 1 {
            count(free);
        }
    }

    /// Loss neurons: the ticks in which an output neuron did not do what `targets` say.
    #[inline(always)]
    fn compare(&mut self, targets: &[f32]) {
        for (loss, &target) in self.error_potentials.iter_mut().zip(targets) {
            *loss += if target > 0.5 { F::one() } else { F::zero() };
        }
        for place in self.spiking.iter() {
            let is_nudged = is_target(targets[place]);
            self.error_potentials[place] -= if is_nudged { F::one() } else { F::zero() };
        }
    }

    /// Error spikes of the last tick make or cancel one spike each.
    #[inline(always)]
    fn inject(&mut self, charge: F) {
        let Self { potentials, errors: [positive, negative], .. } = self;
        positive.iter().for_each(|place| potentials[place] += charge);
        negative.iter().for_each(|place| potentials[place] -= charge);
    }

    /// Error neurons at the threshold that `threshold` gives spike, and start again from 0; `gated` ones stay silent.
    #[inline(always)]
    fn fire_errors(&mut self, threshold: impl Fn(usize) -> F, gated: bool) {
        let Self { error_potentials, errors: [positive, negative], early, .. } = self;
        (positive.count, negative.count) = (0, 0);
        for (place, potential) in error_potentials.iter_mut().enumerate() {
            let threshold = threshold(place);
            let (up, down) = (*potential >= threshold, *potential <= -threshold);
            let open = !gated || early[place] > 0;
            positive.push_if(place, up && open);
            negative.push_if(place, down && open);
            *potential = if up || down { F::zero() } else { *potential };
        }
    }
}

/// Whether an output neuron has a target: 1 or −1, not 0.
fn is_target(target: f32) -> bool {
    target.abs() > 0.5
}

/// Whether a shot with `targets` is nudged.
pub(super) fn is_nudged(targets: &[f32]) -> bool {
    targets.iter().any(|&target| is_target(target))
}

impl<F: RealField + Copy> Populations<F> {
    /// Of layers with so many neurons each.
    pub fn new(neurons: &[usize]) -> Self {
        Self { layers: neurons.iter().map(|&count| Layer::new(count)).collect() }
    }

    /// Plays one shot from rest. `currents` is W_1ᵀ s_0 of each tick, `[ticks, neurons of the first layer]`; `targets` has
    /// one value an output neuron.
    #[inline(always)]
    pub fn play(
        &mut self,
        circuit: &Circuit<F>,
        Synapses { weights, feedback }: &Synapses<F>,
        currents: &[F],
        targets: &[f32],
    ) {
        let Self { layers } = self;
        layers.iter_mut().for_each(Layer::reset);
        let (last, window) = (layers.len() - 1, circuit.window());
        let is_nudged = is_nudged(targets);
        for tick in 1..circuit.ticks {
            let is_nudged = is_nudged && tick > window;
            if is_nudged {
                layers[last].compare(targets);
            }
            // From the output down: every layer takes the last tick's spikes of the layer below.
            for place in (0..=last).rev() {
                let (below, here) = layers.split_at_mut(place);
                let here = &mut here[0];
                let width = here.potentials.len();
                match below.last() {
                    None => add(&mut here.potentials, row(currents, tick - 1, width), F::one()),
                    Some(below) => below.spiking.iter().for_each(|neuron| {
                        add(&mut here.potentials, row(weights[place], neuron, width), F::one());
                    }),
                }
                here.fire(&circuit.thresholds[place], circuit.lowest[place]);
                here.count(tick, window);
            }
            if !is_nudged {
                continue;
            }
            // From below up: every layer takes the last tick's errors of the layer above.
            for place in 0..=last {
                let (here, above) = layers.split_at_mut(place + 1);
                let here = &mut here[place];
                here.inject(circuit.charges[place]);
                let source = if circuit.is_direct { above.last() } else { above.first() };
                let Some(source) = source else {
                    here.fire_errors(|_| circuit.loss_threshold, false);
                    continue;
                };
                let width = here.potentials.len();
                for (errors, sign) in source.errors.iter().zip([F::one(), -F::one()]) {
                    for neuron in errors.iter() {
                        add(&mut here.error_potentials, row(feedback[place], neuron, width), sign);
                    }
                }
                let thresholds = &circuit.error_thresholds[place];
                here.fire_errors(|neuron| thresholds[neuron], !circuit.is_direct);
            }
        }
    }
}

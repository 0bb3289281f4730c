//! A population of leaky integrate-and-fire neurons, and its spikes.
//!
//! ```text
//! x[t] = W s_in[t−1] + R s[t−1]
//! p[t] = (1 − 1/τ_s) p[t−1] + x[t]
//! v[t] = (1 − 1/τ_m) v[t−1] + p[t] / τ_s          0 while refractory
//! s[t] = 1 where v[t] > ν; then v[t] ← 0, and the neuron is refractory for T_ref steps
//! ```
//!
//! Source: Zhang & Li, Advances in Neural Information Processing Systems 32 (2019), eqs. 1 to 4, with the synaptic current
//! of first order; the discrete steps are those of their published code. A spike in a step acts in the next one, and the
//! first step has no input.

use super::block::{Lanes, blocks, pack};
use super::real::{Real, add, add_all};
use super::spikes::Spikes;
use crate::elementary::vectorised;

/// Rows of weights that are read at a time: the caches answer several requests together.
const TOGETHER: usize = 4;

/// A neuron fires at a membrane of ν (1 − this), so that rounding does not delay a spike that is due.
const SLACK: f64 = 1e-6;

/// Constants of the neurons of a population, one value a neuron.
#[derive(Clone, Debug, PartialEq)]
pub struct Neurons<F> {
    /// Time constant τ_m of the membrane, in steps; at least 1.
    pub membrane_time: Vec<F>,
    /// Time constant τ_s of the synaptic current, in steps; at least 1.
    pub synaptic_time: Vec<F>,
    /// Threshold ν.
    pub threshold: Vec<F>,
    /// Steps T_ref without a spike after each spike.
    pub refractory: Vec<u32>,
}

impl<F: Real> Neurons<F> {
    /// `count` neurons with the same constants.
    #[must_use]
    pub fn uniform(
        count: usize,
        membrane_time: F,
        synaptic_time: F,
        threshold: F,
        refractory: u32,
    ) -> Self {
        Self {
            membrane_time: vec![membrane_time; count],
            synaptic_time: vec![synaptic_time; count],
            threshold: vec![threshold; count],
            refractory: vec![refractory; count],
        }
    }

    /// Number of neurons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.threshold.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.threshold.is_empty()
    }
}

/// Neurons and the synapses onto them.
#[derive(Clone, Debug, PartialEq)]
pub struct Population<F> {
    /// Number N of input lines.
    pub lines: usize,
    /// The neurons.
    pub neurons: Neurons<F>,
    /// Weights of the synapses, those of one source after the other: `[source][neuron]`. The sources are the N input lines,
    /// then, in a recurrent population, the neurons themselves.
    pub synapses: Vec<F>,
    /// 1 − 1/τ_m, 1 − 1/τ_s, 1/τ_s and the membrane that fires, of each neuron.
    pub(super) rates: Rates<F>,
}

/// What a step multiplies by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rates<F> {
    pub membrane: Vec<F>,
    pub synapse: Vec<F>,
    pub gain: Vec<F>,
    pub firing: Vec<F>,
}

impl<F: Real> Rates<F> {
    pub fn of(neurons: &Neurons<F>) -> Self {
        let one = F::one();
        let decays = |times: &[F]| times.iter().map(|&time| one - one / time).collect();
        let share = one - nalgebra::convert::<f64, F>(SLACK);
        Self {
            membrane: decays(&neurons.membrane_time),
            synapse: decays(&neurons.synaptic_time),
            gain: neurons.synaptic_time.iter().map(|&time| one / time).collect(),
            firing: neurons.threshold.iter().map(|&threshold| threshold * share).collect(),
        }
    }
}

/// The state of a population while it plays one shot after the other.
#[derive(Clone, Debug)]
pub(super) struct State<F> {
    membrane: Vec<F>,
    current: Vec<F>,
    waiting: Vec<u32>,
    fires: Vec<u32>,
}

impl<F: Real> Population<F> {
    /// `neurons` with the weights `synapses` from `lines` lines and, if there are as many more, from the neurons.
    ///
    /// # Panics
    /// If `synapses` has neither length.
    #[must_use]
    pub fn new(lines: usize, neurons: Neurons<F>, synapses: Vec<F>) -> Self {
        let count = neurons.len();
        let fits = [lines * count, (lines + count) * count].contains(&synapses.len());
        assert!(fits, "one weight a source and neuron");
        let rates = Rates::of(&neurons);
        Self { lines, neurons, synapses, rates }
    }

    /// Whether neurons are connected with each other.
    #[must_use]
    pub fn is_recurrent(&self) -> bool {
        self.synapses.len() > self.lines * self.neurons.len()
    }

    /// Weights from `source` to each neuron.
    #[must_use]
    pub fn row(&self, source: usize) -> &[F] {
        let count = self.neurons.len();
        &self.synapses[source * count..][..count]
    }

    /// The spikes of the neurons that answer `input`.
    #[must_use]
    pub fn play(&self, input: &Spikes) -> Spikes {
        let mut output = Spikes::default();
        let mut by_lines = vec![F::zero(); input.steps() * self.neurons.len()];
        self.sum_lines(input, input.steps(), &mut by_lines, &mut Vec::new());
        self.play_with(&mut self.state(), &mut by_lines, &mut output, |_| (), |_| ());
        output
    }

    /// A state for [`play_with`](Self::play_with).
    pub(super) fn state(&self) -> State<F> {
        let zeros = vec![F::zero(); self.neurons.len()];
        let none = vec![0; self.neurons.len()];
        State { membrane: zeros.clone(), current: zeros, waiting: none.clone(), fires: none }
    }

    /// W s_in[t−1] for each step t of `inputs`, shots of `steps` steps one after the other, into `by_lines`,
    /// `[shot][step][neuron]`.
    pub(super) fn sum_lines(
        &self,
        inputs: &Spikes,
        steps: usize,
        by_lines: &mut [F],
        packed: &mut Vec<Lanes<F>>,
    ) {
        let count = self.neurons.len();
        for block in blocks(count) {
            pack(packed, &self.synapses[..self.lines * count], count, &block);
            vectorised(
                #[inline(always)]
                || {
                    for (step, sums) in by_lines.chunks_exact_mut(count).enumerate() {
                        let mut x = Lanes::zero();
                        if step % steps > 0 {
                            x.add_rows(packed, inputs.at(step - 1));
                        }
                        x.write(sums, &block);
                    }
                },
            );
        }
    }

    /// x of a block of neurons in `step` from all spikes of the step before, with the weights of all sources `packed`.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        packed: &[Lanes<F>],
        input: &Spikes,
        own: &Spikes,
        step: usize,
    ) -> Lanes<F> {
        let mut x = Lanes::zero();
        let Some(before) = step.checked_sub(1) else { return x };
        x.add_rows(packed, input.at(before));
        if self.is_recurrent() {
            x.add_rows(&packed[self.lines..], own.at(before));
        }
        x
    }

    /// [`play`](Self::play) without allocation, from the input of the lines of each step, `[step][neuron]`, to which that of
    /// the neurons is added; `disturb` changes the membranes of each step before they are compared with the threshold, and
    /// `watch` gets them as they are then.
    #[inline]
    pub(super) fn play_with(
        &self,
        state: &mut State<F>,
        by_lines: &mut [F],
        output: &mut Spikes,
        mut disturb: impl FnMut(&mut [F]),
        mut watch: impl FnMut(&[F]),
    ) {
        output.clear();
        state.membrane.fill(F::zero());
        state.current.fill(F::zero());
        state.waiting.fill(0);
        let count = self.neurons.len();
        for (step, x) in by_lines.chunks_exact_mut(count).enumerate() {
            if let Some(before) = step.checked_sub(1)
                && self.is_recurrent()
            {
                let spikes = output.at(before);
                vectorised(
                    #[inline(always)]
                    || {
                        let row = |neuron: u32| self.row(self.lines + neuron as usize);
                        let (together, rest) = spikes.as_chunks::<TOGETHER>();
                        for &neurons in together {
                            add_all(x, neurons.map(row));
                        }
                        for &neuron in rest {
                            add(x, row(neuron));
                        }
                    },
                );
            }
            vectorised(
                #[inline(always)]
                || self.integrate(state, x),
            );
            disturb(&mut state.membrane);
            vectorised(
                #[inline(always)]
                || self.hold(state),
            );
            watch(&state.membrane);
            let fires = vectorised(
                #[inline(always)]
                || self.fire(state),
            );
            if fires > 0 {
                let all = state.fires.iter().enumerate();
                all.filter(|(_, fires)| **fires > 0).for_each(|(line, _)| output.fire(line as u32));
            }
            output.end_step();
        }
    }

    #[inline(always)]
    fn integrate(&self, state: &mut State<F>, x: &[F]) {
        let Rates { membrane, synapse, gain, .. } = &self.rates;
        let count = self.neurons.len();
        let (v, p) = (&mut state.membrane[..count], &mut state.current[..count]);
        let (membrane, synapse, gain, x) =
            (&membrane[..count], &synapse[..count], &gain[..count], &x[..count]);
        for place in 0..count {
            p[place] = synapse[place] * p[place] + x[place];
            v[place] = membrane[place] * v[place] + gain[place] * p[place];
        }
    }

    /// Keeps refractory membranes at 0.
    #[inline(always)]
    fn hold(&self, state: &mut State<F>) {
        for (v, waiting) in state.membrane.iter_mut().zip(&mut state.waiting) {
            let waits = *waiting > 0;
            *v = if waits { F::zero() } else { *v };
            *waiting -= u32::from(waits);
        }
    }

    /// Marks and resets the neurons that fire; returns how many do.
    #[inline(always)]
    fn fire(&self, state: &mut State<F>) -> u32 {
        let count = self.neurons.len();
        let (v, fires) = (&mut state.membrane[..count], &mut state.fires[..count]);
        let (firing, waiting) = (&self.rates.firing[..count], &mut state.waiting[..count]);
        let refractory = &self.neurons.refractory[..count];
        let mut total = 0;
        for place in 0..count {
            let is_over = v[place] > firing[place];
            fires[place] = u32::from(is_over);
            total += fires[place];
            v[place] = if is_over { F::zero() } else { v[place] };
            waiting[place] = if is_over { refractory[place] } else { waiting[place] };
        }
        total
    }
}

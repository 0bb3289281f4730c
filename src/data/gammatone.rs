//! A bank of gammatone filters: the frequency analysis of the inner ear.
//!
//! A filter's impulse response is t³ exp(−2πbt) cos(2πft), of order four (Patterson & Holdsworth, Advances in Speech,
//! Hearing and Language Processing 3, 1996). It is the real part of four equal complex one-pole stages in series
//! (Hohmann, Acta Acustica 88, 433, 2002, equations 8 and 9):
//!
//! ```text
//! y₀[n] = 2 (1 − |a|)⁴ x[n]        y_k[n] = y_(k−1)[n] + a y_k[n−1]        k = 1, …, 4
//! a = exp(−2πb/r + 2πi f/r)        b = 1.019 ERB(f)        ERB(f) = 24.7 (4.37 f/1000 + 1)
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x | sound | any |
//! | y₄ | output; its magnitude is the envelope of the filter's real output. A tone at f of amplitude 1 has the envelope 1 | that of x |
//! | f | centre frequency | Hz |
//! | b | bandwidth of the gammatone; 1.019 gives the filter the ear's equivalent rectangular bandwidth | Hz |
//! | ERB | equivalent rectangular bandwidth of the ear (Glasberg & Moore, Hearing Research 47, 103, 1990, equation 3) | Hz |
//! | r | sampling rate | Hz |
//!
//! Left out are the outer and middle ear, the ear's filters' dependence on the level, and their delays, which stay as they
//! are: 3/(2πb) to the peak of the envelope, 14 ms at 100 Hz and 1 ms at 3.6 kHz.

use std::f64::consts::TAU;

use rustfft::num_complex::Complex64;
use twinprop_devices::vectorised;

/// Filters that are computed side by side.
const LANES: usize = 16;
/// One-pole stages of a filter.
const ORDER: usize = 4;
/// Share of the equivalent rectangular bandwidth that is a fourth-order gammatone's b.
const BANDWIDTH: f64 = 1.019;
/// Smaller states, against sounds of order one, are set to zero: numbers near f32's smallest are slow.
const NOTHING: f32 = 1e-15;

/// A value of each of a block of filters.
type Lane = [f32; LANES];

/// Equivalent rectangular bandwidth in Hz of the ear's filter at `hz`.
pub(super) fn equivalent_bandwidth(hz: f64) -> f64 {
    24.7 * (4.37 * hz / 1000.0 + 1.0)
}

/// `count` frequencies in Hz from `lowest` to `highest`, equally spaced on the scale of equivalent rectangular bandwidths,
/// 21.4 log₁₀(1 + 0.00437 f) (Glasberg & Moore 1990, equation 4).
pub(super) fn centres(lowest: f64, highest: f64, count: usize) -> Vec<f64> {
    let (low, high) = ((0.00437 * lowest).ln_1p(), (0.00437 * highest).ln_1p());
    let step = (high - low) / count.saturating_sub(1).max(1) as f64;
    (0..count).map(|place| (low + place as f64 * step).exp_m1() / 0.00437).collect()
}

/// Filters side by side.
pub(super) struct Gammatones {
    blocks: Vec<Block>,
    count: usize,
}

/// Constants of sixteen filters.
struct Block {
    /// Real and imaginary part of a.
    pole: [Lane; 2],
    /// 2 (1 − |a|)⁴; 0 in lanes without a filter.
    gain: Lane,
}

/// Real and imaginary part of the output of each stage.
#[derive(Clone, Copy, Default)]
struct State {
    real: [Lane; ORDER],
    imaginary: [Lane; ORDER],
}

impl Gammatones {
    /// Filters at `centres` in Hz for sounds of the sampling rate `rate` in Hz.
    pub fn new(centres: &[f64], rate: f64) -> Self {
        let block = |centres: &[f64]| {
            let mut block = Block { pole: [[0.0; LANES]; 2], gain: [0.0; LANES] };
            for (lane, &centre) in centres.iter().enumerate() {
                let decay = TAU * BANDWIDTH * equivalent_bandwidth(centre) / rate;
                let pole = Complex64::from_polar((-decay).exp(), TAU * centre / rate);
                block.pole[0][lane] = pole.re as f32;
                block.pole[1][lane] = pole.im as f32;
                block.gain[lane] = (2.0 * (-(-decay).exp_m1()).powi(ORDER as i32)) as f32;
            }
            block
        };
        Self { blocks: centres.chunks(LANES).map(block).collect(), count: centres.len() }
    }

    /// Root mean square of each filter's output in each of `steps` runs of `step_samples` samples, a whole number or not:
    /// `[steps × filters]`, step after step. The sound starts with the first run; zeros follow it.
    pub fn levels(&self, sound: &[f32], steps: usize, step_samples: f64) -> Vec<f32> {
        let mut levels = vec![0.0; steps * self.count];
        let start = |step: usize| (step as f64 * step_samples).round() as usize;
        vectorised(
            #[inline(always)]
            || {
                for (number, block) in self.blocks.iter().enumerate() {
                    let mut state = State::default();
                    for step in 0..steps {
                        let (from, to) = (start(step), start(step + 1));
                        if from >= sound.len() && state.is_zero() {
                            break;
                        }
                        let mut power = [0.0; LANES];
                        for place in from..to {
                            let sample = sound.get(place).copied().unwrap_or(0.0);
                            let [real, imaginary] = block.advance(&mut state, sample);
                            for ((power, real), imaginary) in
                                power.iter_mut().zip(real).zip(imaginary)
                            {
                                *power += real * real + imaginary * imaginary;
                            }
                        }
                        state.flush();
                        let first = step * self.count + number * LANES;
                        let end = (step + 1) * self.count;
                        // The mean square of a tone is half the square of its envelope.
                        let samples = 2.0 * (to - from) as f32;
                        for (level, power) in levels[first..end].iter_mut().zip(power) {
                            *level = (power / samples).sqrt();
                        }
                    }
                }
            },
        );
        levels
    }
}

impl Block {
    /// Real and imaginary part of the outputs y₄ at the next sample.
    #[inline(always)]
    fn advance(&self, state: &mut State, sample: f32) -> [Lane; 2] {
        let mut real = self.gain.map(|gain| gain * sample);
        let mut imaginary = [0.0; LANES];
        let [pole_real, pole_imaginary] = &self.pole;
        for stage in 0..ORDER {
            let (of_real, of_imaginary) = (&mut state.real[stage], &mut state.imaginary[stage]);
            for lane in 0..LANES {
                let (before, turned) = (of_real[lane], of_imaginary[lane]);
                real[lane] += pole_real[lane] * before - pole_imaginary[lane] * turned;
                imaginary[lane] += pole_real[lane] * turned + pole_imaginary[lane] * before;
            }
            (*of_real, *of_imaginary) = (real, imaginary);
        }
        [real, imaginary]
    }
}

impl State {
    fn values(&mut self) -> impl Iterator<Item = &mut f32> {
        self.real.iter_mut().chain(&mut self.imaginary).flatten()
    }

    fn is_zero(&self) -> bool {
        self.real.iter().chain(&self.imaginary).flatten().all(|&value| value == 0.0)
    }

    /// Sets to zero what is too small to matter.
    #[inline(always)]
    fn flush(&mut self) {
        for value in self.values() {
            if value.abs() < NOTHING {
                *value = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 16_000.0;

    /// The outputs of the filters at `centres` to an impulse, `[samples][filters]`.
    fn impulse_responses(centres: &[f64], samples: usize) -> Vec<Vec<Complex64>> {
        let bank = Gammatones::new(centres, RATE);
        let mut states = vec![State::default(); bank.blocks.len()];
        let at = |n: usize| if n == 0 { 1.0 } else { 0.0 };
        let mut output = |n: usize| -> Vec<Complex64> {
            let of_blocks = bank.blocks.iter().zip(&mut states).flat_map(|(block, state)| {
                let [real, imaginary] = block.advance(state, at(n));
                let pairs = real.into_iter().zip(imaginary);
                pairs.map(|(re, im)| Complex64::new(re.into(), im.into())).collect::<Vec<_>>()
            });
            of_blocks.take(centres.len()).collect()
        };
        (0..samples).map(&mut output).collect()
    }

    /// |H(hz)|² of the real filter with the impulse response `response`.
    fn power_gain(response: &[f64], hz: f64) -> f64 {
        let turn = |n: usize| Complex64::cis(-TAU * hz / RATE * n as f64);
        let sum: Complex64 = response.iter().enumerate().map(|(n, value)| turn(n) * value).sum();
        sum.norm_sqr()
    }

    #[test]
    fn the_impulse_response_is_the_gammatone() {
        let all = centres(80.0, 7000.0, 37);
        let found = impulse_responses(&all, 900);
        for (filter, centre) in all.iter().enumerate() {
            let decay = TAU * 1.019 * 24.7 * (0.00437 * centre + 1.0) / RATE;
            let gain = 2.0 * (1.0 - (-decay).exp()).powi(4);
            let of_order_four = |n: f64| (n + 1.0) * (n + 2.0) * (n + 3.0) / 6.0;
            let expected = |n: usize| {
                let n = n as f64;
                let envelope = gain * of_order_four(n) * (-decay * n).exp();
                Complex64::from_polar(envelope, TAU * centre / RATE * n)
            };
            let largest = (0..900).map(|n| expected(n).norm()).fold(0.0, f64::max);
            for (n, found) in found.iter().enumerate() {
                let error = (found[filter] - expected(n)).norm() / largest;
                assert!(error < 2e-5, "{centre} Hz, sample {n}: {error}");
            }
        }
    }

    /// Gain of one at the centre frequency, where the response peaks, and the equivalent rectangular bandwidth of the ear.
    #[test]
    fn the_frequency_response_peaks_at_the_centre_with_the_bandwidth_of_the_ear() {
        let all = centres(100.0, 4000.0, 12);
        let responses = impulse_responses(&all, 4000);
        for (filter, &centre) in all.iter().enumerate() {
            let real: Vec<f64> = responses.iter().map(|sample| sample[filter].re).collect();
            let bandwidth = equivalent_bandwidth(centre);
            let step = bandwidth / 40.0;
            let near = (-400..=400).map(|place| centre + f64::from(place) * step);
            let near = near.filter(|hz| (0.0..0.5 * RATE).contains(hz));
            let gains: Vec<(f64, f64)> = near.map(|hz| (hz, power_gain(&real, hz))).collect();
            let peak = gains.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert!((peak.0 - centre).abs() <= 1.5 * step, "peak of {centre} Hz at {}", peak.0);
            assert!((peak.1 - 1.0).abs() < 0.01, "gain {} at {centre} Hz", peak.1);
            let area: f64 = gains.iter().map(|(_, gain)| gain * step).sum();
            let ratio = area / peak.1 / bandwidth;
            assert!((ratio - 1.0).abs() < 0.02, "{centre} Hz: {ratio} of its bandwidth");
        }
    }

    #[test]
    fn centres_are_equally_spaced_in_bandwidths() {
        let all = centres(100.0, 3600.0, 64);
        assert!((all[0] - 100.0).abs() < 1e-9 && (all[63] - 3600.0).abs() < 1e-9, "{all:?}");
        let spacing =
            |pair: &[f64]| (pair[1] - pair[0]) / equivalent_bandwidth(0.5 * (pair[0] + pair[1]));
        let spacings: Vec<f64> = all.windows(2).map(spacing).collect();
        assert!(spacings.iter().all(|one| (one / spacings[0] - 1.0).abs() < 0.01), "{spacings:?}");
        assert_eq!(centres(500.0, 3000.0, 1).len(), 1);
    }

    /// A tone at a filter's centre has its amplitude / √2 as level, also after a sound of zeros; zeros have none.
    #[test]
    fn levels_are_root_mean_squares() {
        let all = centres(200.0, 3000.0, 20);
        let bank = Gammatones::new(&all, RATE);
        let tone = |n: usize| (0.3 * (TAU * all[7] / RATE * n as f64).cos()) as f32;
        let sound: Vec<f32> = (0..8000).map(|n| if n < 2000 { 0.0 } else { tone(n) }).collect();
        let levels = bank.levels(&sound, 40, 333.3);
        let level = |step: usize, filter: usize| f64::from(levels[step * 20 + filter]);
        assert!((0..20).all(|filter| level(5, filter) == 0.0), "silence");
        assert!((level(23, 7) - 0.3 / 2f64.sqrt()).abs() < 1e-3, "{}", level(23, 7));
        let loudest = (0..20).max_by(|&a, &b| level(23, a).total_cmp(&level(23, b)));
        assert_eq!(loudest, Some(7));
        // The sound ends in step 24 of 333.3 samples.
        assert!((0..20).all(|filter| level(39, filter) < 1e-6), "the filters ring off");
    }
}

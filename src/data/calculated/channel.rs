//! A nonlinear channel with memory and noise.
//!
//! ```text
//! q(n) = 0.08 d(n + 2) − 0.12 d(n + 1) + d(n) + 0.18 d(n − 1) − 0.1 d(n − 2) + 0.091 d(n − 3)
//!        − 0.05 d(n − 4) + 0.04 d(n − 5) + 0.03 d(n − 6) + 0.01 d(n − 7)
//! u(n) = q(n) + 0.036 q(n)² − 0.011 q(n)³ + ν(n)
//! ```
//!
//! | symbol | meaning |
//! |---|---|
//! | d | symbols sent: −3, −1, 1 or 3, independent and equally probable |
//! | q | what arrives over several paths |
//! | u | what is received after the amplifier's nonlinearity |
//! | ν | Gaussian noise of variance var(u − ν) / 10^(SNR / 10) |
//!
//! Source: Mathews & Lee, Proceedings of SPIE 2296, 317 (1994); as a task of equalisation, Jaeger & Haas, Science 304,
//! 78 (2004), supporting online material.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use twinprop_devices::random;

use super::super::ChannelConfig;
use super::NamedColumns;

/// Weights of d(n + 2), d(n + 1), …, d(n − 7).
const PATHS: [f64; 10] = [0.08, -0.12, 1.0, 0.18, -0.1, 0.091, -0.05, 0.04, 0.03, 0.01];
/// Symbols after n that arrive with it.
const AHEAD: usize = 2;
const SQUARE: f64 = 0.036;
const CUBE: f64 = -0.011;

/// `sent` and `received`, a symbol a time.
pub(super) fn columns(config: &ChannelConfig, seed: u64) -> NamedColumns {
    let mut random = random::stream(seed, "channel symbols");
    // Symbols before the first and after the last arrive as well.
    let count = config.symbols + PATHS.len() - 1;
    let all: Vec<f64> =
        (0..count).map(|_| 2.0 * f64::from(random.random_range(0..4_u8)) - 3.0).collect();
    let clean: Vec<f64> = all
        .windows(PATHS.len())
        .map(|symbols| {
            let q: f64 = symbols.iter().rev().zip(PATHS).map(|(d, weight)| weight * d).sum();
            q + SQUARE * q * q + CUBE * q * q * q
        })
        .collect();
    let count = clean.len() as f64;
    let mean = clean.iter().sum::<f64>() / count;
    let variance = clean.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / count;
    let deviation = (variance / 10_f64.powf(config.signal_to_noise / 10.0)).sqrt();
    let mut random = random::stream(seed, "channel noise");
    let received = clean.iter().map(|u| {
        let normal: f64 = StandardNormal.sample(&mut random);
        u + deviation * normal
    });
    let received = received.collect();
    let first = PATHS.len() - 1 - AHEAD;
    vec![("sent", all[first..first + config.symbols].to_vec()), ("received", received)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_received_signal_is_that_of_the_equation() {
        let config = ChannelConfig { symbols: 200, signal_to_noise: 300.0 };
        let columns = columns(&config, 3);
        let [(_, d), (_, u)] = columns.as_slice() else { panic!("two columns") };
        assert_eq!((d.len(), u.len()), (200, 200));
        for n in 7..198 {
            let q = 0.08 * d[n + 2] - 0.12 * d[n + 1] + d[n] + 0.18 * d[n - 1] - 0.1 * d[n - 2]
                + 0.091 * d[n - 3]
                - 0.05 * d[n - 4]
                + 0.04 * d[n - 5]
                + 0.03 * d[n - 6]
                + 0.01 * d[n - 7];
            let expected = q + 0.036 * q.powi(2) - 0.011 * q.powi(3);
            assert!((u[n] - expected).abs() < 1e-9, "{n}: {} and {expected}", u[n]);
        }
    }

    #[test]
    fn the_noise_has_its_power_and_symbols_are_equally_frequent() {
        let at = |signal_to_noise| columns(&ChannelConfig { symbols: 40_000, signal_to_noise }, 1);
        let (clean, noisy) = (at(300.0), at(20.0));
        assert_eq!(clean[0], noisy[0]);
        let power = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>() / 40_000.0;
        let noise: Vec<f64> = noisy[1].1.iter().zip(&clean[1].1).map(|(a, b)| a - b).collect();
        let mean = clean[1].1.iter().sum::<f64>() / 40_000.0;
        let signal: Vec<f64> = clean[1].1.iter().map(|u| u - mean).collect();
        let ratio = 10.0 * (power(&signal) / power(&noise)).log10();
        assert!((ratio - 20.0).abs() < 0.1, "{ratio} dB");
        for symbol in [-3.0, -1.0, 1.0, 3.0] {
            let share = clean[0].1.iter().filter(|&&d| d == symbol).count() as f64 / 40_000.0;
            assert!((share - 0.25).abs() < 0.01, "{symbol}: {share}");
        }
    }
}

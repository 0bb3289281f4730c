//! Shots a second over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time over which a rate is averaged.
const OVER: Duration = Duration::from_secs(10);

/// Counts of the last [`OVER`], the oldest first.
#[derive(Default)]
pub(super) struct Rates {
    counts: VecDeque<(Instant, Vec<u64>)>,
}

impl Rates {
    /// Adds the `counts` at `now` and returns the rate of each, in 1/s.
    pub fn push(&mut self, now: Instant, counts: Vec<u64>) -> Vec<f64> {
        self.counts.push_back((now, counts));
        while self.counts.len() > 2 && now - self.counts[0].0 > OVER {
            self.counts.pop_front();
        }
        let (Some((then, before)), Some((_, after))) = (self.counts.front(), self.counts.back())
        else {
            return Vec::new();
        };
        let seconds = (now - *then).as_secs_f64();
        let rate = |(before, after): (&u64, &u64)| match seconds {
            0.0 => 0.0,
            seconds => after.saturating_sub(*before) as f64 / seconds,
        };
        before.iter().zip(after).map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_forgets_what_is_long_ago() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        assert_eq!(rates.push(start, vec![5]), [0.0]);
        assert_eq!(rates.push(start + Duration::from_secs(2), vec![25]), [10.0]);
        for second in 3..=40 {
            rates.push(start + Duration::from_secs(second), vec![25]);
        }
        assert_eq!(rates.push(start + Duration::from_secs(41), vec![25]), [0.0]);
    }
}

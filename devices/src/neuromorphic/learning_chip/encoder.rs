//! Input lines: drives as spikes, and their currents in the first layer.

/// The currents of one shot; reused for the next.
///
/// A line spikes in a tick if its drive is above the tick's draw, which all lines share. So from the tick with the
/// largest draw to that with the smallest, lines only join: the currents of all ticks are partial sums of one sum.
pub(super) struct Encoder {
    /// Rate and place of each line that may spike, by falling rate.
    lines: Vec<(f32, u32)>,
    /// Draw and place of each tick, by falling draw.
    ticks: Vec<(f32, u32)>,
    /// Of the lines that have joined.
    sum: Vec<f32>,
    /// W_1ᵀ s_0 of each tick, `[ticks, neurons]`.
    pub currents: Vec<f32>,
    /// Spikes of each line in phase 1.
    pub counts: Vec<u16>,
}

impl Encoder {
    /// For `lines` lines onto `neurons` neurons in `ticks` ticks.
    pub fn new(lines: usize, neurons: usize, ticks: usize) -> Self {
        Self {
            lines: Vec::with_capacity(lines),
            ticks: Vec::with_capacity(ticks),
            sum: vec![0.0; neurons],
            currents: vec![0.0; ticks * neurons],
            counts: vec![0; lines],
        }
    }

    /// Lines with `drives` up to `largest`, weights `weights` `[lines, neurons]`, and the ticks' `draws` in [0, 1).
    #[inline(always)]
    pub fn encode(&mut self, drives: &[f32], largest: f32, draws: &[f32], weights: &[f32]) {
        let Self { lines, ticks, sum, currents, counts } = self;
        let neurons = sum.len();
        ticks.clear();
        ticks.extend(draws.iter().zip(0..).map(|(&draw, place)| (draw, place)));
        // Equal draws get equal spikes, in any order.
        ticks.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let smallest = ticks.last().map_or(1.0, |tick| tick.0);
        lines.clear();
        let rates = drives.iter().map(|drive| drive / largest).zip(0..);
        lines.extend(rates.filter(|(rate, _)| *rate > smallest));
        // Equal rates in the order of their lines, so that the sum has one order.
        lines.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        counts.fill(0);
        sum.fill(0.0);
        let phase = 2..=draws.len() as u32 / 2;
        let mut remaining = phase.clone().count() as u16;
        let mut joined = 0;
        for &(draw, tick) in ticks.iter() {
            while let Some(&(_, line)) = lines.get(joined).filter(|line| line.0 > draw) {
                let row = &weights[line as usize * neurons..][..neurons];
                sum.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
                counts[line as usize] = remaining;
                joined += 1;
            }
            remaining -= u16::from(phase.contains(&tick));
            currents[tick as usize * neurons..][..neurons].copy_from_slice(sum);
        }
    }
}

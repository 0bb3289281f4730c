//! `probe.html`: a device's latency, rate, noise, drift and linearity.

use std::fmt::Write;

use twinprop_devices::probe::{ChannelKind, ChannelSweep, CommonPhase, Probe};

use super::page::{escape, facts, page, thousands};
use super::plot::{Curve, line_chart};

/// Number of channels that are shown: those that drift most, and the least linear ones.
const SHOWN: usize = 4;

/// A shot that takes this many times its declared time is reported.
const MUCH_LONGER: f64 = 3.0;
/// A probe that takes this many times the requested time is reported.
const TOO_LONG: f64 = 1.3;

/// A probe as a page.
pub struct ProbeReport<'a> {
    /// Name of the device.
    pub title: &'a str,
    /// Findings of the probe.
    pub probe: &'a Probe,
    /// Further sentences, such as on the link.
    pub advice: &'a [String],
}

impl ProbeReport<'_> {
    /// Returns the page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = self.facts();
        body += "<h2>Findings</h2>\n<ul>\n";
        for finding in self.findings() {
            let _ = writeln!(body, "<li>{}</li>", escape(&finding));
        }
        body += "</ul>\n<h2>Noise and drift</h2>\n<div class=\"charts\">\n";
        body += &self.noise();
        body += &self.drift();
        body += "</div>\n<h2>Linearity</h2>\n<div class=\"charts\">\n";
        body += &self.nonlinearity();
        for sweep in self.least_linear() {
            body += &chart_of(sweep);
        }
        body += "</div>\n";
        body += &self.sweeps();
        page(self.title, &body)
    }

    /// Returns the main findings, one sentence each.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let Probe { timing, drift, linearity, .. } = self.probe;
        let mut findings = vec![format!(
            "A shot takes {} (95 % of shots less than {}); batches of {} play {} shots a second.",
            duration(timing.latency_median),
            duration(timing.latency_95),
            timing.batch,
            rate(timing.shots_per_second)
        )];
        let (measured, declared) =
            (timing.seconds_per_shot(), self.probe.interface.seconds_per_shot);
        if measured > 0.01 && measured > MUCH_LONGER * declared {
            findings.push(format!(
                "In batches a shot takes {}, and the device declares {declared} s: give it \
                 `seconds_per_shot` of {measured:.2}, so that estimates of times are right.",
                duration(measured)
            ));
        }
        if self.probe.seconds > TOO_LONG * self.probe.asked_seconds {
            findings.push(format!(
                "The probe took {:.0} s instead of {:.0} s, because the device is slow.",
                self.probe.seconds, self.probe.asked_seconds
            ));
        }
        let outputs = self.outputs();
        let noises = self.noise_shares();
        let (silent, mut shares): (Vec<_>, Vec<_>) =
            noises.iter().zip(&outputs).partition(|(share, _)| **share >= 1.0);
        shares.sort_by(|one, other| one.0.total_cmp(other.0));
        if let (Some(middle), Some(worst)) = (shares.get(shares.len() / 2), shares.last()) {
            findings.push(format!(
                "Noise is {} of the signal in the median output, {} in the worst ({}).",
                percent(*middle.0),
                percent(*worst.0),
                worst.1
            ));
        }
        if !silent.is_empty() {
            let names = some_of(silent.iter().map(|(_, name)| name.as_str()));
            findings.push(format!("Outputs with more noise than signal: {names}."));
        }
        let drifting: Vec<usize> =
            (0..outputs.len()).filter(|channel| drift.is_certain(*channel)).collect();
        findings.push(match drifting.as_slice() {
            [] => format!("No output drifted in {:.0} s.", self.probe.seconds),
            channels => format!(
                "{} of {} outputs drifted: {}.",
                channels.len(),
                outputs.len(),
                some_of(channels.iter().map(|channel| outputs[*channel].as_str()))
            ),
        });
        let unseen: Vec<_> = linearity.sweeps.iter().filter(|sweep| !sweep.is_seen()).collect();
        if !unseen.is_empty() {
            findings.push(format!(
                "No output responds to {} of {} channels: {}.",
                unseen.len(),
                linearity.sweeps.len(),
                some_of(unseen.iter().map(|sweep| sweep.channel.as_str()))
            ));
        }
        if let Some(CommonPhase { change }) = &self.probe.common_phase {
            let known = outputs.iter().zip(change).filter(|(_, change)| change.is_finite());
            if let Some((name, change)) = known.max_by(|one, other| one.1.total_cmp(other.1)) {
                findings.push(format!(
                    "A phase that all drives share changes the readings by at most {} of the signal ({name}); powers do not change if the two parts of the modulators match.",
                    percent(*change)
                ));
            }
        }
        if let Some(sweep) = self.least_linear().first() {
            findings.push(format!(
                "Least linear channel: {} ({} deviates from its line by {} of its span).",
                sweep.channel,
                sweep.output,
                percent(sweep.nonlinearity)
            ));
        }
        if linearity.sweeps.len() < linearity.channels {
            findings.push(format!(
                "{} of {} channels were swept, evenly spaced; a longer probe sweeps up to 64 inputs and 64 parameters.",
                linearity.sweeps.len(),
                linearity.channels
            ));
        }
        findings.extend_from_slice(self.advice);
        findings
    }

    fn facts(&self) -> String {
        let probe = self.probe;
        facts(&[
            ("Device", probe.interface.device.clone()),
            ("Inputs", probe.interface.inputs.to_string()),
            ("Parameters", probe.interface.parameters.to_string()),
            ("Outputs", probe.interface.outputs.to_string()),
            ("Latency, median", duration(probe.timing.latency_median)),
            ("Shots a second", rate(probe.timing.shots_per_second)),
            ("Shots played", thousands(probe.shots)),
            ("Time taken", format!("{:.1} s", probe.seconds)),
        ])
    }

    fn outputs(&self) -> Vec<String> {
        self.probe.interface.outputs.iter().map(|channel| channel.to_string()).collect()
    }

    /// Noise of each output as a share of its signal; infinite without a signal.
    fn noise_shares(&self) -> Vec<f32> {
        let repeatability = &self.probe.repeatability;
        let both = repeatability.noise.iter().zip(&repeatability.signal);
        both.map(|(noise, signal)| if *signal > 0.0 { noise / signal } else { f32::INFINITY })
            .collect()
    }

    fn noise(&self) -> String {
        let shares = self.noise_shares();
        let points = numbered(shares.iter().map(|share| 100.0 * share));
        line_chart(
            "Noise of a shot",
            "output channel",
            "noise / signal (%)",
            None,
            &[Curve { name: "standard deviations", points }],
        )
    }

    fn drift(&self) -> String {
        let (drift, outputs) = (&self.probe.drift, self.outputs());
        let mut channels: Vec<usize> = (0..outputs.len()).collect();
        let significance = |channel: &usize| drift.significance[*channel].abs();
        channels.sort_by(|one, other| significance(other).total_cmp(&significance(one)));
        let curves: Vec<Curve> = channels
            .iter()
            .take(SHOWN)
            .map(|&channel| {
                let noise = self.probe.repeatability.noise[channel].max(f32::MIN_POSITIVE);
                let start = drift.readings[0][channel];
                let changes =
                    drift.readings.iter().map(|reading| (reading[channel] - start) / noise);
                Curve {
                    name: &outputs[channel],
                    points: drift.seconds.iter().copied().zip(changes.map(f64::from)).collect(),
                }
            })
            .collect();
        line_chart(
            "The outputs that drift most",
            "time (s)",
            "change / noise of a shot",
            None,
            &curves,
        )
    }

    fn nonlinearity(&self) -> String {
        let of_side = |side: ChannelKind| {
            let sweeps = self.probe.linearity.sweeps.iter();
            let seen = sweeps.filter(move |sweep| sweep.side == side).enumerate();
            seen.filter(|(_, sweep)| sweep.is_seen())
                .map(|(number, sweep)| (number as f64, 100.0 * f64::from(sweep.nonlinearity)))
                .collect()
        };
        line_chart(
            "Nonlinearity of the channels",
            "swept channel",
            "deviation from the line / span (%)",
            None,
            &[
                Curve { name: "inputs", points: of_side(ChannelKind::Input) },
                Curve { name: "parameters", points: of_side(ChannelKind::Parameter) },
            ],
        )
    }

    /// The sweeps of the least linear channels that some output responds to.
    fn least_linear(&self) -> Vec<&ChannelSweep> {
        let mut sweeps: Vec<&ChannelSweep> =
            self.probe.linearity.sweeps.iter().filter(|sweep| sweep.is_seen()).collect();
        sweeps.sort_by(|one, other| other.nonlinearity.total_cmp(&one.nonlinearity));
        sweeps.truncate(SHOWN);
        sweeps
    }

    fn sweeps(&self) -> String {
        let mut table = String::from(
            "<div class=\"scroll\"><table><caption>Each channel swept over its range, the others at rest, \
             with the output that responds most. Below a visibility of 6, the response is noise.</caption>\n\
             <tr><th>channel</th><th>output</th><th>gain</th><th>nonlinearity</th><th>visibility</th></tr>\n",
        );
        for sweep in &self.probe.linearity.sweeps {
            let output_unit = self.unit_of(&sweep.output);
            let _ = writeln!(
                table,
                "<tr><th>{}</th><td>{}</td><td>{:.3e} {}/{}</td><td>{}</td><td>{:.1}</td></tr>",
                escape(&sweep.channel),
                escape(&sweep.output),
                sweep.gain,
                escape(output_unit),
                escape(&sweep.unit),
                percent(sweep.nonlinearity),
                sweep.visibility
            );
        }
        table + "</table></div>\n"
    }

    fn unit_of(&self, output: &str) -> &str {
        let mut outputs = self.probe.interface.outputs.iter();
        outputs.find(|channel| channel.to_string() == output).map_or("", |channel| channel.unit)
    }
}

/// Chart of a sweep and the straight line through it.
fn chart_of(sweep: &ChannelSweep) -> String {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (middle, reading) = (mean(&sweep.levels), mean(&sweep.readings));
    let points = |readings: &mut dyn Iterator<Item = f32>| {
        sweep.levels.iter().map(|level| f64::from(*level)).zip(readings.map(f64::from)).collect()
    };
    let mut line = sweep.levels.iter().map(|level| reading + sweep.gain * (level - middle));
    line_chart(
        &sweep.channel,
        &format!("{} ({})", sweep.channel, sweep.unit),
        &sweep.output,
        None,
        &[
            Curve { name: "measured", points: points(&mut sweep.readings.iter().copied()) },
            Curve { name: "straight line", points: points(&mut line) },
        ],
    )
}

fn numbered(values: impl Iterator<Item = f32>) -> Vec<(f64, f64)> {
    values
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(number, value)| (number as f64, f64::from(value)))
        .collect()
}

/// The first names, and the number of the others.
fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const FEW: usize = 8;
    let more = names.len().saturating_sub(FEW);
    let text = names.take(FEW).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

fn percent(share: f32) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1e-3 => format!("{:.1} µs", 1e6 * seconds),
        seconds if seconds < 1.0 => format!("{:.2} ms", 1e3 * seconds),
        seconds => format!("{seconds:.2} s"),
    }
}

fn rate(a_second: f64) -> String {
    if a_second < 100.0 { format!("{a_second:.1}") } else { thousands(a_second as u64) }
}

//! A run's cost, as a section of its page.

use std::fmt::Write;

use super::page::thousands;
use crate::experiment::accounting::{Accounting, Cost, PeerCost};

/// A table of shots, operations and energy, with the digital network of the same score.
pub(super) fn accounting_section(accounting: &Accounting) -> String {
    let mut table = String::from(
        "<h2>Cost</h2>\n<div class=\"scroll\"><table>\n<tr><th></th><th>shots</th><th>energy of the devices</th>\
         <th>multiply-adds on the computer</th><th>their energy</th></tr>\n",
    );
    let Accounting { classification, training, digital_peer, peer_search, .. } = accounting;
    for (what, cost) in [("a sample", classification), ("the run", training)] {
        let Cost { shots, device_joules, host_multiply_adds, host_joules } = cost;
        let device = device_joules.map_or_else(|| "not known".to_owned(), joules);
        let _ = writeln!(
            table,
            "<tr><th>{what}</th><td>{}</td><td>{device}</td><td>{}</td><td>{}</td></tr>",
            thousands(*shots),
            thousands(*host_multiply_adds),
            joules(*host_joules)
        );
    }
    if let Some(PeerCost { network, joules: energy }) = digital_peer {
        let what = match network.hidden_units {
            0 => "a linear network".to_owned(),
            units => format!("a digital network of {units} hidden units"),
        };
        let _ = writeln!(
            table,
            "<tr><th>{what}, {}</th><td></td><td></td><td>{}</td><td>{}</td></tr>",
            network.test,
            thousands(network.multiply_adds),
            joules(*energy)
        );
    }
    table += "</table></div>\n";
    if let Some(search) = peer_search {
        let _ = writeln!(
            table,
            "<p>Digital networks on the same inputs: {}.</p>",
            super::page::escape(&search.in_words())
        );
    }
    if classification.device_joules.is_none() {
        table += "<p>Give each device its <code>joules_per_shot</code> in the recipe to see its energy.</p>\n";
    }
    table
}

/// An energy with the prefix that leaves one to three digits before the point.
fn joules(energy: f64) -> String {
    const PREFIXES: [&str; 9] = ["aJ", "fJ", "pJ", "nJ", "µJ", "mJ", "J", "kJ", "MJ"];
    if energy <= 0.0 {
        return "0 J".to_owned();
    }
    let place = ((energy.log10() + 18.0) / 3.0).floor().clamp(0.0, 8.0);
    format!("{:.3} {}", energy * 10f64.powf(18.0 - 3.0 * place), PREFIXES[place as usize])
}

#[cfg(test)]
mod tests {
    use super::joules;

    #[test]
    fn energies_are_written_with_their_prefix() {
        for (energy, text) in
            [(0.0, "0 J"), (4.6e-12, "4.600 pJ"), (0.25, "250.000 mJ"), (12_500.0, "12.500 kJ")]
        {
            assert_eq!(joules(energy), text);
        }
    }
}

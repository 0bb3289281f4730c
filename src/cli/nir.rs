//! `twinprop nir`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::CommandObserver;
use crate::Error;
use crate::nir::{Exported, Grid, Omission, RECIPE, SpikingNetwork};
use crate::outln;

/// Commands about graphs.
#[derive(Subcommand)]
pub enum Nir {
    /// Write the spiking network of a training run as a NIR graph.
    Export(Export),
    /// Write a NIR graph as a recipe with initial weights, to train it here.
    Import(Import),
}

/// Arguments of `nir export`.
#[derive(Args)]
pub struct Export {
    /// Folder of a training run on chips of spiking neurons (lif_chip).
    run: PathBuf,
    /// The graph's file, such as network.nir.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Leave these out, comma-separated: parts of the run that NIR has nothing for, or the readout behind the spikes.
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = omission_parser())]
    drop: Vec<Omission>,
    /// Length of a step in seconds, instead of the chip's: time constants keep their number of steps. snnTorch counts in
    /// steps of 0.0001.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    step_seconds: Option<f64>,
}

/// Arguments of `nir import`.
#[derive(Args)]
pub struct Import {
    /// The graph's file.
    graph: PathBuf,
    /// New folder for the recipe and its initial weights.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Length of a step in seconds; time constants are counted in such steps. By default what the file says, if it does.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    step_seconds: Option<f64>,
    /// Number of steps of a sample. By default what the file says, if it does.
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
}

fn omission_parser() -> impl TypedValueParser<Value = Omission> {
    PossibleValuesParser::new(Omission::ALL.map(Omission::name))
        .try_map(|name| name.parse::<Omission>())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e9 => Ok(seconds),
        _ => Err("expected seconds, more than zero".to_owned()),
    }
}

/// Exports or imports, and prints what is in the file.
pub fn run(command: &Nir) -> Result<(), Error> {
    match command {
        Nir::Export(command) => export(command),
        Nir::Import(command) => import(command),
    }
}

fn export(command: &Export) -> Result<(), Error> {
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let Exported { mut network, notes } =
        SpikingNetwork::of_run(&command.run, &command.drop, &mut observer)?;
    network.step_seconds = command.step_seconds.unwrap_or(network.step_seconds);
    network.write(&command.to)?;
    for note in notes {
        outln!("{note}");
    }
    tell(&network);
    outln!("graph: {}", command.to.display());
    Ok(())
}

fn import(command: &Import) -> Result<(), Error> {
    let grid = Grid { step_seconds: command.step_seconds, steps: command.steps };
    let network = SpikingNetwork::read(&command.graph, grid)?;
    network.write_recipe(&command.to)?;
    tell(&network);
    outln!("recipe: {}; name its samples under [data]", command.to.join(RECIPE).display());
    Ok(())
}

/// Prints the network's sizes.
fn tell(network: &SpikingNetwork) {
    for layer in &network.layers {
        let population = &layer.population;
        outln!(
            "{}: {} lines onto {} {}neurons",
            layer.name,
            population.lines,
            population.neurons.len(),
            if population.is_recurrent() { "recurrent " } else { "" }
        );
    }
    for dense in &network.readout {
        outln!("digital: {} values to {}", dense.inputs, dense.bias.len());
    }
    outln!("{} steps of {} s", network.steps, network.step_seconds);
}

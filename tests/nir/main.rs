//! Spiking networks as NIR graphs: the same bits after a round trip, the same spikes in other simulators, and refusals of
//! what one side cannot say.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod export;
mod import;
mod networks;
mod peers;
mod recipe;
#[path = "../support/mod.rs"]
mod support;

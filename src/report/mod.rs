//! What a person sees of a run: progress while it goes, one HTML file when it is done.

mod html;
mod plot;
mod progress;

pub use html::{Report, TwinSection};
pub use plot::{Curve, line_chart, scatter_chart};
pub use progress::Progress;

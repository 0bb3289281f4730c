//! Views on a terminal: progress bars and plain lines, or a training on the whole terminal.

mod console;
mod dashboard;
mod progress;
pub mod terminal;
mod training;

pub use console::Console;
pub use dashboard::Dashboard;
pub use progress::{Progress, tell};
pub use training::TrainingView;

//! Views: progress bars and plain lines, a training on the whole terminal, and runs on a page in the browser.

mod console;
mod dashboard;
pub mod live;
mod progress;
pub mod terminal;
mod training;

pub use console::Console;
pub use dashboard::Dashboard;
pub use progress::{Progress, tell};
pub use training::TrainingView;

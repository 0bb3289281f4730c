//! The live view: a page in the browser that shows runs while they train, and stops them.
//!
//! One thread reads the files that runs write in their folders; any number of pages gets what it found as server-sent
//! events. So a run does not notice how many people look at it.

mod access;
mod epochs;
mod folders;
mod follower;
mod request;
mod run_state;
mod server;

pub use access::{Access, new_token};
pub use folders::Folders;
pub use server::serve;

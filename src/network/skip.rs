//! Connections around stages.

/// Adds the value that enters stage `from` to the one that enters the later stage `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Where it starts.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

//! Connections around stages.

/// Adds the input of stage `from` to the input of the later stage `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Where it starts.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

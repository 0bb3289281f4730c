//! The state of something that learns, as named tensors, so that a later process can restore it.

use std::collections::HashMap;

use burn::tensor::Tensor;

/// Tensors by name.
pub type State = HashMap<String, Tensor<2>>;

/// Takes the tensor `name` out of `state`.
///
/// # Errors
/// Says that the tensor is missing.
pub fn take(state: &mut State, name: &str) -> Result<Tensor<2>, String> {
    state.remove(name).ok_or_else(|| format!("it has no tensor `{name}`"))
}

/// `state` with `part.` before every name.
#[must_use]
pub fn as_part(part: &str, state: State) -> State {
    state.into_iter().map(|(name, tensor)| (format!("{part}.{name}"), tensor)).collect()
}

/// Takes the tensors out of `state` that [`as_part`] named for `part`, and gives them their old names.
pub fn take_part(state: &mut State, part: &str) -> State {
    let prefix = format!("{part}.");
    let names: Vec<String> =
        state.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    names
        .into_iter()
        .filter_map(|name| {
            state.remove(&name).map(|tensor| (name[prefix.len()..].to_owned(), tensor))
        })
        .collect()
}

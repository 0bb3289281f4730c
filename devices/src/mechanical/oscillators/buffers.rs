//! Reused memory.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers of earlier adjoints: to allocate and clear new ones takes an eighth of an adjoint's time. Copies of
/// the device share them.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<f32>>>>);

impl Buffers {
    /// A buffer of `length` values, with any content.
    pub fn take(&self, length: usize) -> Vec<f32> {
        if length == 0 {
            return Vec::new();
        }
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = buffers.pop().unwrap_or_default();
        drop(buffers);
        buffer.resize(length, 0.0);
        buffer
    }

    /// Gives buffers back for the next adjoint.
    pub fn give_back(&self, used: impl IntoIterator<Item = Vec<f32>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
    }
}

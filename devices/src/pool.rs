//! Reused memory.

use std::sync::{Arc, Mutex, PoisonError};

/// Memory of earlier calls, which copies of a device share. To allocate and clear new memory takes an eighth of an adjoint's
/// time.
#[derive(Clone, Debug)]
pub(crate) struct Pool<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Default> Pool<T> {
    /// Memory with any content.
    pub fn take(&self) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.pop().unwrap_or_default()
    }

    /// Gives memory back for the next call.
    pub fn give_back(&self, used: impl IntoIterator<Item = T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
    }
}

impl Pool<Vec<f32>> {
    /// A buffer of `length` values, with any content.
    pub fn buffer(&self, length: usize) -> Vec<f32> {
        if length == 0 {
            return Vec::new();
        }
        let mut buffer = self.take();
        buffer.resize(length, 0.0);
        buffer
    }
}
